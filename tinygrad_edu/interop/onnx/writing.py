"""Program -> ONNX: values, constants, and sizes that depend on the batch."""

from __future__ import annotations

import re
from typing import Any

import numpy

from tinygrad_edu.interop.onnx.words import WORDS
from tinygrad_edu.readers.program.steps import SOURCE, Program, Ref, Step

OPSET = 20
_IR = 9  # the version of the file format that belongs to it


class Writing:
    """An ONNX graph while it is written.

    first, last : the program at a batch of `size` and at one more (or the same one twice): where
        their numbers differ, the graph works them out from the batch it is given.
    """

    def __init__(self, first: Program, last: Program, size: int) -> None:
        self.onnx = _onnx()
        self.first, self.last = first, last
        self.size = size
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.values: dict[int, str] = {}  # what each step's result is called
        self._known: dict[tuple[Any, ...], str] = {}  # constants and sizes, by content
        self._taken: set[str] = set()
        self._inputs: list[Any] = []
        self._axes: list[int | None] = []

    def model(self, axes: list[int | None], captured: list[tuple[str, Any]]) -> Any:
        """The whole model: an input for each batch axis (or None), then the weights."""
        self._axes = axes
        leaves = [i for i, step in enumerate(self.first.steps) if step.name == "input"]
        examples = len(axes)
        for number, place in enumerate(leaves[:examples]):
            name = "input" if examples == 1 else f"input_{number}"
            self._inputs.append(self._declared(name, place))
            self.values[place] = self._name(name)
        for (name, data), place in zip(captured, leaves[examples:], strict=True):
            self.values[place] = self._initializer(self._name(name), data)
        for place in self._needed():
            if place not in self.values:
                self.values[place] = self._step(place)
        outputs = []
        for number, place in enumerate(self.first.results):
            many = len(self.first.results) > 1
            name = self._name(f"output_{number}" if many else "output")
            self.add("Identity", self.values[place], to=name)
            outputs.append(self._declared(name, place))
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "tinygrad_edu", self._inputs, outputs, self.initializers
        )
        opset = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(
            graph, opset_imports=opset, ir_version=_IR, producer_name="tinygrad_edu"
        )
        self.onnx.checker.check_model(made)
        return made

    # What the words use

    def add(self, kind: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """Append a node with one output; the output's name."""
        name = to or self._name(kind.lower())
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, data: Any, dtype: Any = None) -> str:
        """The name of an array that is always the same; one for all of the same content."""
        array = numpy.ascontiguousarray(numpy.asarray(data, dtype)).reshape(numpy.shape(data))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self._initializer(self._name("constant"), array)
        return self._known[key]

    def number(self, first: int, last: int) -> str:
        """An integer of one element: the same in both programs, or linear in the batch."""
        if first == last:
            return self.constant([first], numpy.int64)
        slope = last - first
        start = first - slope * self.size
        key = ("number", slope, start)
        if key not in self._known:
            name = self._batch()
            if slope != 1:
                name = self.add("Mul", name, self.constant([slope], numpy.int64))
            if start:
                name = self.add("Add", name, self.constant([start], numpy.int64))
            self._known[key] = name
        return self._known[key]

    def numbers(self, first: Any, last: Any) -> str:
        """Several integers, such as a shape."""
        first, last = tuple(first), tuple(last)
        if first == last:
            return self.constant(first or numpy.zeros(0), numpy.int64)
        key = ("numbers", first, last)
        if key not in self._known:
            parts = [self.number(a, b) for a, b in zip(first, last, strict=True)]
            self._known[key] = parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=0)
        return self._known[key]

    def code(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype)))

    def cast(self, name: str, dtype: Any) -> str:
        """A value in another dtype."""
        made = self._name("cast")
        node = self.onnx.helper.make_node("Cast", [name], [made], to=self.code(dtype))
        self.nodes.append(node)
        return made

    def operands(self, place: int) -> list[str]:
        """The operands of a step, all in one dtype: Python numbers have none of their own."""
        step = self.first.steps[place]
        dtype = self.common(step)
        names = []
        for x in step.inputs:
            operand = self.first.steps[x]
            if operand.name == "constant" and operand.dtype is None:
                names.append(self.data(x, dtype))
            elif operand.dtype is not None and operand.dtype != dtype:
                names.append(self.cast(self.values[x], dtype))
            else:
                names.append(self.values[x])
        return names

    def common(self, step: Step) -> Any:
        """The dtype in which a step's operands meet."""
        steps = [self.first.steps[x] for x in step.inputs]
        dtypes = [x.dtype for x in steps if x.dtype is not None]
        numbers = [x.data for x in steps if x.dtype is None and x.name == "constant"]
        return numpy.result_type(*dtypes, *numbers) if dtypes else numpy.dtype(numpy.float32)

    def refer(self, option: Any) -> str:
        """The name of an option that is an array: the result of a step."""
        if isinstance(option, Ref):
            return self.values[option.place]
        return self.constant(option)

    # Behind them

    def _step(self, place: int) -> str:
        step = self.first.steps[place]
        if step.name in ("constant", SOURCE):
            return self.data(place, step.dtype or numpy.float32)
        word = WORDS.get(step.name)
        if word is None:
            where = f" ({step.origin})" if step.origin else ""
            raise NotImplementedError(
                f"export_onnx: ONNX has no counterpart of {step.name}{where}; compute that part "
                "outside of the model"
            )
        return word(self, place)

    def data(self, place: int, dtype: Any) -> str:
        """A number or an array made while the model ran: the same for every batch, one number
        throughout, or in proportion to one over the batch."""
        steps = (self.first.steps[place], self.last.steps[place])
        first, last = (numpy.asarray(_read(step), dtype) for step in steps)
        if first.shape == last.shape and numpy.array_equal(first, last):
            return self.constant(first)
        if first.size and (first == first.flat[0]).all() and (last == first.flat[0]).all():
            value = self.onnx.numpy_helper.from_array(first.reshape(-1)[:1])
            shape = self.numbers(first.shape, last.shape)
            return self.add("ConstantOfShape", shape, value=value)
        if (
            first.size == 1 == last.size
        ):  # what a mean over the batch divides by, or multiplies with
            count = self.size
            for kind, one in (("Mul", first / count), ("Div", first * count)):
                then = one * (count + 1) if kind == "Mul" else one / (count + 1)
                if numpy.isclose(then, last, rtol=1e-6):
                    batch = self.cast(self.add("Squeeze", self._batch()), first.dtype)
                    return self.add(kind, self.constant(one, first.dtype), batch)
        raise ValueError(
            f"export_onnx: an array of shape {first.shape} that the model makes in Python depends "
            "on the batch; pass batch_axis=None to export it for the size of the example"
        )

    def _needed(self) -> list[int]:
        """The places of the steps that the results depend on, in order."""
        needed: set[int] = set()
        waiting = [*self.first.results]
        while waiting:
            place = waiting.pop()
            if place not in needed:
                needed.add(place)
                waiting += self.first.steps[place].refs
        return sorted(needed)

    def _batch(self) -> str:
        """How many there are in the batch that is given, an integer of one element."""
        key = ("batch",)
        if key not in self._known:
            number, axis = next((i, a) for i, a in enumerate(self._axes) if a is not None)
            name = self._inputs[number].name
            self._known[key] = self.add("Shape", name, start=axis, end=axis + 1)
        return self._known[key]

    def _declared(self, name: str, place: int) -> Any:
        a, b = self.first.steps[place], self.last.steps[place]
        shape = [
            n if n == m else "batch" if m - n == 1 and n == self.size else None
            for n, m in zip(a.shape, b.shape, strict=True)
        ]
        dtype = numpy.float32 if a.dtype is None else a.dtype
        return self.onnx.helper.make_tensor_value_info(name, self.code(dtype), shape)

    def _initializer(self, name: str, data: Any) -> str:
        array = numpy.asarray(data)
        self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def _name(self, wanted: str) -> str:
        """A name that nothing has yet."""
        wanted = re.sub(r"[^\w.]", "_", wanted)
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def _read(step: Step) -> Any:
    return step.options["read"]() if step.name == SOURCE else step.data


def _onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'export_onnx needs onnx: pip install "tinygrad_edu[onnx]"'
        ) from error
    return onnx
