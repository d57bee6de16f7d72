"""The checks that every operation must pass, as functions of an operation and a sample.

Each raises an AssertionError that says what differs.  `test_ops_table` runs them over the registry,
and shows that each of them fails on a planted wrong rule.
"""

import types
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, grad, ops
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.namespaces.vocabulary import VOCABULARY
from tinygrad_edu.ops import Op


def read_only(array):
    """A copy that raises when written to."""
    array = np.array(array)
    array.flags.writeable = False
    return array


def operands(sample, dtype=None):
    """The sample's operands, read-only; floating ones in `dtype` if it is given."""
    return tuple(
        read_only(a if dtype is None or a.dtype.kind != "f" else a.astype(dtype))
        for a in sample.args
    )


def several(out) -> tuple:
    """The results of an operation as a tuple: split has several, all others one."""
    return out if isinstance(out, tuple) else (out,)


def filled(op: Op, sample) -> dict[str, Any]:
    return op.fill(sample.options)


def forward(op: Op, args, options) -> tuple:
    if op.family == "random":  # the same numbers each time
        options = {"generator": np.random.default_rng(0)}
    return tuple(np.asarray(part) for part in several(op.forward(NUMPY, *args, **options)))


def weights_like(arrays, seed=1) -> tuple:
    """Numbers to weigh results with: not 0 and not 1, where wrong rules hide."""
    rng = np.random.default_rng(seed)
    return tuple(read_only(rng.uniform(0.5, 1.5, a.shape).astype(a.dtype)) for a in arrays)


