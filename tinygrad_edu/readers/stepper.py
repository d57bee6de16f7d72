"""Stepper: a story told one step at a time, forwards and backwards; no widgets in here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_edu.node import Node
from tinygrad_edu.readers import telling, wording
from tinygrad_edu.readers.explaining import short
from tinygrad_edu.readers.recompute import Comparison, compare, what_if
from tinygrad_edu.readers.rules import ARROW, is_constant
from tinygrad_edu.readers.story import Event, story, used_values
from tinygrad_edu.readers.trace import Graph, trace
from tinygrad_edu.readers.wording import MINUS

GRANULARITIES = ("edge", "op", "module", "pass")
_LARGEST = 1500  # nodes that a page or a film steps through
MODES = ("watch", "predict", "what-if", "compare")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """Events that are shown at once.  stop : how many events have happened after it."""

    title: str
    events: tuple[Event, ...]
    stop: int

    def __str__(self) -> str:
        told = [event for event in self.events if event.kind != "complete"]
        if len(told) > 1:
            return "\n  ".join([self.title, *(one_line(event) for event in told)])
        return "\n  ".join([self.title, *_explained(told[0])])

    __repr__ = __str__  # what a notebook shows of it


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class State:
    """What is known at a moment, by place in the graph.

    values : the data of leaves, and of the results computed so far.
    gradients : what has arrived so far.
    received, expected : contributions that have arrived, and that will.
    complete : the nodes whose gradient is whole.
    """

    values: dict[int, Any]
    gradients: dict[int, Any]
    received: dict[int, int]
    expected: dict[int, int]
    complete: frozenset[int]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """Whether a prediction was right, what it should have been, and the formula behind it."""

    right: bool
    text: str

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class Stepper:
    """The forward and backward pass of a graph, one step at a time.

    Parameters
    ----------
    root : a Value, a Tensor, or a `Graph` from `trace`.
    granularity : what a step is: "edge", one contribution; "op", an operation; "module", the
        operations made in one `scope`; "pass", all of forward, then all of backward.
    mode : "watch"; "predict", which asks for each number before it shows it; "what-if", in which
        leaves can be changed; "compare", with difference quotients beside the gradients.
    gradient : what backward starts with, where the root holds more than one number.
    names : a mapping from names to nodes, such as ``locals()``; labels nodes that have no name.
    tolerance : how far, relatively, a prediction may be off.

    The nodes are read once: stepping neither calls ``backward()`` nor changes them.

    >>> from tinygrad_edu import Value
    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> stepper = Stepper(a * b)
    >>> len(stepper)
    4
    >>> print(stepper.next())
    t1 = a · b
      2 · (\u22123) = \u22126
    >>> print(stepper.goto(4))
    t1 gives b its share
      \u2202L/\u2202b += \u2202L/\u2202t1 · \u2202t1/\u2202b
      \u2202t1/\u2202b = a = 2
      1 · 2 = 2
      1 of 1 contribution received
    """

    def __init__(
        self,
        root: Node | Graph | list[Node],
        *,
        granularity: str = "edge",
        mode: str = "watch",
        gradient: Any = None,
        names: Any = None,
        tolerance: float = 0.01,
    ) -> None:
        self.graph = root if isinstance(root, Graph) else trace(root, names=names)
        self.tolerance = tolerance
        self._gradient = gradient
        self._done = 0  # events that have happened
        self.mode = mode
        self.events = story(self.graph, gradient=gradient)
        self.granularity = granularity

    # Moving

    @property
    def mode(self) -> str:
        """ "watch", "predict", "what-if" or "compare"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}, not one of {', '.join(MODES)}")
        self._mode = mode

    @property
    def granularity(self) -> str:
        """ "edge", "op", "module" or "pass"; changing it keeps what has happened."""
        return self._granularity

    @granularity.setter
    def granularity(self, granularity: str) -> None:
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"granularity is {granularity!r}, not one of {', '.join(GRANULARITIES)}"
            )
        self._granularity = granularity
        self.steps = steps(self.events, granularity)
        self.goto(sum(step.stop <= self._done for step in self.steps))

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def position(self) -> int:
        """How many steps have been taken: from 0, when only the leaves hold numbers, to the end."""
        return self._position

    @property
    def step(self) -> Step | None:
        """The step taken last, None at the start."""
        return self.steps[self._position - 1] if self._position else None

    def next(self) -> Step | None:
        """Take a step and return it; at the end, stay."""
        return self.goto(self._position + 1)

    def prev(self) -> Step | None:
        """Take back a step; returns the one before it, None at the start."""
        return self.goto(self._position - 1)

    def goto(self, position: int) -> Step | None:
        """Move to where `position` steps have been taken, at most all; returns the last of them."""
        self._position = max(0, min(int(position), len(self.steps)))
        self._done = self.step.stop if self.step else 0
        return self.step

    # Telling

    @property
    def state(self) -> State:
        """What is known after the steps taken."""
        return self._state(self._done)

    def _state(self, done: int) -> State:
        values = {n.index: self.used_values[n.index] for n in self.graph.nodes if n.op is None}
        gradients: dict[int, Any] = {}
        received: dict[int, int] = {}
        complete = set()
        for event in self.events[:done]:
            if event.kind == "forward":
                values[event.node] = event.value
                continue
            gradients[event.node] = event.total
            received[event.node] = event.received
            if event.kind == "complete":
                complete.add(event.node)
        return State(values, gradients, received, self._expected, frozenset(complete))

    def explain(self) -> str:
        """The step taken last in words: what happens, by which rule, with which numbers."""
        return str(self.step) if self.step else self._start

    def text(self) -> str:
        """Where we are, for a terminal: the step, and every node with what it holds."""
        title = f"step {self._position} of {len(self)}"
        return f"{title}: {self.explain()}\n\n{self.table()}"

    def table(self) -> str:
        """Every node with its value and gradient so far, and how much of it has arrived."""
        return self._table(self._done)

    def _table(self, done: int) -> str:
        state = self._state(done)
        columns = {
            "received": {
                place: f"{state.received[place]} of {count}"
                for place, count in state.expected.items()
                if count and place in state.received
            }
        }
        if self.mode == "compare":
            columns["difference"] = {
                place: str(row) for place, row in self.compare().items() if place in state.complete
            }
        return telling.table(
            self.graph, values=state.values, gradients=state.gradients, columns=columns
        )

    def told(self) -> str:
        """The whole story as text: every step with its formula and numbers, then the table."""
        parts = [f"{i}. {step}" for i, step in enumerate(self.steps, start=1)]
        return "\n".join([self._start, *parts, "", self._table(len(self.events))])

    @property
    def _start(self) -> str:
        leaves = [n for n in self.graph.nodes if n.op is None and not is_constant(n)]
        held = ", ".join(
            f"{self.names[n.index]} = {short(self.used_values[n.index])}" for n in leaves
        )
        return f"at the start the leaves hold their numbers: {held}"

    @property
    def names(self) -> list[str]:
        """The labels of the nodes, by place in the graph."""
        return self.events[0].told.names if self.events else telling.labels(self.graph)

    @cached_property
    def used_values(self) -> list[Any]:
        """What every node held when it was used, by place in the graph."""
        return used_values(self.graph)

    @property
    def finished(self) -> Graph:
        """The graph as it is at the end: whole gradients, and a name for every node."""
        whole = {event.node: event.value for event in self.events if event.kind == "complete"}
        nodes = tuple(
            dataclasses.replace(
                node,
                data=data,
                grad=whole.get(node.index),
                name=None if is_constant(node) else self.names[node.index],
            )
            for node, data in zip(self.graph.nodes, self.used_values, strict=True)
        )
        return Graph(nodes, self.graph.roots)

    @property
    def widest(self) -> Graph:
        """`finished`, with each gradient as wide as it ever is: what needs room in a drawing."""
        totals: dict[int, Any] = {}
        for event in self.events:
            if event.total is not None and self.graph.nodes[event.node].is_scalar:
                known = totals.setdefault(event.node, event.total)
                totals[event.node] = max(known, event.total, key=lambda x: len(wording.number(x)))
        finished = self.finished
        nodes = tuple(
            dataclasses.replace(node, grad=totals.get(node.index, node.grad))
            for node in finished.nodes
        )
        return Graph(nodes, finished.roots)

    @cached_property
    def _expected(self) -> dict[int, int]:
        return {event.node: event.expected for event in self.events if event.kind != "forward"}

    # Predicting

    @property
    def question(self) -> str:
        """What to predict next, ``∂L/∂n += ∂L/∂o · ∂o/∂n = ?``; "" at the end."""
        return question(self._asked) if self._asked else ""

    @property
    def hint(self) -> str:
        """The formula that answers the question, worked out as far as its last factor."""
        return hint(self._asked) if self._asked else ""

    def answer(self, guess: float | str | Sequence[float]) -> Verdict:
        """Whether `guess` is what the next step shows; takes the step if it is.

        Of an array the shape is asked for, as ``(3, 4)`` or ``"3, 4"``.

        >>> from tinygrad_edu import Value
        >>> stepper = Stepper(Value(2.0, name="a") * Value(-3.0, name="b"), mode="predict")
        >>> stepper.question
        't1 = a · b = ?'
        >>> bool(stepper.answer(6)), bool(stepper.answer(-6)), stepper.position
        (False, True, 1)
        """
        event = self._asked
        if event is None:
            return Verdict(False, "nothing is left to predict")
        given, expected = _numbers(guess), wanted(event)
        if len(given) != len(expected) or not all(map(self._close, given, expected)):
            return Verdict(False, f"not {guess}; {self.hint}")
        self.next()
        return Verdict(True, f"right: {event.numbers or event.formula}")

    def _close(self, given: float, expected: float) -> bool:
        least = self.tolerance / 100  # so that 0 can be met by a number written with 4 digits
        return abs(given - expected) <= max(self.tolerance * abs(expected), least)

    @property
    def _asked(self) -> Event | None:
        return self.steps[self._position].events[0] if self._position < len(self) else None

    # Changing and comparing

    def change(self, **leaves: Any) -> Stepper:
        """Give leaves, by label, other data; all values and gradients follow.  Returns itself.

        The user's nodes keep what they hold.

        >>> from tinygrad_edu import Value
        >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
        >>> stepper = Stepper(a * b).change(a=10)
        >>> _ = stepper.goto(1)
        >>> stepper.state.values[2], a.data
        (-30.0, 2.0)

        Raises KeyError for a label that no leaf has.
        """
        places = {self.names[n.index]: n.index for n in self.graph.nodes if n.op is None}
        unknown = [name for name in leaves if name not in places]
        if unknown:
            raise KeyError(f"no leaf is called {unknown[0]!r}; there are {', '.join(places)}")
        self.change_places({places[name]: data for name, data in leaves.items()})
        return self

    def change_places(self, changes: Mapping[int, Any]) -> None:
        """`change`, by places in the graph."""
        graph = what_if(self.graph, changes)
        events = story(graph, gradient=self._gradient)
        self.graph, self.events = graph, events
        for name in ("used_values", "_expected", "_compared"):
            self.__dict__.pop(name, None)
        self.granularity = self._granularity

    def compare(self) -> dict[int, Comparison]:
        """Every whole gradient beside the difference quotient of the forward pass, by place."""
        return self._compared

    @cached_property
    def _compared(self) -> dict[int, Comparison]:
        whole = {event.node: event.value for event in self.events if event.kind == "complete"}
        return compare(self.graph, whole, gradient=self._gradient)

    # Showing

    @property
    def fits(self) -> bool:
        """Whether the graph is small enough for a page or a film."""
        return len(self.graph.nodes) <= _LARGEST

    def refuse(self, what: str) -> NoReturn:
        """Raise for a graph that is too large."""
        raise ValueError(
            f"{what} that steps through {len(self.graph.nodes):,} nodes would be too large (the "
            f"limit is {_LARGEST:,}); step through a part: Stepper(of a node inside it)"
        )

    def to_html(self, path: str | Path, *, theme: str = "auto", direction: str = "LR") -> Path:
        """Write an HTML file that steps by itself, with no network and no Python; returns `path`.

        theme : "light", "dark", or "auto", which follows the reader's settings.  Open the file with
        ``#step=12`` behind its name to begin at step 12.

        Raises ValueError for an unknown theme, and for a graph of more than 1,500 nodes.
        """
        from tinygrad_edu.readers.page import page

        path = Path(path)
        path.write_text(page(self, theme=theme, direction=direction), encoding="utf-8")
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The stepper as a page within the page, which needs no kernel; a picture; and text."""
        from tinygrad_edu.readers.page import within

        return {"text/html": within(self), "text/plain": self.text()}

    def __repr__(self) -> str:
        title = self.step.title if self.step else "the start"
        return f"<Stepper at {self._position} of {len(self)}: {title}>"


def steps(events: Sequence[Event], granularity: str) -> list[Step]:
    """A story in steps.

    >>> from tinygrad_edu import Value
    >>> x = Value(3.0, name="x")
    >>> [step.title for step in steps(story(x * x), "op")]
    ['t1 = x · x', 'backward starts at t1', 'backward through t1 = x · x']
    """
    found: list[Step] = []
    for _, group in groupby(enumerate(events), _Grouping(events, granularity)):
        numbered = list(group)
        these = tuple(event for _, event in numbered)
        found.append(Step(_title(these, granularity), these, numbered[-1][0] + 1))
    return found


class _Grouping:
    """What events of one step have in common."""

    def __init__(self, events: Sequence[Event], granularity: str) -> None:
        self.keys: list[Any] = []
        for i, event in enumerate(events):
            key: Any = (event.kind == "forward",)
            if granularity == "module":
                key += (event.told.graph.nodes[acting(event)].scope,)
            elif granularity == "op":
                key += (event.kind == "seed", acting(event))
            elif granularity == "edge":
                key += (i,)
            self.keys.append(self.keys[-1] if event.kind == "complete" else key)

    def __call__(self, numbered: tuple[int, Event]) -> Any:
        return self.keys[numbered[0]]


def acting(event: Event) -> int:
    """The place of the result whose operation is at work."""
    return event.node if event.source is None else event.source


def _title(events: tuple[Event, ...], granularity: str) -> str:
    first = events[0]
    acts = {acting(event) for event in events if event.kind != "complete"}
    gives = any(event.kind == "contribute" for event in events)
    node = first.told.graph.nodes[acting(first)]
    around = " / ".join(wording.clean(name) for name in node.scope)
    inside = f", in {around}" if granularity == "module" and around else ""
    if granularity == "edge" or (len(acts) == 1 and not gives):
        return first.title + inside
    direction = "forward" if first.kind == "forward" else "backward"
    if len(acts) == 1:
        return f"backward through {first.told.made(node.index)}{inside}"
    where = (around or "the operations") if granularity == "module" else "every operation"
    return f"{direction} through {where} ({len(acts)} operations)"


def question(event: Event) -> str:
    """What is asked about an event in predict mode."""
    asked = str(event.formula).partition(" = ")[0] if event.kind == "seed" else str(event.formula)
    return f"{asked} = ?" if is_number(event.value) else f"{asked}: of which shape?"


def hint(event: Event) -> str:
    """What to work with: the operands, the local derivative, the shapes that meet."""
    if event.kind == "seed":
        return "how much does a number change when it changes by 1?"
    numbers = re.split(rf" = | {ARROW} ", str(event.numbers))[0]
    rule = f"{event.local}; " if event.local else ""
    return f"{rule}work out {numbers}"


def wanted(event: Event) -> list[float]:
    """The numbers that answer the question about an event: its number, or its sizes."""
    if is_number(event.value):
        return [float(event.value)]
    return [float(n) for n in event.value.shape]


def is_number(value: Any) -> bool:
    """Whether a value is one number, rather than an array to be known by its shape."""
    return not hasattr(value, "shape") or value.shape == ()


def _numbers(guess: float | str | Sequence[float]) -> list[float]:
    if isinstance(guess, str):
        found = re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", guess.replace(MINUS, "-"))
        return [float(text) for text in found]
    return [float(x) for x in guess] if isinstance(guess, Sequence) else [float(guess)]


def one_line(event: Event) -> str:
    """An event on one line."""
    between = " = " if is_number(event.value) else ": "
    return between.join(str(part) for part in (event.formula, event.numbers) if part)


def _explained(event: Event) -> list[str]:
    formula = [] if event.kind == "forward" else [str(event.formula)]
    line = event.line
    told = [*formula, str(event.local), str(event.numbers), event.count]
    if line:
        told.append(f"line {line[1]}: {line[2]}")
    return [text for text in told if text]
