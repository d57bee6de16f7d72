"""Functions written for the array API standard run on Tensors, NumPy and PyTorch alike."""

import array_api_compat as compat
import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import Tensor, gradcheck, interop
from tinygrad_edu.engine import array_api

A = np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))


def softmax(x):
    xp = compat.array_namespace(x)
    powers = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)


def angles(x):
    xp = compat.array_namespace(x)
    both = xp.stack([xp.acos(x), xp.asin(x), xp.atan(x), xp.atan2(x, 1.0 + x)])
    return xp.mean(xp.pow(both, 2.0), axis=0)


def shapes(x):
    xp = compat.array_namespace(x)
    turned = xp.permute_dims(x, (1, 0))
    joined = xp.concat([turned, xp.flip(turned, axis=0)], axis=1)
    moved = xp.roll(xp.reshape(joined, (-1,)), 5, axis=0)
    spread = xp.broadcast_to(xp.expand_dims(moved, axis=0), (2, moved.shape[0]))
    return xp.squeeze(xp.take(spread, xp.asarray([1]), axis=0), axis=0)


def statistics(x):
    xp = compat.array_namespace(x)
    centred = (x - xp.mean(x, axis=0)) / xp.std(x, axis=0, correction=1.0)
    kept = xp.where(centred > 0, centred, xp.zeros_like(x))
    return xp.matmul(kept, xp.matrix_transpose(xp.clip(x, 0.2, 0.8))) + xp.eye(3, dtype=x.dtype)


FUNCTIONS = [softmax, angles, shapes, statistics]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_written_for_the_standard_runs_and_is_differentiated(function):
    x = Tensor(A, requires_grad=True)
    out = function(x)
    np.testing.assert_allclose(out.data, function(A), rtol=1e-12)
    assert gradcheck(function, x)
    compiled = te.compile(function)
    np.testing.assert_allclose(compiled(Tensor(A)).data, function(A), rtol=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("function", FUNCTIONS)
def test_pytorch_gives_the_same(function):
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(function(torch.from_numpy(A)).numpy(), function(A), rtol=1e-12)


def test_what_the_helpers_say_of_a_tensor():
    x = Tensor([[1.0, 2.0]])
    assert compat.is_array_api_obj(x)
    assert compat.array_namespace(x, 1.0) is array_api
    assert (compat.device(x), compat.size(x)) == ("cpu", 2)
    assert not compat.is_numpy_array(x)
    assert compat.array_namespace(x.data).__name__ == "array_api_compat.numpy"
    with pytest.raises(TypeError, match="Multiple namespaces"):
        compat.array_namespace(x, A)


def test_what_is_missing_is_said():
    xp = compat.array_namespace(Tensor([1.0]))
    with pytest.raises(AttributeError, match=r"no 'isnan' of the array API; x\.data has"):
        xp.isnan(Tensor([1.0]))
    with pytest.raises(ValueError, match=r"'1999\.01', not one of"):
        Tensor([1.0]).__array_namespace__(api_version="1999.01")


def test_every_name_is_of_the_standard_and_there():
    standard = {*dir(compat.array_namespace(A))} | {"newaxis"}
    own = {*array_api.__all__, *array_api._OPERATIONS}
    assert own <= standard
    assert own <= {*dir(array_api)}
    assert all(getattr(array_api, name, name) is not name for name in own - {"newaxis"})


def test_asarray_copies_only_where_it_must():
    x = Tensor(A)
    assert array_api.asarray(x) is x
    assert array_api.asarray(x, copy=True) is not x
    assert array_api.asarray(x, dtype=array_api.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        array_api.asarray(A, copy=False)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_numpy_and_back_keeps_values_dtype_and_shape(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for back in (
        Tensor(array).numpy(),
        np.asarray(Tensor(array)),
        np.from_dlpack(Tensor(array)),
        interop.from_dlpack(array).numpy(),
    ):
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert np.array_equal(back, array)
