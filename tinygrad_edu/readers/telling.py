"""Graph -> words: a table for terminals, and the sentence that stands in for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.trace import Graph, GraphNode

_TOLD = 12  # nodes up to which the alternative text tells every step


def labels(graph: Graph) -> list[str]:
    """A label for every node: its name, ``t1``, ``t2``, ... for unnamed results, the value of a
    constant, ``x1``, ``x2``, ... for unnamed leaves.  Names given twice get a number behind.

    >>> from tinygrad_edu import Value, trace
    >>> a = Value(2.0, name="a")
    >>> labels(trace(a * a + 1))
    ['a', 't1', '1', 't2']
    """
    given = {wording.clean(n.name) for n in graph.nodes if n.name}
    used: set[str] = set()
    counts: dict[str, int] = {}

    def fresh(stem: str) -> str:
        while True:
            counts[stem] = counts.get(stem, 0) + 1
            label = f"{stem}{counts[stem]}"
            if label not in given and label not in used:
                return label

    found = []
    for node in graph.nodes:
        if node.name or node.group:
            label = wording.clean(node.name or (node.group.label if node.group else ""))
            label = f"{label} ({fresh('#')})" if label in used else label
        elif node.kind == "constant" and node.is_scalar:
            found.append(wording.number(node.data))
            continue
        else:
            label = fresh("t" if node.op is not None else "x")
        used.add(label)
        found.append(label)
    return found


def table(
    graph: Graph,
    *,
    limit: int = 200,
    values: Mapping[int, Any] | None = None,
    gradients: Mapping[int, Any] | None = None,
    columns: Mapping[str, Mapping[int, str]] | None = None,
) -> str:
    """One line per node: label, how it was made, value, gradient.

    Arrays show their shape, smallest and largest element.  At most `limit` lines are kept, from
    the end; a last line tells how many there are.

    values, gradients : by place, instead of what the graph holds; a dash where one is missing.
    columns : more columns, each a title with texts by place.

    >>> from tinygrad_edu import Value, trace
    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> c = a * b
    >>> c.backward()
    >>> print(table(trace(c, names={"c": c})))
    node  made from  value  grad
    a     input          2    -3
    b     input         -3     2
    c     a * b         -6     1
    """
    names = labels(graph)
    columns = columns or {}
    rows = [("node", "made from", "value", "grad", *columns)]
    for node in graph.nodes:
        if node.kind == "constant" and node.is_scalar:
            continue
        data = node.data if values is None else values.get(node.index)
        grad = node.grad if gradients is None else gradients.get(node.index)
        shown = [
            wording.DASH if data is None else _ascii(_value(data, node)),
            _ascii(_value(grad, node)) if grad is not None else wording.DASH * node.requires_grad,
            *(_ascii(texts.get(node.index, "")) for texts in columns.values()),
        ]
        rows.append((names[node.index], _ascii(_made(node, names)), *shown))
    dropped = max(len(rows) - 1 - limit, 0)
    rows[1 : 1 + dropped] = []
    widths = [max(map(wording.cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padding = [" " * (w - wording.cells(text)) for w, text in zip(widths, row, strict=True)]
        left = [text + space for text, space in zip(row[:2], padding[:2], strict=True)]
        right = [space + text for text, space in zip(row[2:], padding[2:], strict=True)]
        lines.append("  ".join(left + right).rstrip())
    if dropped:
        lines.append(f"({limit} of {limit + dropped} nodes)")
    return "\n".join(lines)


def sentence(graph: Graph) -> str:
    """The computation in words, for screen readers and where no picture can be shown.

    >>> from tinygrad_edu import Value, trace
    >>> a = Value(2.0, name="a")
    >>> sentence(trace(a * a))
    'Graph of a computation. a = 2; t1 = a * a = 4.'
    """
    names = labels(graph)
    told = [n for n in graph.nodes if not (n.kind == "constant" and n.is_scalar)]
    start = "Graph of a computation. "
    if len(told) > _TOLD:
        results = sum(n.op is not None for n in graph.nodes)
        start = f"Graph of a computation of {results} operations on {len(told) - results} inputs. "
        told = [graph.nodes[root] for root in graph.roots[:_TOLD]]
    steps = []
    for node in told:
        made = f" = {_made(node, names)}" if node.op is not None else ""
        step = f"{names[node.index]}{made} = {_value(node.data, node)}"
        if node.grad is not None:
            step += f", gradient {_value(node.grad, node)}"
        steps.append(step)
    return start + "; ".join(steps) + "."


def results(graph: Graph) -> str:
    """What the graph computes, in short: ``c = a * b``; at most three results."""
    names = labels(graph)
    ends = [graph.nodes[root] for root in graph.roots]
    told = [
        f"{names[n.index]} = {_made(n, names)}" if n.op is not None else names[n.index]
        for n in ends[:3]
    ]
    return ", ".join(told) + (", ..." if len(ends) > 3 else "")


def _made(node: GraphNode, names: list[str]) -> str:
    """The operation on its operands' labels: ``a * b``, ``tanh(n)``, ``sum(x, axis=0)``."""
    if node.op is None:
        return node.kind
    operands = [names[i] for i in node.inputs]
    symbol = node.op.symbol
    if len(operands) == 2 and not any(c.isalnum() or c.isspace() for c in symbol):
        return f" {wording.clean(symbol, 8)} ".join(operands)
    chosen = wording.options(node.op, node.options)
    if len(operands) > 6:
        operands[6:] = ["..."]
    inside = ", ".join([*operands, chosen] if chosen else operands)
    return f"{wording.clean(node.op.name, 30)}({inside})"


def _ascii(text: str) -> str:
    """With the minus sign of programs, so that numbers can be copied out of a terminal."""
    return text.replace(wording.MINUS, "-")


def _value(data: object, node: GraphNode) -> str:
    if data is None:  # a program's results have no values
        return wording.shape(node.shape) if node.shape else "a number"
    if node.is_scalar:
        return wording.number(data)  # type: ignore[arg-type]
    low_high = wording.statistics(data)
    shown = " to ".join(low_high[:2]) if len(low_high) > 1 else low_high[0]
    return f"{wording.shape(node.shape)} {shown}" if node.shape else shown
