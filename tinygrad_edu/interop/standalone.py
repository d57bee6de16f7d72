"""A model as one Python file that needs NumPy alone: its program, its words, its weights."""

from __future__ import annotations

import base64
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.models import examples_of, names_of_captured, traced
from tinygrad_edu.namespaces import arrays
from tinygrad_edu.namespaces.arrays import NAMESPACES, NUMPY, Arrays
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.readers.program.names import comment
from tinygrad_edu.readers.program.passes import PASSES, TOGETHER, improve
from tinygrad_edu.readers.program.steps import SOURCE, Program, Ref
from tinygrad_edu.readers.program.tracing import Recording, Symbol, Trace
from tinygrad_edu.readers.program.words import kept
from tinygrad_edu.readers.program.writer import Written, write

_HEAD = '''\
"""{title}, written by tinygrad_edu: one file that needs NumPy alone.

    outputs = {name}({shapes})

It takes NumPy arrays of these shapes, and gives an array, or a tuple of several.
"""

from __future__ import annotations

import base64
import functools
import itertools
import math

import numpy

inf, nan = math.inf, math.nan


'''


def export_program(
    model: Module | Callable[..., Any],
    example: Tensor | Sequence[Tensor],
    path: str | Path | None = None,
    *,
    name: str = "model",
) -> str:
    """The source of a Python file that does what the model does, and imports NumPy alone.

    model : a module, exported in eval mode and left as it was, or a function of Tensors.
    example : its input, or several: the program is for inputs of these shapes and dtypes.
    path : where to write the file, if anywhere.
    name : what the function in it is called.

    The weights stand in the file as text, a third longer than their bytes.

    Raises ValueError for a name that is no identifier; TypeError if the model returns no Tensor;
    NotImplementedError if it draws random numbers in eval mode.

    >>> from tinygrad_edu import Tensor
    >>> text = export_program(lambda x: (x * 2).tanh(), Tensor([0.5, 1.0]))
    >>> names = {}
    >>> exec(text, names)
    >>> names["model"](numpy.array([0.0, 0.5], dtype="float32")).round(3).tolist()
    [0.0, 0.7620000243186951]
    """
    if not name.isidentifier() or name in ("forward", "numpy", "words"):
        raise ValueError(f"export_program: {name!r} cannot be the name of the function")
    examples = examples_of(example, "export_program")
    trace = traced(model, examples, "export_program")
    written = write(_expanded(trace), name)
    title = comment(type(model).__name__ if isinstance(model, Module) else name)
    shapes = ", ".join(f"{x.dtype} {x.shape}" for x in examples)
    weights = [node._data for node in trace.captured]
    labels = [comment(x) for x in names_of_captured(model, trace)]
    parts = [
        _HEAD.format(title=title, name=name, shapes=shapes),
        _words(written),
        _data(written.objects, weights, labels),
        written.text.strip() + "\n",
        _call(name, len(examples), len(trace.program.results)),
    ]
    text = "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


class _Vocabulary(Recording):
    """A recording in which no operation is kept whole: only names of the vocabulary are written."""

    @staticmethod
    def whole(name: str) -> bool:
        """None is."""
        return False


def _expanded(trace: Trace) -> Program:
    """The program with convolutions and the like written out."""
    recording = _Vocabulary(NUMPY)
    NAMESPACES[recording.kind] = recording
    made: list[Symbol] = []
    try:
        for step in trace.program.steps:
            inputs = [made[i] for i in step.inputs]
            recording.origin = step.origin
            options = {key: _with_symbols(x, made) for key, x in step.options.items()}
            if step.name == SOURCE:  # an array that the model makes anew: here, as it is now
                made.append(recording.constant(options["read"]()))
            elif step.name == "input":
                made.append(recording.add(step, numpy.zeros(step.shape, step.dtype)))
            elif step.name == "constant":
                made.append(recording.constant(step.data))
            elif kept(step.name):
                made.append(lookup(step.name).forward(recording, *inputs, **options))
            else:
                made.append(recording.emit(step.name, tuple(inputs), options))
    finally:
        del NAMESPACES[recording.kind]
    results = tuple(made[place].place for place in trace.program.results)
    program = Program(tuple(recording.steps), results, ((),) * len(results), ())
    return improve(program, PASSES, TOGETHER)


