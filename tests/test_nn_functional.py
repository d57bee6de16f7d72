"""nn.functional: every function against PyTorch, its arguments, its errors, its random numbers."""

import inspect
import math
import warnings

import numpy as np
import pytest
from functional_table import FUNCTIONS

from tinygrad_edu import Tensor, Value, gradcheck, ops, record_lines
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.adapter import from_op

PUBLIC = {
    name
    for name, thing in vars(F).items()
    if inspect.isfunction(thing) and thing.__module__ == F.__name__ and not name.startswith("_")
}


def test_every_function_has_cases():
    assert set(FUNCTIONS) == PUBLIC
    assert {name: len(rows) for name, rows in FUNCTIONS.items() if len(rows) < 5} == {}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_function_says_what_it_returns(name):
    assert getattr(F, name).__doc__.splitlines()[0].rstrip().endswith((".", ":"))


def differences(ours, theirs, torch, case):
    """What differs between two functions on one case: values, gradients, and changed constants."""

    def run(function, leaf, constant):
        operands = [
            leaf(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f"
            else constant(a) if isinstance(a, np.ndarray)
            else a
            for a in case.args
        ]  # fmt: skip
        options = {
            k: constant(v) if isinstance(v, np.ndarray) else v for k, v in case.options.items()
        }
        return operands, options, function(*operands, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's advice on reductions
        a, a_options, out = run(ours, lambda v: Tensor(v, requires_grad=True), Tensor)
        b, b_options, expected = run(
            theirs,
            lambda v: torch.tensor(v, requires_grad=True),
            lambda v: torch.tensor(v),
        )
    found = [("value", out.data, expected.detach().numpy())]
    if out.requires_grad:
        g = np.random.default_rng(0).normal(size=out.shape)
        out.backward(g)
        expected.backward(torch.tensor(g))
        found += [
            (f"gradient {n}", np.zeros(p.shape) if p.grad is None else p.grad,
             np.zeros(p.shape) if q.grad is None else q.grad.numpy())
            for n, (p, q) in enumerate(zip(a, b, strict=True))
            if isinstance(p, Tensor) and p.requires_grad
        ]  # fmt: skip
    else:
        assert not expected.requires_grad
    found += [
        (name, a_options[name].data, b_options[name].numpy())
        for name in a_options
        if isinstance(a_options[name], Tensor)
    ]
    return [
        what
        for what, mine, other in found
        if mine.shape != other.shape
        or mine.dtype != other.dtype
        or not np.allclose(mine, other, rtol=1e-6, atol=1e-9)
    ]


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, name)
    for number, case in enumerate(FUNCTIONS[name]):
        assert (number, differences(getattr(F, name), theirs, torch, case)) == (number, [])


@pytest.mark.parity
def test_a_wrong_function_is_found():
    torch = pytest.importorskip("torch")
    case = FUNCTIONS["tanh"][2]
    theirs = torch.nn.functional.tanh
    assert differences(F.sigmoid, theirs, torch, case) == ["value", "gradient 0"]
    assert differences(
        lambda x: ops.where(x > 100, x, F.tanh(x).detach() + 0 * x), theirs, torch, case
    ) == ["gradient 0"]


ABSENT = {"inplace", "size_average", "reduce", "out", "max_norm", "norm_type", "sparse", "dtype",
          "scale_grad_by_freq", "recompute_scale_factor", "antialias", "_stacklevel",
          "return_indices"}  # fmt: skip
OURS = {("softmax", "dim"), ("log_softmax", "dim")}  # no default: PyTorch's is a guess it warns of


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_arguments_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    mine = inspect.signature(getattr(F, name)).parameters
    try:
        written = getattr(torch.nn.functional, f"_{name}", getattr(torch.nn.functional, name))
        theirs = inspect.signature(written).parameters
    except ValueError:  # written in C++: the cases above call it by the same names
        return
    shared = [p for p in mine.values() if p.name != "generator"]
    for p in shared:
        assert p.name in theirs
        if (name, p.name) not in OURS:
            assert p.default == theirs[p.name].default
    extra = theirs.keys() - mine.keys() - ABSENT
    assert extra <= ({"weight"} if name in ("mse_loss", "l1_loss", "huber_loss") else set())
    by_place = [p.name for p in shared if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_place == [*theirs][: len(by_place)]  # the same call means the same


def test_the_adapter_keeps_the_users_line():
    with record_lines():
        out = F.softmax(Tensor([1.0, 2.0]), dim=0)
    assert out.line[0] == __file__


def test_the_adapter_writes_a_signature():
    assert str(inspect.signature(F.layer_norm)) == (
        "(input, normalized_shape, weight=None, bias=None, eps=1e-05)"
    )
    assert "``axis`` is dim" in F.softmax.__doc__
    assert str(inspect.signature(from_op(ops.cumsum, "input, dim", axis="dim"))) == "(input, dim)"


def test_functions_take_values_too():
    assert F.relu(Value(-2.0)).data == 0.0


def test_softmax_asks_for_its_axis():
    with pytest.raises(TypeError, match="dim"):
        F.softmax(Tensor([1.0]))


IMAGE = Tensor(np.ones((1, 2, 3, 3)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.layer_norm(Tensor(np.ones((2, 3))), (2,)), ValueError, r"\(2,\).*\(2, 3\)"),
        (lambda: F.rms_norm(Tensor(np.ones((2, 3))), (2,)), ValueError, r"\(2,\).*\(2, 3\)"),
        (lambda: F.pad(Tensor([1.0]), (1,)), ValueError, "1 numbers .* 1 axes"),
        (lambda: F.pad(Tensor([1.0]), (1, 1, 1, 1)), ValueError, "4 numbers .* 1 axes"),
        (lambda: F.one_hot(Tensor(np.zeros(0, int))), ValueError, "num_classes"),
        (lambda: F.embedding(Tensor([1, 2]), Tensor(np.ones((3, 2)))), TypeError, "float32"),
        (
            lambda: F.embedding(Tensor(np.array([0, 3])), Tensor(np.ones((3, 2)))),
            IndexError,
            r"3 is not in \[0, 3\)",
        ),
        (
            lambda: F.embedding(Tensor(np.array([0, -1])), Tensor(np.ones((3, 2)))),
            IndexError,
            r"-1 is not in \[0, 3\)",
        ),
        (
            lambda: F.embedding(Tensor(np.array([0])), Tensor(np.ones((3, 2))), padding_idx=3),
            IndexError,
            "padding_idx 3 .* 3 rows",
        ),
        (lambda: F.interpolate(Tensor([[1.0]]), 2), ValueError, r"'nearest' for shape \(1, 1\)"),
        (lambda: F.interpolate(IMAGE, 2, mode="linear"), ValueError, "'linear' for shape"),
        (lambda: F.interpolate(IMAGE), ValueError, "either size or scale_factor"),
        (lambda: F.interpolate(IMAGE, 2, 2), ValueError, "either size or scale_factor"),
        (lambda: F.interpolate(IMAGE, (2,)), ValueError, r"each of 2 axes; it is \(2,\)"),
        (lambda: F.interpolate(IMAGE, 0), ValueError, "0 elements of 3"),
        (lambda: F.interpolate(IMAGE, 2, align_corners=True), ValueError, "'nearest' has none"),
        (lambda: F.dropout(Tensor([1.0]), 1.5), ValueError, "not 1.5"),
        (lambda: F.dropout2d(Tensor([[1.0]])), ValueError, r"\(1, 1\)"),
        (lambda: F.batch_norm(Tensor([[1.0]]), None, None), ValueError, "needs running_mean"),
        (
            lambda: F.batch_norm(Tensor([[1.0]]), None, None, training=True),
            ValueError,
            r"more than one value per channel; shape \(1, 1\)",
        ),
        (lambda: F.l1_loss(Tensor([1.0]), Tensor([1.0, 2.0])), ValueError, r"\(1,\).*\(2,\)"),
        (lambda: F.l1_loss(Tensor([1.0]), Tensor([1.0]), reduction="all"), ValueError, "'all'"),
        (lambda: F.huber_loss(Tensor([1.0]), Tensor([1.0]), delta=0), ValueError, "not 0"),
        (lambda: F.smooth_l1_loss(Tensor([1.0]), Tensor([1.0]), beta=-1), ValueError, "not -1"),
        (lambda: F.nll_loss(Tensor([[1.0]]), Tensor([0])), TypeError, "float32"),
        (
            lambda: F.nll_loss(Tensor([[1.0]]), Tensor(np.array([0, 0]))),
            ValueError,
            r"\(1, 1\).*\(2,\)",
        ),
        (lambda: F.nll_loss(Tensor([[1.0]]), Tensor(np.array([1]))), IndexError, r"\[0, 1\)"),
        (
            lambda: F.binary_cross_entropy(Tensor([1.5]), Tensor([1.0])),
            ValueError,
            "between 0 and 1",
        ),
        (lambda: F.hinge_embedding_loss(Tensor([1.5]), Tensor([0.5])), ValueError, "1 or -1"),
    ],
)
def test_errors_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_dropout_keeps_the_mean_and_drops_its_share():
    ones = Tensor(np.ones(20_000), requires_grad=True)
    out = F.dropout(ones, 0.3, generator=np.random.default_rng(0))
    assert abs((out.data == 0).mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 20_000)
    assert np.allclose(out.data[out.data != 0], 1 / 0.7)
    out.sum().backward()
    assert np.array_equal(ones.grad, out.data)  # the same elements, the same factor


def test_dropout2d_drops_whole_channels():
    out = F.dropout2d(Tensor(np.ones((40, 25, 3, 2))), 0.4, generator=np.random.default_rng(0)).data
    assert np.array_equal(out, np.broadcast_to(out[:, :, :1, :1], out.shape))
    assert abs((out == 0).mean() - 0.4) < 4 * math.sqrt(0.4 * 0.6 / 1000)


def test_dropout_draws_from_the_seeded_generator():
    drawn = [F.dropout(Tensor(np.ones(50)), generator=np.random.default_rng(3)) for _ in range(2)]
    assert drawn[0].tolist() == drawn[1].tolist()
    ops.manual_seed(5)
    first = F.dropout(Tensor(np.ones(50))).tolist()
    assert F.dropout(Tensor(np.ones(50))).tolist() != first
    ops.manual_seed(5)
    assert F.dropout(Tensor(np.ones(50))).tolist() == first


@pytest.mark.parametrize("name", sorted(PUBLIC - {"one_hot", "embedding"}))
def test_float32_stays(name):
    for case in FUNCTIONS[name]:

        def single(a):
            wide = isinstance(a, np.ndarray) and a.dtype.kind == "f"
            return Tensor(a.astype("float32") if wide else a) if isinstance(a, np.ndarray) else a

        out = getattr(F, name)(
            *map(single, case.args), **{k: single(v) for k, v in case.options.items()}
        )
        assert out.dtype == np.float32


def test_targets_without_gradient_are_not_differentiated():
    target = Tensor([1.0, -1.0])
    F.hinge_embedding_loss(Tensor([0.2, 0.3], requires_grad=True), target).backward()
    assert target.grad is None


def test_binary_cross_entropy_is_finite_at_certainty():
    p = Tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, Tensor([1.0, 0.0]), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [100.0, 100.0]
    assert np.isfinite(p.grad).all()


def test_a_bias_may_come_without_a_weight():
    x, bias = Tensor(np.random.randn(2, 4, 3)), Tensor(np.arange(4.0), requires_grad=True)
    out = F.group_norm(x, 2, None, bias)
    assert np.allclose(out.data, F.group_norm(x, 2).data + bias.data[:, None])
    out.sum().backward()
    assert bias.grad.tolist() == [6.0] * 4


def test_cosine_similarity_is_differentiated_as_it_is_below_eps():
    other = Tensor(np.array([0.3, 0.4]))
    assert gradcheck(
        lambda x: F.cosine_similarity(x, other, dim=0, eps=3.0), [Tensor(np.array([1.0, 2.0]))]
    )
