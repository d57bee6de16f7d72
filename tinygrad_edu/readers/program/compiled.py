"""compile(f): f as a program that was written once and runs again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_edu.engine.backprop import grad
from tinygrad_edu.engine.value import Value
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.node import Node, current_mode, nodes_in, record, set_mode
from tinygrad_edu.ops.random import watch_generators
from tinygrad_edu.ops.registry import Op, edition, graph
from tinygrad_edu.readers.program.arguments import (
    describe_argument,
    filled,
    stand_in,
    structure,
)
from tinygrad_edu.readers.program.batching import Vectorized
from tinygrad_edu.readers.program.capture import Captured
from tinygrad_edu.readers.program.drawing import graph_of
from tinygrad_edu.readers.program.guards import Guards, names_of
from tinygrad_edu.readers.program.loading import Loaded, load
from tinygrad_edu.readers.program.passes import PASSES, improve
from tinygrad_edu.readers.program.reporting import report
from tinygrad_edu.readers.program.tape import Tape
from tinygrad_edu.readers.program.tracing import Trace
from tinygrad_edu.readers.program.writer import write
from tinygrad_edu.readers.trace import Graph

MOST = 16  # programs that a compiled function keeps


class Compiled:
    """What `compile` returns: call it as the function it was made from."""

    def __init__(
        self,
        function: Callable[..., Any],
        passes: tuple[str, ...],
        jit: str | None,
        memory: str | None,
    ) -> None:
        self.function = function
        self.passes = passes
        self.jit = jit
        self.memory = memory
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._entries: dict[Any, list[Entry]] = {}
        self._last: Entry | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = current_mode()
        if mode.tape is not None:  # inside another program: part of it
            return self.function(*args, **kwargs)
        nodes: list[Node] = []
        return self._find(args, kwargs, nodes).run(nodes, args, kwargs)

    def entry(self, args: tuple[Any, ...]) -> Entry:
        """The program for arguments like these."""
        return self._find(args, {}, [])

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any], nodes: list[Node]) -> Entry:
        """The program for these arguments, traced if there is none; their nodes go to `nodes`."""
        key: list[Any] = [current_mode().recording, current_mode().device, edition()]
        for x in args:
            describe_argument(x, nodes, key)
        for name in kwargs:
            key.append(name)
            describe_argument(kwargs[name], nodes, key)
        found = tuple(key)
        for entry in self._entries.get(found, ()):
            if entry.guards.hold():
                break
        else:
            entry = self._trace(found, args, kwargs)
        self._last = entry
        return entry

    def vectorize(self) -> Vectorized:
        """The function of one sample as a function of many: each argument an array (n,).

        For functions of Values.  A call gives the mean over the samples, whose ``backward()``
        reaches the Values that f closes over; ``.values(...)`` gives each result.  The same source
        runs on arrays, or, with ``jit="numba"``, as a loop in machine code.

        >>> from tinygrad_edu import Value, compile
        >>> w = Value(2.0)
        >>> batch = compile(lambda x, y: (w * x - y) ** 2).vectorize()
        >>> loss = batch([1.0, 2.0, 3.0], [2.0, 4.0, 9.0])
        >>> loss.backward()
        >>> loss.data, w.grad
        (3.0, -6.0)
        """
        return Vectorized(self)

    def graph(self) -> Graph:
        """The program that ran last as a graph without values, which `draw` shows.

        Results that are written over one another have one name.
        """
        return graph_of(self._program.program, self._program.written)

    def report(self) -> str:
        """What was done to the program that ran last, one line each, as text.

        Operations before and after the passes, those that run in chains, results written over
        others, bytes of all results and of those kept for the backward pass, and floating-point
        operations (a multiplication and an addition each count as one).

        >>> from tinygrad_edu import Tensor, compile
        >>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        >>> f = compile(lambda x: (x @ w * 1.0).tanh().sum())
        >>> _ = f(Tensor([[1.0, 2.0]]))
        >>> print(f.report())
        <lambda>: a program for (1, 2), (2, 2)
        operations: 12 traced, 9 left
        written over another result: 3
        bytes: 60 of results, 8 kept for the backward pass
        floating-point operations: 26
        """
        entry = self._program
        return report(entry.traced, entry.program, entry.written, entry.title)

    @property
    def source(self) -> str:
        """The program that ran last, as Python.  RuntimeError before the first call."""
        return self._program.written.text

    @property
    def _program(self) -> Entry:
        if self._last is None:
            raise RuntimeError(
                f"{self.__name__} has not been called yet: its program depends on the shapes and "
                "dtypes of its arguments; call it once"
            )
        return self._last

    def _trace(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        entry = Entry(self, args, kwargs)
        count = sum(map(len, self._entries.values()))
        while count >= MOST:  # the key that was traced first goes first
            count -= len(self._entries.pop(next(iter(self._entries))))
        self._entries.setdefault(key, []).insert(0, entry)
        return entry

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}>"


def compile(
    f: Callable[..., Any] | None = None,
    *,
    passes: tuple[str, ...] = tuple(PASSES),
    jit: str | None = None,
    memory: str | None = None,
    capture: bool = False,
) -> Any:
    """f as a program: the first call records what f does, later ones run generated Python.

    The result is an ordinary node: its ``backward()`` fills the gradients of arguments, parameters
    and everything f reaches by closure.  Also a decorator.

    f : a function, module or method of Tensors or of Values (arrays arrive as Tensors), in any
        nesting of tuples, lists and dictionaries; it returns nodes, in the same way.
    passes : the names of the optimisations to apply; all by default.  "erf" and "loops" are for
        machine code, "kernels" for a GPU, where each chain of elementwise operations is one kernel
        (its C++ stands in `source`), "checkpoints" for low memory; they do nothing without.
    jit : "numba" compiles chains of arithmetic, and what `vectorize` returns, to machine code (the
        extra ``jit``), at about half a second for each chain that is new.
    memory : "low" keeps fewer results for the backward pass and computes the others again.
    capture : whether what f does on a card is recorded and then sent there as a whole (a CUDA
        graph), a training step with its ``backward()`` and ``optimizer.step()`` included; see
        below.  It is not traced: the functions that f calls may be compiled ones.

    What is traced is what f does with nodes.  Other Python values, the numbers among the arguments
    and the branches they decide included, are baked in: a new number, shape, dtype, or mode
    (`train`, `no_grad`) makes a new program, a global number that changes goes unseen.  Reading the
    value of a node inside f (``bool``, ``float``, ``item``, ``numpy``, ``data``) raises TypeError,
    since a program must hold for every value.

    With `capture` f runs as it is twice, is recorded the third time, and repeated from then on with
    new arguments, which must not require gradients; what it returns are tensors without a history.
    Weights may be assigned and learning rates changed in between; another shape, mode or option
    records anew.  Steps of Adam are counted and random numbers drawn as without.  Not recorded, and
    refused by name: work on the CPU (and indices or weights made there, as reflecting pads and
    `Upsample` do), values read on the host (and masks as indices), gradients from before the step,
    optimisers that search (LBFGS), and schedules of the learning rate, which go on after the step.
    Products are then computed by a kernel of our own, since CuPy records no cuBLAS: it pays for
    networks so small that sending takes the time.  The card cannot be waited for, so values are not
    checked there: a class that is none makes `cross_entropy` and `nll_loss` nan; an `embedding`
    takes its indices modulo its rows, unless they are an argument that comes from the CPU, where
    they are checked before each repetition.  Tested on a stand-in for CuPy alone.

    >>> from tinygrad_edu import Tensor, compile
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> f = compile(lambda x: (w * x).sum())
    >>> f(Tensor([3.0, 4.0])).backward()
    >>> w.grad.tolist()
    [3.0, 4.0]

    Built in lesson 41.
    """
    if f is None:
        return lambda f: compile(f, passes=passes, jit=jit, memory=memory, capture=capture)
    if not callable(f):
        raise TypeError(f"compile takes a function, not a {type(f).__name__}")
    unknown = [name for name in passes if name not in PASSES]
    if unknown:
        raise ValueError(f"compile has no pass {unknown[0]!r}; it has {', '.join(PASSES)}")
    if jit not in (None, "numba"):
        raise ValueError(f"compile: jit is {jit!r}, not None or 'numba'")
    if memory not in (None, "low"):
        raise ValueError(f"compile: memory is {memory!r}, not None or 'low'")
    if capture:
        if jit is not None or memory is not None or passes != tuple(PASSES):
            raise ValueError(
                "compile: capture=True records what f does as it is; give passes, jit and memory "
                "to the functions that f calls"
            )
        return Captured(f)
    return Compiled(f, passes, jit, memory)


class Entry:
    """One program of a compiled function, and how to call it."""

    def __init__(self, owner: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = owner.function
        self.title = title = owner.__name__
        order: list[Node] = []
        given = [stand_in(x, order) for x in args]
        named = {name: stand_in(x, order) for name, x in kwargs.items()}
        tape = Tape()
        with _nothing_drawn():
            with set_mode(tape=tape, lines=True):
                returned = self.function(*given, **named)
            results = list(nodes_in(returned))
            if not results:
                raise TypeError(
                    f"compile: {title} must return a Value or a Tensor, or several in tuples, "
                    f"lists or dictionaries, not {type(returned).__name__}"
                )
            trace = Trace(tape, order, results, names_of(self.function, tape, given, named))
        self.traced = trace.program
        self.xp = trace.recording.xp
        without = {
            "checkpoints": owner.memory is None,
            "erf": owner.jit is None or self.xp is not NUMPY,
            "loops": owner.jit is None or self.xp is not NUMPY,
            "blocks": self.xp is not NUMPY,
            "kernels": getattr(self.xp, "device", "cpu") == "cpu",
        }
        left_out = [name for name, out in without.items() if out]
        self.program = improve(trace.program, owner.passes, left_out)
        self.written = write(self.program, title)
        self.loaded = load(self.written, self.xp, title)
        self.captured = trace.captured
        self.guards = Guards(self.function, tape, trace.captured)
        self.draws = tape.draws
        self._engine = results[0].engine
        self._wanted = [i for i, x in enumerate(order) if x.requires_grad]
        self.scalar = isinstance(results[0], Value)
        self.arrays: Loaded | None = None  # the same source on arrays, once it is asked for
        self.loop: Callable[..., Any] | None = None  # and as a loop in machine code
        self.captured_wanted = [x for x in trace.captured if x.requires_grad]
        self._structure = structure(returned)
        handed: dict[Node, Any] = dict(zip(trace.captured, trace.captured, strict=True))
        handed |= {x: i for i, x in enumerate(order)}
        self._results = [handed.get(x, self._computed(k)) for k, x in enumerate(results)]

    def _computed(self, k: int) -> Op | None:
        """The operation that result k is recorded under, if it has gradients."""
        return _operation(self, k) if self.program.gradients[k] else None

    def run(self, nodes: list[Node], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results for these arguments, as nodes."""
        capture = current_mode().capture
        if capture is not None:
            capture.operation(self.title, [*nodes, *self.captured])
            capture.holds(self.guards.hold)
        data = [x._data for x in nodes]
        data += [x._data for x in self.captured]
        outs, seen, kept = self.loaded.forward(*data)
        start = 0
        for effect in self.program.effects:
            stop = start + len(effect.places)
            effect.act(*seen[start:stop])
            start = stop
        touched = (*[nodes[i] for i in self._wanted], *self.captured_wanted)
        touched_data = tuple([x._data for x in touched])
        results: list[Node] = []
        saved = iter(kept)
        engine = self._engine
        for out, how in zip(outs, self._results, strict=True):
            if isinstance(how, int):
                results.append(nodes[how])
            elif isinstance(how, Node):
                results.append(how)
            elif how is None:
                results.append(engine._constant(engine._hold(out)))
            else:
                options = {"run": Run(self, next(saved), args, kwargs)}
                results.append(record(how, engine, out, touched, touched_data, options, True))
        return filled(self._structure, iter(results))


