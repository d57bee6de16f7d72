"""Op, the @op decorator, look-up, and `graph`: the namespace whose names are the operations.

An operation is two adjacent functions: ``forward(xp, *operands, **options)`` and its
vector-Jacobian product ``vjp(xp, g, out, *operands, **options)``, which returns one gradient per
operand, or None where there is none.  An entry that is costly may be given as a function of no
arguments; it is called only if that operand needs a gradient.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar, overload

from tinygrad_edu import node as _node
from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.node import EXPLAINED, NO_OPTIONS, Node, annotation, current_mode, record

T = TypeVar("T", bound=Node)
Rule = Callable[..., Any]
_new = object.__new__

_REGISTRY: dict[str, Op] = {}


class Op:
    """A registered operation.  Call it on nodes; read `forward` and `rule` to see its mathematics.

    Attributes
    ----------
    name : its name here, in the registry and as a method.
    symbol : what pictures show on the node.
    latex : a template over the operand names, such as ``r"\\tanh\\left({x}\\right)"``.
    forward, rule : the two functions; `rule` is None for a composite.
    differentiable : False for comparisons and the like, whose results are constants.
    operands : names of the data arguments; a name with ``*`` takes any number.
    defaults : the options and their default values.
    """

    def __init__(
        self, forward: Rule, *, symbol: str | None, latex: str | None, differentiable: bool
    ) -> None:
        self.name = forward.__name__
        self.symbol = symbol or self.name
        self.differentiable = differentiable
        self.forward = forward
        self.rule: Rule | None = None
        operands, options = _parameters(forward)
        self.operands = operands[1:]
        self.defaults = dict(forward.__kwdefaults__ or {})
        self.required = tuple(name for name in options if name not in self.defaults)
        self._options = {*options}
        names = ", ".join("{" + name.lstrip("*") + "}" for name in self.operands)
        upright = self.name.replace("_", r"\_")
        self.latex = latex or rf"\operatorname{{{{{upright}}}}}\left({names}\right)"
        self.family = forward.__module__.rpartition(".")[2]
        self.__name__ = self.__qualname__ = self.name
        self.__doc__ = self._documented()
        self.__module__ = forward.__module__
        self.__wrapped__ = forward
        self.call = _entry(self)

    def _documented(self) -> str | None:
        """The forward's docstring, with the shapes that all of its family have."""
        doc = self.forward.__doc__
        if doc is None or "hape" in doc:
            return doc
        shapes = ""
        if self.family == "elementwise":
            several = len(self.operands) > 1
            shapes = "Shapes (...) -> (...), broadcast" if several else "Shape (...) -> (...)"
        elif self.family == "reductions" and "keepdims" in self.defaults:
            shapes = "Shape (..., n, ...) -> (...), or with 1 in place of n if keepdims"
        text, mark, example = doc.rstrip().partition("    >>>")
        return f"{text.rstrip()}\n\n    {shapes}.\n\n{mark}{example}".rstrip() if shapes else doc

    @property
    def composite(self) -> bool:
        """Whether it is made of other operations: differentiable, with no rule of its own."""
        return self.differentiable and self.rule is None

    def vjp(self, rule: Rule) -> Rule:
        """Attach the vector-Jacobian product: ``@tanh.vjp`` above the rule."""
        expected = ("xp", "g", "out", *self.operands)
        data, options = _parameters(rule)
        if data != expected or {*options} != {*self.defaults, *self.required}:
            raise TypeError(
                f"the vjp of {self.name} must take ({', '.join(expected)}) and the options "
                f"{sorted({*self.defaults, *self.required})}; it takes ({', '.join(data)}) and "
                f"{sorted(options)}"
            )
        self.rule = rule
        return rule

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.call(*inputs, **options) if options else self.call(*inputs)

    @overload
    def __get__(self, instance: None, owner: type) -> Op: ...
    @overload
    def __get__(self, instance: T, owner: type[T]) -> Callable[..., T]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else types.MethodType(self.call, instance)

    def __set_name__(self, owner: type, name: str) -> None:
        # A plain function binds several times as fast as a descriptor written in Python.
        setattr(owner, name, self.call)

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.operands)})>"

    def fill(self, given: dict[str, Any]) -> dict[str, Any]:
        """The options with defaults filled in; a TypeError for a name that does not exist."""
        if not given and not self.required:
            return self.defaults
        options = {**self.defaults, **given}
        if options.keys() != self._options:
            self._refuse_options(given)
        for name, option in given.items():
            if isinstance(option, (Node, tuple)):
                options[name] = self._metadata(name, option)
        return options

    def _refuse_options(self, given: dict[str, Any]) -> NoReturn:
        unknown = sorted(given.keys() - self._options)
        missing = [name for name in self.required if name not in given]
        known = ", ".join([*self.required, *self.defaults]) or "no options"
        wrong = f"has no option {unknown[0]!r}" if unknown else f"needs {missing[0]}="
        raise TypeError(f"{self.name} {wrong}; it takes {known}")

    def _metadata(self, name: str, option: Any) -> Any:
        """An option as plain data: a node in it (an index, a class weight) stands for its data."""
        if isinstance(option, Node):
            if option.requires_grad and _node.current_mode().recording:
                raise TypeError(
                    f"{self.name} gives no gradient to its option {name}; pass {name}.data"
                )
            mode = _node.current_mode()
            for noting in (mode.tape, mode.capture):
                if noting is not None:
                    noting.option(option)
            return option._data
        if option.__class__ is tuple:
            return tuple([self._metadata(name, part) for part in option])
        return option

    def read(self, xp: Any, *inputs: Any, **options: Any) -> Any:
        """The operation under namespace `xp`, for forwards and rules that build on it.

        Where the names of `xp` are operations, as in graph reading, this is the operation itself:
        its own rule is then differentiated again, which is right also where its forward has a kink
        that cancels, as in sigmoid; and a formula can say sigma(x).
        """
        if getattr(xp, "of_operations", False):
            return getattr(xp, self.name)(*inputs, **options)
        return self.forward(xp, *inputs, **options)

    def check_count(self, count: int) -> None:
        """Raise if `count` operands are too few or too many: an option given by place, perhaps."""
        fixed = [name for name in self.operands if not name.startswith("*")]
        variadic = len(fixed) != len(self.operands)
        if count < len(fixed) or (count > len(fixed) and not variadic):
            options = [*self.required, *self.defaults]
            hint = f"; pass {', '.join(options)} by keyword" if options else ""
            raise TypeError(
                f"{self.name} takes {len(fixed)} operand{'s' * (len(fixed) != 1)} "
                f"({', '.join(self.operands)}), not {count}{hint}"
            )

    def check_kinds(self, inputs: tuple[Any, ...]) -> None:
        """Raise if the operands are of two engines, or if none is a node."""
        kinds = sorted({x.engine.__name__ for x in inputs if isinstance(x, Node)})
        if len(kinds) > 1:
            raise TypeError(
                f"{self.name} cannot mix a {kinds[1]} with a {kinds[0]}: a Value is one Python "
                "float, a Tensor an array; make both Tensors, e.g. Tensor(value.data)"
            )
        if not kinds:
            given = ", ".join(type(x).__name__ for x in inputs) or "nothing"
            raise TypeError(
                f"{self.name} needs a Value or a Tensor among its operands, not {given}; "
                "wrap one: Value(2.0) or Tensor([1.0, 2.0])"
            )

    def explain(self, args: tuple[Any, ...], options: dict[str, Any], error: Exception) -> NoReturn:
        """Raise `error` again, naming this operation, the shapes it met, and the next step."""
        from tinygrad_edu.ops.messages import explain

        raise explain(self, args, options, error) from error


