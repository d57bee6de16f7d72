"""How numbers, names, shapes and options are written in pictures and text.

Everything a drawing shows passes through here, so hostile text is made harmless once: control,
bidirectional and unassigned characters become visible escapes, and length is limited.  Escaping
for SVG or DOT is the business of the writers.
"""

from __future__ import annotations

import math
import numbers
import unicodedata
from functools import lru_cache
from typing import Any

MINUS = "\u2212"
TIMES = "\u00d7"
DASH = "\u2013"  # stands for a gradient that has not arrived
_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji


def number(x: float) -> str:
    """`x` with 4 significant digits and a true minus sign; nan and inf are flagged with "!".

    Whole numbers below 100,000 are written in full.

    >>> number(0.70710678), number(24.0), number(12345.678), number(float("nan"))
    ('0.7071', '24', '1.235e4', '! nan')
    """
    x = float(x)
    if not math.isfinite(x):
        return "! " + str(x).replace("-", MINUS)
    if x == int(x) and abs(x) < 1e5:
        text = str(int(x))
    else:
        text = f"{x:.4g}"
        mantissa, e, exponent = text.partition("e")
        text = mantissa + (e + str(int(exponent)) if e else "")
    return text.replace("-", MINUS)


def clean(text: Any, limit: int = 24) -> str:
    """`text` on one line of at most `limit` cells, with nothing invisible in it.

    >>> clean("a\\nb\\x00" + "c" * 10_000)
    'a\\\\nb\\\\x00ccccccccccccccc…'
    """
    shown: list[str] = []
    width = 0
    for character in str(text)[: 8 * limit]:
        if not (character.isprintable() or character in _JOINERS):
            character = character.encode("unicode_escape", "surrogatepass").decode("ascii")
        width += cells(character)
        shown.append(character)
        if width > limit:
            break
    if width <= limit and len(shown) <= 2 * limit and len(shown) == len(str(text)):
        return "".join(shown)
    while shown and (cells("".join(shown)) > limit - 1 or len(shown) > 2 * limit):
        shown.pop()
    return "".join(shown) + "…"


def cells(text: str) -> int:
    """The width of `text` in character cells of a monospaced font; a wide character takes two."""
    if text.isascii():
        return len(text)
    return sum(_cell(c) for c in text)


@lru_cache
def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def statistics(array: Any) -> list[str]:
    """An array in at most three texts: its only number, or smallest, largest and Euclidean norm.

    Where it holds nan or inf, one text that counts them.
    """
    size = math.prod(array.shape)
    if size == 0:
        return ["empty"]
    if size == 1:
        return [number(array.reshape(-1)[0].item())]
    wide = array.astype("float64")
    unusual = int((wide != wide).sum()), int((abs(wide) == math.inf).sum())
    if any(unusual):
        counts = [f"{n} {what}" for n, what in zip(unusual, ("nan", "inf"), strict=True) if n]
        return [f"! {', '.join(counts)} of {size}"]
    return [number(x) for x in (wide.min(), wide.max(), norm(wide))]


def norm(array: Any) -> float:
    """The Euclidean norm of all elements.

    >>> import numpy
    >>> f"{norm(numpy.array([3e200, 4e200])):.3g}"
    '5e+200'
    """
    flat = array.astype("float64").reshape(-1)
    scale = float(abs(flat).max(initial=0.0)) or 1.0  # squares of large numbers would overflow
    return scale * math.sqrt(float(((flat / scale) ** 2).sum()))


def shape(sizes: tuple[int, ...]) -> str:
    """A shape as Python writes it: ``(32, 64)``, ``(3,)``, ``()``."""
    return str(tuple(int(n) for n in sizes))


def options(op: Any, given: Any, limit: int = 24) -> str:
    """The options of an operation that differ from their defaults, as ``axis=0, keepdims=True``."""
    chosen = chosen_options(op, given)
    return clean(", ".join(f"{name}={value}" for name, value in chosen.items()), limit)


def chosen_options(op: Any, given: Any) -> dict[str, str]:
    """The options that differ from their defaults, each value in words.

    Only numbers, strings, slices and tuples of them are spelled out; an array or a generator is
    an ellipsis.
    """
    return {
        name: _plain(value)
        for name, value in given.items()
        if name not in op.defaults or not _same(value, op.defaults[name])
    }


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and _plain(value) == _plain(default))


def _plain(value: Any) -> str:
    if isinstance(value, slice):
        ends = ["" if end is None else _plain(end) for end in (value.start, value.stop, value.step)]
        return ":".join(ends if value.step is not None else ends[:2])
    if isinstance(value, tuple | list):
        inside = ", ".join(map(_plain, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if value is Ellipsis:
        return "..."
    if value is None or isinstance(value, bool | str):
        return str(value)
    if isinstance(value, numbers.Integral):
        return str(int(value)).replace("-", MINUS)
    if isinstance(value, numbers.Real):
        return number(float(value))
    return str(getattr(value, "name", None) or "…")  # a dtype has a name; an array has not