@contextlib.contextmanager
def _nothing_drawn() -> Iterator[None]:
    """Afterwards random generators are as before: the program's first run draws the numbers."""
    with watch_generators() as drawn:
        try:
            yield
        finally:
            for generator, state in drawn:
                generator.bit_generator.state = state


class Run:
    """What a result keeps of the call that made it."""

    __slots__ = ("args", "entry", "kwargs", "saved")

    def __init__(self, entry: Entry, saved: Any, args: Any, kwargs: Any) -> None:
        self.entry = entry
        self.saved = saved
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return "<one run>"


def _operation(entry: Entry, k: int) -> Op:
    """The operation whose results are result k of the program."""

    def program(xp: Any, *xs: Any, run: Run) -> Any:
        with set_mode(recording=False, effects=False):
            return list(nodes_in(entry.function(*run.args, **run.kwargs)))[k]._data

    def rule(xp: Any, g: Any, out: Any, *xs: Any, run: Run) -> Any:
        if xp is not graph:
            return entry.loaded.backward[k](g, run.saved)
        if entry.draws:
            raise RuntimeError(
                "a program that draws random numbers cannot be differentiated twice: they would "
                "be drawn anew; call the function itself"
            )
        with set_mode(recording=True, effects=False, in_rule=False):
            again = list(nodes_in(entry.function(*run.args, **run.kwargs)))[k]
            return grad(again, xs, g, create_graph=True)

    program.__name__ = "program"
    made = Op(program, symbol="program", latex=None, differentiable=True)
    made.rule = rule
    return made