def _parameters(function: Rule) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The positional parameters of a function, ``*xs`` with its star, and the keyword-only ones.

    Read off the code object: `inspect.signature` costs a tenth of this package's import time.
    """
    code = function.__code__
    end = code.co_argcount + code.co_kwonlyargcount
    positional = code.co_varnames[: code.co_argcount]
    if code.co_flags & _TAKES_ANY_NUMBER:
        positional += ("*" + code.co_varnames[end],)
    return positional, code.co_varnames[code.co_argcount : end]


_TAKES_ANY_NUMBER = 0x04  # inspect.CO_VARARGS


def _entry(op: Op) -> Callable[..., Any]:
    """The function that a call of `op` runs.

    It does what `node.apply` does.  Operations of one or two operands and no options have a lane of
    their own, for the usual case that all operands are nodes of one engine: a scalar graph spends
    most of its time here.
    """
    plain = not (op.defaults or op.required)
    if plain and len(op.operands) == 1 and not op.operands[0].startswith("*"):
        call: Callable[..., Any] = _one_operand(op)
    elif plain and len(op.operands) == 2:
        call = _two_operands(op)
    else:
        call = _any_operands(op)
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.__doc__
    call.__module__ = op.__module__
    call.__wrapped__ = op  # type: ignore[attr-defined]
    return call


def _one_operand(op: Op) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        if op.rule is None or not isinstance(x, Node):
            return _run(op, (x,), NO_OPTIONS)
        data, forward = x._data, op.forward
        try:
            out = forward(NAMESPACES[data.__class__], data)
        except EXPLAINED as error:
            op.explain((data,), NO_OPTIONS, error)
        return record(op, x.engine, out, (x,), (data,), NO_OPTIONS, x.requires_grad)

    return call


def _two_operands(op: Op) -> Callable[[Any, Any], Any]:
    def call(x: Any, y: Any) -> Any:
        if op.rule is None:
            return _run(op, (x, y), NO_OPTIONS)
        if x.__class__ is not y.__class__ or not isinstance(x, Node):
            if not isinstance(y, Node):
                if not isinstance(x, Node):
                    op.check_kinds((x, y))
                y = x.engine._operand(y, op, x)
            elif not isinstance(x, Node):
                x = y.engine._operand(x, op, y)
        left, right = x._data, y._data
        kind, forward = left.__class__, op.forward
        if kind is not right.__class__:  # two engines or devices: the long way explains
            return _run(op, (x, y), NO_OPTIONS)
        try:
            data = forward(NAMESPACES[kind], left, right)
        except EXPLAINED as error:
            op.explain((left, right), NO_OPTIONS, error)
        # What `record` does for two operands, written out: a scalar graph is nearly all of these,
        # and spares the call and its tuples.  A test holds the two to the same fields.
        engine = x.engine
        out = _new(engine)
        out._data = data if data.__class__ is kind else engine._hold(data)
        out._grad = out._work = out._call = None
        mode = current_mode()
        out.options = NO_OPTIONS
        if (x.requires_grad or y.requires_grad) and mode.recording:
            out.requires_grad = True
            out.op = op
            out._x = x
            out._y = y
            out._x_data = left
            out._y_data = right
            out._inputs = None
        else:
            out.requires_grad = False
            out.op = None
        out._note = annotation(mode, op, out, (x, y), NO_OPTIONS) if mode.annotates else None
        return out

    return call


def _any_operands(op: Op) -> Callable[..., Any]:
    def call(*inputs: Any, **options: Any) -> Any:
        options = op.fill(options) if options or op.required else op.defaults
        return _run(op, inputs, options) if op.rule is None else _node.apply(op, inputs, options)

    return call


def _run(op: Op, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """`node.apply`, except that a composite is run as the operations it is made of."""
    if op.rule is None and op.differentiable:
        return _expand(op, inputs, options)
    return _node.apply(op, inputs, options)


def _expand(op: Op, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A composite in graph reading: its forward, run on the nodes themselves."""
    nodes = _node.as_nodes(op, inputs)
    try:
        return op.forward(graph, *nodes, **options)
    except EXPLAINED as error:
        if error.__cause__ is not None:  # explained by an operation it is made of
            raise
        op.explain(tuple([x._data for x in nodes]), options, error)


