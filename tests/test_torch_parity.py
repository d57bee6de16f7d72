"""Values and gradients agree with PyTorch, the outside judge, on every sample (float64, 1e-6)."""

import functools
import math
import warnings

import checks
import numpy as np
import pytest
import samples
from table import TABLE, describe, package_operations

from tinygrad_edu.interop import parity
from tinygrad_edu.interop.counterparts import WITHOUT, counterparts
from tinygrad_edu.ops import Op, lookup

try:
    import torch
except ModuleNotFoundError:
    torch = None
else:
    torch.set_num_threads(1)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(torch is None, reason="PyTorch is not installed"),
]


PARITY = {} if torch is None else counterparts(torch)
NAMES = sorted({op.name for op in package_operations()} - set(WITHOUT))


def as_torch(array):
    return None if array is None else torch.tensor(np.array(array, order="C"))


def check_parity(op: Op, sample):
    """The value and every gradient, against PyTorch's."""
    args, options = checks.operands(sample), checks.filled(op, sample)
    # Extreme samples hold numbers of very different sizes, and all must be right.
    close = functools.partial(checks.close, rtol=1e-6, strictly=not sample.smooth)
    theirs = [as_torch(a).requires_grad_(a.dtype.kind == "f") for a in args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about arrays of size 0
        outs = checks.several(PARITY[op.name](*theirs, **options))
    mine = checks.forward(op, args, options)
    assert len(mine) == len(outs)
    for k, (out, reference) in enumerate(zip(mine, outs, strict=True)):
        close(out, reference.detach().numpy(), what=f"{op.name}, result {k}")
    if not any(out.requires_grad for out in outs):
        return
    g = checks.weights_like(mine)
    torch.autograd.backward(outs, [as_torch(w) for w in g])
    found = checks.engine_gradients(op, args, options, g)
    for i in checks.differentiable(args):
        expected = theirs[i].grad
        zeros = np.zeros(args[i].shape)
        close(
            zeros if found[i] is None else found[i].data,
            zeros if expected is None else expected.numpy(),
            what=f"{op.name}, gradient {i}",
        )


def test_every_operation_has_a_counterpart_or_a_reason():
    assert set(PARITY) | set(WITHOUT) == {op.name for op in package_operations()}
    assert not set(PARITY) & set(WITHOUT)
    few = {name for name in PARITY if sum(sample.parity for sample in TABLE[name]) < 10}
    assert not few


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_pytorch(name):
    for number, sample in enumerate(TABLE[name]):
        if not sample.parity:
            continue
        try:
            with np.errstate(all="warn" if sample.smooth else "ignore"):
                check_parity(lookup(name), sample)
        except Exception as error:
            raise AssertionError(f"{describe(number, sample)}: {error}") from error


def test_the_check_finds_a_wrong_value_and_a_wrong_gradient():
    right = lookup("tanh")
    sample = samples.s(samples.x(3))
    wrong = Op(lambda xp, x: xp.tanh(1.00001 * x), symbol=None, latex=None, differentiable=True)
    wrong.name, wrong.rule = "tanh", right.rule
    with pytest.raises(AssertionError, match="result 0"):
        check_parity(wrong, sample)
    wrong.forward, wrong.rule = right.forward, lambda xp, g, out, x: (g * (1.0 - out),)
    with pytest.raises(AssertionError, match="gradient 0"):
        check_parity(wrong, sample)


def test_every_operation_agrees_with_pytorch_in_both_precisions():
    found = parity()
    assert [d.name for d in found[::2]] == list(PARITY)
    tolerance = {"float32": 1e-5, "float64": 1e-12}
    far = {d.name for d in found if not d.largest <= tolerance[d.dtype]}
    assert far <= {"hardsigmoid"}  # whose slope PyTorch has in single precision only
    without = {d.name for d in found if d.backward is None}
    assert without >= {"greater", "argmax", "one_hot"}
    assert not without & {"tanh", "matmul", "conv2d", "lstm", "getitem", "split"}


def test_parity_finds_what_is_wrong(monkeypatch):
    planted = {
        "tanh": lambda x: torch.tanh(x) * (1 + 1e-9),
        "exp": lambda x: torch.exp(x)[None],
        "sin": lambda x: torch.sin(x).float(),
        "sum": lambda x, *, axis, keepdims: torch.sum(x, axis, keepdims) * float("nan"),
        "relu": lambda x: x * (x > 0).detach() + 0 * x.square() + (x - x.detach()) * 1e-3,
    }
    monkeypatch.setitem(parity.__globals__, "counterparts", lambda torch: planted)
    found = {d.name: d for d in parity(dtypes=["float64"])}
    assert 1e-12 < found["tanh"].forward < 1e-8
    assert {found[x].forward for x in ("exp", "sin", "sum")} == {math.inf}
    assert found["relu"].forward == 0
    assert found["relu"].backward > 1e-4
    with pytest.raises(KeyError):
        parity(["cos"])
