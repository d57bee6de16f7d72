"""Every module against PyTorch's of the same name, from one table: none can be left out."""

import copy
import inspect
import warnings

import modules_sequence
import modules_table
import numpy as np
import pytest
from modules_table import Fixed, Packed, Part

from tinygrad_edu import Tensor, nn

MODULES = {**modules_table.MODULES, **modules_sequence.MODULES}
CONTAINERS = {"Module", "Sequential", "ModuleList", "ModuleDict"}
# not in PyTorch: held against formulas and properties in test_attention
NO_COUNTERPART = {
    "SinusoidalPositionalEncoding",
    "LearnedPositionalEncoding",
    "RotaryPositionalEncoding",
}
LAYERS = (
    {
        name
        for name in nn.__all__
        if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), nn.Module)
    }
    - CONTAINERS
    - NO_COUNTERPART
)


def test_every_module_has_configurations():
    assert set(MODULES) == LAYERS
    assert {name: len(rows) for name, rows in MODULES.items() if len(rows) < 5} == {}


@pytest.mark.parametrize("name", sorted(LAYERS | CONTAINERS | NO_COUNTERPART))
def test_every_module_says_what_it_does(name):
    lines = inspect.getdoc(getattr(nn, name)).splitlines()
    assert lines[0].endswith((".", ":"))


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def pair(name, config, torch):
    """Our module and PyTorch's in float64, made alike, with the same random state."""

    def make(library, wrap, name, args, options):
        def argument(x):
            if isinstance(x, np.ndarray):
                return wrap(x)
            return make(library, wrap, *x) if isinstance(x, Part) else x

        options = {key: argument(x) for key, x in options.items()}
        return getattr(library, name)(*map(argument, args), **options).double()

    ours = make(nn, Tensor, name, config.args, config.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's advice on faster options
        theirs = make(torch.nn, torch.tensor, name, config.args, config.options)
    rng = np.random.default_rng(0)
    state = {
        key: t if t.dtype == torch.int64 else torch.tensor(rng.uniform(0.2, 1.5, t.shape))
        for key, t in theirs.state_dict().items()
    }
    theirs.load_state_dict(state)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def run(module, config, leaf, constant, library):
    """The leaves among the inputs, and the results of the call, each as one list."""
    leaves = []

    def operand(x):
        if isinstance(x, Fixed):
            return constant(x.array)
        if isinstance(x, Packed):
            pack = library.utils.rnn.pack_padded_sequence
            return pack(operand(x.padded), constant(np.array(x.lengths)), **x.options)
        if isinstance(x, tuple):
            return tuple(map(operand, x))
        if not isinstance(x, np.ndarray):
            return x
        if x.dtype.kind != "f":
            return constant(x)
        leaves.append(leaf(x))
        return leaves[-1]

    operands = [*map(operand, config.inputs)]
    named = {key: operand(x) for key, x in config.named.items()}
    if library is not nn:  # a copy, for what works in place
        operands = [x.clone() if any(x is leaf for leaf in leaves) else x for x in operands]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's advice on reductions
        return leaves, flat(module(*operands, **named))


def flat(results):
    """The tensors in a result, in order."""
    if isinstance(results, tuple):
        return [tensor for part in results for tensor in flat(part)]
    return [] if results is None else [results]


def differences(ours, theirs, config, torch):
    """What differs in one call and its backward pass."""
    mine, outs = run(ours, config, lambda v: Tensor(v, requires_grad=True), Tensor, nn)
    leaves, expected = run(
        theirs, config, lambda v: torch.tensor(v, requires_grad=True), torch.tensor, torch.nn
    )
    found = {}
    rng = np.random.default_rng(1)
    ends, starts = [], []
    for n, (out, other) in enumerate(zip(outs, expected, strict=True)):
        found[f"output {n}"] = (out.data, other.detach().numpy())
        g = rng.normal(size=out.shape)
        assert out.requires_grad == other.requires_grad
        if out.requires_grad:
            ends.append((out * g).sum())
            starts.append((other, torch.tensor(g)))
    if ends:
        sum(ends).backward()
        torch.autograd.backward(*zip(*starts, strict=True))
    for n, (x, leaf) in enumerate(zip(mine, leaves, strict=True)):
        found[f"gradient of input {n}"] = (x.grad, leaf.grad)
    for (name, p), (key, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == key
        found[f"gradient of {name}"] = (p.grad, q.grad)
    for (name, p), (key, q) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert name == key
        found[name] = (p.data, q.numpy())
    return [what for what, (mine, other) in found.items() if not same(mine, other)]


def same(mine, other):
    if other is None or mine is None:
        zero = mine if other is None else other
        return zero is None or not np.any(np.asarray(zero))
    other = np.asarray(other)
    return (
        mine.shape == other.shape
        and mine.dtype == other.dtype
        and np.allclose(mine, other, rtol=1e-6, atol=1e-9)
    )


CASES = [(name, n) for name in sorted(MODULES) for n in range(len(MODULES[name]))]


@pytest.mark.parity
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("name", "number"), CASES)
def test_outputs_gradients_and_buffers(name, number, train, torch):
    config = MODULES[name][number]
    ours, theirs = pair(name, config, torch)
    ours.train(train), theirs.train(train)
    for _ in range(2):  # running statistics move twice
        ours.zero_grad(), theirs.zero_grad()
        assert differences(ours, theirs, config, torch) == []


@pytest.mark.parity
@pytest.mark.parametrize(("name", "number"), CASES)
def test_states_go_both_ways(name, number, torch):
    ours, theirs = pair(name, MODULES[name][number], torch)
    fresh = copy.deepcopy(theirs)
    for tensor in fresh.state_dict().values():
        tensor.zero_()
    state = {key: torch.tensor(value.data) for key, value in ours.state_dict().items()}
    fresh.load_state_dict(state, strict=True)
    mine, given = fresh.state_dict(), theirs.state_dict()
    assert [*mine] == [*given] == [*ours.state_dict()]
    assert all(torch.equal(mine[key], given[key]) for key in given)


@pytest.mark.parity
@pytest.mark.parametrize(("name", "number"), CASES)
def test_printed_as_pytorch_prints_it(name, number, torch):
    ours, theirs = pair(name, MODULES[name][number], torch)
    printed = repr(ours)
    if name in ("Hardsigmoid", "Hardswish"):  # PyTorch does not show their only option
        printed = printed.replace("inplace=True", "")
    expected = repr(theirs).replace(", threshold=20.0", "")
    assert printed == expected.replace("NonDynamicallyQuantizableLinear", "Linear")


ABSENT = {
    *("size_average", "reduce", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"),
    *("_weight", "_freeze", "threshold", "min_value", "max_value", "args", "kwargs"),
    *("recompute_scale_factor", "return_indices", "divisor_override", "proj_size"),
    *("add_bias_kv", "add_zero_attn", "enable_nested_tensor", "mask_check"),
    *("custom_encoder", "custom_decoder"),
}
OURS = {
    *(("Softmax", "dim"), ("LogSoftmax", "dim")),  # no default: PyTorch's is a guess it warns of
    ("Transformer", "activation"),  # "relu", where PyTorch has its function
    ("TransformerEncoderLayer", "activation"),
    ("TransformerDecoderLayer", "activation"),
}


def parameters_of(name, torch):
    """What PyTorch's class takes; RNN, LSTM and GRU hide it behind ``*args``."""
    if name not in ("RNN", "LSTM", "GRU"):
        return inspect.signature(getattr(torch.nn, name)).parameters
    theirs = dict(inspect.signature(torch.nn.RNNBase).parameters)
    del theirs["mode"]
    if name == "RNN":  # its fourth argument is another one than theirs
        extra = inspect.signature(torch.nn.RNNCell).parameters["nonlinearity"]
        items = [*theirs.items()]
        theirs = dict([*items[:3], ("nonlinearity", extra), *items[3:]])
    return theirs


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(LAYERS - {"Identity"}))
def test_arguments_are_pytorchs(name, torch):
    mine = inspect.signature(getattr(nn, name)).parameters
    theirs = parameters_of(name, torch)
    shared = [p for p in mine.values() if p.name != "generator"]
    for p in shared:
        assert p.name in theirs
        if (name, p.name) not in OURS:
            assert p.default == theirs[p.name].default
    assert theirs.keys() - mine.keys() <= ABSENT
    by_place = [p.name for p in shared if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_place == [*theirs][: len(by_place)]  # the same call means the same


@pytest.mark.parity
@pytest.mark.parametrize("size", [(5, 10), (6, 9), (2, 3, 6, 11)])
def test_a_transposed_convolution_gives_the_size_asked_for(size, torch):
    options = {"stride": (2, 3), "padding": (1, 0)}
    ours = nn.ConvTranspose2d(2, 3, 3, **options)
    theirs = torch.nn.ConvTranspose2d(2, 3, 3, **options)
    theirs.load_state_dict({k: torch.tensor(v.data) for k, v in ours.state_dict().items()})
    image = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype("float32")
    expected = theirs(torch.tensor(image), output_size=size).detach().numpy()
    out = ours(Tensor(image), output_size=size).data
    assert out.shape == expected.shape == (2, 3, *size[-2:])
    assert np.allclose(out, expected, atol=1e-6)


@pytest.mark.parity
def test_a_wrong_module_is_found(torch):
    config = MODULES["BatchNorm1d"][0]
    ours, theirs = pair("BatchNorm1d", config, torch)
    ours.eps = 0.1
    found = differences(ours, theirs, config, torch)
    assert found == ["output 0", "gradient of input 0", "gradient of weight"]
    ours, theirs = pair("BatchNorm1d", config, torch)
    ours.momentum = 0.2
    assert differences(ours, theirs, config, torch) == ["running_mean", "running_var"]


@pytest.mark.parity
def test_containers_print_and_save_as_pytorch_does(torch):
    def build(nn):
        return nn.Sequential(
            nn.Linear(2, 3),
            nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.ModuleList([nn.Tanh(), nn.Tanh()])}),
            nn.ModuleList(nn.Linear(3, 3) for _ in range(3)),
            nn.Sequential(),
        )

    ours, theirs = build(nn), build(torch.nn)
    assert repr(ours) == repr(theirs)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    for names in ("named_modules", "named_parameters", "named_children"):
        assert [n for n, _ in getattr(ours, names)()] == [n for n, _ in getattr(theirs, names)()]
    assert repr(ours[1:]) == repr(theirs[1:])
