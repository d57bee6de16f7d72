"""Exported models, run by ONNX Runtime, give what the library gives: every module, any batch."""

import numpy as np
import pytest
from modules_made import MODULES, function_of, unpacked

from tinygrad_edu import Tensor, compile, manual_seed, nn, no_grad, ops, randn
from tinygrad_edu.interop import export_onnx
from tinygrad_edu.node import nodes_in

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx")
    found = pytest.importorskip("onnxruntime")
    found.set_default_logger_severity(3)
    return found


def of_size(x, axis, size):
    return Tensor(np.take(x.data, np.arange(size) % x.shape[axis], axis))


def compare(runtime, model, function, given):
    with no_grad():
        expected = [x.data for x in nodes_in(function(*given))]
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [x.name for x in session.get_inputs()]
    feed = dict(zip(names, [np.array(x.data, order="C") for x in given], strict=True))
    for got, wanted in zip(session.run(None, feed), expected, strict=True):
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module(name, runtime):
    compared = 0
    for config in unpacked(name):
        function, given = function_of(name, config)
        compare(runtime, export_onnx(function, given, batch_axis=None), function, given)
        compared += 1
        for axis in (0, 1):
            try:
                with no_grad():
                    function(*[of_size(x, axis, 4) for x in given])
            except (ValueError, IndexError, np.exceptions.AxisError):
                continue  # it takes no batch along this axis
            try:
                model = export_onnx(function, given, batch_axis=axis)
            except (ValueError, NotImplementedError):
                if axis == 0 and name not in ("RNN", "GRU", "LSTM"):  # theirs is the second axis
                    raise
                continue
            for size in (4, 1, 7):
                compare(runtime, model, function, [of_size(x, axis, size) for x in given])
                compared += 1
    assert compared >= 5


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_take_any_batch(kind, axis, runtime):
    manual_seed(0)
    model = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=axis == 0)
    shape = (2, 5, 3) if axis == 0 else (5, 2, 3)
    exported = export_onnx(model, randn(*shape), batch_axis=axis)
    for size in (1, 2, 6):
        compare(runtime, exported, model.eval(), [of_size(randn(*shape), axis, size)])


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(96, 10),
    )


def test_a_file_with_names_and_a_batch_of_any_size(runtime, tmp_path):
    import onnx

    model = lenet()
    assert model.training
    export_onnx(model, randn(2, 1, 8, 8), tmp_path / "lenet.onnx")
    assert all(module.training for module in model.modules())
    read = onnx.load(tmp_path / "lenet.onnx")
    names = {x.name for x in read.graph.initializer}
    assert {"0.weight", "0.bias", "1.running_mean", "6.weight"} <= names
    (given,), (out,) = read.graph.input, read.graph.output
    assert given.name == "input"
    assert out.name == "output"
    assert [d.dim_param or d.dim_value for d in out.type.tensor_type.shape.dim] == ["batch", 10]
    assert not [node for node in read.graph.node if node.op_type == "Dropout"]


FUNCTIONS = {
    "indices": lambda x: x[:, [0, 2]] + x[:, -1:] + x[:, None, 1],
    "one of each row": lambda x: ops.take(x, indices=Tensor([2, 0], dtype="int64"), axis=1),
    "slices": lambda x: x[1:, ::-1] * x[:-1, ::2].sum(axis=1, keepdims=True),
    "small": lambda x: ops.expm1(x * 1e-4) * 1e4 + ops.log1p(x * 1e-4) * 1e4,
    "logarithms": lambda x: ops.log2(ops.exp2(x)) + ops.log10(ops.abs(x) + 1.0),
    "choices": lambda x: ops.where((x > 0) == (x < 1), x, 2.0) + (x != x),
    "order": lambda x: ops.flip(ops.roll(x, shift=1, axis=1), axis=1) + ops.cumsum(x, axis=1),
    "places": lambda x: (x.argmax(), x.argmin(axis=1, keepdims=True)),
    "triangles": lambda x: (
        ops.einsum(x, x, subscripts="ni,nj->nij") * ops.tril(x.T @ x) + ops.triu(x.T @ x)
    ),
    "one hot": lambda x: ops.one_hot(x.argmax(axis=1), num_classes=5),
    "stacked": lambda x: ops.stack(x, x.std(axis=0, keepdims=True) + x * 0, axis=2).transpose(),
    "windows": lambda x: ops.unfold(x, size=2, stride=1, dilation=2).prod(axis=-1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations(name, runtime):
    function = FUNCTIONS[name]
    model = export_onnx(function, randn(2, 5))
    for size in (2, 3, 5):
        compare(
            runtime,
            model,
            function,
            [Tensor(np.random.default_rng(size).normal(size=(size, 5)), dtype="float32")],
        )


def test_what_cannot_be_exported_is_named(runtime):
    with pytest.raises(NotImplementedError, match="no counterpart of arctan2"):
        export_onnx(lambda x: ops.arctan2(x, 2.0), randn(2, 3))
    with pytest.raises(NotImplementedError, match="draws random numbers, even in eval mode"):
        export_onnx(lambda x: ops.normal_like(x), randn(2, 3))
    with pytest.raises(ValueError, match="different things for batches of 2 and of 3"):
        export_onnx(lambda x: sum(x[i] for i in range(len(x))), randn(2, 3))
    with pytest.raises(ValueError, match="makes in Python depends on the batch"):
        export_onnx(lambda x: x + Tensor(np.arange(len(x))[:, None] / 1.0), randn(2, 3))
    with pytest.raises(ValueError, match=r"shape \(\) has no axis 0 to resize"):
        export_onnx(lambda x: x, Tensor(1.0))
    with pytest.raises(TypeError, match="example is a Tensor, or several"):
        export_onnx(lambda x: x, [1.0])
    with pytest.raises(ValueError, match="1 batch axes for 2 inputs"):
        export_onnx(ops.add, [randn(2), randn(2)], batch_axis=[0])
    with pytest.raises(TypeError, match="returned int, no Tensor"):
        export_onnx(lambda x: 3, randn(2))


def test_a_wrong_export_is_noticed(runtime):
    model = export_onnx(nn.Tanh(), randn(2, 3))
    with pytest.raises(AssertionError):
        compare(runtime, model, nn.Sigmoid(), [randn(2, 3)])


def test_attention_with_masks_is_compiled_too():
    manual_seed(0)
    module = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x, hidden = randn(2, 5, 8), Tensor(np.triu(np.ones((5, 5), dtype=bool), 1))
    padded = Tensor(np.arange(10).reshape(2, 5) == 4)

    def attend(x):
        return module(x, x, x, attn_mask=hidden, key_padding_mask=padded)[0]

    np.testing.assert_allclose(compile(attend)(x).data, attend(x).data, rtol=1e-6)
