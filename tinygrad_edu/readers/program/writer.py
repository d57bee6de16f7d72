"""Program -> Python source: one line per step, in the words of the vocabulary."""

from __future__ import annotations

import dataclasses
import math
import os.path
from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.readers.program.chains import BLOCK, inner_steps
from tinygrad_edu.readers.program.kernels import kernel
from tinygrad_edu.readers.program.memory import destinations, last_reads, takeovers
from tinygrad_edu.readers.program.names import Names, comment
from tinygrad_edu.readers.program.steps import CHAIN, LEAVES, SOURCE, Program, Ref, Step
from tinygrad_edu.readers.program.words import INFIX, INTO

# How tightly the text of a step binds; all other steps are calls, which bind tightest.
LEVELS = dict.fromkeys(INFIX, 1) | {"add": 2, "subtract": 2, "multiply": 3, "negative": 4}
_CALL = 5
AUGMENTED = ("add", "subtract", "multiply")  # where `x += y` writes into x
_SMALL = 2**14  # bytes of results below which it is not said that they are not needed any more
_WIDTH = 96  # columns up to which steps that are used once are written inside the next
_INDENT = "    "
_RESERVED = {"saved", "inf", "nan", "forward", "slice", "empty", "range", "len"}
_RESERVED |= {"float32", "float64", "ElementwiseKernel"}


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """Source, and what its names mean.

    text : the source: a function ``forward`` and one ``backward`` per result with gradients.
    uses : the names of the vocabulary, and of kept operations, that it calls.
    objects : the objects that stand in it by name: arrays, generators.
    kept : the places of the results that are kept for a backward pass.
    over : how many results are written over another.
    loops : the functions in it that are for machine code, the text of each and what it calls.
    names : what each result is called; in a program of numbers, some are expressions.
    """

    text: str
    uses: frozenset[str]
    objects: dict[str, Any]
    kept: frozenset[int] = frozenset()
    over: int = 0
    loops: Mapping[str, tuple[str, frozenset[str]]] = dataclasses.field(default_factory=dict)
    names: Mapping[int, str] = dataclasses.field(default_factory=dict)


def write(program: Program, title: str = "f", *, reuse: bool = True) -> Written:
    """The source of a program.

    title : the name of the user's function, for the comment at its head.
    reuse : whether results are written over operands that nobody reads any more.
    """
    return _Writer(program, title, reuse).write()


def write_loop(program: Program, title: str, varying: int) -> Written:
    """The source of a program of numbers as one loop over samples, forward and backward together.

    ``loop(samples, parameters, g, results, gradients)`` reads ``samples[k, i]`` for the first
    `varying` inputs and ``parameters[k]`` for the others, fills ``results[i]``, and adds up
    ``gradients[k]``, `g` being the gradient that arrives at every result.
    """
    return _Writer(program, title, False).write_loop(varying)


