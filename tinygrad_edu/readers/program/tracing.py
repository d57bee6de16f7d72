"""Tape -> Program: every operation and every derivative rule, read with a namespace that records.

The engine decides how an operation is read by what its nodes hold.  Here they hold symbols, so the
operations' own forward functions, the rules, and the engine's own backward pass write down what
they would compute: nothing about the mathematics is said a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NoReturn

import numpy

from tinygrad_edu.engine.backprop import topological, walk
from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.namespaces.vocabulary import VOCABULARY
from tinygrad_edu.node import Node, check_data, record
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.readers.program.steps import SOURCE, Effect, Program, Ref, Step
from tinygrad_edu.readers.program.tape import Call, Tape
from tinygrad_edu.readers.program.words import kept, meaning


class Symbol:
    """The result of a step, with an example of its value, so that rules can ask for shapes."""

    __slots__ = ("example", "place", "recording", "rest")
    __array_ufunc__ = None  # NumPy leaves the operators to us
    __hash__ = object.__hash__

    def __init__(self, recording: Recording, place: int, example: Any) -> None:
        self.recording = recording
        self.place = place
        self.example = example
        self.rest: tuple[Symbol, ...] = ()  # see ops/kept.py

    shape = property(lambda self: getattr(self.example, "shape", ()))
    dtype = property(lambda self: getattr(self.example, "dtype", None))
    ndim = property(lambda self: self.example.ndim)
    size = property(lambda self: self.example.size)
    device = property(lambda self: self.example.device)
    base = None  # as of an array that owns its memory

    def copy(self) -> Symbol:
        """Itself: nothing changes a symbol."""
        return self

    def astype(self, dtype: Any) -> Symbol:
        """Cast by a recorded step."""
        return self.recording.emit("astype", (self,), {"dtype": dtype})

    def reshape(self, shape: Any) -> Symbol:
        """Reshaped by a recorded step."""
        return self.recording.emit("reshape", (self,), {"shape": shape})

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule may not branch on values; use xp.where")


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
}


def _operator(name: str, reflected: bool) -> Any:
    def method(self: Symbol, other: Any) -> Symbol:
        return self.recording.emit(name, (other, self) if reflected else (self, other), {})

    return method


for _python, _name in _OPERATORS.items():
    setattr(Symbol, f"__{_python}__", _operator(_name, False))
    if _python in ("add", "sub", "mul", "truediv", "pow"):
        setattr(Symbol, f"__r{_python}__", _operator(_name, True))
setattr(Symbol, "__neg__", lambda self: self.recording.emit("negative", (self,), {}))  # noqa: B010


class Recording:
    """The namespace of this reading: the vocabulary, each name of which writes down a step.

    xp : the namespace that computes the examples.
    """

    of_operations = True  # so that what is kept whole can be seen by name
    whole = staticmethod(kept)  # whether an operation beyond the vocabulary is one step

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.steps: list[Step] = []
        self.origin = ""
        self.backward = False
        self.kind = type("Symbol", (Symbol,), {"__slots__": ()})  # its namespace is this recording

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op = lookup(name)
        if name in VOCABULARY or self.whole(name):
            return lambda *operands, **options: self.emit(name, operands, options)
        return lambda *operands, **options: op.forward(self, *operands, **op.fill(options))

    def emit(self, name: str, operands: tuple[Any, ...], options: dict[str, Any]) -> Symbol:
        """Write down a step; its result."""
        symbols = [x if isinstance(x, Symbol) else self.constant(x) for x in operands]
        examples = [x.example for x in symbols]
        with numpy.errstate(all="ignore"):
            example = meaning(name, self.xp)(*examples, **_examples(options))
        return self.add(
            Step(
                name,
                tuple(x.place for x in symbols),
                {key: _refer(option) for key, option in options.items()},
                getattr(example, "shape", ()),
                getattr(example, "dtype", None),
                origin=self.origin,
                backward=self.backward,
            ),
            example,
        )

    def add(self, step: Step, example: Any) -> Symbol:
        """Append a step; its result."""
        self.steps.append(step)
        return self.kind(self, len(self.steps) - 1, example)

    def constant(self, data: Any) -> Symbol:
        """A number or an array that is the same in every run."""
        step = Step("constant", (), {}, getattr(data, "shape", ()), getattr(data, "dtype", None))
        step = step._replace(data=data, backward=self.backward)
        return self.add(step, data)

    def leaf(self, name: str, data: Any, label: str) -> Symbol:
        """An input, or the gradient that arrives."""
        step = Step(name, (), {}, getattr(data, "shape", ()), getattr(data, "dtype", None))
        step = step._replace(label=label, backward=self.backward)
        return self.add(step, data)

    def label(self, symbol: Symbol, label: str, *, named: bool = False) -> None:
        """Name a result, unless it has a name."""
        step = self.steps[symbol.place]
        if not step.label and step.name != "constant":
            self.steps[symbol.place] = step._replace(label=label, named=named)


def _examples(option: Any) -> Any:
    """Options in which symbols have become their examples."""
    if isinstance(option, dict):
        return {key: _examples(part) for key, part in option.items()}
    if option.__class__ is tuple:
        return tuple([_examples(part) for part in option])
    return option.example if isinstance(option, Symbol) else option


def _refer(option: Any) -> Any:
    """An option in which symbols have become references to their steps."""
    if option.__class__ is tuple:
        return tuple([_refer(part) for part in option])
    return Ref(option.place) if isinstance(option, Symbol) else option


class Traced(Node):
    """A node that holds a symbol: the third engine, in which the backward pass is written down."""

    __slots__ = ()
    holds: ClassVar[type] = Symbol

    @classmethod
    def _constant(cls, data: Any) -> Traced:
        out = object.__new__(cls)
        out._begin(data, False, None)
        return out

    @classmethod
    def _hold(cls, data: Any) -> Any:
        if isinstance(data, Symbol):
            return data
        raise TypeError(f"an operation gave a {type(data).__name__} that does not depend on data")

    @classmethod
    def _fit(cls, part: Any, like: Symbol) -> Any:
        if part.shape != like.shape:
            part = part.recording.emit("sum_to", (part,), {"shape": like.shape})
        return part if part.dtype == like.dtype or like.dtype is None else part.astype(like.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the example."""
        return self._data.shape


