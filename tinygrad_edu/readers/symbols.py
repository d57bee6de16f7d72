"""A reading in which an operation computes nothing new and records everything: how a rule is read.

Nodes would do, but for comparisons: their results are constants, so a graph of nodes forgets what
was compared.  A symbol keeps it.  Beside its history it carries an example value, so that a rule
can ask for shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from tinygrad_edu.ops.registry import Op, lookup
from tinygrad_edu.readers.trace import Graph, GraphNode, inputs_first


class Symbol:
    """A leaf with a name, a constant, or the result of an operation on symbols.

    xp : the namespace that computes the example: `floats`, or an array namespace.
    """

    def __init__(
        self,
        example: Any,
        xp: Any,
        *,
        name: str | None = None,
        op: Op | None = None,
        inputs: tuple[Symbol, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> None:
        self.example = example
        self.xp = xp
        self.name = name
        self.op = op
        self.inputs = inputs
        self.options = options or {}

    def __getattr__(self, name: str) -> Any:
        """shape, ndim, size, dtype and the like, of the example; not the memory it lies in."""
        if name.startswith("_") or name == "base":
            raise AttributeError(name)
        return getattr(self.example, name)

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule may not branch on values; use xp.where")

    __hash__ = object.__hash__  # identity, whatever == means


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
    "neg": "negative",
    "abs": "abs",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
}
_REFLECTED = ("add", "sub", "mul", "truediv", "pow")


def _operator(name: str, *, reflected: bool) -> Any:
    def method(self: Symbol, *others: Any) -> Symbol:
        operands = (*others, self) if reflected else (self, *others)
        return record(self.xp, lookup(name), operands, {})

    return method


for _python, _name in _OPERATORS.items():
    setattr(Symbol, f"__{_python}__", _operator(_name, reflected=False))
    if _python in _REFLECTED:
        setattr(Symbol, f"__r{_python}__", _operator(_name, reflected=True))


class Symbols:
    """The namespace of this reading: its names are the operations, its operands symbols.

    >>> from tinygrad_edu.namespaces import floats
    >>> xp = Symbols(floats)
    >>> x = Symbol(2.0, floats, name="x")
    >>> y = xp.tanh(x * x > 1.0)
    >>> y.op.name, y.inputs[0].op.name
    ('tanh', 'greater')
    """

    of_operations = True

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Any:
        op = lookup(name)
        return lambda *operands, **options: record(self.xp, op, operands, op.fill(options))


def record(xp: Any, op: Op, operands: tuple[Any, ...], options: dict[str, Any]) -> Symbol:
    """The symbol of `op` on symbols and numbers."""
    inputs = tuple(x if isinstance(x, Symbol) else Symbol(x, xp) for x in operands)
    example = op.forward(xp, *(x.example for x in inputs), **options)
    return Symbol(example, xp, op=op, inputs=inputs, options=options)


def read_rule(
    op: Op, g: Symbol, out: Symbol, operands: list[Symbol], options: Mapping[str, Any]
) -> list[Symbol | None]:
    """What the rule of `op` gives each operand, as symbols; None where it gives nothing."""
    assert op.rule is not None
    found: list[Symbol | None] = []
    for part in op.rule(Symbols(g.xp), g, out, *operands, **options):
        part = part() if callable(part) and not isinstance(part, Symbol) else part
        found.append(part if isinstance(part, Symbol | None) else Symbol(part, g.xp))
    return found


def graph_of(roots: list[Symbol]) -> Graph:
    """The history of symbols as a graph.  Unnamed leaves are constants; there are no gradients."""
    order = inputs_first(roots)
    places = {symbol: i for i, symbol in enumerate(order)}
    nodes = tuple(
        GraphNode(
            index=i,
            kind="result" if s.op is not None else "input" if s.name else "constant",
            op=s.op,
            inputs=tuple(places[x] for x in s.inputs),
            args=tuple(x.example for x in s.inputs),
            data=s.example,
            grad=None,
            shape=getattr(s.example, "shape", ()),
            dtype=getattr(s.example, "dtype", None),
            options=s.options,
            requires_grad=False,
            name=s.name,
            scope=(),
            line=None,
        )
        for i, s in enumerate(order)
    )
    return Graph(nodes, tuple(places[root] for root in roots))