class _Writer:
    def __init__(self, program: Program, title: str, reuse: bool) -> None:
        self.program = program
        self.title = comment(title)
        inner = (s.name for step in program.steps for s in inner_steps(step))
        self.uses = {*inner} - {*LEAVES, *LEVELS, SOURCE}
        self.names = Names({*self.uses, *LEVELS, *_RESERVED})
        self.objects: dict[str, Any] = {}
        self.called: dict[int, str] = {}
        self.scalar = all(step.dtype is None for step in program.steps)
        self.levels: dict[int, int] = {}  # of steps that are written inside another
        self.reuse = reuse
        self.own: frozenset[int] = frozenset()  # operands that may be written over too
        self.over = 0
        self.functions = self.names  # of the functions beside `forward`
        self.chains: dict[str, str] = {}  # the text of a chain, but for its name -> its name
        self.loops: dict[str, tuple[str, frozenset[str]]] = {}
        self.kernels: dict[str, str] = {}  # the text of a kernel, without its name -> its name

    def write(self) -> Written:
        steps = self.program.steps
        for i, step in enumerate(steps):
            if step.name == "input":
                self.called[i] = self.names.new(step.label)
        lines = [f"# {self.title}: a program of {self.program.operations} operations", ""]
        body = self._forward()
        for k, places in enumerate(self.program.gradients):
            if places:
                body += ["", "", *self._backward(k, places)]
        for rest, name in self.chains.items():
            lines += [f"def {name}{rest}", "", ""]
        for text, name in self.kernels.items():
            lines += [f"{name} = {text}", ""]
        lines += body
        saved = (self.saved(k) for k, places in enumerate(self.program.gradients) if places)
        kept = frozenset(i for places in saved for i in places if steps[i].name != "input")
        text = "\n".join(lines) + "\n"
        return Written(
            text,
            frozenset(self.uses),
            self.objects,
            kept,
            self.over,
            self.loops,
            dict(self.called),
        )

    def write_loop(self, varying: int) -> Written:
        steps, program = self.program.steps, self.program
        inputs = [i for i, step in enumerate(steps) if step.name == "input"]
        given = ("samples", "parameters", "g", "results", "gradients", "i")
        self.names = Names({*self.uses, *LEVELS, *_RESERVED, *given})
        for i in inputs:
            self.called[i] = self.names.new(steps[i].label)
        self.called |= {i: "g" for i, step in enumerate(steps) if step.name == "seed"}
        lines = [f"def loop({', '.join(given[:-1])}):"]
        for k, i in enumerate(inputs[varying:]):
            lines.append(f"{_INDENT}{self.called[i]} = parameters[{k}]")
        lines.append(f"{_INDENT}for i in range(samples.shape[1]):")
        inner = [
            f"{_INDENT}{self.called[i]} = samples[{k}, i]" for k, i in enumerate(inputs[:varying])
        ]
        wanted = [i for g in program.gradients for i in g]
        ends = {*program.results, *(i for i in wanted if i is not None)}
        places = list(range(len(steps)))
        inner += self._numbers(places, _read_once(steps, places) - ends)
        inner.append(f"{_INDENT}results[i] = {self._value(program.results[0])}")
        for k, place in enumerate(wanted):
            if place is not None:
                inner.append(f"{_INDENT}gradients[{k}] += {self._value(place)}")
        text = "\n".join(lines + [_INDENT + line for line in inner]) + "\n"
        return Written(text, frozenset(self.uses), self.objects)

    def saved(self, k: int) -> list[int]:
        """The places that the backward pass of result k reads: inputs and forward results."""
        steps = self.program.steps
        _, frontier = _reach(steps, (i for i in self.program.gradients[k] if i is not None))
        return [i for i in frontier if steps[i].name not in ("constant", "seed")]

    def _forward(self) -> list[str]:
        program = self.program
        inputs = [self.called[i] for i, s in enumerate(program.steps) if s.name == "input"]
        lines = [f"def forward({', '.join(inputs)}):"]
        body = [i for i, step in enumerate(program.steps) if not step.backward]
        ends = {*program.results, *(i for e in program.effects for i in e.places)}
        ends.update(i for k, g in enumerate(program.gradients) if g for i in self.saved(k))
        lines += self._body(body, ends)
        results = "".join(f"{self._result(i)}, " for i in program.results)
        effects = "".join(f"{self._value(i)}, " for e in program.effects for i in e.places)
        kept = [
            "(" + "".join(f"{self._value(i)}, " for i in self.saved(k)) + ")"
            for k, places in enumerate(program.gradients)
            if places
        ]
        kept_for_each = "".join(f"{names}, " for names in kept)
        lines.append(f"{_INDENT}return ({results}), ({effects}), ({kept_for_each})")
        return lines

    def _result(self, i: int) -> str:
        """A result that nobody else holds: a copy of a leaf."""
        step = self.program.steps[i]
        copied = step.name in LEAVES and hasattr(step.dtype, "kind")
        return self._value(i) + ".copy()" * copied

    def _backward(self, k: int, places: tuple[int | None, ...]) -> list[str]:
        steps = self.program.steps
        body, frontier = _reach(steps, (i for i in places if i is not None))
        seed = next((i for i in frontier if steps[i].name == "seed"), None)
        name = "g" if seed is None else self.called.setdefault(seed, self.names.new("g"))
        lines = [f"def backward_{k}({name}, saved):"]
        kept = [self._value(i) for i in self.saved(k)]
        if kept:
            lines.append(f"{_INDENT}({''.join(x + ', ' for x in kept)}) = saved")
        lines += self._body(body, {i for i in places if i is not None})
        returned = ", ".join(self._returned(places, j) for j in range(len(places)))
        lines.append(f"{_INDENT}return ({returned},)")
        return lines

    def _returned(self, places: tuple[int | None, ...], j: int) -> str:
        """A gradient that nobody else holds: a copy if it is saved, or another leaf's too."""
        place = places[j]
        if place is None:
            return "None"
        step = self.program.steps[place]
        shared = place in places[:j] or not step.backward
        return self._value(place) + ".copy()" * (shared and step.dtype is not None)

    def _body(self, places: list[int], ends: set[int]) -> list[str]:
        """The lines of a function; `ends` are the places that are read after them."""
        steps = self.program.steps
        if self.scalar:
            return self._numbers(places, _read_once(steps, places) - ends)
        last = last_reads(steps, [*self.own, *places], ends) if self.reuse else {}
        over = takeovers(steps, places, last, self.own)
        takers = {j: i for i, j in over.items()}
        on_cpu = self.program.xp is NUMPY
        into = destinations(steps, places, last, over) if on_cpu else {}
        wholes = {whole for whole, _ in into.values()}
        begun: set[int] = set()  # in this function: another may compute the same
        self.over += len(over)
        lines, origin, dead = [], "", []
        for i in places:
            step = steps[i]
            if step.name in LEAVES:
                continue
            if step.origin != origin:
                origin = step.origin
                lines.append(f"{_INDENT}# {_short(origin)}")
            out = ""
            if i in into:
                whole, at = into[i]
                if whole not in begun:
                    begun.add(whole)
                    lines.append(f"{_INDENT}{self._empty(whole)}  # {steps[whole].shape}")
                out = f"{self.called[whole]}[{at}]"
            if i not in wholes:
                line = self._line(i, over.get(i), takers, out)
                lines.append(f"{_INDENT}{line}  # {step.shape}")
            read = {j for j in {i, *step.refs} if steps[j].name not in LEAVES}
            dead = sorted({j for j in read if last.get(j) == i} - {over.get(i)})
            names = self._all_names(dead, over)
            if names and sum(steps[j].nbytes for j in dead) > _SMALL:
                lines.append(f"{_INDENT}del {', '.join(names)}")
        return lines

    def _all_names(self, places: list[int], over: dict[int, int]) -> dict[str, None]:
        """The names of results, and of those that they were written over: the same memory."""
        names: dict[str, None] = {}
        for i in places:
            names[self.called[i]] = None
            while i in over:
                i = over[i]
                names[self.called[i]] = None
        return names

    def _numbers(self, places: list[int], once: set[int]) -> list[str]:
        """The lines of a function of numbers: what is read once is written where it is read."""
        lines, origin = [], ""
        for i in places:
            step = self.program.steps[i]
            if step.name in LEAVES:
                continue
            right = self._expression(step)
            if i in once and len(right) < _WIDTH:
                self.called[i], self.levels[i] = right, LEVELS.get(step.name, _CALL)
                continue
            of = _short(step.origin).partition(", ")[2]
            if of != origin:
                origin = of
                lines.append(f"{_INDENT}# {origin}")
            self.called[i] = self.names.new(step.label or "t_1")
            lines.append(f"{_INDENT}{self.called[i]} = {right}")
        return lines

    def _empty(self, i: int) -> str:
        """The array whose parts are filled before step i, which would put them together."""
        step = self.program.steps[i]
        self.called[i] = self.names.new(step.label or "t_1")
        return f"{self.called[i]} = empty({step.shape}, {str(step.dtype)!r})"

    def _line(self, i: int, over: int | None, takers: dict[int, int], out: str) -> str:
        """One step; `over` is the operand whose memory it takes, `takers` who takes whose.

        out : the part of an array that it fills, if it does.
        """
        step = self.program.steps[i]
        if over is not None and step.name in AUGMENTED:
            first, second = step.inputs
            if first == over or step.name != "subtract":
                other = second if first == over else first
                self.called[i] = self.called[over]
                return f"{self.called[over]} {INFIX[step.name]}= {self._value(other)}"
        label, taker = step.label, i
        while not label and taker in takers:  # the name of what will become of it
            taker = takers[taker]
            label = self.program.steps[taker].label
        if over is not None and not label:
            self.called[i] = self.called[over]
            return self._into(step, self.called[over], over)
        out = out if over is None else self.called[over]
        right = self._into(step, out, over) if out else self._expression(step)
        self.called[i] = self.names.new(label or "t_1")
        return f"{self.called[i]} = {right}"

    def _into(self, step: Step, out: str, over: int | None) -> str:
        """The step as a call that writes into `out`, the memory of an operand `over` or another."""
        if step.name == CHAIN and step.options["how"] == "kernel":
            return self._kernel(step, out)
        if step.name == CHAIN:
            return self._chain(step, out, over)
        operands = ", ".join(map(self._value, step.inputs))
        self.uses.add(step.name)
        return f"{step.name}({operands}, out={out})"

    def _expression(self, step: Step) -> str:
        if step.name == SOURCE:
            return f"{self._object(step.options['read'], 'read_1')}()"
        if step.name == CHAIN and step.options["how"] == "kernel":
            return self._kernel(step)
        if step.name == CHAIN:
            return self._chain(step, f"empty({step.shape}, {str(step.dtype)!r})")
        level = LEVELS.get(step.name)
        if level is not None:
            # a - b - c is (a - b) - c; but a < b == c would mean something else.
            tight = [level, level + 1] if level > 1 else [2, 2]
            operands = [self._within(i, t) for i, t in zip(step.inputs, tight, strict=False)]
            if step.name == "negative":
                return f"-{operands[0]}"
            return f"{operands[0]} {INFIX[step.name]} {operands[1]}"
        operands = [self._value(i) for i in step.inputs]
        options = [f"{name}={self._option(part)}" for name, part in step.options.items()]
        return f"{step.name}({', '.join([*operands, *options])})"

    def _chain(self, step: Step, out: str, over: int | None = None) -> str:
        """A call of the function that runs a chain, which is written above; it fills `out`.

        Of an operand that it is written `over`, `out` is the only name.
        """
        loop = step.options["how"] == "loop"
        inner = (_Loop if loop else _Blocks)(self, step, over)
        rest = "\n".join(inner.function())
        self.uses |= inner.uses
        if rest not in self.chains:
            self.chains[rest] = name = self.functions.new(f"chain_{len(self.chains) + 1}")
            if loop:
                self.loops[name] = (f"def loop{rest}\n", frozenset(inner.uses))
        operands = [
            f"{step.dtype}({self._value(i)})"
            if loop and not self.program.steps[i].shape
            else self._value(i)
            for i in step.inputs
            if i != over
        ]
        return f"{self.chains[rest]}({', '.join([out, *operands])})"

    def _kernel(self, step: Step, *out: str) -> str:
        """A call of the kernel that is a chain, which is made above."""
        text = kernel(step)
        if text not in self.kernels:
            self.kernels[text] = self.names.new(f"kernel_{len(self.kernels) + 1}")
        operands = [self._value(i) for i in step.inputs]
        return f"{self.kernels[text]}({', '.join([*operands, *out])})"

    def _within(self, i: int, level: int) -> str:
        """A result as part of an expression, in brackets if it binds less tightly."""
        text = self._value(i)
        return f"({text})" if self.levels.get(i, _CALL) < level else text

    def _value(self, i: int) -> str:
        """A result by its name; a constant by its number."""
        if i not in self.called:
            step = self.program.steps[i]
            assert step.name == "constant", f"step {i}, {step.name}, is read before it is computed"
            self.called[i] = self._constant(step.data)
        return self.called[i]

    def _constant(self, data: Any) -> str:
        if data.__class__ in (float, int, bool):
            return _number(data)
        return self._object(data, "c_1")

    def _option(self, option: Any) -> str:
        if isinstance(option, Ref):
            return self._value(option.place)
        if option.__class__ is tuple:
            inner = ", ".join(map(self._option, option))
            return f"({inner},)" if len(option) == 1 else f"({inner})"
        if option.__class__ is float:
            return _number(option)
        if option is None or option is Ellipsis or option.__class__ in (int, bool, str):
            return repr(option)
        if option.__class__ is slice:
            ends = (option.start, option.stop, option.step)
            return f"slice({', '.join(map(self._option, ends))})"
        if isinstance(option, numpy.integer):
            return repr(int(option))
        if isinstance(option, numpy.dtype) and option.isbuiltin:
            return repr(option.name)
        return self._object(option, "o_1")

    def _object(self, thing: Any, wish: str) -> str:
        for name, known in self.objects.items():
            if known is thing:
                return name
        name = self.names.new(wish)
        self.objects[name] = thing
        return name