def close(actual, expected, rtol, what, *, strictly=False):
    """Equal to `rtol` of each number; unless `strictly`, small ones to rtol/100 of the largest."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    atol = 0.0
    if not strictly:
        finite = np.abs(expected[np.isfinite(expected)])
        atol = rtol / 100 * max(finite.max(initial=0), 0.01)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=what)


# Reading a rule


def pull_back(op: Op, args, options, g, xp=NUMPY) -> list:
    """What the rule gives each operand, not yet summed to its shape; None for no gradient."""
    if op.rule is None:
        return [
            None if part is None else part.data for part in engine_gradients(op, args, options, g)
        ]
    if not differentiable(args):
        return [None] * len(args)
    out = op.forward(xp, *args, **options)
    parts = op.rule(xp, g[0], out, *args, **options)
    assert len(parts) == len(args), f"{op.name}: {len(parts)} gradients for {len(args)} operands"
    return [part() if isinstance(part, types.FunctionType) else part for part in parts]


def summed_to(g, shape):
    """g summed over the axes along which `shape` was broadcast: written apart from the engine."""
    g = np.asarray(g)
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def differentiable(args) -> list[int]:
    return [i for i, a in enumerate(args) if a.dtype.kind == "f"]


def leaves(args) -> list[Tensor]:
    return [Tensor(a, requires_grad=a.dtype.kind == "f") for a in args]


def weighted(outs, g) -> Any:
    """sum_k <g_k, out_k>, a single number, of nodes."""
    total = None
    for out, weight in zip(outs, g, strict=True):
        part = ops.sum(out * weight)
        total = part if total is None else total + part
    return total


def engine_gradients(op: Op, args, options, g, *, create_graph=False) -> list:
    """The gradient nodes of the operands through the engine; None where there is no gradient."""
    nodes = leaves(args)
    total = weighted(several(op(*nodes, **options)), g)
    wanted = [node for node in nodes if node.requires_grad]
    if not (wanted and total.requires_grad):
        return [None] * len(args)
    found = iter(grad(total, wanted, create_graph=create_graph))
    return [next(found) if node.requires_grad else None for node in nodes]


# Numerical derivatives

_STEPS = ((1.0, 2 / 3), (-1.0, -2 / 3), (2.0, -1 / 12), (-2.0, 1 / 12))  # exact to the 4th power


def slope(f, step) -> float:
    """df/dt at t = 0 by central differences of fourth order."""
    return sum(w * f(t * step) for t, w in _STEPS) / step


def numeric_gradient(f, args, i, step=1e-3):
    """The gradient of the number f(*args) with respect to args[i], element by element."""
    out = np.zeros(args[i].shape)
    for place in np.ndindex(args[i].shape):

        def moved(t, place=place):
            changed = args[i].copy()
            changed[place] += t
            return f(*args[:i], changed, *args[i + 1 :])

        out[place] = slope(moved, step)
    return out


# The checks


def check_rule(op: Op, sample):
    """The rule against differences of the forward, element by element."""
    args, options = operands(sample), filled(op, sample)
    g = weights_like(forward(op, args, options))
    parts = pull_back(op, args, options, g)

    def f(*moved):
        return sum(np.sum(w * out) for w, out in zip(g, forward(op, moved, options), strict=True))

    for i in differentiable(args):
        expected = numeric_gradient(f, args, i)
        if parts[i] is None:
            assert not expected.any(), f"{op.name}: no gradient for operand {i}, but it has one"
            continue
        close(summed_to(parts[i], args[i].shape), expected, 1e-6, f"{op.name}, operand {i}")


def check_projection(op: Op, sample):
    """<g, J v> = <Jt g, v> through the engine: J v by differences, Jt g by backward."""
    if not op.differentiable:
        return
    args, options = operands(sample), filled(op, sample)
    out = forward(op, args, options)
    g, v = weights_like(out), weights_like(args, seed=2)
    places = differentiable(args)

    def f(t):
        moved = [
            a + t * d if i in places else a for i, (a, d) in enumerate(zip(args, v, strict=True))
        ]
        return sum(np.sum(w * o) for w, o in zip(g, forward(op, moved, options), strict=True))

    found = engine_gradients(op, args, options, g)
    projected = sum(np.sum(found[i].data * v[i]) for i in places if found[i] is not None)
    close(projected, slope(f, 1e-3), 1e-6, f"{op.name}, projected")


def check_second_order(op: Op, sample):
    """The gradient of the gradient, with respect to the operands and to g, by differences."""
    args, options = operands(sample), filled(op, sample)
    out = forward(op, args, options)
    g, v = weights_like(out), weights_like(args, seed=2)
    places = differentiable(args)

    nodes = leaves(args)
    if not (op.differentiable and places):
        return
    seeds = [Tensor(w, requires_grad=True) for w in g]
    total = weighted(several(op(*nodes, **options)), seeds)
    wanted = [nodes[i] for i in places]
    firsts = grad(total, wanted, create_graph=True)
    second = weighted(firsts, [v[i] for i in places])
    variables = [*wanted, *seeds]
    found = grad(second, variables) if second.requires_grad else [None] * len(variables)

    def f(*moved):
        args, g = moved[: len(nodes)], moved[len(nodes) :]
        parts = pull_back(op, args, options, g)
        return sum(
            np.sum(summed_to(parts[i], args[i].shape) * v[i])
            for i in places
            if parts[i] is not None
        )

    for node, i in zip(found, [*places, *range(len(args), len(args) + len(g))], strict=True):
        expected = numeric_gradient(f, (*args, *g), i)
        actual = np.zeros(expected.shape) if node is None else node.data
        close(actual, expected, 1e-6, f"{op.name}, order 2, variable {i}")


def check_graph_reading(op: Op, sample):
    """Gradients computed as nodes have the numbers of gradients computed as arrays."""
    args, options = operands(sample), filled(op, sample)
    g = weights_like(forward(op, args, options))
    numbers = engine_gradients(op, args, options, g)
    nodes = engine_gradients(op, args, options, g, create_graph=True)
    for i, (number, node) in enumerate(zip(numbers, nodes, strict=True)):
        assert (number is None) == (node is None)
        if number is not None:
            close(node.data, number.data, 1e-13, f"{op.name}, operand {i} as a graph")


def check_expansion(op: Op, sample):
    """The rule against automatic differentiation of the forward, read as a graph."""
    args, options = operands(sample), filled(op, sample)
    g = weights_like(forward(op, args, options))
    nodes = leaves(args)
    outs = several(op.forward(ops.graph, *nodes, **options))
    if any(out.op is op for out in outs):
        return  # a primitive: its expansion is itself
    total = weighted(outs, g)
    for i, part in enumerate(pull_back(op, args, options, g)):
        if part is not None:
            expected = grad(total, nodes[i]).data
            close(
                summed_to(part, args[i].shape), expected, 1e-9, f"{op.name}, operand {i}, expanded"
            )


def check_purity(op: Op, sample):
    """Forward and rule write to nothing they are given: operands, result, g, options."""
    args, options = operands(sample), filled(op, sample)
    for value in options.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    out = op.forward(NUMPY, *args, **options)
    if op.rule is None or not differentiable(args):
        return
    g = weights_like([np.asarray(out)])[0]
    parts = op.rule(NUMPY, g, read_only(out), *args, **options)
    for part in parts:
        if isinstance(part, types.FunctionType):
            part()


def check_dtype(op: Op, sample):
    """float32 operands give float32 results and gradients wherever float64 ones give float64."""
    options = filled(op, sample)
    if "dtype" in options:
        return
    wide, narrow = operands(sample), operands(sample, np.float32)
    outs = forward(op, narrow, options)
    for out, reference in zip(outs, forward(op, wide, options), strict=True):
        expected = (
            np.float32
            if reference.dtype == np.float64 and differentiable(wide)
            else reference.dtype
        )
        assert out.dtype == expected, f"{op.name}: float32 became {out.dtype}"
    g = weights_like(outs)
    for i, part in enumerate(pull_back(op, narrow, options, g)):
        if part is not None:
            part = np.asarray(part)
            assert part.dtype == np.float32, f"{op.name}: gradient {i} of float32 is {part.dtype}"


def check_vocabulary(op: Op, sample):
    """Forward and rule use the vocabulary, + - * and comparisons, and nothing else."""
    args, options = operands(sample), filled(op, sample)
    recorded = [Recorded(a) for a in args]
    out = op.forward(RECORDING, *recorded, **options)
    if op.rule is None or not differentiable(args):
        return
    (g,) = weights_like([np.asarray(out.array)])
    for part in op.rule(RECORDING, Recorded(g), out, *recorded, **options):
        if isinstance(part, types.FunctionType):
            part()


def _plain(x):
    return x.array if isinstance(x, Recorded) else x


class Recorded:
    """An operand that can do only what rules may ask of one."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array):
        self.array = array

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    dtype = property(lambda self: self.array.dtype)
    device = property(lambda self: self.array.device)

    def __bool__(self):
        raise AssertionError("a rule asks whether an operand is true")

    def __neg__(self):
        return Recorded(-self.array)


def _operator(name):
    def method(self, other):
        return Recorded(getattr(np.asarray(self.array), name)(_plain(other)))

    return method


for _name in ["add", "radd", "sub", "rsub", "mul", "rmul", "lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(Recorded, f"__{_name}__", _operator(f"__{_name}__"))


class Recording:
    """A namespace that has the vocabulary and nothing else."""

    of_operations = False

    def __getattr__(self, name):
        if name not in VOCABULARY:
            raise AssertionError(f"{name} is not in the vocabulary")

        def function(*args, **options):
            return Recorded(getattr(NUMPY, name)(*map(_plain, args), **options))

        return function


RECORDING = Recording()
