"""Facts that hold for all shapes: adjoint pairs, moves that undo each other, two names of one sum.

Hypothesis draws the shapes, the axes and the indices.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu import Tensor, ops

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)

shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(shape, seed=0):
    return Tensor(numbers(shape, seed))


def same(x, y):
    np.testing.assert_allclose(x.data, np.asarray(getattr(y, "data", y)), rtol=1e-12, atol=1e-12)


def adjoint(there, back, x_shape):
    """<there(x), y> = <x, back(y)>."""
    x = tensor(x_shape)
    out = there(x)
    y = tensor(out.shape, seed=1)
    assert float((out * y).data.sum()) == pytest.approx(float((x * back(y)).data.sum()), rel=1e-10)


indices = shapes.flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.one_of(
            hnp.basic_indices(shape, allow_newaxis=True),
            hnp.integer_array_indices(shape),
            hnp.arrays(bool, shape),
        ),
    )
)


@quick
@given(indices)
def test_indexing_and_adding_are_adjoint(case):
    shape, index = case
    adjoint(
        lambda x: ops.getitem(x, index=index),
        lambda y: ops.put_add(y, index=index, shape=shape),
        shape,
    )
    same(ops.getitem(tensor(shape), index=index), numbers(shape)[index])


@quick
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4))
def test_broadcasting_and_summing_are_adjoint(case):
    small, large = case.input_shapes[0], case.result_shape
    adjoint(lambda x: ops.broadcast_to(x, shape=large), lambda y: ops.sum_to(y, shape=small), small)


@quick
@given(shapes, st.data())
def test_reductions_are_those_of_numpy(shape, data):
    axes = data.draw(st.one_of(st.none(), hnp.valid_tuple_axes(len(shape), min_size=1)))
    keep = data.draw(st.booleans())
    for name in ("sum", "mean", "prod", "max", "min", "var", "std"):
        expected = getattr(np, name)(numbers(shape), axis=axes, keepdims=keep)
        same(getattr(ops, name)(tensor(shape), axis=axes, keepdims=keep), expected)


@quick
@given(shapes, st.data())
def test_moves_undo_each_other(shape, data):
    x, ndim = tensor(shape), len(shape)
    axis = data.draw(st.integers(-ndim, ndim - 1))
    order = data.draw(st.permutations(range(ndim)))
    shift = data.draw(st.integers(-5, 5))
    other = data.draw(st.integers(-ndim, ndim - 1))
    turned = ops.transpose(x, axes=tuple(order))
    same(ops.transpose(turned, axes=tuple(np.argsort(order))), x)
    same(ops.transpose(ops.transpose(x)), x)
    same(ops.flip(ops.flip(x, axis=axis), axis=axis), x)
    same(ops.roll(ops.roll(x, shift=shift, axis=axis), shift=-shift, axis=axis), x)
    swapped = ops.swapaxes(x, axis1=axis, axis2=other)
    same(ops.swapaxes(swapped, axis1=other, axis2=axis), x)
    same(ops.squeeze(ops.expand_dims(x, axis=axis), axis=axis), x)
    same(ops.reshape(ops.reshape(x, shape=(-1,)), shape=shape), x)
    pieces = ops.split(x, sections=shape[axis], axis=axis)
    same(ops.concat(*pieces, axis=axis), x)
    rows = [ops.take(x, indices=i, axis=axis) for i in range(shape[axis])]
    same(ops.stack(*rows, axis=axis % ndim), x)


@quick
@given(shapes, st.sampled_from(["constant", "reflect", "replicate"]), st.data())
def test_padding_is_that_of_numpy(shape, mode, data):
    widths = tuple(
        data.draw(st.tuples(st.integers(0, most), st.integers(0, most)))
        for most in (n - 1 if mode == "reflect" else 3 for n in shape)
    )
    expected = np.pad(numbers(shape), widths, mode="edge" if mode == "replicate" else mode)
    same(ops.pad(tensor(shape), widths=widths, mode=mode), expected)


@quick
@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_products_by_other_names(n, k, m):
    x, y = tensor((n, k)), tensor((k, m), seed=1)
    product = ops.matmul(x, y)
    same(ops.einsum(x, y, subscripts="nk,km->nm"), product)
    same(ops.tensordot(x, y, axes=1), product)
    same(ops.affine(x, ops.transpose(y)), product)
    same(ops.matrix_transpose(ops.matmul(y.mT, x.mT)), product)


@quick
@given(shapes, st.integers(-3, 3))
def test_triangles_make_the_whole(shape, k):
    x = tensor((2, *shape))
    same(ops.tril(x, k=k) + ops.triu(x, k=k + 1), x)


def test_options_may_be_tensors():
    x = Tensor(numbers((3, 4)), requires_grad=True)
    rows = Tensor(np.array([2, 0, 2]))
    same(ops.take(x, indices=rows, axis=0), x.data[[2, 0, 2]])
    same(ops.getitem(x, index=(rows, slice(1, 3))), x.data[[2, 0, 2], 1:3])
    same(ops.getitem(x, index=(..., rows)), x.data[..., [2, 0, 2]])
    same(ops.getitem(x, index=x > 0), x.data[x.data > 0])
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    target = np.array([3, 0, 1])
    losses = [
        ops.cross_entropy(x, target, weight=w) for w in (weight, Tensor(weight), weight.tolist())
    ]
    same(losses[1], losses[0])
    same(losses[2], losses[0])
    losses[1].backward()
    assert x.grad is not None


def test_the_checks_find_what_is_not_so():
    with pytest.raises(AssertionError):
        adjoint(
            lambda x: ops.getitem(x, index=np.array([0, 0])),
            lambda y: ops.put_add(y, index=np.array([0, 1]), shape=(2,)),
            (2,),
        )
    with pytest.raises(AssertionError):
        same(tensor((2, 3)), tensor((2, 3), seed=1))
