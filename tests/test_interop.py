"""Other libraries: the numbers are the same, and so is the memory where that is promised."""

import sys

import numpy as np
import pytest

from tinygrad_edu import Tensor, interop, nn

DTYPES = ["bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_dlpack_shares_memory_both_ways(dtype, shape):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    array = array if shape == (2, 3) else np.zeros(shape, dtype)
    tensor = interop.from_dlpack(array)
    assert (tensor.dtype, tensor.shape) == (array.dtype, array.shape)
    back = np.from_dlpack(tensor)
    np.testing.assert_array_equal(back, array)
    if array.size:
        assert np.shares_memory(tensor.data, array)
        assert np.shares_memory(back, array)


def test_a_tensor_takes_part_in_a_graph_over_foreign_memory():
    array = np.array([1.0, 2.0])
    w = Tensor([3.0, 4.0], dtype="float64", requires_grad=True)
    (interop.from_dlpack(array) * w).sum().backward()
    assert w.grad.tolist() == [1.0, 2.0]


def test_what_has_a_gradient_is_not_handed_over():
    with pytest.raises(BufferError, match=r"hand over \.data, which shares its memory, or \.det"):
        np.from_dlpack(nn.Parameter([1.0]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0], r"a list has no __dlpack__; use Tensor\(x\)"),
        (np.zeros(2, "complex64"), "real numbers or bools, not dtype complex64"),
        (np.array(["a"]), "numpy cannot take this"),
    ],
)
def test_what_cannot_be_taken_is_named(x, message):
    with pytest.raises(TypeError, match=message):
        interop.from_dlpack(x)


@pytest.mark.parametrize("convert", ["to_torch", "from_torch"])
def test_without_pytorch_the_command_is_named(convert, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch"):
        getattr(interop, convert)(Tensor([1.0]))


@pytest.mark.parity
@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_shares_memory_both_ways(dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    ours = interop.from_torch(theirs)
    assert (ours.dtype, ours.tolist()) == (np.dtype(dtype), theirs.tolist())
    back = interop.to_torch(ours)
    assert back.dtype == theirs.dtype
    theirs[1, 1] = 0
    assert ours.tolist() == back.tolist() == theirs.tolist()
    assert torch.from_dlpack(ours).data_ptr() == theirs.data_ptr()


@pytest.mark.parity
def test_what_pytorch_cannot_share_is_copied():
    torch = pytest.importorskip("torch")
    array = np.arange(4.0)
    array.flags.writeable = False
    for ours in (Tensor._constant(array), Tensor._constant(np.arange(4.0)[::-1])):
        theirs = interop.to_torch(ours)
        theirs += 1
        assert theirs.tolist() == [x + 1 for x in ours.tolist()]
    half = torch.tensor([1.0, -2.5], dtype=torch.bfloat16, requires_grad=True)
    ours = interop.from_torch(half)
    assert (str(ours.dtype), ours.tolist()) == ("float32", [1.0, -2.5])
    with pytest.raises(TypeError, match="complex64"):
        interop.from_torch(torch.zeros(2, dtype=torch.complex64))


@pytest.mark.parity
def test_a_module_goes_over_and_back():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    theirs.load_state_dict(interop.to_torch(ours.state_dict()))
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(
        ours(Tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6
    )
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    other.load_state_dict(interop.from_torch(theirs.state_dict()))
    assert other[1].running_mean.tolist() == ours[1].running_mean.tolist()
    assert [type(x) for x in interop.from_torch([theirs[0].weight, (theirs[0].bias,)])] == [
        Tensor,
        tuple,
    ]


@pytest.mark.parity
@pytest.mark.parametrize("convert", ["to_torch", "from_torch"])
def test_what_is_no_tensor_is_refused(convert):
    pytest.importorskip("torch")
    with pytest.raises(TypeError, match=f"{convert} takes .* and lists and dicts of them, not int"):
        getattr(interop, convert)({"a": 3})