Traced.engine = Traced


class Trace:
    """A program, and what its inputs are.

    arguments, captured : the nodes that it reads: the stand-ins of the arguments, then those that
        existed before the call.
    """

    def __init__(self, tape: Tape, arguments: list[Node], results: list[Node], names: Any) -> None:
        self.arguments = arguments
        self.captured: list[Node] = []
        self._tape = tape
        self._names = names
        self._traced: dict[Node, Traced] = {}
        self._arrays: dict[int, Symbol] = {}
        self._inputs: list[Traced] = []
        self._counts: dict[str, int] = {}
        first = (arguments or [*tape.made, *results])[0]
        self.recording = Recording(NAMESPACES[first._data.__class__])
        NAMESPACES[self.recording.kind] = self.recording
        try:
            self.program = self._read(results)
        finally:
            del NAMESPACES[self.recording.kind]

    def _read(self, results: list[Node]) -> Program:
        for node in self.arguments:
            self._input(node)
        self._find_captured(results)
        for call in self._tape.calls:
            self._replay(call)
        ends = [self._node(node) for node in results]
        effects = [self._effect(*act) for act in self._tape.acts]
        gradients = [self._gradients(end) for end in ends]
        return Program(
            tuple(self.recording.steps),
            tuple(end._data.place for end in ends),
            tuple(gradients),
            tuple(effects),
            self.recording.xp,
        )

    def _find_captured(self, results: list[Node]) -> None:
        """Make inputs of the nodes that existed before, so that inputs come first."""
        made = {call.out for call in self._tape.calls}
        known = made | self._tape.made | set(self.arguments)
        seen: dict[Node, None] = {}
        for call in self._tape.calls:
            seen.update(dict.fromkeys(x for x in call.inputs if x not in known))
        more = [*self._tape.given.values(), *results, *(x for a in self._tape.acts for x in a[2])]
        targets = [a[0] for a in self._tape.acts if a[0] is not None]
        seen.update(dict.fromkeys(x for x in [*more, *targets] if x not in known))
        self.captured = list(seen)
        for node in self.captured:
            self._input(node)

    def _input(self, node: Node) -> None:
        label = node.name or self._names.get(node) or "x"
        symbol = self.recording.leaf("input", node._data, label)
        traced = Traced._constant(symbol)
        traced.requires_grad = node.requires_grad
        self._traced[node] = traced
        self._inputs.append(traced)

    def _node(self, node: Node) -> Traced:
        """What stands for a node: a constant if it was made meanwhile by no operation."""
        if node not in self._traced:
            data = node._data
            self._traced[node] = Traced._constant(self.recording.constant(data))
        return self._traced[node]

    def _replay(self, call: Call) -> None:
        op, recording = call.op, self.recording
        line = call.out.line
        if op is None:
            data = call.out._data
            step = Step(SOURCE, (), call.options, data.shape, data.dtype, label=call.out.name or "")
            self._traced[call.out] = Traced._constant(recording.add(step, data))
            return
        recording.origin = op.name if line is None else f"{op.name}, {line[0]}:{line[1]}"
        inputs = tuple([self._node(x) for x in call.inputs])
        data = tuple([x._data for x in inputs])
        options = {key: self._option(option) for key, option in call.options.items()}
        run = recording.emit if kept(op.name) else None
        out = run(op.name, data, options) if run else op.forward(recording, *data, **options)
        if not isinstance(out, Symbol):
            out = recording.constant(out)
        dtype = getattr(call.out._data, "dtype", None)
        if out.dtype != dtype and dtype is not None:
            raise AssertionError(f"{op.name} gave {out.dtype}, and {dtype} when it ran")
        if all(out is not x for x in data):  # as clip without limits gives
            self._counts[op.name] = count = self._counts.get(op.name, 0) + 1
            name = call.out.name
            recording.label(out, name or f"{op.name}_{count}", named=name is not None)
        needed = call.out.requires_grad
        self._traced[call.out] = record(op, Traced, out, inputs, data, options, needed)  # type: ignore[assignment]

    def _option(self, option: Any) -> Any:
        """An option in which arrays have become symbols: later runs read them anew."""
        if option.__class__ is tuple:
            return tuple([self._option(part) for part in option])
        given = self._tape.given.get(id(option))
        if given is not None:
            return self._node(given)._data
        if isinstance(option, numpy.ndarray):
            if id(option) not in self._arrays:
                self._arrays[id(option)] = self.recording.constant(option)
            return self._arrays[id(option)]
        return option

    def _effect(self, target: Node | None, check: Any, nodes: tuple[Node, ...]) -> Effect:
        places = tuple(self._node(x)._data.place for x in nodes)
        if target is None:
            return Effect(partial(check_data, check), places)
        node: Any = target

        def assign(data: Any) -> None:
            node.data = data

        return Effect(assign, places)

    def _gradients(self, end: Traced) -> tuple[int | None, ...]:
        """Write down the backward pass of one result."""
        if not end.requires_grad or end.op is None:
            return ()
        recording = self.recording
        recording.backward, recording.origin = True, ""
        seed = recording.leaf("seed", end._data.example, "g")
        start = len(recording.steps)

        def name(node: Node, g: Symbol, _: Any) -> None:
            """The rule of `node` has been read: say so of the steps that it wrote down."""
            nonlocal start
            forward = recording.steps[node._data.place]
            recording.label(g, "g_" + forward.label)
            for i in range(start, len(recording.steps)):
                step = recording.steps[i]
                recording.steps[i] = step._replace(origin=f"back: {forward.origin}")
            start = len(recording.steps)

        found = walk(topological(end), {end: seed}, visit=name)
        for leaf, g in found.items():
            recording.label(g, "g_" + recording.steps[leaf._data.place].label)
        recording.backward = False
        return tuple(
            found[x].place if x in found else None for x in self._inputs if x.requires_grad
        )
