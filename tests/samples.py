"""The table of samples: for every operation, operands and options to try it on.

`SAMPLES` maps the name of an operation to at least ten samples; every check in `checks` runs on all
of them, and a test asserts that no registered operation is missing.  To add an operation, add its
row here.

``s(*operands, **options)`` is an ordinary sample.  ``rough(...)`` is one at a kink, a tie, a pole
or a huge number, where differences say nothing about the derivative: it is left out of the
numerical checks and kept in all others.  ``ours(...)`` is one that PyTorch does not take.

Operands with a floating dtype are the ones that get gradients.  They are small (two dozen elements
at most, for speed), float64, and away from integers, where many operations have their kinks.
"""

import math
from typing import Any, NamedTuple

import numpy as np


class Sample(NamedTuple):
    """Operands and options; whether differences make sense; whether PyTorch agrees."""

    args: tuple[np.ndarray, ...]
    options: dict[str, Any]
    smooth: bool = True
    parity: bool = True


def s(*args: Any, **options: Any) -> Sample:
    return Sample(_arrays(args), options)


def rough(*args: Any, **options: Any) -> Sample:
    return Sample(_arrays(args), options, smooth=False)


def ours(*args: Any, **options: Any) -> Sample:
    return Sample(_arrays(args), options, parity=False)


def _arrays(args: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(a, dtype=float) if isinstance(a, float | list) else a for a in args)


_rng = np.random.default_rng(2)  # this file runs from top to bottom: the table never changes