class _Inner(_Writer):
    """The function that runs a chain, over an operand or not: its text from the first bracket."""

    def __init__(self, outer: _Writer, chain: Step, over: int | None) -> None:
        steps = chain.options["steps"]
        super().__init__(Program(steps, (len(steps) - 1,), ((),), ()), "", True)
        self.functions, self.chains, self.loops = outer.functions, outer.chains, outer.loops
        self.chain = chain
        names = iter([f"x_{i + 1}" for i in range(len(chain.inputs))])
        self.given = ["out" if i == over else next(names) for i in chain.inputs]

    def function(self) -> list[str]:
        """Its lines."""
        return [f"({', '.join(dict.fromkeys(['out', *self.given]))}):", *self._lines()]

    def _lines(self) -> list[str]:
        raise NotImplementedError


class _Loop(_Inner):
    """A chain as a loop over elements, in which every result is a number."""

    def _lines(self) -> list[str]:
        steps, shape = self.program.steps, self.chain.shape
        self.uses -= {"getitem", "astype", "where"}  # written in another way
        index = [f"i_{axis}" for axis in range(len(shape))]
        lines = [
            f"{_INDENT * (axis + 1)}for {i} in range(out.shape[{axis}]):"
            for axis, i in enumerate(index)
        ]
        for i, name in enumerate(self.given):
            self.called[i] = name + self._index(steps[i], index, "")
        for i, step in enumerate(steps):
            if step.name == "getitem":
                whole, start = step.inputs[0], step.options["index"][1].start or 0
                self.called[i] = self.given[whole] + self._index(step, index, f"{start} + ")
        *places, end = [i for i in range(len(steps)) if i not in self.called]
        body = self._numbers(places, _read_once(steps, [*places, end]))
        body.append(f"{_INDENT}out[{', '.join(index)}] = {self._expression(steps[end])}")
        return [*lines, *(_INDENT * len(shape) + line for line in body), f"{_INDENT}return out"]

    def _index(self, step: Step, index: list[str], start: str) -> str:
        """Where an operand's number is; `start` counts along the last axis."""
        if not step.shape:
            return ""
        axes = zip(step.shape, index[len(index) - len(step.shape) :], strict=True)
        sizes = self.chain.shape[len(index) - len(step.shape) :]
        found = [i if n == m else "0" for (n, i), m in zip(axes, sizes, strict=True)]
        return f"[{', '.join([*found[:-1], start + found[-1]])}]"

    def _expression(self, step: Step) -> str:
        if step.name == "where":
            chosen, x, y = (self._within(i, 1) for i in step.inputs)
            return f"({x} if {chosen} else {y})"
        if step.name == "astype":
            return f"{step.dtype}({self._value(step.inputs[0])})"
        return super()._expression(step)

    def _constant(self, data: Any) -> str:
        return f"{self.chain.dtype}({super()._constant(data)})"


