"""Node: one value in a recorded computation, and the settings under which values are recorded.

A node holds its data and, when it was computed from nodes that need gradients, how: the operation,
the operand nodes, their data at that moment, and the options.  `Value` and `Tensor` are the two
kinds of node; everything that reads a graph (backward passes, pictures, programs) reads these
fields and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os.path
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from tinygrad_edu.namespaces.arrays import NAMESPACES

if TYPE_CHECKING:
    from tinygrad_edu.ops.registry import Op

N = TypeVar("N", bound="Node")

_PACKAGE = os.path.dirname(__file__)  # not pathlib: it would cost a tenth of our import time


@dataclasses.dataclass(frozen=True, slots=True)
class Mode:
    """The settings in force while an operation runs; changed only by the context managers below."""

    recording: bool = True
    lines: bool = False
    anomaly: bool = False
    in_rule: bool = False  # a rule is being read on nodes
    scope: tuple[str, ...] = ()
    effects: bool = True  # whether `assign` assigns
    tape: Any = None  # notes every operation and every new leaf, for a program
    device: str | None = None  # where new tensors are made; None: where their data is
    capture: Any = None  # notes what a recording of launches rests on

    annotates: bool = False  # whether new nodes get a Note or are noted, because of one of these


@dataclasses.dataclass(slots=True)
class Note:
    """What few nodes carry besides data: made when first needed, so that the others stay small."""

    name: str | None = None
    scope: tuple[str, ...] = ()
    line: tuple[str, int] | None = None
    hooks: list[Any] | None = None


_DEFAULT = Mode()
_MODE: ContextVar[Mode] = ContextVar("tinygrad_edu_mode", default=_DEFAULT)
current_mode = _MODE.get


@contextlib.contextmanager
def set_mode(**changes: Any) -> Iterator[None]:
    """Change settings inside a ``with`` block; they return to what they were, error or not."""
    mode = dataclasses.replace(_MODE.get(), **changes)
    noted = mode.tape is not None or mode.capture is not None
    annotates = mode.lines or bool(mode.scope) or noted
    token = _MODE.set(dataclasses.replace(mode, annotates=annotates))
    try:
        yield
    finally:
        _MODE.reset(token)


def no_grad() -> contextlib.AbstractContextManager[None]:
    """A ``with`` block in which nothing is recorded, so nothing is kept for a backward pass.

    >>> from tinygrad_edu import Value, no_grad
    >>> with no_grad():
    ...     y = Value(2.0) * 3
    >>> y.requires_grad
    False
    """
    return set_mode(recording=False)


def record_lines() -> contextlib.AbstractContextManager[None]:
    """A ``with`` block in which every node remembers the line of your code that made it.

    Off by default: finding the line doubles the cost of a scalar node.

    >>> from tinygrad_edu import Value, record_lines
    >>> with record_lines():
    ...     y = Value(2.0) * 3
    >>> y.line is not None
    True
    """
    return set_mode(lines=True)


def scope(name: str) -> contextlib.AbstractContextManager[None]:
    """A ``with`` block whose nodes are drawn inside a frame called `name`; scopes nest.

    >>> from tinygrad_edu import Value, scope
    >>> with scope("layer 1"):
    ...     y = Value(2.0) * 3
    >>> y.scope
    ('layer 1',)
    """
    return set_mode(scope=(*_MODE.get().scope, str(name)))


class Node:
    """One value in a graph.  Base of `Value` and `Tensor`; not made directly.

    Attributes
    ----------
    data : the value: a Python float (`Value`) or an array (`Tensor`).
    op : the operation that made it, or None for a leaf.
    inputs : the operand nodes, in order; empty for a leaf.
    args : the operands' data when the operation ran.  A later change of an operand rebinds its
        data, so ``operand.data is arg`` fails and the backward pass says so instead of being wrong.
    options : the operation's metadata (``axis`` and the like), defaults filled in.
    requires_grad : whether a backward pass reaches this node.
    name, scope, line : for pictures and messages: a label, the frames around it, (file, line).
    """

    # One or two operands, and their data, lie in fields of the node itself; only an operation of
    # more has tuples of them.  A tuple costs nearly as much as the node: the garbage collector
    # looks at both.
    __slots__ = (
        "__weakref__",
        "_args",
        "_call",
        "_data",
        "_grad",
        "_inputs",
        "_note",
        "_work",
        "_x",
        "_x_data",
        "_y",
        "_y_data",
        "op",
        "options",
        "requires_grad",
    )

    engine: ClassVar[type[Node]]  # Value or Tensor, also for their subclasses
    holds: ClassVar[type]  # what `_data` is most of the time: float, numpy.ndarray
    _fit: ClassVar[Any] = None  # brings a contribution to an operand's shape, where it can differ

    _call: Any  # the module call that returned it, and the one inside that: see nn/module.py
    _data: Any
    _grad: Any
    _note: Note | None
    _work: Any  # the gradient arriving during a pass; else None
    op: Any  # Op | None; a type checker would take an Op in a class for a method
    _x: Any  # the first of at most two operands
    _y: Any  # the second, or None
    _x_data: Any
    _y_data: Any
    _inputs: tuple[Node, ...] | None  # all operands where they are more than two, else None
    _args: Any
    options: dict[str, Any]
    requires_grad: bool

    __hash__ = object.__hash__  # identity: nodes are keys of dicts, whatever == means

    def _begin(self, data: Any, requires_grad: bool, name: str | None) -> None:
        """Fill the fields of a leaf."""
        self._data = data
        self._grad = self._work = self._call = self.op = None
        self.options = NO_OPTIONS
        self.requires_grad = requires_grad
        mode = current_mode()
        self._note = Note(name, mode.scope) if name or mode.annotates else None
        if mode.tape is not None:
            mode.tape.leaf(self)

    # What an engine must say for itself.

    @classmethod
    def _constant(cls, data: Any) -> Node:
        """A leaf without gradient that holds `data` as it is."""
        raise NotImplementedError

    @classmethod
    def _operand(cls, x: Any, op: Op, beside: Node) -> Node:
        """`x` as a constant node of this engine, or a TypeError that says what to do."""
        raise NotImplementedError

    @classmethod
    def _hold(cls, data: Any) -> Any:
        """`data`, the result of a rule, as this engine stores it."""
        raise NotImplementedError

    @classmethod
    def _refuse_devices(cls, op: Op, args: Sequence[Any]) -> NoReturn:
        """Raise for operands that live on different devices."""
        raise NotImplementedError

    def _seed(self, gradient: Any) -> Any:
        """What a backward pass from here starts with: `gradient`, or 1 if it is None."""
        raise NotImplementedError

    @staticmethod
    def _has_nan(data: Any) -> bool:
        """Whether any element is nan."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The operand nodes, in order; empty for a leaf."""
        if self.op is None:
            return ()
        if self._inputs is not None:
            return self._inputs
        return (self._x,) if self._y is None else (self._x, self._y)

    @property
    def args(self) -> tuple[Any, ...]:
        """The operands' data when the operation ran; empty for a leaf."""
        if self.op is None:
            return ()
        if self._inputs is not None:
            return self._args
        return (self._x_data,) if self._y is None else (self._x_data, self._y_data)

    def _let_go(self) -> None:
        """Forget how it was made; no backward pass leads through it again."""
        self.requires_grad = False
        self.op = self._grad = self._call = None
        self._x = self._y = self._x_data = self._y_data = self._inputs = self._args = None

    @property
    def name(self) -> str | None:
        """A label for pictures and messages; may be assigned at any time."""
        return self._note.name if self._note else None

    @name.setter
    def name(self, name: str | None) -> None:
        self.note.name = name

    @property
    def scope(self) -> tuple[str, ...]:
        """The names of the `scope` blocks around the line that made it, outermost first."""
        return self._note.scope if self._note else ()

    @property
    def line(self) -> tuple[str, int] | None:
        """File and line of the user's code that made it, if `record_lines` was on."""
        return self._note.line if self._note else None

    @property
    def note(self) -> Note:
        """The node's note, made if it has none."""
        if self._note is None:
            self._note = Note()
        return self._note

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes; () for a Value."""
        raise NotImplementedError

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this node."""
        return self.op is None

    @property
    def has_grad(self) -> bool:
        """Whether a gradient has arrived (`Value.grad` reads 0.0 before that)."""
        return self._grad is not None

    def __bool__(self) -> bool:
        raise NotImplementedError