def x(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Distinct numbers between low and high, in random order, none within 0.02 of an integer."""
    count = math.prod(shape)
    steps = _rng.permutation(count) + _rng.uniform(0.3, 0.7, count)
    values = low + (high - low) * steps / max(count, 1)
    off = values - np.round(values)
    moved = np.round(values) + 0.03 + 0.1 * off  # in their order: two near one integer stay two
    return np.where(abs(off) < 0.02, moved, values).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    return x(*shape, low=0.1, high=3.0)


def i(*values: int) -> np.ndarray:
    return np.array(values)


def mask(*shape: int) -> np.ndarray:
    return _rng.permutation(math.prod(shape)).reshape(shape) % 3 > 0


SHAPES = [(), (1,), (5,), (2, 3), (0,), (3, 0), (2, 1, 3), (1, 1), (4, 2)]


def unary(low: float = -2.0, high: float = 2.0, extreme: Any = ()) -> list[Sample]:
    """Every kind of shape, memory that is not contiguous, and extreme values."""
    return [
        *(s(x(*shape, low=low, high=high)) for shape in SHAPES),
        s(x(3, 2, low=low, high=high).T),
        s(np.broadcast_to(x(2, 1, low=low, high=high), (2, 3))),
        *([rough(np.array(extreme, float))] if len(extreme) else []),
    ]


PAIRS = [
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (2, 3)),
    ((2, 3), ()),
    ((), (1,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((2, 1), (3,)),
    ((1,), (4, 1, 2)),
    ((0,), (1,)),
    ((2, 0), (2, 1)),
]


def binary(low: float = -2.0, high: float = 2.0, extreme: Any = ()) -> list[Sample]:
    """Every kind of broadcasting pair; `extreme` holds pairs of numbers."""
    return [
        *(s(x(*a, low=low, high=high), x(*b, low=low, high=high)) for a, b in PAIRS),
        *([rough(*np.array(extreme, float).T)] if len(extreme) else []),
    ]


def with_options(low: float, high: float, *choices: dict[str, Any]) -> list[Sample]:
    """A matrix under each choice of options."""
    return [s(x(2, 4, low=low, high=high), **choice) for choice in choices]


def reduction(make: Any = x, *, empty: bool = True) -> list[Sample]:
    """Every kind of axis, with and without keepdims; with `empty` also axes of no elements."""
    return [
        s(make()),
        s(make(), keepdims=True),
        s(make(1)),
        s(make(5), axis=0),
        s(make(2, 3)),
        s(make(2, 3), axis=0),
        s(make(2, 3), axis=-1, keepdims=True),
        s(make(2, 3), keepdims=True),
        s(make(2, 3, 2), axis=(0, 2)),
        s(make(2, 3, 2), axis=(-1, 1), keepdims=True),
        s(make(2, 3, 2), axis=1),
        s(make(2, 3), axis=(0, 1)),
        s(make(2, 1, 3), axis=1),
        s(make(3, 2).T, axis=0),
        s(make(0, 3), axis=1),
        *([s(make(0)), s(make(2, 0), axis=1), s(make(2, 0, 3), axis=(0, 1))] if empty else []),
    ]


def choice(make: Any = x) -> list[Sample]:
    """For argmax and argmin: one axis or none."""
    return [
        s(make()),
        s(make(1)),
        s(make(7)),
        s(make(2, 3)),
        s(make(2, 3), axis=0),
        s(make(2, 3), axis=-1),
        s(make(2, 3), axis=1, keepdims=True),
        s(make(2, 3), keepdims=True),
        s(make(2, 3, 2), axis=-2),
        s(make(0, 3), axis=1),
        rough([1.0, 3.0, 3.0, 0.0]),
        rough([[1.0, 1.0], [0.0, 0.0]], axis=1),
    ]


comparison = [
    *binary(),
    rough([1.0, 2.0, -0.0], [1.0, 3.0, 0.0]),
    rough([math.nan, math.inf, -math.inf], [math.nan, math.inf, 1.0]),
]

elementwise: dict[str, list[Sample]] = {
    "add": binary(extreme=[(1e300, -1e300), (1e-300, 1.0)]),
    "subtract": binary(extreme=[(1e300, 1e300), (1e-300, 1.0)]),
    "multiply": binary(extreme=[(1e200, 1e-200), (0.0, 3.0), (1e-300, 1e10)]),
    "divide": [
        *(s(x(*a), positive(*b)) for a, b in PAIRS),
        s(x(3), -positive(2, 1)),
        rough([1e200, 3.0, 0.0], [1e150, 1e-200, 5.0]),
    ],
    "negative": unary(extreme=[0.0, 1e300, math.inf]),
    "power": [
        *(s(positive(*a), x(*b)) for a, b in PAIRS),
        s(positive(2, 3), np.array(2.0)),
        rough([-2.0, -0.5, 3.0], [3.0, 2.0, 0.0]),
        rough([0.0, 0.0, 0.0, 1e-200], [1.0, 2.0, 3.0, 1.5]),
    ],
    "reciprocal": unary(0.2, 3.0, extreme=[1e200, -1e150, 1e-100]),
    "square": unary(extreme=[0.0, 1e150, -1e-150]),
    "sqrt": unary(0.1, 4.0, extreme=[1e300, 1e-300, 1e10]),
    "rsqrt": unary(0.1, 4.0, extreme=[1e200, 1e-150]),
    "abs": unary(extreme=[0.0, -1e300, 1e-300]),
    "sign": unary(extreme=[0.0, -1e300, 1e-300]),
    "floor": unary(extreme=[0.0, 2.0, -1e300, 0.999999]),
    "ceil": unary(extreme=[0.0, 2.0, -1e300, 1.000001]),
    "exp": unary(extreme=[-745.0, 700.0, 0.0, -1e5, 1e-20]),
    "exp2": unary(extreme=[-1074.0, 1000.0, 0.0, -1e5, 1e-20]),
    "expm1": unary(extreme=[-745.0, 700.0, 0.0, 1e-20]),
    "log": unary(0.1, 4.0, extreme=[1e300, 1e-300, 1.0]),
    "log2": unary(0.1, 4.0, extreme=[1e300, 1e-300, 1.0]),
    "log10": unary(0.1, 4.0, extreme=[1e300, 1e-300, 1.0]),
    "log1p": unary(-0.9, 3.0, extreme=[1e300, 1e-300, 0.0]),
    "logaddexp": binary(extreme=[(1e3, -1e3), (-800.0, -801.0), (1e300, 1e300), (5.0, 5.0)]),
    "sin": unary(extreme=[0.0, 1e5, -1e-200]),
    "cos": unary(extreme=[0.0, 1e5, -1e-200]),
    "tan": unary(-1.4, 1.4, extreme=[0.0, 3.0, -1e-200]),
    "arcsin": unary(-0.95, 0.95, extreme=[0.0, 1e-200, 0.99999]),
    "arccos": unary(-0.95, 0.95, extreme=[0.0, 1e-200, 0.99999]),
    "arctan": unary(extreme=[0.0, 1e100, -1e-200]),
    "arctan2": binary(
        extreme=[(1e-100, 1e-100), (0.0, -1.0), (0.0, 2.0), (3.0, 0.0), (1e100, -1.0)]
    ),
    "sinh": unary(extreme=[0.0, 700.0, -700.0, 1e-200]),
    "cosh": unary(extreme=[0.0, 700.0, -700.0, 1e-200]),
    "tanh": unary(extreme=[0.0, 300.0, -1e300, 1e-200]),
    "erf": unary(extreme=[0.0, 30.0, -1e300, 1e-200]),
    "maximum": binary(extreme=[(1.0, 1.0), (0.0, 0.0), (1e300, -1e300), (math.inf, 1.0)]),
    "minimum": binary(extreme=[(1.0, 1.0), (0.0, 0.0), (1e300, -1e300), (-math.inf, 1.0)]),
    "clip": [
        *(s(x(*shape), min=-1.0, max=1.0) for shape in SHAPES),
        *with_options(-3, 3, {"min": -1.0}, {"max": 0.5}, {"min": 2.0, "max": -1.0}),
        rough([-1.0, 1.0, 0.0, 1e300, -1e300, math.inf], min=-1.0, max=1.0),
    ],
    "where": [
        *(s(mask(*a), x(*a), x(*b)) for a, b in PAIRS),
        s(mask(2, 1), x(3), x(2, 3)),
        s(np.array(True), x(2), x()),
        rough(np.array([True, False]), [1.0, math.inf], [math.nan, 2.0]),
    ],
    "greater": comparison,
    "greater_equal": comparison,
    "less": comparison,
    "less_equal": comparison,
    "equal": comparison,
    "not_equal": comparison,
    "zeros_like": unary(extreme=[math.nan, math.inf]),
    "ones_like": unary(extreme=[math.nan, math.inf]),
    "relu": unary(extreme=[0.0, 1e300, -1e300, math.inf, -math.inf]),
    "leaky_relu": [
        *unary(extreme=[0.0, 1e300, -1e300]),
        *with_options(-2, 2, {"negative_slope": 0.2}, {"negative_slope": 0.0}),
    ],
    "elu": [
        *unary(extreme=[0.0, 1e300, -800.0]),
        *with_options(-3, 3, {"alpha": 0.5}, {"alpha": 2.0}),
    ],
    "selu": unary(-3, 3, extreme=[0.0, 1e300, -800.0]),
    "celu": [
        *unary(extreme=[0.0, 1e300, -800.0]),
        *with_options(-3, 3, {"alpha": 0.5}, {"alpha": 2.0}),
    ],
    "sigmoid": unary(-5, 5, extreme=[0.0, 40.0, -40.0, 800.0, -800.0, math.inf, -math.inf]),
    "softplus": [
        *unary(-5, 5, extreme=[0.0, 1000.0, -1000.0, -40.0]),
        *with_options(-3, 3, {"beta": 0.5}, {"beta": 3.0}),
    ],
    "logsigmoid": unary(-5, 5, extreme=[0.0, 1000.0, -1000.0, 30.0]),
    "silu": unary(-5, 5, extreme=[0.0, 800.0, -800.0, -30.0]),
    "mish": unary(-5, 5, extreme=[0.0, 800.0, -800.0, -30.0]),
    "gelu": [
        *unary(-4, 4, extreme=[0.0, 800.0, -800.0]),
        *(s(x(*shape, low=-4, high=4), approximate="tanh") for shape in SHAPES[:4]),
        rough([0.0, 100.0, -100.0], approximate="tanh"),
    ],
    "hardtanh": [
        *unary(extreme=[-1.0, 1.0, 1e300, -1e300]),
        *with_options(-4, 4, {"min_val": -2.0, "max_val": 3.0}, {"max_val": 0.5}),
    ],
    "relu6": unary(-2, 8, extreme=[0.0, 6.0, 1e300, -1e300]),
    "hardsigmoid": unary(-5, 5, extreme=[-3.0, 3.0, 1e300, -1e300]),
    "hardswish": unary(-5, 5, extreme=[0.0, 100.0, -100.0]),
    "softsign": unary(-5, 5, extreme=[0.0, 1e100, -1e-200]),
    "tanhshrink": unary(extreme=[0.0, 300.0, -300.0]),
}

tied = [3.0, 1.0, 3.0, 2.0]

reductions: dict[str, list[Sample]] = {
    "sum": [*reduction(), rough([1e300, -1e300, 1.0])],
    "mean": [*reduction(empty=False), rough([1e300, -1e300, 1.0])],
    "prod": [
        *reduction(),
        s([2.0, 0.0, 3.0]),
        s([2.0, 0.0, 0.0, 3.0]),
        s([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0]], axis=1),
        s([[0.0, 3.0], [1.5, 0.0]], axis=(0, 1), keepdims=True),
        s(x(7), axis=-1),
        s(x(3, 0, 2), axis=(0, 2)),
        rough([1e100, 1e150, 1e-200, 1e-50]),
    ],
    "max": [*reduction(empty=False), rough(tied), rough([tied, tied], axis=1)],
    "min": [*reduction(empty=False), rough(tied), rough([tied, tied], axis=0, keepdims=True)],
    "var": [
        *reduction(empty=False),
        s(x(4), correction=1),
        s(x(2, 3), axis=1, correction=1),
        s(x(2, 3, 2), axis=(0, -1), correction=2, keepdims=True),
        rough([1.0, 1.0, 1.0]),
        rough([1e8, 1e8 + 1, 1e8 + 3]),
    ],
    "std": [
        *(t for t in reduction(empty=False) if t.args[0].size > 1 and t.options.get("axis") != 1),
        s(x(2, 3), axis=1),
        s(x(4), correction=1),
        s(x(2, 3), axis=1, correction=1),
        s(x(2, 3, 2), axis=(0, -1), correction=2, keepdims=True),
        rough([1.0, 1.0, 1.0]),
        rough([1e8, 1e8 + 1, 1e8 + 3]),
    ],
    "logsumexp": [
        *reduction(empty=False),
        rough([1000.0, 999.0, -1000.0]),
        rough([[-1e4, -1e4 - 1], [1e300, 0.0]], axis=1),
        rough([-math.inf, 0.0, 1.0], keepdims=True),
        s([2.0, 2.0]),
    ],
    "norm": [
        *reduction(empty=False),
        *(rough(x(*shape)) for shape in [(0,), (2, 0)]),
        *(s(x(2, 3), ord=p, axis=1) for p in (1, 2, 3, 2.5, math.inf)),
        *(s(x(2, 3, 2), ord=p, axis=(0, 2), keepdims=True) for p in (1, 3, math.inf)),
        s(x(4), ord=0.5),
        rough([0.0, 0.0]),
        *(rough([[0.0, 0.0], [3.0, 0.0]], ord=p, axis=1) for p in (1, 2, 3, math.inf)),
        rough([2.0, -2.0, 1.0], ord=math.inf),
        rough([3e100, 4e100]),
    ],
    "cumsum": [
        s(x(1), axis=0),
        s(x(5), axis=0),
        s(x(5), axis=-1),
        s(x(2, 3), axis=0),
        s(x(2, 3), axis=1),
        s(x(2, 3), axis=-2),
        s(x(2, 3, 2), axis=1),
        s(x(3, 2).T, axis=0),
        s(x(0), axis=0),
        s(x(2, 0), axis=1),
        s(x(2, 0), axis=0),
    ],
    "argmax": choice(),
    "argmin": choice(),
}

inside = (slice(1, None), slice(None, None, -1))

shapes: dict[str, list[Sample]] = {
    "astype": [
        *(s(x(*shape), dtype=np.dtype("float64")) for shape in SHAPES),
        rough(x(2, 3), dtype=np.dtype("float32")),
        rough(x(2, 3), dtype=np.dtype("int64")),
        rough(i(1, 0, 2), dtype=np.dtype("float64")),
    ],
    "reshape": [
        s(x(), shape=()),
        s(x(), shape=(1, 1)),
        s(x(1), shape=()),
        s(x(6), shape=(2, 3)),
        s(x(2, 3), shape=(3, 2)),
        s(x(2, 3), shape=(-1,)),
        s(x(2, 3), shape=(1, -1, 2)),
        s(x(3, 2).T, shape=(6,)),
        s(x(0), shape=(2, 0)),
        s(x(2, 0), shape=(0, 5)),
        s(x(2, 3, 2), shape=(4, 3)),
    ],
    "transpose": [
        s(x()),
        s(x(3)),
        s(x(2, 3)),
        s(x(2, 3, 2)),
        s(x(2, 3), axes=(1, 0)),
        s(x(2, 3), axes=(0, 1)),
        s(x(2, 3, 4), axes=(1, 2, 0)),
        s(x(2, 3, 4), axes=(-1, 0, -2)),
        s(x(2, 3, 1, 2), axes=(3, 1, 0, 2)),
        s(x(0, 3)),
    ],
    "matrix_transpose": [
        s(x(*shape))
        for shape in [
            (1, 1),
            (2, 3),
            (3, 1),
            (1, 4),
            (2, 2, 3),
            (2, 1, 3, 2),
            (0, 3),
            (3, 0),
            (0, 2, 3),
        ]
    ]
    + [s(x(3, 2).T)],
    "swapaxes": [
        s(x(3), axis1=0, axis2=0),
        s(x(2, 3), axis1=0, axis2=1),
        s(x(2, 3), axis1=-1, axis2=0),
        s(x(2, 3), axis1=1, axis2=1),
        s(x(2, 3, 4), axis1=0, axis2=2),
        s(x(2, 3, 4), axis1=-2, axis2=-1),
        s(x(2, 3, 1, 2), axis1=1, axis2=-1),
        s(x(0, 3), axis1=0, axis2=1),
        s(x(2, 0, 3), axis1=0, axis2=-1),
        s(x(3, 2).T, axis1=0, axis2=1),
    ],
    "squeeze": [
        s(x()),
        s(x(1)),
        s(x(1), axis=0),
        s(x(3)),
        s(x(1, 3, 1)),
        s(x(1, 3, 1), axis=0),
        s(x(1, 3, 1), axis=-1),
        s(x(1, 3, 1), axis=(0, 2)),
        s(x(1, 3, 1), axis=(-1, 0)),
        s(x(1, 0, 1)),
        s(x(2, 1, 3), axis=1),
    ],
    "expand_dims": [
        s(x(), axis=0),
        s(x(), axis=(0, 1)),
        s(x(3), axis=0),
        s(x(3), axis=1),
        s(x(3), axis=-1),
        s(x(2, 3), axis=(0, 2)),
        s(x(2, 3), axis=(-1, 0)),
        s(x(2, 3), axis=1),
        s(x(0), axis=0),
        s(x(2, 3), axis=(1, 2, 4)),
    ],
    "broadcast_to": [
        s(x(), shape=()),
        s(x(), shape=(2, 3)),
        s(x(1), shape=(4,)),
        s(x(3), shape=(3,)),
        s(x(3), shape=(2, 3)),
        s(x(2, 1), shape=(2, 3)),
        s(x(1, 3), shape=(2, 3)),
        s(x(2, 1, 1), shape=(2, 3, 2)),
        s(x(3, 1), shape=(2, 3, 2)),
        s(x(1), shape=(0,)),
        s(x(0), shape=(2, 0)),
    ],
    "sum_to": [
        s(x(), shape=()),
        s(x(2, 3), shape=()),
        s(x(4), shape=(1,)),
        s(x(3), shape=(3,)),
        s(x(2, 3), shape=(3,)),
        s(x(2, 3), shape=(2, 1)),
        s(x(2, 3), shape=(1, 3)),
        s(x(2, 3), shape=(1, 1)),
        s(x(2, 3, 2), shape=(3, 1)),
        s(x(0), shape=(1,)),
        s(x(2, 0), shape=(0,)),
    ],
    "flip": [
        s(x()),
        s(x(4)),
        s(x(2, 3)),
        s(x(2, 3), axis=0),
        s(x(2, 3), axis=-1),
        s(x(2, 3, 2), axis=(0, 2)),
        s(x(2, 3, 2), axis=(-2,)),
        s(x(1, 1), axis=0),
        s(x(0), axis=0),
        s(x(3, 2).T, axis=1),
    ],
    "roll": [
        s(x(4), shift=1),
        s(x(4), shift=-1, axis=0),
        s(x(4), shift=9, axis=0),
        s(x(2, 3), shift=2),
        s(x(2, 3), shift=1, axis=-1),
        s(x(2, 3), shift=(1, 2), axis=(0, 1)),
        s(x(2, 3), shift=(1, -1), axis=(-1, -2)),
        s(x(2, 3, 2), shift=0, axis=1),
        s(x(0), shift=1),
        s(x(2, 4), shift=(1, 1), axis=(1, 1)),
        s(x(), shift=3),
    ],
    "concat": [
        s(x(2)),
        s(x(2), x(3)),
        s(x(2), x(0), x(1)),
        s(x(2, 3), x(1, 3)),
        s(x(2, 3), x(2, 1), axis=1),
        s(x(2, 3), x(2, 2), x(2, 1), axis=-1),
        s(x(2, 1, 2), x(2, 2, 2), axis=-2),
        s(x(0), x(0)),
        s(x(2, 0), x(2, 3), axis=1),
        s(x(3, 2).T, x(2, 3)),
    ],
    "stack": [
        s(x()),
        s(x(), x(), x()),
        s(x(3), x(3)),
        s(x(3), x(3), axis=1),
        s(x(3), x(3), axis=-1),
        s(x(2, 3), x(2, 3)),
        s(x(2, 3), x(2, 3), axis=1),
        s(x(2, 3), x(2, 3), axis=2),
        s(x(2, 3), x(2, 3), axis=-3),
        s(x(0), x(0), axis=1),
    ],
    "split": [
        s(x(4), sections=2),
        s(x(4), sections=4),
        s(x(4), sections=1),
        s(x(4), sections=(1,)),
        s(x(5), sections=(1, 3)),
        s(x(2, 4), sections=2, axis=1),
        s(x(2, 4), sections=(3,), axis=-1),
        s(x(2, 4), sections=2),
        s(x(2, 4), sections=(0, 1)),
        s(x(0), sections=2),
        s(x(5), sections=(2, 2, 4)),
    ],
    "pad": [
        s(x(), widths=()),
        s(x(3), widths=((1, 2),)),
        s(x(3), widths=((0, 0),)),
        s(x(2, 3), widths=((1, 0), (0, 2)), value=1.5),
        rough(x(2, 3), widths=((1, 1), (2, 1)), value=math.inf),
        s(x(0), widths=((1, 1),)),
        s(x(3), widths=((2, 1),), mode="reflect"),
        s(x(1, 4), widths=((0, 0), (3, 2)), mode="reflect"),
        s(x(1, 3, 3), widths=((0, 0), (1, 2), (2, 0)), mode="reflect"),
        s(x(1, 2, 3), widths=((0, 0), (0, 1), (2, 2)), mode="reflect"),
        s(x(1, 3), widths=((0, 0), (2, 4)), mode="replicate"),
        s(x(1, 2, 3), widths=((0, 0), (1, 0), (1, 3)), mode="replicate"),
        s(x(1, 1, 1), widths=((0, 0), (2, 1), (0, 2)), mode="replicate"),
        s(x(1, 2, 3), widths=((0, 0), (1, 2), (3, 1)), mode="circular"),
    ],
    "tril": [
        s(x(*shape), k=k)
        for shape, k in [
            ((1, 1), 0),
            ((2, 3), 0),
            ((3, 2), 0),
            ((3, 3), 1),
            ((3, 3), -1),
            ((2, 2, 3), 0),
            ((2, 3), 5),
            ((2, 3), -5),
            ((0, 3), 0),
            ((2, 1, 2, 2), 0),
        ]
    ],
    "triu": [
        s(x(*shape), k=k)
        for shape, k in [
            ((1, 1), 0),
            ((2, 3), 0),
            ((3, 2), 0),
            ((3, 3), 1),
            ((3, 3), -1),
            ((2, 2, 3), 0),
            ((2, 3), 5),
            ((2, 3), -5),
            ((3, 0), 0),
            ((2, 1, 2, 2), 0),
        ]
    ],
    "getitem": [
        s(x(4), index=2),
        s(x(4), index=-1),
        s(x(4), index=slice(1, None, 2)),
        s(x(4), index=slice(None, None, -1)),
        s(x(), index=()),
        s(x(), index=None),
        s(x(2, 3), index=(0, 1)),
        s(x(2, 3), index=(..., None, 1)),
        s(x(2, 3), index=inside),
        s(x(4), index=i(0, 2, 2, -1)),
        s(x(4), index=[0, 2, 2, -1]),
        s(x(3, 2), index=(i(0, 2, 0), i(1, 1, 1))),
        s(x(3, 2), index=(i(0, 2, 0), slice(None))),
        s(x(3, 2), index=(slice(None), [0, 0, 1])),
        s(x(2, 3, 2), index=(..., i(1, 1))),
        s(x(2, 3, 2), index=(i(0, 1, 1), ..., 0)),
        s(x(2, 3, 2), index=(i(0, 1), slice(None), i(1, 1))),
        s(x(3, 2), index=np.array([[0, 2], [2, 1]])),
        s(x(2, 3), index=np.array([[True, False, True], [False, False, True]])),
        s(x(3, 2), index=np.array([True, False, True])),
        s(x(2, 3), index=(slice(None), np.array([True, False, True]))),
        s(x(3, 2), index=(np.array([True, False, True]), i(1, 0))),
        s(x(3), index=np.zeros(3, bool)),
        s(x(3), index=np.zeros(0, int)),
        s(x(0, 2), index=slice(None)),
        s(x(3), index=np.int64(1)),
        s(x(3), index=(None, i(2, 2))),
        s(x(2, 2), index=(i(0, 0)[:, None], i(1, 1))),
    ],
    "put_add": [
        s(x(), index=2, shape=(4,)),
        s(x(2), index=slice(1, None, 2), shape=(4,)),
        s(x(4), index=slice(None, None, -1), shape=(4,)),
        s(x(4), index=i(0, 2, 2, -1), shape=(4,)),
        s(x(4), index=[0, 2, 2, -1], shape=(4,)),
        s(x(), index=i(0, 1, 1), shape=(3,)),
        s(x(3), index=(i(0, 2, 0), i(1, 1, 1)), shape=(3, 2)),
        s(x(3, 2), index=i(0, 2, 0), shape=(3, 2)),
        s(x(1, 2), index=i(0, 2, 0), shape=(3, 2)),
        s(x(2, 2), index=(..., i(1, 1)), shape=(2, 3)),
        s(x(3), index=np.array([[True, False, True], [False, False, True]]), shape=(2, 3)),
        s(x(2, 2), index=(slice(None), np.array([True, False, True])), shape=(2, 3)),
        s(x(0), index=np.zeros(0, int), shape=(3,)),
        s(x(2, 2), index=np.array([[0, 2], [2, 1]]), shape=(3,)),
    ],
    "take": [
        s(x(4), indices=i(0, 2, 2)),
        s(x(4), indices=[3, -1], axis=0),
        s(x(4), indices=1),
        s(x(4), indices=np.array([[0, 1], [1, 0]])),
        s(x(2, 3), indices=i(5, 0, 5)),
        s(x(2, 3), indices=i(1, 1), axis=0),
        s(x(2, 3), indices=i(2, 0, 2), axis=1),
        s(x(2, 3), indices=i(2, -1), axis=-1),
        s(x(2, 3, 2), indices=np.array([[0, 2], [2, 1]]), axis=1),
        s(x(2, 3, 2), indices=np.array([[0, 2], [2, 1]]), axis=-2),
        s(x(2, 3), indices=np.zeros(0, int), axis=0),
        s(x(2, 3), indices=0, axis=1),
        s(x(2, 3), indices=np.int64(1), axis=-2),
    ],
    "one_hot": [
        s(np.zeros(0, int), num_classes=3, dtype="float64"),
        s(i(0), num_classes=1, dtype="float64"),
        s(i(0, 2, 1, 2), num_classes=3, dtype="float64"),
        s(i(0, 2, 1, 2), num_classes=5, dtype="int64"),
        s(np.array(1), num_classes=2, dtype="float64"),
        s(np.array([[0, 1], [1, 1]]), num_classes=2, dtype="float64"),
        s(np.array([[0, 1], [1, 1]], np.uint8), num_classes=3, dtype="float64"),
        s(np.zeros((0, 2), int), num_classes=3, dtype="float64"),
        s(i(0, 1).astype(np.int32), num_classes=2, dtype="bool"),
        s(np.array([[[1]]]), num_classes=4, dtype="float32"),
        s(i(0, -100, 2), num_classes=3, dtype="float64", ignore=-100),
        s(i(0, 1, 2), num_classes=3, dtype="float64", ignore=1),
    ],
    "to_device": [s(x(*shape), device="cpu") for shape in [*SHAPES, (2, 2, 2)]],
}

linear: dict[str, list[Sample]] = {
    "matmul": [
        s(x(*a), x(*b))
        for a, b in [
            ((2, 3), (3, 2)),
            ((1, 1), (1, 1)),
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 2, 3), (3, 2)),
            ((2, 2, 3), (3,)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (2, 3, 1)),
            ((2, 3), (2, 3, 1)),
            ((2, 1, 1, 3), (3, 3, 2)),
            ((1, 2, 3), (2, 3, 2)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((2, 2, 0), (0, 3)),
            ((0, 2, 3), (3, 2)),
            ((0,), (0,)),
            ((2, 0), (0,)),
        ]
    ]
    + [s(x(3, 2).T, x(2, 3).T)],
    "einsum": [
        s(x(2, 3), x(3, 2), subscripts="nk,km->nm"),
        s(x(2, 3), x(3, 2), subscripts="nk,km"),
        s(x(2, 3), subscripts="ij->ji"),
        s(x(2, 3), subscripts="ij->i"),
        s(x(2, 3), subscripts="ba"),
        s(x(3), subscripts="i->"),
        s(x(3), x(3), subscripts="i,i->"),
        s(x(3), x(3), subscripts="i,i"),
        s(x(3), x(2), subscripts="i,j->ij"),
        s(x(2, 2, 3), x(2, 3, 2), subscripts="bij,bjk->bik"),
        s(x(2, 2, 3), x(3, 2), subscripts="...ij,jk->...ik"),
        s(x(2, 3), x(2, 2, 3), subscripts="...i,...i->..."),
        s(x(2, 1, 3), x(4, 3), subscripts="...i,...i"),
        s(x(1, 3), x(2, 3), subscripts="bi,bi->b"),
        s(x(2, 3), x(3, 2), x(2, 2), subscripts="ij,jk,kl->il"),
        s(x(2), x(2, 3), x(3), subscripts="i,ij,j->"),
        s(x(2, 3), x(2, 3), x(3), subscripts="...i,...i,i->..."),
        s(x(2, 3), x(2, 2), subscripts="ij,ik->k"),
        s(x(1, 3), x(2), subscripts="ij,i->i"),
        s(x(2, 3), subscripts="...->..."),
        s(x(2, 3, 2), subscripts="i...->..."),
        s(x(0, 3), x(3, 2), subscripts="ij,jk->ik"),
        s(x(), x(3), subscripts=",i->i"),
    ],
    "outer": [
        s(x(*a), x(*b))
        for a, b in [
            ((3,), (2,)),
            ((1,), (1,)),
            ((1,), (4,)),
            ((4,), (1,)),
            ((), (3,)),
            ((2, 2), (3,)),
            ((3,), (2, 1)),
            ((0,), (3,)),
            ((3,), (0,)),
            ((2, 1), (1, 3)),
        ]
    ],
    "tensordot": [
        s(x(2, 3), x(2, 3)),
        s(x(2, 3), x(3, 2), axes=1),
        s(x(2), x(3), axes=0),
        s(x(), x(2), axes=0),
        s(x(2, 3), x(3, 2), axes=((1,), (0,))),
        s(x(2, 3), x(3, 2), axes=((0, 1), (1, 0))),
        s(x(2, 3), x(3, 2), axes=((-1,), (-2,))),
        s(x(2, 3), x(3, 2), axes=(1, 0)),
        s(x(2, 3, 2), x(2, 3), axes=((0, 1), (0, 1))),
        s(x(2, 0), x(0, 3), axes=1),
        s(x(0, 2), x(2, 3), axes=1),
        s(x(3), x(3), axes=1),
    ],
}


def losses(**options: Any) -> list[Sample]:
    """Cross-entropy on every kind of target, under the same options."""
    return [
        s(x(2, 3), i(2, 0), **options),
        s(x(3), np.array(1), **options),
        s(x(2, 3, 2), np.array([[0, 2], [1, 1]]), **options),
        s(x(1, 3, 2, 2), np.array([[[0, 2], [1, 1]]]), **options),
        s(x(2, 3), share(2, 3), **options),
        s(x(3), share(3), **options),
        s(x(1, 3, 2), share(1, 2, 3).swapaxes(1, 2), **options),
    ]


def share(*shape: int) -> np.ndarray:
    """Positive numbers that add up to 1 along the last axis."""
    parts = positive(*shape)
    return parts / parts.sum(-1, keepdims=True)


weight = np.array([0.5, 2.0, 1.25])

fused: dict[str, list[Sample]] = {
    "softmax": [
        s(x(1)),
        s(x(4)),
        s(x(2, 3)),
        s(x(2, 3), axis=0),
        s(x(2, 3, 2), axis=1),
        s(x(2, 3, 2), axis=-3),
        s(x(0, 3)),
        s(x(2, 1)),
        s(x(3, 2).T),
        s(x(2, 0), axis=0),
        rough([1000.0, 999.0, -1000.0]),
        rough([-math.inf, 0.0, 1.0]),
    ],
    "log_softmax": [
        s(x(1)),
        s(x(4)),
        s(x(2, 3)),
        s(x(2, 3), axis=0),
        s(x(2, 3, 2), axis=1),
        s(x(2, 3, 2), axis=-3),
        s(x(0, 3)),
        s(x(2, 1)),
        s(x(3, 2).T),
        s(x(2, 0), axis=0),
        rough([1000.0, 999.0, -1000.0]),
        rough([-1e300, 0.0, 1.0]),
    ],
    "cross_entropy": [
        *losses(),
        *losses(reduction="sum"),
        *losses(reduction="none"),
        *losses(weight=weight),
        *losses(weight=weight, label_smoothing=0.2),
        *losses(weight=weight, label_smoothing=0.1, reduction="none"),
        *losses(label_smoothing=0.3, reduction="sum"),
        s(x(4, 3), i(0, -100, 2, -100)),
        s(x(4, 3), i(0, -100, 2, -100), reduction="none"),
        s(x(4, 3), i(0, 1, 2, 1), ignore_index=1, weight=weight, label_smoothing=0.2),
        s(x(2, 3, 2), np.array([[0, -1], [1, -1]]), ignore_index=-1, label_smoothing=0.1),
        s(x(4, 3), i(0, 1, 2, 1).astype(np.int32)),
        s(x(0, 3), np.zeros(0, int), reduction="sum"),
        s(x(2, 1), i(0, 0)),
        rough([[1000.0, 0.0, -1000.0], [0.0, 800.0, 1.0]], i(0, 2)),
    ],
    "affine": [
        s(x(2, 3), x(4, 3)),
        s(x(2, 3), x(4, 3), x(4)),
        s(x(3), x(4, 3), x(4)),
        s(x(2, 2, 3), x(2, 3), x(2)),
        s(x(2, 1, 2, 3), x(1, 3)),
        s(x(1, 1), x(1, 1), x(1)),
        s(x(0, 3), x(2, 3), x(2)),
        s(x(2, 0), x(3, 0), x(3)),
        s(x(2, 3), x(0, 3), x(0)),
        s(x(5, 2), x(3, 2), x(3)),
    ],
    "mse_loss": [
        *(s(x(*shape), x(*shape)) for shape in SHAPES if 0 not in shape),
        *(s(x(2, 3), x(2, 3), reduction=r) for r in ("sum", "none")),
        s(x(0), x(0), reduction="sum"),
        s(x(2, 0, 3), x(2, 0, 3), reduction="none"),
        s(x(2), np.array([0.0, 1.0])),
        s(x(3, low=-100, high=100), x(3)),
    ],
    "binary_cross_entropy_with_logits": [
        *(
            s(x(*shape, low=-4, high=4), x(*shape, low=0, high=1))
            for shape in SHAPES
            if 0 not in shape
        ),
        *(s(x(2, 3), x(2, 3, low=0, high=1), reduction=r) for r in ("sum", "none")),
        s(x(2, 3), x(2, 3, low=0, high=1), weight=weight),
        s(x(2, 3), x(2, 3, low=0, high=1), pos_weight=weight),
        s(
            x(2, 3),
            x(2, 3, low=0, high=1),
            weight=weight,
            pos_weight=weight[::-1],
            reduction="none",
        ),
        s(x(2, 3), np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])),
        s(x(0), x(0), reduction="sum"),
        rough([0.0, 1000.0, -1000.0, 1000.0], [0.5, 1.0, 1.0, 0.0]),
    ],
    "layer_norm": [
        s(x(4)),
        s(x(2, 3)),
        s(x(2, 3), x(3)),
        s(x(2, 3), x(3), x(3)),
        s(x(2, 2, 3), x(3), x(3)),
        s(x(2, 2, 3), x(2, 3), x(2, 3), ndim=2),
        s(x(2, 2, 3), ndim=3),
        s(x(2, 3), x(3), eps=0.1),
        s(x(0, 3), x(3), x(3)),
        s(x(2, 1), x(1), x(1)),
        rough(np.zeros((2, 3)) + 0.5, x(3), x(3)),
    ],
    "batch_norm": [
        s(x(4, 2)),
        s(x(4, 2), x(2)),
        s(x(4, 2), x(2), x(2)),
        s(x(2, 2, 3), x(2), x(2)),
        s(x(2, 2, 2, 2), x(2), x(2)),
        s(x(3, 1), x(1), x(1)),
        s(x(1, 2, 3), x(2)),
        s(x(4, 2), eps=0.1),
        s(x(1, 3, 2, 2)),
        rough(np.zeros((4, 2)) + 0.5, x(2), x(2)),
    ],
    "group_norm": [
        s(x(2, 4), num_groups=2),
        s(x(2, 4), x(4), num_groups=2),
        s(x(2, 4), x(4), x(4), num_groups=2),
        s(x(2, 4), x(4), x(4), num_groups=1),
        s(x(2, 2, 3), x(2), x(2), num_groups=2),
        s(x(1, 4, 2, 2), x(4), x(4), num_groups=2),
        s(x(1, 4, 2, 2), num_groups=4),
        s(x(2, 3, 2), num_groups=1, eps=0.1),
        s(x(1, 6, 1), x(6), x(6), num_groups=3),
        rough(np.zeros((2, 4)) + 0.5, x(4), x(4), num_groups=2),
    ],
    "scaled_dot_product_attention": [
        s(x(2, 3), x(2, 3), x(2, 3)),
        s(x(1, 1), x(1, 1), x(1, 1)),
        s(x(2, 3), x(4, 3), x(4, 2)),
        s(x(2, 2, 3), x(2, 2, 3), x(2, 2, 3)),
        s(x(2, 1, 2, 3), x(2, 1, 3, 3), x(2, 1, 3, 2)),
        s(x(3, 2), x(3, 2), x(3, 2), causal=True),
        s(x(2, 2), x(4, 2), x(4, 2), causal=True),
        s(x(4, 2), x(2, 2), x(2, 2), causal=True),
        s(x(2, 3, 2), x(2, 3, 2), x(2, 3, 2), causal=True),
        s(x(2, 3), x(2, 3), x(2, 3), scale=0.3),
        s(x(3, 2), x(3, 2), x(3, 2), np.tril(np.ones((3, 3), bool))),
        s(
            x(2, 2, 2),
            x(2, 3, 2),
            x(2, 3, 2),
            np.array([[True, True, False], [True, False, False]]),
        ),
        s(x(3, 2), x(3, 2), x(3, 2), x(3, 3)),
        s(x(2, 2, 2), x(2, 3, 2), x(2, 3, 2), x(2, 1, 3)),
        s(x(1, 2, 2, 2), x(1, 2, 2, 2), x(1, 2, 2, 2), x(2, 2)),
        s(x(2, 3), x(2, 3), x(2, 3), np.array([[True, False], [False, False]])),
        # PyTorch takes a mask or causal, not both
        ours(x(2, 3), x(2, 3), x(2, 3), np.array([[True, True], [False, True]]), causal=True),
        rough(x(2, 2), x(2, 2), x(2, 2), np.array([[0.0, -math.inf], [0.0, 0.0]])),
        rough(x(2, 2), x(2, 2), x(2, 2), np.array([[0.0, -math.inf], [-math.inf, -math.inf]])),
        rough(100 * x(2, 2), 100 * x(2, 2), x(2, 2)),
    ],
}

random: dict[str, list[Sample]] = {
    name: [
        *(s(x(*shape)) for shape in [*SHAPES, (2, 2, 2)]),
        s(x(3), generator=np.random.default_rng(0)),
    ]
    for name in ("uniform_like", "normal_like")
}

# The same queries, keys and masks, without the values.
fused["attention_weights"] = [
    t._replace(args=(*t.args[:2], *t.args[3:])) for t in fused["scaled_dot_product_attention"]
]

SAMPLES: dict[str, list[Sample]] = {
    **elementwise,
    **reductions,
    **shapes,
    **linear,
    **fused,
    **random,
}
