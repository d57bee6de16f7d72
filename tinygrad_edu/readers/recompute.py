"""A recorded graph with other numbers: what if a leaf were different, and what do differences say?

The operations' own forwards work everything out again on the snapshot; the user's nodes stay as
they are.  A constant stays as it was recorded, also one that once was a comparison or a drawn
number.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.story import used_values
from tinygrad_edu.readers.trace import Graph, GraphNode

_STEP = 6e-6  # near the cube root of the float64 precision, where both errors are smallest
_MOST = 8  # elements of an array that are compared


def what_if(graph: Graph, changes: Mapping[int, Any]) -> Graph:
    """The graph as it would have been recorded with other data at the given places.

    A change of a result holds against its operation.  Gradients are left out: `story` tells them.

    >>> from tinygrad_edu import Value, trace
    >>> a, b = Value(2.0), Value(-3.0)
    >>> [n.data for n in what_if(trace(a * b), {0: 10.0}).nodes]
    [10.0, -3.0, -30.0]

    Raises ValueError for data of another shape.
    """
    fitted = {i: _fitted(graph.nodes[i], data) for i, data in changes.items()}
    values = _values(graph, used_values(graph), fitted)
    nodes = tuple(
        dataclasses.replace(
            node,
            data=values[node.index],
            args=tuple(values[i] for i in node.inputs),
            grad=None,
        )
        for node in graph.nodes
    )
    return Graph(nodes, graph.roots)


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A gradient beside the central difference, at the element where they are furthest apart.

    checked, size : how many elements were compared, and how many there are.
    """

    gradient: float
    difference: float
    checked: int
    size: int

    def __str__(self) -> str:
        if self.size == 1:
            return wording.number(self.difference)
        gap = wording.number(abs(self.gradient - self.difference))
        return f"at most {gap} off ({self.checked} of {self.size})"

    @property
    def agrees(self) -> bool:
        """Whether the two agree to 5 digits, or both are nan."""
        gap = abs(self.gradient - self.difference)
        both_nan = math.isnan(self.gradient) and math.isnan(self.difference)
        return both_nan or gap <= 1e-7 + 1e-5 * abs(self.difference)


def compare(
    graph: Graph, gradients: Mapping[int, Any], *, gradient: Any = None
) -> dict[int, Comparison]:
    """Every gradient beside the difference quotient of the forward pass, in float64.

    gradients : by place.  gradient : what the backward pass started with.  Of an array at most 8
    elements are compared, evenly spread.

    >>> from tinygrad_edu import Value, trace
    >>> x = Value(3.0)
    >>> compare(trace(x * x), {0: 6.0})[0].agrees
    True
    """
    wide = [_widened(data) for data in used_values(graph)]
    wide = _values(graph, wide, {n.index: wide[n.index] for n in graph.nodes if n.op is None})
    seed = 1.0 if gradient is None else numpy.asarray(gradient, dtype=float)

    def loss(place: int, data: Any) -> float:
        values = _values(graph, wide, {place: data})
        return sum(float(numpy.sum(_on_cpu(values[i]) * seed)) for i in dict.fromkeys(graph.roots))

    found = {}
    for place, given in gradients.items():
        start = wide[place]
        if not hasattr(start, "shape"):
            step = _STEP * max(1.0, abs(start))
            up, down = start + step, start - step
            slope = (loss(place, up) - loss(place, down)) / (up - down)
            found[place] = Comparison(float(given), slope, 1, 1)
        elif start.size:
            found[place] = _worst(
                start, _on_cpu(given).astype(float), lambda x, p=place: loss(p, x)
            )
    return found


def _worst(start: Any, gradient: Any, loss: Any) -> Comparison:
    flat = gradient.reshape(-1)
    chosen = sorted({round(i) for i in numpy.linspace(0, start.size - 1, min(start.size, _MOST))})
    worst = Comparison(0.0, 0.0, len(chosen), start.size)
    largest = -1.0
    for i in chosen:
        step = _STEP * max(1.0, abs(float(start.reshape(-1)[i])))
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved.reshape(-1)[i] += sign * step
            ends.append(loss(moved))
        slope = (ends[0] - ends[1]) / (2 * step)
        gap = abs(slope - flat[i])
        if gap > largest or math.isnan(gap):
            largest = math.inf if math.isnan(gap) else gap
            worst = Comparison(float(flat[i]), slope, len(chosen), start.size)
    return worst


def _values(graph: Graph, values: list[Any], changes: Mapping[int, Any]) -> list[Any]:
    """The data of every node after the changes; only what depends on them is worked out again."""
    values = list(values)
    moved = set(changes)
    for place, data in changes.items():
        values[place] = data
    for node in graph.nodes:
        if node.op is None or node.index in changes or moved.isdisjoint(node.inputs):
            continue
        args = [values[i] for i in node.inputs]
        out = node.op.forward(NAMESPACES[type(args[0])], *args, **node.options)
        values[node.index] = float(out) if node.is_scalar else _array(out)
        moved.add(node.index)
    return values


def _array(data: Any) -> Any:
    return numpy.asarray(data) if isinstance(data, numpy.generic) else data


def _fitted(node: GraphNode, data: Any) -> Any:
    if node.is_scalar:
        return float(data)
    array = numpy.array(data, dtype=node.dtype)
    if array.shape != node.shape:
        raise ValueError(f"data of shape {array.shape} for a node of shape {node.shape}")
    return NAMESPACES[type(node.data)].asarray(array)


def _widened(data: Any) -> Any:
    return (
        data.astype("float64") if getattr(getattr(data, "dtype", None), "kind", "") == "f" else data
    )


def _on_cpu(data: Any) -> Any:
    return NAMESPACES[type(data)].to_device(data, device="cpu") if hasattr(data, "shape") else data