NO_OPTIONS: dict[str, Any] = {}
EXPLAINED = (ValueError, TypeError, IndexError, AttributeError)  # a forward's errors, said in words
_new = object.__new__


def apply(op: Op, inputs: tuple[Any, ...], options: dict[str, Any]) -> Node:
    """Run `op` forward on operands of any kind and record how the result was made.

    The engine of the operands that are nodes decides how the operation is read; numbers and arrays
    beside them become constants.
    """
    args: list[Any] = []
    kind: Any = None
    needed = False
    for x in inputs:
        if not isinstance(x, Node):
            return apply(op, as_nodes(op, inputs), options)
        data = x._data
        if data.__class__ is not kind:
            if kind is not None:
                op.check_kinds(inputs)
                x._refuse_devices(op, [x._data for x in inputs])
            kind = data.__class__
        args.append(data)
        needed = needed or x.requires_grad
    if not inputs:
        op.check_kinds(inputs)  # raises
    try:
        data = op.forward(NAMESPACES[kind], *args, **options)
    except EXPLAINED as error:
        op.explain(tuple(args), options, error)
    return record(op, x.engine, data, inputs, tuple(args), options, needed)


def as_nodes(op: Op, inputs: tuple[Any, ...]) -> tuple[Node, ...]:
    """The operands as nodes of one engine: that of the first which is a node."""
    beside = next((x for x in inputs if isinstance(x, Node)), None)
    if beside is None:
        op.check_kinds(inputs)  # raises
    assert beside is not None
    engine = beside.engine
    return tuple([x if isinstance(x, engine) else engine._operand(x, op, beside) for x in inputs])


