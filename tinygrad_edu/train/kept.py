"""Runs that are kept: which run a result is of, and the small JSON file it lies in."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import textwrap
import types
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from tinygrad_edu.data.cache import whole_file


def fingerprint(run: Callable[..., Any]) -> str:
    """What a function computes, as a text that changes when it would compute something else.

    In it are the function's qualified name and source, its defaults, and what it reads by name:
    numbers, texts and arrays, and the functions and classes of its own module with their source.
    Of other modules only the names are seen.

    Raises ValueError for what is no function (or ``functools.partial`` of one), a lambda, or a
    function whose source cannot be read.

    >>> import inspect
    >>> fingerprint(inspect.getsource) == fingerprint(inspect.getsource)
    True
    """
    inside = run.func if isinstance(run, functools.partial) else run
    if not isinstance(inside, types.FunctionType):
        raise ValueError(
            f"sweep keeps results by a function's source, and a {type(inside).__name__} has none "
            "of its own: write a `def`, or leave out `cache`"
        )
    text = json.dumps(_told(run, inside.__module__, []), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _told(value: Any, home: str, seen: list[Any]) -> Any:
    """A value as JSON that is the same in every process; `seen` are the functions told of."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, functools.partial):
        return [_told(value.func, home, seen), _hashed((value.args, value.keywords))]
    if isinstance(value, types.FunctionType | type):
        name = f"{value.__module__}.{value.__qualname__}"
        if value.__module__ != home or value in seen:
            return name
        seen.append(value)
        read = _read(value) if isinstance(value, types.FunctionType) else ()
        return [name, _source(value), {key: _told(x, home, seen) for key, x in read}]
    return _hashed(value)


def _source(value: Any) -> str:
    if value.__name__ == "<lambda>":
        raise ValueError("sweep keeps results by a function's source: write `def`, not `lambda`")
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError) as error:
        raise ValueError(
            f"sweep keeps results by the source of {value.__qualname__}, which cannot be read: "
            "define it in a file or a notebook's cell, or leave out `cache`"
        ) from error


def _read(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The names that a function reads from outside, and what they are now."""
    yield "its defaults", [function.__defaults__, function.__kwdefaults__]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in cells)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _names(code: types.CodeType) -> set[str]:
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return {*code.co_names}.union(*inner)


def _hashed(value: Any) -> str:
    import joblib

    try:
        return joblib.hash(value)
    except Exception:  # what cannot be taken to pieces says only what it is
        return f"{type(value).__module__}.{type(value).__qualname__}"


def place(folder: Path, function: str, point: Any, seed: int) -> Path:
    """The file for one run of the function with that fingerprint."""
    text = json.dumps([function, point, seed], sort_keys=True)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def clear_torn(paths: Collection[Path]) -> None:
    """Remove what a killed process had begun to write of these files."""
    names = {path.name for path in paths}
    for folder in {path.parent for path in paths}:
        for torn in folder.glob("*.json*.part"):
            if torn.name.partition(".json")[0] + ".json" in names:
                torn.unlink(missing_ok=True)


def kept(path: Path) -> dict[str, Any] | None:
    """The record in a file, or None: there is none, or what is there is no record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "result" in record else None


def keep(record: dict[str, Any], path: Path) -> None:
    """Write a record, whole or not at all."""
    with whole_file(path) as file:
        file.write(json.dumps(record).encode())


def plain(value: Any) -> Any:
    """A result as JSON has it: NumPy's numbers become Python's, arrays and tuples lists.

    Raises TypeError for anything but numbers, texts, None, lists and dicts of these.

    >>> import numpy
    >>> plain({"losses": numpy.array([1.0, 2.0]), "step": numpy.int64(3)})
    {'losses': [1.0, 2.0], 'step': 3}
    """
    return json.loads(json.dumps(value, default=_listed))


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):  # an array, or one of its numbers
        return value.tolist()
    raise TypeError(
        f"a result holds a {type(value).__name__}; return numbers, texts, or lists and dicts of "
        "these"
    )