@overload
def op(forward: Rule, /) -> Op: ...
@overload
def op(
    *, symbol: str | None = None, latex: str | None = None, differentiable: bool = True
) -> Callable[[Rule], Op]: ...
def op(
    forward: Rule | None = None,
    /,
    *,
    symbol: str | None = None,
    latex: str | None = None,
    differentiable: bool = True,
) -> Op | Callable[[Rule], Op]:
    """Register an operation: put ``@op(...)`` above its forward, ``@name.vjp`` above its rule.

    The new operation works on `Value` and `Tensor` at once, and in every reading: gradient checks,
    pictures, LaTeX, programs.  Registering a name twice is an error, except for a function of the
    same file and name, which takes the earlier one's place (a notebook cell run again).

    >>> from tinygrad_edu import Value, op
    >>> @op(symbol="x^3", latex="{x}^3")
    ... def cube(xp, x):
    ...     return x * x * x
    >>> @cube.vjp
    ... def cube_vjp(xp, g, out, x):
    ...     return (3 * g * x * x,)
    >>> x = Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """

    def register(function: Rule) -> Op:
        made = Op(function, symbol=symbol, latex=latex, differentiable=differentiable)
        earlier = _REGISTRY.get(made.name)
        if earlier is not None:
            mine, theirs = function.__code__, earlier.forward.__code__
            if function.__module__ != earlier.__module__ or (
                mine.co_filename != theirs.co_filename and "ipykernel" not in mine.co_filename
            ):
                raise ValueError(
                    f"an operation called {made.name!r} is already registered (in "
                    f"{earlier.__module__}); choose another name, or use learn.use_mine to swap "
                    "its functions"
                )
        _REGISTRY[made.name] = made
        return made

    return register if forward is None else register(forward)


def lookup(name: str) -> Op:
    """The operation called `name`.

    Raises
    ------
    KeyError
        With the nearest names, when there is none.
    """
    if name not in _REGISTRY:
        import difflib

        near = difflib.get_close_matches(name, _REGISTRY, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise KeyError(f"no operation is called {name!r}{hint}")
    return _REGISTRY[name]


def edition() -> int:
    """A number that grows whenever an operation is given other functions (see `edit`)."""
    return _edition[0]


def edit(op: Op, forward: Rule, rule: Rule | None) -> None:
    """Give an operation other functions; programs made from the earlier ones are not used again."""
    op.forward, op.rule = forward, rule
    _edition[0] += 1


_edition = [0]


def registered() -> Iterator[Op]:
    """Every operation, in the order of registration."""
    yield from _REGISTRY.values()


class Graph:
    """The namespace of graph reading: its names are the operations, its operands nodes."""

    name = "graph"
    of_operations = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return _REGISTRY[name].call
        except KeyError:
            raise AttributeError(f"no operation is called {name!r}") from None

    def __repr__(self) -> str:
        return "graph"


graph = Graph()