def record(
    op: Op,
    engine: type[Node],
    data: Any,
    inputs: tuple[Node, ...],
    args: tuple[Any, ...],
    options: dict[str, Any],
    needed: bool,
) -> Node:
    """The node that holds `data`: the only place where nodes are made from nodes.

    needed : whether a gradient is wanted for any operand.
    """
    out = _new(engine)
    out._data = data if data.__class__ is engine.holds else engine._hold(data)
    out._grad = out._work = out._call = None
    mode = current_mode()
    if needed and mode.recording and op.differentiable:
        out.requires_grad = True
        out.op = op
        if len(inputs) == 2:
            out._x, out._y = inputs
            out._x_data, out._y_data = args
            out._inputs = None
        elif len(inputs) == 1:
            (out._x,), (out._x_data,) = inputs, args
            out._y = out._y_data = out._inputs = None
        else:
            out._inputs, out._args = inputs, args
        out.options = options
    else:
        out.requires_grad = False
        out.op = None
        out.options = NO_OPTIONS
    out._note = annotation(mode, op, out, inputs, options) if mode.annotates else None
    return out


def annotation(
    mode: Mode, op: Op, out: Node, inputs: tuple[Node, ...], options: dict[str, Any]
) -> Note:
    """The note of a new node, which a program being traced or recorded notes too."""
    if mode.tape is not None:
        mode.tape.result(op, out, inputs, options)
    if mode.capture is not None:
        mode.capture.operation(op.name, inputs, out)
    return Note(None, mode.scope, user_line() if mode.lines else None)


def assign(target: Node, data: Any) -> None:
    """Give `target` new data as a recorded effect, such as a batch's part in running statistics.

    It happens once per call of the code around it: not again when `checkpoint` runs that code for a
    second time, and anew in every run of a program compiled from it.
    """
    mode = current_mode()
    if mode.tape is not None:
        mode.tape.assign(target, data)
    elif mode.effects:
        target.data = data  # type: ignore[attr-defined]


def check_values(check: Callable[..., object], *nodes: Node) -> None:
    """Call ``check(*data)``, which raises for bad values; a program calls it in each run."""
    tape = current_mode().tape
    if tape is None:
        check_data(check, *[x._data for x in nodes])
    else:
        tape.check(check, nodes)


def check_data(check: Callable[..., object], *data: Any) -> None:
    """Call ``check(*data)``, or have it called before each repetition of a recording."""
    capture = current_mode().capture
    if capture is None:
        check(*data)
    else:
        capture.check(check, data)


def refuse_read(node: Node) -> None:
    """Raise if a program is traced or recorded, in which a value that is read would be fixed."""
    if not current_mode().annotates:  # neither, as nearly always
        return
    refuse_traced(node)
    if current_mode().capture is not None:
        raise RuntimeError(
            f"the value of {describe(node)} was read on the host, which cannot wait for a number "
            "while launches are recorded; use ops.where for a choice, and read after the call"
        )


def refuse_traced(node: Node) -> None:
    """Raise if a program is traced: its steps are known from nodes alone."""
    if current_mode().tape is not None:
        raise TypeError(
            f"compile: the value of {describe(node)} was read while the program was traced, and a "
            "program must hold for every value; use ops.where for a choice, and read after the call"
        )


def user_line() -> tuple[str, int] | None:
    """File and line of the innermost caller outside this package."""
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def nodes_in(x: Any) -> Iterator[Node]:
    """The nodes in `x`: itself, or those in a tuple, list or dictionary, however deep."""
    waiting = [x]
    while waiting:
        x = waiting.pop()
        if isinstance(x, Node):
            yield x
        elif isinstance(x, tuple | list):
            waiting += reversed(x)
        elif isinstance(x, dict):
            waiting += reversed(list(x.values()))


def mapped(x: Any, change: Callable[[Any], Any]) -> Any:
    """`x` with ``change(part)`` for every part, in lists, tuples and dictionaries, however deep."""
    if x.__class__ in (list, tuple):
        return x.__class__([mapped(part, change) for part in x])
    if x.__class__ is dict:
        return {name: mapped(part, change) for name, part in x.items()}
    return change(x)


def describe(node: Node) -> str:
    """A node in words, for messages: its name, or its operation, and its shape."""
    shape = getattr(node, "shape", ())
    what = f"'{node.name}'" if node.name else (f"the result of {node.op.name}" if node.op else "")
    return f"{what or 'an unnamed ' + type(node).__name__} of shape {shape}"


def check_bool(size: int) -> None:
    """Raise where a node of `size` elements cannot stand for true or false."""
    if size != 1:
        raise ValueError(
            f"a node of {size} elements is neither true nor false; use .any() or .all() on its "
            "data, or ops.where for a choice per element"
        )
    if current_mode().in_rule:
        raise TypeError(
            "a rule cannot choose by the value of a node, since the graph it records must hold for "
            "every value; use xp.where"
        )
