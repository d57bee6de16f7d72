"""Other libraries: the numbers are the same, and so is the memory where that is promised."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from modules_made import MODULES, function_of, made, operand, unpacked

from tinygrad_edu import Tensor, interop, manual_seed, nn, no_grad, ops, randn
from tinygrad_edu.node import nodes_in

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


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_becomes_pytorchs(name):
    torch = pytest.importorskip("torch")

    def theirs(x):
        return tuple(map(theirs, x)) if isinstance(x, tuple) else interop.to_torch(x)

    def flat(x):
        return [x] if isinstance(x, torch.Tensor) else [y for part in x or () for y in flat(part)]

    for config in unpacked(name):
        manual_seed(0)
        ours = made(name, config.args, config.options).eval()
        inputs = [operand(x) for x in config.inputs]
        named = {key: operand(x) for key, x in config.named.items()}
        with warnings.catch_warnings(), torch.no_grad(), no_grad():
            warnings.simplefilter("ignore")  # PyTorch's advice on faster options
            other = interop.to_torch(ours)
            wanted = [x.data for x in nodes_in(ours(*inputs, **named))]
            for_them = [theirs(x) if nodes_in_any(x) else x for x in inputs]
            got = other(
                *for_them, **{k: theirs(x) if nodes_in_any(x) else x for k, x in named.items()}
            )
        assert list(other.state_dict()) == list(ours.state_dict())
        assert not any(part.training for part in other.modules())
        for mine, x in zip(wanted, flat(got), strict=True):
            np.testing.assert_allclose(mine, x.numpy(), rtol=1e-4, atol=1e-5)


def nodes_in_any(x):
    return any(True for _ in nodes_in(x))


@pytest.mark.parity
def test_a_model_goes_over_with_its_modes_names_and_frozen_parameters():
    torch = pytest.importorskip("torch")
    model = nn.Sequential(nn.Linear(2, 3), nn.ModuleList([nn.Dropout(0.5)]))
    model[0].weight.requires_grad = False
    model[1].eval()
    other = interop.to_torch(model)
    assert isinstance(other, torch.nn.Sequential)
    assert isinstance(other[1], torch.nn.ModuleList)
    assert [p.requires_grad for p in other.parameters()] == [False, True]
    assert [part.training for part in other.modules()] == [True, True, False, False]
    with torch.no_grad():
        other[0].bias += 1.0  # a copy
    assert model[0].bias.data.max() < 1.0
    assert interop.to_torch(nn.Linear(2, 2, dtype="float64")).weight.dtype == torch.float64


@pytest.mark.parity
def test_what_pytorch_does_not_have_is_named():
    pytest.importorskip("torch")

    class Mine(nn.Module):
        pass

    with pytest.raises(TypeError, match="has no module Mine; write it there"):
        interop.to_torch(nn.Sequential(Mine()))
    attention = nn.MultiheadAttention(4, 1)
    attention.rotary = nn.RotaryPositionalEncoding(4)
    with pytest.raises(TypeError, match="no rotary encoding"):
        interop.to_torch(attention)
    layer = nn.TransformerEncoderLayer(4, 1, activation=lambda x: x)
    with pytest.raises(TypeError, match="an activation of your own"):
        interop.to_torch(layer)


@pytest.mark.parity
def test_a_module_is_compared_and_left_as_it_is():
    pytest.importorskip("torch")
    manual_seed(0)
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(16, 3))
    model.eval()(randn(5, 1, 6)).sum().backward()
    before = [p.grad.copy() for p in model.train().parameters()]
    found = interop.module_parity(model, randn(5, 1, 6))
    assert (found.name, found.dtype, found.largest < 1e-12) == ("Sequential", "float64", True)
    for p, g in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.grad, g)
        assert p.dtype == np.float32
    assert model[1].running_mean.tolist() == [0.0] * 4
    memory = interop.module_parity(nn.LSTM(2, 3), randn(4, 2, 2))  # a tuple within a tuple
    assert memory.backward < 1e-12
    frozen = nn.Embedding(5, 2)
    frozen.weight.requires_grad = False
    assert interop.module_parity(frozen, Tensor(np.array([2, 0, 2]))) == interop.Difference(
        "Embedding", "float64", 0.0, None
    )


@pytest.mark.parity
def test_a_wrong_module_is_noticed(monkeypatch):
    pytest.importorskip("torch")
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.bias)  # forgotten, it shows in its gradient alone
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: x @ self.weight.T)
    found = interop.module_parity(layer, randn(4, 3))
    assert found.forward < 1e-12
    assert found.backward > 0.5
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: 1.001 * (x @ self.weight.T))
    assert interop.module_parity(layer, randn(4, 3)).forward > 1e-5


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_becomes_a_program_of_numpy(name):
    for config in unpacked(name)[:3]:
        function, given = function_of(name, config)
        text = interop.export_program(function, given)
        assert "import tinygrad" not in text
        names = {}
        exec(text, names)
        with no_grad():
            wanted = [x.data for x in nodes_in(function(*given))]
        got = names["model"](*[x.data for x in given])
        for mine, x in zip(wanted, got if isinstance(got, tuple) else (got,), strict=True):
            np.testing.assert_allclose(x, mine, rtol=1e-5, atol=1e-6)


def test_a_program_stands_alone(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, 3))
    x = randn(2, 1, 4, 4)
    interop.export_program(model, x, tmp_path / "net.py", name="predict")
    np.save(tmp_path / "x.npy", x.data)
    code = (
        "import sys; sys.modules['tinygrad_edu'] = None\n"
        "import numpy, net; numpy.save('y.npy', net.predict(numpy.load('x.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with no_grad():
        wanted = model(x).data
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, rtol=1e-5, atol=1e-6)
    assert "# 0.weight" in (tmp_path / "net.py").read_text()


def test_a_program_of_large_arrays_has_no_loops_in_python():
    text = interop.export_program(lambda x: (x * 2.0 + 1.0) * x, randn(64, 64))
    names = {}
    exec(text, names)
    np.testing.assert_allclose(names["model"](np.full((64, 64), 3.0, "f4")), 21.0)
    assert "range(" not in text


def test_what_cannot_be_a_program_is_named():
    with pytest.raises(ValueError, match="'a b' cannot be the name"):
        interop.export_program(ops.tanh, randn(2), name="a b")
    with pytest.raises(NotImplementedError, match="draws random numbers"):
        interop.export_program(lambda x: ops.normal_like(x), randn(2))
    with pytest.raises(TypeError, match="the example is a Tensor"):
        interop.export_program(ops.tanh, 3)
