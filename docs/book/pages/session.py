"""Statements run as at the prompt: what a page shows is what came out."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

_WIDTH = 88


def session(statements: Sequence[str]) -> str:
    """Statements, each with what it shows, run one after the other in a namespace of their own.

    What they need of the library is imported first.  Raises whatever a statement raises.

    >>> session(["x = Tensor(1.0)", "x + 1"]).splitlines()[2:5]
    ['>>> x = Tensor(1.0)', '>>> x + 1', 'Tensor(2.)']
    """
    space: dict[str, Any] = {}
    lines: list[str] = []
    for statement in [*imports(statements), *statements]:
        code = textwrap.fill(
            statement, _WIDTH, subsequent_indent="    ", break_long_words=False
        ).splitlines()
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile("\n".join(code), "<example>", "single"), space)
        lines += [("... " if i else ">>> ") + line for i, line in enumerate(code)]
        lines += [line for line in shown.getvalue().splitlines() if line.strip()]
    return "\n".join(["```pycon", *lines, "```"])


def imports(statements: Sequence[str]) -> list[str]:
    """The imports that statements need."""
    words = {*re.findall(r"\w+", " ".join(statements))}
    needed = [x for x in ("Tensor", "manual_seed", "nn", "ops", "randn") if x in words]
    return [*["import numpy"] * ("numpy" in words), f"from tinygrad_edu import {', '.join(needed)}"]


def tensor(x: Any, more: str = "") -> str:
    """The code of a Tensor with these numbers; of whole numbers and bools, with their dtype."""
    x = np.asarray(x)
    dtype = "" if x.dtype.kind == "f" else f", dtype={str(x.dtype)!r}"
    return f"Tensor({x.tolist()!r}{dtype}{more})"


def code(x: Any) -> str:
    """The code of an option: arrays as ``numpy.array``, dtypes by their names."""
    if isinstance(x, np.ndarray):
        return f"numpy.array({x.tolist()!r})"
    if isinstance(x, tuple):
        return f"({', '.join(map(code, x))}{',' * (len(x) == 1)})"
    return repr(str(x)) if isinstance(x, np.dtype) else repr(x)
