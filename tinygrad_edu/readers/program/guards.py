"""What a program takes for granted beside its arguments, checked before each run.

A program reads the data of the nodes it captured anew, so new values are seen.  A new node in the
place of one, another shape, or a module that changed from training to evaluation is seen here, and
the function is traced again.
"""

from __future__ import annotations

import inspect
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_edu.node import Node, nodes_in
from tinygrad_edu.readers.program.tape import Tape


class Guards:
    """The conditions under which a program is right."""

    def __init__(self, function: Any, tape: Tape, captured: list[Node]) -> None:
        self._arrays = [
            (x, x._data.shape, x._data.dtype, x.requires_grad)
            for x in captured
            if x._data.__class__ is not float
        ]
        self._modes = [(module, module.training) for module in tape.modules]
        self._held = [
            (module.__dict__, name, thing)
            for module in tape.modules
            for name, thing in module.__dict__.items()
            if isinstance(thing, Node)
        ]
        self._cells = [(cell, cell.cell_contents) for _, cell in _cells(function)]
        self._globals = [
            (space, name, space[name])
            for space, name in _globals(function)
            if _has_nodes(space[name])
        ]
        self._lists = [
            (thing, list(nodes_in(thing)))
            for thing in [*(c for _, c in self._cells), *(g for _, _, g in self._globals)]
            if isinstance(thing, list | tuple | dict)
        ]
        self._cells = [(cell, thing) for cell, thing in self._cells if _has_nodes(thing)]

    def hold(self) -> bool:
        """Whether all conditions hold now."""
        for x, shape, dtype, needed in self._arrays:
            data = x._data
            if data.shape != shape or data.dtype != dtype or x.requires_grad is not needed:
                return False
        for module, training in self._modes:
            if module.training is not training:
                return False
        for space, name, thing in self._held:
            if space.get(name) is not thing:
                return False
        for cell, thing in self._cells:
            if cell.cell_contents is not thing:
                return False
        for space, name, thing in self._globals:
            if space.get(name) is not thing:
                return False
        return all(_same(thing, nodes) for thing, nodes in self._lists)


def _same(thing: Any, nodes: list[Node]) -> bool:
    flat = thing.__class__ is not dict and len(thing) == len(nodes)
    if flat and all(map(operator.is_, thing, nodes)):  # quick where there is nothing but nodes
        return True
    found = list(nodes_in(thing))
    return len(found) == len(nodes) and all(x is y for x, y in zip(found, nodes, strict=True))


def _has_nodes(thing: Any) -> bool:
    return isinstance(thing, numpy.ndarray) or next(nodes_in(thing), None) is not None


def _function(f: Any) -> Any:
    """The Python function behind a method, a partial, a module; or None."""
    while True:
        if isinstance(f, types.FunctionType):
            return f
        inner = getattr(f, "__func__", None) or getattr(f, "func", None)
        inner = inner or getattr(f, "forward", None)
        if inner is None:
            return None
        f = inner


def _cells(f: Any) -> Iterator[tuple[str, Any]]:
    function = _function(f)
    if function is None:
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cell.cell_contents  # noqa: B018
        except ValueError:  # not yet bound
            continue
        yield name, cell


def _globals(f: Any) -> Iterator[tuple[dict[str, Any], str]]:
    function = _function(f)
    if function is None:
        return
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for name in code.co_names:
            if name in function.__globals__:
                yield function.__globals__, name


def names_of(
    f: Callable[..., Any], tape: Tape, args: list[Any], kwargs: dict[str, Any]
) -> dict[Node, str]:
    """What the user calls each node: by parameter, by module and attribute, by variable."""
    names: dict[Node, str] = {}

    def call(thing: Any, name: str) -> None:
        nodes = list(nodes_in(thing))
        for i, node in enumerate(nodes):
            names.setdefault(node, name if len(nodes) == 1 else f"{name}_{i}")

    for name, thing in [*zip(_parameters(f, len(args)), args, strict=True), *kwargs.items()]:
        call(thing, name)
    for module in tape.modules:
        kind = type(module).__name__.lower()
        place = getattr(module, "_attribute", "")
        place = f"{kind}{place}" if place.isdigit() or not place else place
        for name, thing in module.__dict__.items():
            if isinstance(thing, Node):
                names.setdefault(thing, f"{place}_{name}")
    for name, cell in _cells(f):
        call(cell.cell_contents, name)
    for space, name in _globals(f):
        call(space[name], name)
    return names


def _parameters(f: Any, count: int) -> list[str]:
    """Names for positional arguments."""
    try:
        parameters = list(inspect.signature(getattr(f, "forward", f)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names, *(f"x_{i}" for i in range(count))][:count]
