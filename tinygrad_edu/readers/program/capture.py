"""A step whose launches are recorded once and repeated as a whole: a CUDA graph.

A small network keeps a card waiting for Python.  The first calls run the function as it is, so that
kernels are compiled and the optimiser has its buffers.  The next one runs it while the stream
captures: nothing is computed then, every launch is noted with the addresses it reads and writes.
From there on a call copies its arguments to the addresses of the first ones, and sends the whole.

So that the addresses stay right, what is assigned to a tensor meanwhile goes into the memory it has
(`Notes.write`); and what Python alone decides is looked at before each repetition (`Notes.holds`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import cupy_arrays
from tinygrad_edu.node import Node, current_mode, describe, nodes_in, set_mode
from tinygrad_edu.ops.random import generator_or_default
from tinygrad_edu.ops.registry import Op
from tinygrad_edu.readers.program.arguments import describe_argument, filled, stand_in, structure

WARM_UP = 2  # calls that run as they are
MOST = 16  # recordings that a function keeps


class Captured:
    """What ``compile(f, capture=True)`` returns: call it as f."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._recordings: dict[Any, Recording] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = current_mode()
        if mode.capture is not None or mode.tape is not None:  # inside another: part of it
            return self.function(*args, **kwargs)
        nodes: list[Node] = []
        key: list[Any] = [mode.recording, mode.device]
        describe_argument([args, kwargs], nodes, key)
        found = tuple(key)
        recording = self._recordings.get(found)
        if recording is None:
            if len(self._recordings) == MOST:
                del self._recordings[next(iter(self._recordings))]
            recording = self._recordings[found] = Recording(self)
        return recording.call(nodes, args, kwargs)

    def __repr__(self) -> str:
        return f"<captured {self.__name__}>"