def _with_symbols(option: Any, made: list[Symbol]) -> Any:
    """An option in which references to steps have become what was made of them."""
    if option.__class__ is tuple:
        return tuple([_with_symbols(part, made) for part in option])
    return made[option.place] if isinstance(option, Ref) else option


def _words(written: Written) -> str:
    """What the words of the program mean: NumPy's functions, and ours as they are written here."""
    own = [word for word in sorted(written.uses) if word in vars(Arrays)]
    lines = [f"{word} = numpy.{word}" for word in sorted(written.uses) if word not in own]
    if not own:
        return "\n".join(lines)
    methods, helpers = _reached(own)
    parts = [_source(vars(arrays)[x], x) for x in helpers]
    body = "\n\n".join(textwrap.dedent(inspect.getsource(vars(Arrays)[x])) for x in methods)
    parts.append(
        "class Words:\n"
        '    """NumPy, under the names that the program uses."""\n\n'
        '    library = numpy\n    device = "cpu"\n    asarray = staticmethod(numpy.asarray)\n'
        f"    _sum = staticmethod(numpy.add.reduce)\n    _fast_rows = {NUMPY._fast_rows!r}\n"
        f"    _short_row = {NUMPY._short_row!r}\n    _few_classes = {NUMPY._few_classes!r}\n\n"
        "    def __getattr__(self, name):\n        return getattr(numpy, name)\n\n"
        + textwrap.indent(body, "    ")
    )
    parts.append("words = Words()\n" + "\n".join([*lines, *(f"{x} = words.{x}" for x in own)]))
    return "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


def _reached(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The methods that these words call, and the functions and numbers of their module."""
    methods: dict[str, None] = {}
    helpers: dict[str, None] = {}
    waiting = list(words)
    while waiting:
        name = waiting.pop()
        if name in methods or name in helpers:
            continue
        thing = vars(Arrays).get(name, vars(arrays).get(name))
        (methods if name in vars(Arrays) else helpers)[name] = None
        for other in _names(getattr(thing, "__wrapped__", thing)):
            if isinstance(vars(Arrays).get(other), types.FunctionType) and other != "__init__":
                waiting.append(other)
            found = vars(arrays).get(other)
            if getattr(found, "__module__", None) == arrays.__name__ or isinstance(
                found, int | float
            ):
                waiting.append(other)
    return sorted(methods), sorted(helpers)


def _names(thing: Any) -> Iterator[str]:
    """The names that a function uses, those of functions inside it too."""
    waiting = [thing.__code__] if isinstance(thing, types.FunctionType) else []
    while waiting:
        code = waiting.pop()
        yield from code.co_names
        waiting += [x for x in code.co_consts if isinstance(x, types.CodeType)]


def _source(thing: Any, name: str) -> str:
    if isinstance(thing, int | float):
        return f"{name} = {thing!r}\n"
    return textwrap.dedent(inspect.getsource(thing))


def _data(constants: dict[str, Any], weights: list[Any], labels: list[str]) -> str:
    """Arrays as text, read once when the file is imported."""
    lines = [
        "def array(text, dtype, shape):",
        "    return numpy.frombuffer(base64.b64decode(text), dtype).reshape(shape)",
        "",
        "",
    ]
    lines += [f"{name} = {_text(value)}" for name, value in constants.items()]
    lines.append("WEIGHTS = (")
    for label, value in zip(labels, weights, strict=True):
        lines.append(f"    {_text(value)},  # {label}")
    return "\n".join([*lines, ")"])


def _text(value: Any) -> str:
    if isinstance(value, type | numpy.dtype):
        return f"numpy.dtype({numpy.dtype(value).str!r})"
    value = numpy.ascontiguousarray(value).reshape(numpy.shape(value))
    encoded = base64.b64encode(value.tobytes()).decode()
    return f'array("{encoded}", {value.dtype.str!r}, {value.shape})'


def _call(name: str, inputs: int, outputs: int) -> str:
    given = ", ".join(f"x{i}" for i in range(inputs)) if inputs > 1 else "x"
    result = "outputs" if outputs > 1 else "outputs[0]"
    return (
        f"def {name}({given}):\n    outputs, _, _ = forward({given}, *WEIGHTS)\n    return {result}"
    )
