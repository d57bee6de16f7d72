"""Examples for names whose text is another's: layers and functions, on the tests' tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from functional_table import FUNCTIONS
from modules_made import MODULES
from modules_table import Fixed, Packed, Part

from pages.inventory import Name
from pages.session import imports, session, tensor
from tinygrad_edu import manual_seed

_MOST = 16  # elements that are easily read


def example(name: Name) -> str:
    """A call and what it gives, as a session at the prompt; "" where the tables have none."""
    if name.room == "tinygrad_edu.nn" and name.name in MODULES:
        return _of_module(name.name)
    if name.room == "tinygrad_edu.nn.functional" and name.name in FUNCTIONS:
        return _of_function(name.name)
    return ""


def _of_module(name: str) -> str:
    rows = [
        row
        for row in MODULES[name]
        if not row.named and all(isinstance(x, np.ndarray | Fixed) for x in row.inputs)
    ]
    rows = [row for row in rows if not any(isinstance(x, Part | Packed) for x in row.args)]
    if not rows:
        return ""
    row = min(rows, key=lambda row: _awkward(row.inputs))
    inputs = [_rounded(x.array if isinstance(x, Fixed) else x) for x in row.inputs]
    layer = f"layer = nn.{name}({_arguments(row.args, row.options)})"
    return _session(inputs, [layer], "layer", "")


def _of_function(name: str) -> str:
    rows = [row for row in FUNCTIONS[name] if all(map(_simple, (*row.args, *row.options.values())))]
    if not rows:
        return ""
    arrays = [[x for x in row.args if isinstance(x, np.ndarray)] for row in rows]
    row = min(zip(rows, arrays, strict=True), key=lambda pair: _awkward(pair[1]))[0]
    given = [_rounded(x) for x in row.args if isinstance(x, np.ndarray)]
    rest = [x for x in row.args if not isinstance(x, np.ndarray)]
    return _session(given, [], f"nn.functional.{name}", _arguments(rest, row.options))


def _session(inputs: list[Any], before: list[str], called: str, more: str) -> str:
    """A call on the inputs: its result, or the shape of it where there are many numbers."""
    names = "xyzuvw"[: len(inputs)]
    large = [x.dtype.kind == "f" and x.size > _MOST for x in inputs]
    lines = []
    for name, x, is_large in zip(names, inputs, large, strict=True):
        random = f"randn({', '.join(map(str, x.shape))})"
        lines.append(f"{name} = {random if is_large else tensor(x)}")
    call = f"{called}({', '.join([*names, *([more] if more else [])])})"
    lines += before
    out, other = (_result([*lines, f"out = {call}"], seed) for seed in (0, 1))
    if isinstance(out, tuple):
        out, other, call = out[0], other[0], f"{call}[0]"
    if any(large) or out.size > _MOST:
        return session([*lines, f"{call}.shape"])
    drawn = not np.array_equal(out.data, other.data)
    return session([*["_ = manual_seed(0)"] * drawn, *lines, call])


def _result(statements: list[str], seed: int) -> Any:
    """What the last of some statements calls ``out``."""
    space: dict[str, Any] = {}
    manual_seed(seed)
    exec("\n".join([*imports(statements), *statements]), space)
    return space["out"]


def _awkward(inputs: Any) -> tuple[bool, int]:
    """Smallest first, single numbers and empty arrays last."""
    sizes = [np.size(x.array if isinstance(x, Fixed) else x) for x in inputs]
    return sum(sizes) < 2 or 0 in sizes, sum(sizes)


def _simple(x: Any) -> bool:
    return isinstance(x, np.ndarray | int | float | str | tuple | None)


def _rounded(x: Any) -> Any:
    return np.round(x, 2) if x.dtype.kind == "f" else x


def _arguments(args: Any, options: dict[str, Any]) -> str:
    def text(x: Any) -> str:
        return f"Tensor({np.round(x, 2).tolist()})" if isinstance(x, np.ndarray) else repr(x)

    return ", ".join([*map(text, args), *(f"{key}={text(x)}" for key, x in options.items())])
