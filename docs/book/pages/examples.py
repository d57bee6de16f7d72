"""Examples for names whose text is another's: layers and functions, on the tests' tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from functional_table import FUNCTIONS
from modules_made import made, operand, tensor
from modules_table import MODULES, Fixed, Packed, Part

from pages.inventory import Name
from tinygrad_edu import manual_seed, nn

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
    manual_seed(0)
    out = made(name, row.args, row.options)(*map(operand, inputs))
    call = f">>> layer = nn.{name}({_arguments(row.args, row.options)})"
    return _session("nn", inputs, ">>> manual_seed(0)\n" + call, "layer", out)


def _of_function(name: str) -> str:
    rows = [row for row in FUNCTIONS[name] if all(map(_simple, (*row.args, *row.options.values())))]
    if not rows:
        return ""
    arrays = [[x for x in row.args if isinstance(x, np.ndarray)] for row in rows]
    row = min(zip(rows, arrays, strict=True), key=lambda pair: _awkward(pair[1]))[0]
    given = [_rounded(x) for x in row.args if isinstance(x, np.ndarray)]
    rest = [x for x in row.args if not isinstance(x, np.ndarray)]
    manual_seed(0)
    out = getattr(nn.functional, name)(*map(tensor, given), *rest, **row.options)
    more = _arguments(rest, row.options)
    return _session("nn", given, "", f"nn.functional.{name}", out, more)


def _session(room: str, inputs: list[Any], before: str, call: str, out: Any, more: str = "") -> str:
    names = "xyzuvw"[: len(inputs)]
    large = [x.dtype.kind == "f" and x.size > _MOST for x in inputs]
    lines = [f">>> from tinygrad_edu import Tensor, manual_seed, {room}, randn"]
    for name, x, is_large in zip(names, inputs, large, strict=True):
        if is_large:
            lines.append(f">>> {name} = randn({', '.join(map(str, x.shape))})")
            continue
        dtype = "" if x.dtype.kind == "f" else f", dtype={str(x.dtype)!r}"
        lines.append(f">>> {name} = Tensor({x.tolist()}{dtype})")
    lines += [before] if before else []
    first = out[0] if isinstance(out, tuple) else out
    shown = f"{call}({', '.join([*names, *([more] if more else [])])})"
    shown += "[0]" if isinstance(out, tuple) else ""
    if first.size > _MOST or any(large):
        lines += [f">>> {shown}.shape", str(first.shape)]
    else:
        lines += [f">>> {shown}", repr(first)]
    return "```pycon\n" + "\n".join(lines) + "\n```"


def _awkward(inputs: Any) -> tuple[bool, int]:
    """Smallest first, single numbers and empty arrays last."""
    size = sum(np.size(x.array if isinstance(x, Fixed) else x) for x in inputs)
    return size < 2, size


def _simple(x: Any) -> bool:
    return isinstance(x, np.ndarray | int | float | str | tuple | None)


def _rounded(x: Any) -> Any:
    return np.round(x, 2) if x.dtype.kind == "f" else x


def _arguments(args: Any, options: dict[str, Any]) -> str:
    def text(x: Any) -> str:
        return f"Tensor({np.round(x, 2).tolist()})" if isinstance(x, np.ndarray) else repr(x)

    return ", ".join([*map(text, args), *(f"{key}={text(x)}" for key, x in options.items())])
