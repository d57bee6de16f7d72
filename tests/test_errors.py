"""Errors name the operation, the numbers that do not fit, and the next step: their exact texts."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, ops
from tinygrad_edu.ops import Op, lookup, op


def t(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


def classes(*indices):
    return Tensor(np.array(indices))


NEEDS_NODE = "; wrap one: Value(2.0) or Tensor([1.0, 2.0])"
BATCH = "; reshape one, or check which axis is the batch"
TARGET = (
    ": class indices are whole numbers in the logits' shape without the class axis, probabilities "
    "have the logits' shape"
)

GOLDEN = [
    # shapes that do not broadcast
    (
        lambda: ops.add(t(3, 4), t(5)),
        ValueError,
        "cannot add shapes (3, 4) and (5,): last sizes 4 and 5 differ" + BATCH,
    ),
    (
        lambda: t(2, 3) * t(3, 3),
        ValueError,
        "cannot multiply shapes (2, 3) and (3, 3): second-last sizes 2 and 3 differ" + BATCH,
    ),
    (
        lambda: ops.where(t(3) > 0, t(3), t(4)),
        ValueError,
        "cannot apply where to shapes (3,), (3,) and (4,): last sizes 3 and 4 differ" + BATCH,
    ),
    # operands and options
    (
        lambda: ops.sum(t(3), 0),
        TypeError,
        "sum takes 1 operand (x), not 2; pass axis, keepdims by keyword",
    ),
    (
        lambda: ops.sum(t(3), dim=0),
        TypeError,
        "sum has no option 'dim'; it takes axis, keepdims",
    ),
    (lambda: ops.reshape(t(3)), TypeError, "reshape needs shape=; it takes shape"),
    (
        lambda: ops.cross_entropy(t(2, 3), classes(0, 1), weight=t(3)),
        TypeError,
        "cross_entropy gives no gradient to its option weight; pass weight.data",
    ),
    (
        lambda: ops.add(Value(1.0), t(3)),
        TypeError,
        "add cannot mix a Value with a Tensor: a Value is one Python float, a Tensor an array; "
        "make both Tensors, e.g. Tensor(value.data)",
    ),
    (
        lambda: ops.add(1.0, 2.0),
        TypeError,
        "add needs a Value or a Tensor among its operands, not float, float" + NEEDS_NODE,
    ),
    (
        lambda: ops.concat(),
        TypeError,
        "concat needs a Value or a Tensor among its operands, not nothing" + NEEDS_NODE,
    ),
    (
        lambda: ops.layer_norm(Value(1.0)),
        TypeError,
        "layer_norm needs an array, and a Value is one number; use Tensor",
    ),
    # products
    (
        lambda: t(2, 3) @ t(2, 3),
        ValueError,
        "cannot matmul shapes (2, 3) and (2, 3): 3 columns meet 2 rows; transpose one (x.mT), or "
        "check the layer sizes",
    ),
    (
        lambda: t(3) @ Tensor(2.0),
        ValueError,
        "cannot matmul shapes (3,) and (): a number is no matrix; use * instead",
    ),
    (
        lambda: t(2, 2, 3) @ t(4, 3, 2),
        ValueError,
        "cannot matmul shapes (2, 2, 3) and (4, 3, 2): last sizes 2 and 4 differ" + BATCH,
    ),
    (
        lambda: ops.affine(t(2, 3), t(3, 2)),
        ValueError,
        "cannot apply affine to shapes (2, 3) and (3, 2): x has 3 features, and the weight takes 2",
    ),
    (
        lambda: ops.einsum(t(2, 3), t(2, 3), subscripts="ij,jk->ik"),
        ValueError,
        "cannot apply einsum to shapes (2, 3) and (2, 3) with subscripts='ij,jk->ik': 'j' is 3 in "
        "one operand and 2 in another",
    ),
    (
        lambda: ops.einsum(t(2, 2), subscripts="ii->i"),
        ValueError,
        "cannot apply einsum to shape (2, 2) with subscripts='ii->i': 'ii->i' repeats a letter "
        "within one operand: take a diagonal",
    ),
    (
        lambda: ops.einsum(t(2, 3), subscripts="ijk->i"),
        ValueError,
        "cannot apply einsum to shape (2, 3) with subscripts='ijk->i': 'ijk' of 'ijk->i' names 3 "
        "axes of (2, 3)",
    ),
    (
        lambda: ops.tensordot(t(2, 3), t(2, 3), axes=1),
        ValueError,
        "cannot apply tensordot to shapes (2, 3) and (2, 3) with axes=1: axes [1] of the one and "
        "[0] of the other differ in size",
    ),
    # shapes
    (
        lambda: ops.reshape(t(6), shape=(4, 2)),
        ValueError,
        "cannot reshape shape (6,) with shape=(4, 2): cannot reshape array of size 6 into shape "
        "(4,2)",
    ),
    (
        lambda: ops.squeeze(t(2, 1), axis=0),
        ValueError,
        "cannot squeeze shape (2, 1) with axis=0: axis 0 has size 2, not 1",
    ),
    (
        lambda: ops.swapaxes(t(2, 3), axis1=0, axis2=2),
        ValueError,
        "cannot apply swapaxes to shape (2, 3) with axis1=0, axis2=2: axis 2 is not among the 2 "
        "axes",
    ),
    (
        lambda: ops.expand_dims(t(2), axis=(0, 0)),
        ValueError,
        "cannot apply expand_dims to shape (2,) with axis=(0, 0): axis (0, 0) names one of the 3 "
        "axes twice",
    ),
    (
        lambda: ops.broadcast_to(t(1, 3), shape=(3,)),
        ValueError,
        "cannot apply broadcast_to to shape (1, 3) with shape=(3,): (1, 3) does not broadcast to "
        "(3,)",
    ),
    (
        lambda: ops.sum_to(t(4, 1), shape=(2, 2)),
        ValueError,
        "cannot apply sum_to to shape (4, 1) with shape=(2, 2): (2, 2) does not broadcast to "
        "(4, 1)",
    ),
    (
        lambda: ops.concat(t(2, 3), t(2, 2)),
        ValueError,
        "cannot concat shapes (2, 3) and (2, 2): sizes 3 and 2 along axis 1 differ; only those "
        "along axis 0 may",
    ),
    (
        lambda: ops.concat(t(2, 3), t(3), axis=1),
        ValueError,
        "cannot concat shapes (2, 3) and (3,) with axis=1: 2 axes meet 1; add one with expand_dims",
    ),
    (
        lambda: ops.split(t(5), sections=2),
        ValueError,
        "cannot split shape (5,) with sections=2: the 5 elements of axis 0 make no 2 equal pieces; "
        "give the places to cut as a tuple",
    ),
    (
        lambda: ops.pad(t(3), widths=((3, 0),), mode="reflect"),
        ValueError,
        "cannot pad shape (3,) with mode='reflect', widths=((3, 0),): widths (3, 0) do not fit an "
        "axis of 3 in mode 'reflect'",
    ),
    (
        lambda: ops.pad(t(3), widths=((1, 1),), mode="edge"),
        ValueError,
        "cannot pad shape (3,) with mode='edge', widths=((1, 1),): mode is 'edge', not one of "
        "'constant', 'reflect', 'replicate', 'circular'",
    ),
    (
        lambda: ops.tril(t(3)),
        ValueError,
        "cannot apply tril to shape (3,): a diagonal needs at least two axes",
    ),
    # indices
    (
        lambda: t(3)[5],
        IndexError,
        "cannot apply getitem to shape (3,) with index=5: index 5 is out of bounds for axis 0 with "
        "size 3",
    ),
    (
        lambda: ops.take(t(3, 2), indices=[5], axis=1),
        IndexError,
        "cannot take shape (3, 2) with axis=1, indices=[5]: index 5 is out of bounds for axis 1 "
        "with size 2",
    ),
    (
        lambda: ops.one_hot(classes(0, 3), num_classes=3),
        IndexError,
        "cannot apply one_hot to shape (2,) with num_classes=3: class 3 is not in [0, 3)",
    ),
    # reductions
    (
        lambda: ops.sum(t(2, 3), axis=2),
        ValueError,
        "cannot take sum of shape (2, 3) with axis=2: axis 2 is out of bounds for array of "
        "dimension 2",
    ),
    (
        lambda: ops.norm(t(3), ord="fro"),
        ValueError,
        "cannot take norm of shape (3,) with ord='fro': ord is 'fro', not a positive number or inf",
    ),
    # losses and layers
    (
        lambda: ops.cross_entropy(t(2, 3), classes(0, 3)),
        IndexError,
        "cannot apply cross_entropy to shapes (2, 3) and (2,): class 3 is not in [0, 3)",
    ),
    (
        lambda: ops.cross_entropy(t(2, 3), Tensor([0, 1])),
        ValueError,
        "cannot apply cross_entropy to shapes (2, 3) and (2,): the target has shape (2,), not "
        "(2, 3)" + TARGET,
    ),
    (
        lambda: ops.cross_entropy(t(2, 3), classes(0, 1, 2)),
        ValueError,
        "cannot apply cross_entropy to shapes (2, 3) and (3,): the target has shape (3,), not "
        "(2,)" + TARGET,
    ),
    (
        lambda: ops.cross_entropy(t(2, 3), classes(0, 1), weight=[1.0, 2.0]),
        ValueError,
        "cannot apply cross_entropy to shapes (2, 3) and (2,) with weight=[1.0, 2.0]: weight has "
        "shape (2,) for 3 classes",
    ),
    (
        lambda: ops.mse_loss(t(3), t(3), reduction="avg"),
        ValueError,
        "cannot apply mse_loss to shapes (3,) and (3,) with reduction='avg': reduction is 'avg', "
        "not 'mean', 'sum' or 'none'",
    ),
    (
        lambda: ops.mse_loss(t(3), t(3, 1)),
        ValueError,
        "cannot apply mse_loss to shapes (3,) and (3, 1): they must be equal; reshape one",
    ),
    (
        lambda: ops.binary_cross_entropy_with_logits(t(3), t(3), weight=np.ones((2, 3))),
        ValueError,
        "cannot apply binary_cross_entropy_with_logits to shapes (3,) and (3,) with weight=an "
        "array of shape (2, 3): weight and pos_weight must broadcast to (3,), not (2, 3)",
    ),
    (
        lambda: ops.gelu(t(3), approximate="yes"),
        ValueError,
        "cannot apply gelu to shape (3,) with approximate='yes': approximate is 'yes', not 'none' "
        "or 'tanh'",
    ),
    (
        lambda: ops.group_norm(t(2, 3), num_groups=2),
        ValueError,
        "cannot apply group_norm to shape (2, 3) with num_groups=2: 3 channels do not divide into "
        "2 groups",
    ),
    (
        lambda: ops.layer_norm(t(3), ndim=2),
        ValueError,
        "cannot apply layer_norm to shape (3,) with ndim=2: ndim is 2, and x has 1 axes",
    ),
    (
        lambda: ops.layer_norm(t(2, 3), t(3), t(3), t(3)),
        TypeError,
        "cannot apply layer_norm to shapes (2, 3), (3,), (3,) and (3,): a weight and a bias are "
        "all that may follow x",
    ),
    (
        lambda: ops.batch_norm(t(3)),
        ValueError,
        "cannot apply batch_norm to shape (3,): axis 1 holds the channels, and x has no such axis",
    ),
    (
        lambda: ops.scaled_dot_product_attention(t(2, 3), t(2, 4), t(2, 4)),
        ValueError,
        "cannot apply scaled_dot_product_attention to shapes (2, 3), (2, 4) and (2, 4): queries "
        "have size 3, and keys 4",
    ),
    (
        lambda: ops.scaled_dot_product_attention(t(2, 3), t(2, 3), t(3, 3)),
        ValueError,
        "cannot apply scaled_dot_product_attention to shapes (2, 3), (2, 3) and (3, 3): 2 keys "
        "meet 3 values",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), GOLDEN, ids=[row[2][:40] for row in GOLDEN])
def test_the_text(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_the_cause_is_kept():
    with pytest.raises(ValueError, match="cannot add") as caught:
        t(3) + t(4)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_that_is_not_made_of_a_text_becomes_one_that_is():
    with pytest.raises(TypeError, match=r"cannot apply clip to shape \(3,\) with min='a': ufunc"):
        ops.clip(t(3), min="a")


def test_a_misspelt_name_is_met_with_the_nearest():
    with pytest.raises(KeyError, match="no operation is called 'tahn'; did you mean tan, tanh"):
        lookup("tahn")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'tanh' is already registered"):

        @op
        def tanh(xp, x):
            return x


def test_a_rule_takes_what_its_forward_takes():
    def scaled(xp, x, *, by=2.0):
        return x * by

    made = Op(scaled, symbol=None, latex=None, differentiable=True)
    with pytest.raises(TypeError) as caught:
        made.vjp(lambda xp, g, out, y: (g,))
    assert str(caught.value) == (
        "the vjp of scaled must take (xp, g, out, x) and the options ['by']; it takes "
        "(xp, g, out, y) and []"
    )
