"""The dictionary: what each name of the vocabulary is in ONNX.

A word writes one step and says what its result is called.  Where ONNX has no single operator, the
word is a few of them; a name that is not here has no counterpart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.ops.windows import _padded, _pads, _per_axis, _pool, _window
from tinygrad_edu.readers.program.steps import Ref, Step

if TYPE_CHECKING:
    from tinygrad_edu.interop.onnx.writing import Writing

Word = Callable[["Writing", int], str]
WORDS: dict[str, Word] = {}

_SAME = {  # operands in, result out
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negative": "Neg",
    "power": "Pow",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "arcsin": "Asin",
    "arccos": "Acos",
    "arctan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "erf": "Erf",
    "maximum": "Max",
    "minimum": "Min",
    "matmul": "MatMul",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "equal": "Equal",
}
_OF_BOOLS = {"maximum": "Or", "minimum": "And", "multiply": "And", "add": "Or"}
_REDUCED = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}
_LAST = numpy.iinfo(numpy.int64).max


def word(*names: str) -> Callable[[Word], Word]:
    """Enter a function under these names."""

    def enter(function: Word) -> Word:
        WORDS.update(dict.fromkeys(names, function))
        return function

    return enter


@word(*_SAME)
def _same(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    kind = _OF_BOOLS.get(step.name) if step.dtype == numpy.bool_ else None
    return w.add(kind or _SAME[step.name], *w.operands(place))


@word("not_equal")
def _not_equal(w: Writing, place: int) -> str:
    return w.add("Not", w.add("Equal", *w.operands(place)))


@word("exp2")
def _exp2(w: Writing, place: int) -> str:
    (x,) = w.operands(place)
    return w.add("Pow", w.constant(2.0, w.first.steps[place].dtype), x)


@word("expm1")
def _expm1(w: Writing, place: int) -> str:
    """2 tanh(x/2) / (1 - tanh(x/2)): ONNX has no expm1, and exp(x) - 1 loses the small x."""
    (x,) = w.operands(place)
    dtype = w.first.steps[place].dtype
    t = w.add("Tanh", w.add("Mul", x, w.constant(0.5, dtype)))
    small = w.add("Div", w.add("Add", t, t), w.add("Sub", w.constant(1.0, dtype), t))
    whole = w.add("Sub", w.add("Exp", x), w.constant(1.0, dtype))
    return w.add("Where", w.add("Less", w.add("Abs", x), w.constant(1.0, dtype)), small, whole)


@word("log1p")
def _log1p(w: Writing, place: int) -> str:
    """2 artanh(x / (2 + x)): ONNX has no log1p, and log(1 + x) loses the small x."""
    (x,) = w.operands(place)
    dtype = w.first.steps[place].dtype
    ratio = w.add("Div", x, w.add("Add", x, w.constant(2.0, dtype)))
    small = w.add("Mul", w.add("Atanh", ratio), w.constant(2.0, dtype))
    whole = w.add("Log", w.add("Add", x, w.constant(1.0, dtype)))
    return w.add("Where", w.add("Less", w.add("Abs", x), w.constant(0.5, dtype)), small, whole)


@word("log2", "log10")
def _log(w: Writing, place: int) -> str:
    (x,) = w.operands(place)
    step = w.first.steps[place]
    base = math.log(2.0 if step.name == "log2" else 10.0)
    return w.add("Mul", w.add("Log", x), w.constant(1.0 / base, step.dtype))


@word("where")
def _where(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    condition, *branches = step.inputs
    dtype = w.common(step._replace(inputs=tuple(branches)))
    parts = [_as(w, x, dtype) for x in branches]
    return w.add("Where", _as(w, condition, numpy.bool_), *parts)


@word("zeros_like", "ones_like")
def _filled(w: Writing, place: int) -> str:
    step, other = w.first.steps[place], w.last.steps[place]
    value = numpy.full(1, step.name == "ones_like", step.dtype)
    shape = w.numbers(step.shape, other.shape)
    return w.add("ConstantOfShape", shape, value=w.onnx.numpy_helper.from_array(value))


@word("astype")
def _astype(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    return _as(w, step.inputs[0], step.dtype)


@word("to_device")
def _to_device(w: Writing, place: int) -> str:
    return w.values[w.first.steps[place].inputs[0]]


@word(*_REDUCED)
def _reduced(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    (x,) = w.operands(place)
    axis = step.options.get("axis")
    axes = range(_ndim(w, step)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not axes:  # over no axis: as it is; ONNX would take all
        return x
    keep = int(bool(step.options.get("keepdims", False)))
    return w.add(_REDUCED[step.name], x, w.constant(list(axes), numpy.int64), keepdims=keep)


@word("argmax", "argmin")
def _place_of(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    (x,) = w.operands(place)
    axis, keep = step.options.get("axis"), bool(step.options.get("keepdims", False))
    kind = {"argmax": "ArgMax", "argmin": "ArgMin"}[step.name]
    if axis is None:
        flat = w.add("Reshape", x, w.constant([-1], numpy.int64))
        found = w.add(kind, flat, axis=0, keepdims=0)
        return w.add("Reshape", found, w.constant(step.shape or numpy.zeros(0), numpy.int64))
    return w.add(kind, x, axis=axis, keepdims=int(keep))


@word("cumsum")
def _cumsum(w: Writing, place: int) -> str:
    (x,) = w.operands(place)
    return w.add("CumSum", x, w.constant(w.first.steps[place].options["axis"], numpy.int64))


@word("reshape")
def _reshape(w: Writing, place: int) -> str:
    step, other = w.first.steps[place], w.last.steps[place]
    return w.add("Reshape", w.operands(place)[0], _shape(w, step.shape, other.shape))


@word("transpose", "matrix_transpose")
def _transpose(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    ndim = len(step.shape)
    axes = [*range(ndim)]
    if step.name == "matrix_transpose":
        axes[-2:] = axes[:-3:-1]
    elif step.options.get("axes") is None:
        axes.reverse()
    else:
        axes = [a % ndim for a in step.options["axes"]]
    return w.add("Transpose", w.operands(place)[0], perm=axes)


@word("broadcast_to")
def _broadcast_to(w: Writing, place: int) -> str:
    step, other = w.first.steps[place], w.last.steps[place]
    return w.add("Expand", w.operands(place)[0], w.numbers(step.shape, other.shape))


@word("sum_to")
def _sum_to(w: Writing, place: int) -> str:
    step, other = w.first.steps[place], w.last.steps[place]
    before = w.first.steps[step.inputs[0]].shape
    extra = len(before) - len(step.shape)
    axes = [i for i, n in enumerate(before) if i < extra or (step.shape[i - extra], n) == (1, n)]
    total = w.add("ReduceSum", w.operands(place)[0], w.constant(axes, numpy.int64), keepdims=0)
    return w.add("Reshape", total, _shape(w, step.shape, other.shape))


@word("flip")
def _flip(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    axis = step.options.get("axis")
    axes = range(len(step.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    ends = [-_LAST] * len(axes)
    parts = ([-1] * len(axes), ends, list(axes), [-1] * len(axes))
    return w.add("Slice", w.operands(place)[0], *(w.constant(x, numpy.int64) for x in parts))


@word("roll")
def _roll(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    name, axis, shift = w.operands(place)[0], step.options["axis"], step.options["shift"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    for a, s in zip(axes, shifts, strict=True):
        n = step.shape[a]
        cut = -s % n if n else 0
        if w.last.steps[place].shape[a] != n:
            raise NotImplementedError("export_onnx: roll along the batch")
        parts = [_slice(w, name, cut, _LAST, a), _slice(w, name, 0, cut, a)]
        name = w.add("Concat", *parts, axis=a) if cut else name
    return name


@word("concat")
def _concat(w: Writing, place: int) -> str:
    axis = w.first.steps[place].options.get("axis", 0)
    return w.add("Concat", *w.operands(place), axis=axis)


@word("stack")
def _stack(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    axis = step.options.get("axis", 0) % len(step.shape)
    at = w.constant([axis], numpy.int64)
    return w.add("Concat", *(w.add("Unsqueeze", x, at) for x in w.operands(place)), axis=axis)


@word("tril", "triu")
def _triangle(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    k = w.constant(step.options.get("k", 0), numpy.int64)
    return w.add("Trilu", w.operands(place)[0], k, upper=int(step.name == "triu"))


@word("one_hot")
def _one_hot(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    classes = numpy.arange(step.options["num_classes"], dtype=numpy.int64)
    x = _as(w, step.inputs[0], numpy.int64)
    hot = w.add("Equal", w.add("Unsqueeze", x, w.constant([-1], numpy.int64)), w.constant(classes))
    if step.options.get("ignore") is not None:
        skipped = w.constant(classes != step.options["ignore"])
        hot = w.add("And", hot, skipped)
    return w.cast(hot, step.dtype)


@word("einsum")
def _einsum(w: Writing, place: int) -> str:
    subscripts = w.first.steps[place].options["subscripts"]
    return w.add("Einsum", *w.operands(place), equation=subscripts)


@word("getitem")
def _getitem(w: Writing, place: int) -> str:
    step, other = w.first.steps[place], w.last.steps[place]
    ndim = _ndim(w, step)
    index, later = (_full(x.options["index"], ndim) for x in (step, other))
    name = w.operands(place)[0]
    if _is_outer(index):
        before = w.first.steps[step.inputs[0]].shape
        after = w.last.steps[other.inputs[0]].shape
        return _outer(w, name, list(zip(index, later, before, after, strict=True)))
    axis = 0
    arrays: list[tuple[int, str, int]] = []  # axis, indices, their number of axes
    numbers: list[tuple[int, int]] = []
    new: list[int] = []  # axes of the result that are new
    out = 0
    for a, b in zip(index, later, strict=True):
        if a is None:
            new.append(out)
            out += 1
            continue
        if isinstance(a, slice):
            if (a, b) != (slice(None), slice(None)):
                name = _cut(w, name, a, b, axis)
            out += 1
        elif isinstance(a, Ref) or numpy.ndim(a):
            arrays.append((axis, _indices(w, a), _array_ndim(w, a)))
        else:
            numbers.append((axis, int(a)))
        axis += 1
    if arrays and (new or numbers):
        raise NotImplementedError("export_onnx: an index of arrays mixed with numbers or new axes")
    if len(arrays) == 1:
        return w.add("Gather", name, arrays[0][1], axis=arrays[0][0])
    if arrays:
        return _gather_all(w, name, arrays, ndim)
    for at, number in reversed(numbers):
        name = w.add("Gather", name, w.constant(number, numpy.int64), axis=at)
    return w.add("Unsqueeze", name, w.constant(new, numpy.int64)) if new else name


@word("put_add")
def _put_add(w: Writing, place: int) -> str:
    """Zeros around x, where the index is a block; what adds repeated places has no counterpart."""
    step, other = w.first.steps[place], w.last.steps[place]
    pads: list[list[int]] = []
    for part in (step, other):
        index = _full(part.options["index"], len(part.shape))
        if not all(isinstance(x, slice) and x.step in (None, 1) for x in index):
            raise NotImplementedError(
                "export_onnx: ONNX has no counterpart of put_add at places that are no block "
                f"({step.origin})"
            )
        ends = [x.indices(n) for x, n in zip(index, part.shape, strict=True)]
        after = [n - stop for (_, stop, _), n in zip(ends, part.shape, strict=True)]
        pads.append([start for start, _, _ in ends] + after)
    return w.add("Pad", w.operands(place)[0], w.numbers(*pads))


@word("unfold")
def _unfold(w: Writing, place: int) -> str:
    """One Gather per axis: of each window's start plus its taps."""
    step = w.first.steps[place]
    size, stride, dilation = (step.options[x] for x in ("size", "stride", "dilation"))
    before = w.first.steps[step.inputs[0]].shape
    name, count = w.operands(place)[0], len(size)
    lead = len(before) - count
    for i, (k, s, d) in enumerate(zip(size, stride, dilation, strict=True)):
        axis = lead + 2 * i  # the axes before have become places and taps
        places = numpy.arange(step.shape[lead + i])[:, None] * s + numpy.arange(k) * d
        name = w.add("Gather", name, w.constant(places, numpy.int64), axis=axis)
    order = [*range(lead), *range(lead, lead + 2 * count, 2), *range(lead + 1, lead + 2 * count, 2)]
    return w.add("Transpose", name, perm=order)