class Recording:
    """The launches of a function for arguments of one kind."""

    def __init__(self, owner: Captured) -> None:
        self._function = owner.function
        self._title = owner.__name__
        self._xp = cupy_arrays()
        self._waiting = WARM_UP
        self._graph: Any = None

    def call(self, nodes: list[Node], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results for these arguments, tensors without a history."""
        for x in nodes:
            if x.requires_grad:
                raise ValueError(
                    f"compile: {describe(x)} is an argument of {self._title} that requires a "
                    "gradient, and a recorded step gives arguments none; let the step reach it by "
                    "closure, as it does the parameters"
                )
        if self._graph is not None and not self._notes.hold():
            self._graph, self._waiting = None, 1
        if self._waiting:
            self._waiting -= 1
            returned = self._function(*self._on_card(args, []), **self._on_card(kwargs, []))
            return _copied(list(nodes_in(returned)), structure(returned))
        if self._graph is None:
            self._record(args, kwargs)
        self._notes.check_arguments(nodes)
        for buffer, x in zip(self._buffers, nodes, strict=True):
            buffer._data[...] = self._xp.asarray(x._data)
        self._notes.before_launch()
        self._graph.launch()
        self._notes.after_launch()
        return _copied(self._results, self._structure)

    def _on_card(self, given: Any, order: list[Node]) -> Any:
        """Arguments in which all nodes and arrays are leaves on the card, noted in `order`."""
        found = stand_in(given, order)
        for x in order:
            x._data = self._xp.asarray(x._data).copy()  # memory that nobody else has
        return found

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the function while a stream of its own captures, with memory of its own."""
        cuda = self._xp.library.cuda
        order: list[Node] = []
        given, named = self._on_card([args, kwargs], order)
        notes = Notes(self._xp, order)
        stream, self._pool = cuda.Stream(non_blocking=True), cuda.MemoryPool()
        with stream, cuda.using_allocator(self._pool.malloc):
            stream.begin_capture()
            try:
                with set_mode(capture=notes), self._xp.seeded_by(notes.seed):
                    returned = self._function(*given, **named)
                results = list(nodes_in(returned))
                notes.end()
            except BaseException as error:
                with contextlib.suppress(Exception):
                    stream.end_capture()
                notes.undo()
                if not isinstance(error, Exception):
                    raise
                raise RuntimeError(
                    f"compile: capture=True cannot record {self._title}{_where(error)}: {error}"
                ) from error
            graph = stream.end_capture()
        self._graph, self._notes, self._buffers = graph, notes, order
        self._results, self._structure = results, structure(returned)


class Notes:
    """What a recording rests on; the mode's `capture`, told of it by engine and optimisers."""

    def __init__(self, xp: Any, arguments: list[Node]) -> None:
        self._xp = xp
        self._arguments = arguments
        self._made: set[int] = set()
        self._known: dict[Node, Any] = {}  # a node from before -> the memory it had
        self._written: set[Node] = set()
        self._gradients: dict[Node, Any] = {}
        self._facts: list[tuple[Callable[[], Any], Any]] = []
        self._checks: list[tuple[Callable[..., object], list[int]]] = []
        self._acts: list[Callable[[], None]] = []
        self._numbers: list[tuple[Callable[[], dict[str, float]], dict[str, float], Any]] = []
        self._seeds: list[tuple[Any, Any]] = []
        self._kept: list[Any] = []  # in whose memory launches read and write

    # While launches are recorded

    def operation(self, name: str, inputs: Iterable[Node], out: Node | None = None) -> None:
        """An operation ran: on the card, as is checked."""
        for x in inputs:
            if not isinstance(x._data, self._xp.ndarray):
                raise RuntimeError(
                    f"{name} computes on the CPU with {describe(x)}, which is not recorded; "
                    "move it to the card before"
                )
            self.option(x)
        if out is not None:
            self._made.add(id(out))

    def option(self, node: Node) -> None:
        """An operation reads a node, as an operand or in an option."""
        if node.op is None and id(node) not in self._made:
            self._known.setdefault(node, node._data)

    def check(self, check: Callable[..., object], data: Iterable[Any]) -> None:
        """Values would be checked, which are on the card: those of arguments, before they go."""
        places = [i for a in data for i, x in enumerate(self._arguments) if x._data is a]
        if places:
            self._checks.append((check, places))

    def write(self, node: Node, data: Any) -> None:
        """Give a node new data, in the memory that it has."""
        held = node._data
        if data is not held:
            held[...] = data
        node._data = self._known[node] = held.view()
        self._written.add(node)

    def gradient(self, leaf: Node) -> None:
        """A gradient arrives at a leaf."""
        if leaf._grad is not None and leaf not in self._gradients:
            raise RuntimeError(
                f"{describe(leaf)} had a gradient before, and a repetition would add to that one "
                "for ever; call zero_grad() inside the step, before backward()"
            )
        self._gradients[leaf] = None

    def holds(self, read: Callable[[], Any], kept: Iterable[Any] = ()) -> None:
        """What `read` gives now decides what is recorded; if it changes, it is recorded anew.

        kept : what is told apart by its id, which nothing else may take.
        """
        self._facts.append((read, read()))
        self._kept += kept

    def before_each(self, act: Callable[[], None]) -> None:
        """What Python does before each repetition, and before `numbers` are read."""
        self._acts.append(act)

    def numbers(self, read: Callable[[], dict[str, float]], dtype: Any) -> dict[str, Any]:
        """Numbers of Python's on the card, by name, which `read` gives before each repetition."""
        now = read()
        held = {name: self._xp.library.empty((), dtype) for name in now}
        self._numbers.append((read, now, held))
        return held

    def seed(self, generator: Any) -> Any:
        """A seed on the card, which a generator gives before each repetition, as it would anew."""
        held = self._xp.library.empty((), "int64")
        self._seeds.append((held, generator))
        self.holds(lambda: generator_or_default() is generator, kept=[generator])
        return held

    def end(self) -> None:
        """All launches are recorded."""
        self._gradients = {leaf: leaf._grad for leaf in self._gradients}
        for read, before, _ in self._numbers:
            for name, now in read().items():
                if now != before[name]:
                    raise RuntimeError(
                        f"{name!r} was {before[name]} and is {now} now, which a repetition would "
                        "not change again; move a learning-rate schedule on after the recorded step"
                    )

    def undo(self) -> None:
        """Recording failed: nothing was computed, so nothing has arrived."""
        for leaf in self._gradients:
            leaf._grad = None

    # Before and after each repetition

    def hold(self) -> bool:
        """Whether what Python decided is still so."""
        return all(read() == value for read, value in self._facts)

    def check_arguments(self, nodes: list[Node]) -> None:
        """Check the values of arguments that are still on the CPU, where nothing has to wait."""
        for check, places in self._checks:
            given = [nodes[i]._data for i in places]
            if all(isinstance(x, numpy.ndarray) for x in given):
                check(*given)

    def before_launch(self) -> None:
        """Put data that was assigned since, and numbers of Python's, where launches read them."""
        for node, memory in self._known.items():
            if node._data is not memory:
                memory[...] = node._data
                node._data = memory
        for act in self._acts:
            act()
        for read, _, held in self._numbers:
            for name, now in read().items():
                held[name].fill(now)
        for held, generator in self._seeds:
            held.fill(int(generator.integers(2**63)))

    def after_launch(self) -> None:
        """Say of what was written that it has changed; gradients are those of this time."""
        for node in self._written:
            node._data = self._known[node] = node._data.view()
        for leaf, g in self._gradients.items():
            leaf._grad = g


def _copied(results: list[Node], form: Any) -> Any:
    """What a function returned, as tensors that no later call changes."""
    return filled(form, iter([x.engine._constant(x._data.copy()) for x in results]))


def _where(error: BaseException) -> str:
    """The operation in which an error arose, in words."""
    name, trace = "", error.__traceback__
    while trace is not None:
        op = trace.tb_frame.f_locals.get("op")
        if isinstance(op, Op):
            name = op.name
        trace = trace.tb_next
    return f", in {name}" if name else ""