class _Blocks(_Inner):
    """A chain as a loop over parts of the first axis, the same steps as without it for each.

    A loop over elements may be among these steps.
    """

    def _lines(self) -> list[str]:
        steps, shape = self.program.steps, self.chain.shape
        rows = max(1, BLOCK * shape[0] // self.chain.size)
        lines = [f"for i in range(0, {shape[0]}, {rows}):", f"{_INDENT}part = out[i:i + {rows}]"]
        for i, name in enumerate(self.given):
            whole = len(steps[i].shape) < len(shape) or steps[i].shape[0] == 1
            if name == "out":
                self.called[i] = "part"
                continue
            self.called[i] = name if whole else self.names.new(f"part_{i + 1}")
            if not whole:
                lines.append(f"{_INDENT}{self.called[i]} = {name}[i:i + {rows}]")
        self.own = frozenset(i for i, name in enumerate(self.given) if name == "out")
        places = list(range(len(self.given), len(steps)))
        lines += [line.partition("  # ")[0] for line in self._body(places, {places[-1]})]
        return [_INDENT + line for line in [*lines, "return out"]]

    def _line(self, i: int, over: int | None, takers: dict[int, int], out: str) -> str:
        """The result is written into its part of `out`, and so is what it will be written over."""
        steps = self.program.steps
        end = i
        while end in takers:
            end = takers[end]
        first = end == len(steps) - 1 and over is None and not self.own
        if not first and i < len(steps) - 1:
            return super()._line(i, over, takers, out)
        there = next((j for j in steps[i].inputs if self._value(j) == "part"), -1)
        self.called[i] = self.called[-1] = "part"
        if steps[i].name in INTO or steps[i].name == CHAIN:
            return self._into(steps[i], "part", there)
        return f"part[...] = {self._expression(steps[i])}"

    def _all_names(self, places: list[int], over: dict[int, int]) -> dict[str, None]:
        names = super()._all_names(places, over)
        names.pop("part", None)
        return names

    def _expression(self, step: Step) -> str:
        if step.name == CHAIN:
            return self._chain(step, f"empty(part.shape, {str(step.dtype)!r})")
        return super()._expression(step)


def _reach(steps: tuple[Step, ...], ends: Iterable[int]) -> tuple[list[int], list[int]]:
    """The backward steps that lead to `ends`, in order, and what they read from outside."""
    waiting, seen = list(ends), set[int]()
    while waiting:
        i = waiting.pop()
        if i not in seen:
            seen.add(i)
            if steps[i].backward:
                waiting += steps[i].refs
    inside = [i for i in sorted(seen) if steps[i].backward and steps[i].name != "seed"]
    return inside, [i for i in sorted(seen) if not steps[i].backward or steps[i].name == "seed"]


def _read_once(steps: tuple[Step, ...], places: list[int]) -> set[int]:
    """The steps without a user's name that exactly one of these steps reads, once."""
    count: dict[int, int] = {}
    for place in places:
        for i in steps[place].refs:
            count[i] = count.get(i, 0) + 1
    return {i for i in places if count.get(i) == 1 and not steps[i].named}


def _number(x: float) -> str:
    text = repr(x) if math.isfinite(x) else f"{'-' if x < 0 else ''}{'nan' if x != x else 'inf'}"
    return f"({text})" if text.startswith("-") else text


def _short(origin: str) -> str:
    """An origin in which the file has lost its folder."""
    what, comma, where = origin.partition(", ")
    return comment(what + comma + os.path.basename(where))