@word("conv1d", "conv2d")
def _conv(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    weight = w.first.steps[step.inputs[1]].shape
    window = _window(weight[2:], step.options["stride"], step.options["dilation"], len(weight) - 2)
    pads = _pads(step.options["padding"], window)
    return w.add(
        "Conv",
        *w.operands(place),
        kernel_shape=window.size,
        strides=window.stride,
        dilations=window.dilation,
        pads=_flat(pads),
        group=step.options["groups"],
    )


@word("conv_transpose1d", "conv_transpose2d")
def _conv_transpose(w: Writing, place: int) -> str:
    step = w.first.steps[place]
    weight = w.first.steps[step.inputs[1]].shape
    axes = len(weight) - 2
    window = _window(weight[2:], step.options["stride"], step.options["dilation"], axes)
    return w.add(
        "ConvTranspose",
        *w.operands(place),
        kernel_shape=window.size,
        strides=window.stride,
        dilations=window.dilation,
        pads=_flat(_pads(step.options["padding"], window)),
        output_padding=_per_axis(step.options["output_padding"], axes, "output_padding", 0),
        group=step.options["groups"],
    )


@word("max_pool1d", "max_pool2d")
def _max_pool(w: Writing, place: int) -> str:
    window, pads = _pooled(w, place)
    return w.add(
        "MaxPool",
        *w.operands(place),
        kernel_shape=window.size,
        strides=window.stride,
        dilations=window.dilation,
        pads=_flat(pads),
    )


@word("avg_pool1d", "avg_pool2d")
def _avg_pool(w: Writing, place: int) -> str:
    """Sums over the windows, times one over what each of them counts."""
    step = w.first.steps[place]
    window, pads = _pooled(w, place)
    total = w.add(
        "AveragePool",
        *w.operands(place),
        kernel_shape=window.size,
        strides=window.stride,
        pads=_flat(pads),
        count_include_pad=1,
    )
    pool = lookup(step.name)
    ones = numpy.ones((1, 1, *w.first.steps[step.inputs[0]].shape[2:]), step.dtype)
    ours = pool.forward(NUMPY, ones, **step.options)
    plain = pool.fill({"kernel_size": window.size, "stride": window.stride})
    theirs = pool.forward(NUMPY, _padded(NUMPY, ones, pads), **plain)
    if (ours == theirs).all():
        return total
    return w.add("Mul", total, w.constant(ours / theirs))


@word("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def _adaptive(w: Writing, place: int) -> str:
    """A product with a matrix per axis, whose rows are the bins."""
    step = w.first.steps[place]
    sizes = w.first.steps[step.inputs[0]].shape[2:]
    axes = len(sizes)
    pool = lookup("adaptive_avg_pool1d")
    bins = _per_axis(step.options["output_size"], axes, "output_size", 1)
    (name,) = w.operands(place)
    for axis, (n, out) in enumerate(zip(sizes, bins, strict=True)):
        matrix = pool.forward(NUMPY, numpy.eye(n, dtype=step.dtype)[None], output_size=out)[0]
        last = axis == axes - 1
        name = (
            w.add("MatMul", name, w.constant(matrix))
            if last
            else w.add("MatMul", w.constant(matrix.T), name)
        )
    return name


def _pooled(w: Writing, place: int) -> Any:
    """Window and padding of a pooling step."""
    step = w.first.steps[place]
    given = {k: v for k, v in step.options.items() if k != "count_include_pad"}
    x = w.first.steps[step.inputs[0]]
    return _pool(numpy.empty(x.shape, bool), len(x.shape) - 2, **given)


def _flat(pads: tuple[tuple[int, int], ...]) -> list[int]:
    """Padding in ONNX's order: all beginnings, then all ends."""
    return [before for before, _ in pads] + [after for _, after in pads]


def _as(w: Writing, place: int, dtype: Any) -> str:
    """The result of a step in some dtype."""
    step = w.first.steps[place]
    if step.name == "constant" and step.dtype is None:
        return w.data(place, dtype)
    return w.values[place] if step.dtype == dtype else w.cast(w.values[place], dtype)


def _ndim(w: Writing, step: Step) -> int:
    return len(w.first.steps[step.inputs[0]].shape)


def _shape(w: Writing, first: tuple[int, ...], last: tuple[int, ...]) -> str:
    """A shape to reshape to; one size that depends on the batch is left to ONNX to find."""
    unknown = [i for i, (a, b) in enumerate(zip(first, last, strict=True)) if a != b]
    if len(unknown) == 1 and 0 not in first:
        first = last = tuple(-1 if i in unknown else n for i, n in enumerate(first))
    return w.numbers(first, last)


def _full(index: Any, ndim: int) -> list[Any]:
    """An index with an entry per axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(x is not None and x is not Ellipsis for x in parts)
    if not any(x is Ellipsis for x in parts):
        parts.append(Ellipsis)
    at = next(i for i, x in enumerate(parts) if x is Ellipsis)
    parts[at : at + 1] = [slice(None)] * (ndim - used)
    return parts


def _slice(w: Writing, name: str, start: int, stop: int, axis: int, step: int = 1) -> str:
    parts = ([start], [stop], [axis], [step])
    return w.add("Slice", name, *(w.constant(x, numpy.int64) for x in parts))


def _cut(w: Writing, name: str, a: slice, b: slice, axis: int) -> str:
    """A slice along an axis, its ends the same or linear in the batch."""
    step = 1 if a.step is None else a.step
    ends = []
    for first, last, default in (
        (a.start, b.start, 0 if step > 0 else -1),
        (a.stop, b.stop, _LAST if step > 0 else -_LAST),
    ):
        ends.append(w.constant([default], numpy.int64) if first is None else w.number(first, last))
    more = (w.constant([x], numpy.int64) for x in (axis, step))
    return w.add("Slice", name, *ends, *more)


def _is_outer(index: list[Any]) -> bool:
    """Whether an index is an array per axis, each along an axis of the result of its own."""
    shapes = [numpy.shape(x) for x in index]
    return len(index) > 1 and all(
        isinstance(x, numpy.ndarray) and x.dtype.kind == "i" and shape[1:] == (1,) * (n - 1)
        for x, shape, n in zip(index, shapes, range(len(index), 0, -1), strict=True)
    )


def _outer(w: Writing, name: str, axes: list[tuple[Any, Any, int, int]]) -> str:
    """One Gather per axis; an axis that is taken as it is stays, whatever its size."""
    for axis, (first, last, n, m) in enumerate(axes):
        whole = numpy.array_equal(first.ravel(), numpy.arange(n))
        if whole and numpy.array_equal(last.ravel(), numpy.arange(m)):
            continue
        if n != m:
            raise NotImplementedError("export_onnx: an array of indices along the batch")
        name = w.add("Gather", name, w.constant(first.ravel(), numpy.int64), axis=axis)
    return name


def _indices(w: Writing, index: Any) -> str:
    """An array of indices as a value."""
    if isinstance(index, Ref):
        if w.first.steps[index.place].dtype == numpy.bool_:
            raise NotImplementedError("export_onnx: an index of bools gives a size that varies")
        return _as(w, index.place, numpy.dtype(numpy.int64))
    return w.constant(index, numpy.int64)


def _array_ndim(w: Writing, index: Any) -> int:
    return len(w.first.steps[index.place].shape) if isinstance(index, Ref) else numpy.ndim(index)


def _gather_all(w: Writing, name: str, arrays: list[tuple[int, str, int]], ndim: int) -> str:
    """Several arrays of indices at once: their axes brought to the front, then GatherND."""
    axes = [axis for axis, _, _ in arrays]
    if axes != [*range(axes[0], axes[0] + len(axes))]:
        raise NotImplementedError("export_onnx: arrays of indices on axes that are not neighbours")
    if axes[0]:
        raise NotImplementedError("export_onnx: arrays of indices after the first axis")
    count = max(n for _, _, n in arrays)
    names = [indices for _, indices, _ in arrays]
    total = names[0]
    for other in names[1:]:  # zeros of the shape that all of them broadcast to
        total = w.add("Add", total, other)
    zeros = w.add("Mul", total, w.constant(0, numpy.int64))
    last = w.constant([count], numpy.int64)
    parts = [w.add("Unsqueeze", w.add("Add", zeros, x), last) for x in names]
    return w.add("GatherND", name, w.add("Concat", *parts, axis=count))
