"""Arguments and results, in any nesting of tuples, lists and dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.node import Node, mapped


def describe_argument(x: Any, nodes: list[Node], key: list[Any]) -> None:
    """Append the nodes in an argument, and what a program depends on about it."""
    if isinstance(x, Node):
        nodes.append(x)
        data = x._data
        key.append((data.__class__, x.requires_grad))
        if data.__class__ is not float:
            key.append((data.shape, data.dtype))
    elif isinstance(x, numpy.ndarray):
        nodes.append(Tensor._constant(x))
        key.append((numpy.ndarray, x.shape, x.dtype))
    elif x.__class__ in (list, tuple):
        key.append((x.__class__, len(x)))
        for part in x:
            describe_argument(part, nodes, key)
    elif x.__class__ is dict:
        key.append((dict, *x))
        for part in x.values():
            describe_argument(part, nodes, key)
    elif x.__class__ in (int, float, bool, str, type(None)):
        key.append((x.__class__, x))
    else:
        key.append(_Same(x))


class _Same:
    """An object as a key: equal to itself alone, and kept alive, so that nothing takes its id."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def stand_in(x: Any, order: list[Node]) -> Any:
    """An argument in which every node and array has become a leaf of its own, noted in `order`."""

    def leaf(part: Any) -> Any:
        if isinstance(part, Node):
            node = part.engine._constant(part._data)
            node.requires_grad = part.requires_grad
            if part.name:
                node.name = part.name
        elif isinstance(part, numpy.ndarray):
            node = Tensor._constant(part)
        else:
            return part
        order.append(node)
        return node

    return mapped(x, leaf)


def structure(x: Any) -> Any:
    """What a function returned, with a mark in the place of every node."""
    return mapped(x, lambda part: _NODE if isinstance(part, Node) else part)


_NODE = object()


def filled(form: Any, nodes: Iterator[Node]) -> Any:
    """What `structure` gave, with nodes in the places of the marks."""
    return mapped(form, lambda part: next(nodes) if part is _NODE else part)
