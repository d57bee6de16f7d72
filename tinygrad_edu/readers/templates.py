"""An operation's LaTeX template, read closely enough to know where parentheses are needed.

A template such as ``{x} - {y}`` or ``\\frac{{{x}}}{{{y}}}`` says by its own form how tightly it
binds and what each operand must at least be: the right side of a minus no sum, the base of a power
nothing but an atom, a numerator anything.  So a new operation needs no entry in any table.
"""

from __future__ import annotations

import dataclasses
import re
import string
from functools import lru_cache

RELATION, SUM, BIG, PRODUCT, POWER, ATOM = range(6)  # from loose to tight; BIG: a \sum or \max

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|[0-9.]+|.", re.DOTALL)
_LEVELS = {"+": SUM, "-": SUM}
_LEVELS |= dict.fromkeys(["=", "<", ">", r"\ge", r"\le", r"\ne"], RELATION)
_LEVELS |= dict.fromkeys([r"\cdot", r"\times", r"\otimes", "/", "*"], PRODUCT)
_CLOSING = {"{": "}", "(": ")", "[": "]", r"\left": r"\right"}


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A place for an operand: what it must at least be, and whether it may begin with a minus."""

    name: str
    need: int
    first: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """Texts and slots in order, and how tightly the whole binds."""

    pieces: tuple[str | Slot, ...]
    level: int

    def fill(self, operands: dict[str, tuple[str, int]]) -> str:
        """The template with operands, each a text and its level, in parentheses where needed."""
        parts = []
        for piece in self.pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            text, level = operands[piece.name]
            bare = level >= piece.need and (piece.first or not text.startswith("-"))
            parts.append(text if bare else rf"\left({text}\right)")
        return "".join(parts)


@lru_cache(maxsize=512)
def read(template: str) -> Template:
    """The template, analysed.

    >>> sums, powers = read("{x} - {y}"), read("{{{x}}}^2")
    >>> powers.fill({"x": (sums.fill({"x": ("a", ATOM), "y": ("b", ATOM)}), sums.level)})
    '{\\\\left(a - b\\\\right)}^2'
    """
    tokens: list[str | Slot] = []
    for literal, name, _, _ in string.Formatter().parse(template):
        tokens += _TOKEN.findall(literal)
        if name is not None:
            tokens.append(Slot(name, ATOM, False))
    pieces = list(tokens)
    level = _read_region(pieces, 0, len(pieces))
    return Template(tuple(pieces), level)


def _read_region(pieces: list[str | Slot], start: int, stop: int) -> int:
    """Set what the slots between two places need, and return how tightly these bind together."""
    items = _items(pieces, start, stop)
    kinds = [None, *(kind for kind, _ in items), None]
    level = ATOM
    for i, (kind, place) in enumerate(items):
        before, after = kinds[i], kinds[i + 2]
        if kind == "-" and before is None:
            level = min(level, PRODUCT)
        elif kind in _LEVELS:
            level = min(level, _LEVELS[kind])
        elif kind == "command" and after == "slot":
            level = min(level, BIG)
        elif kind in ("^", "frac"):
            level = min(level, POWER)
        if kind in _FACTORS and before in (*_FACTORS, "^"):  # side by side: a product
            level = min(level, PRODUCT)
        if kind == "slot":
            slot = pieces[place]
            assert isinstance(slot, Slot)
            need = max(_need_after(before, leading=i == 1), _need_before(after))
            first = before in (None, ",") or _LEVELS.get(before) == RELATION
            pieces[place] = Slot(slot.name, need, first)
    return level


_FACTORS = ("slot", "text", "enclosed", "frac")


def _need_after(before: str | None, *, leading: bool) -> int:
    """What an operand must at least be because of what stands before it."""
    if before in (None, ","):
        return RELATION
    if before == "-":
        return PRODUCT if leading else BIG
    return max(_LEVELS.get(before, PRODUCT), SUM)


def _need_before(after: str | None) -> int:
    """What an operand must at least be because of what stands behind it."""
    if after in (None, ","):
        return RELATION
    if after in ("^", "enclosed"):  # a power, an index
        return ATOM
    return max(_LEVELS.get(after, PRODUCT), SUM)


def _items(pieces: list[str | Slot], start: int, stop: int) -> list[tuple[str, int]]:
    """What stands side by side in a region, as (kind, place).

    Kinds: "slot"; "text"; "command", one without arguments, such as \\sum; "enclosed", in
    brackets; "frac"; "^", an exponent; and operators, as themselves.  What is enclosed is read as a
    region of its own.  Bare braces are invisible: what is in them stands here.
    """
    items: list[tuple[str, int]] = []
    i = start
    while i < stop:
        piece, here = pieces[i], i
        kind: str | None = "text"
        if isinstance(piece, Slot):
            kind = "slot"
        elif piece in ("^", "_"):
            kind = "^" if piece == "^" else None
            i = _skip_group(pieces, i + 1) if _is_open(pieces, i + 1) else i + 1
        elif piece in ("(", "[", r"\left"):
            i = _end(pieces, i)
            _read_region(pieces, here + 1 + (piece == r"\left"), i)
            i += piece == r"\left"  # the bracket behind \right
            applied = bool(items) and items[-1][0] in ("command", "text")
            kind = None if applied else "enclosed"
            if applied:
                items[-1] = ("text", items[-1][1])
        elif piece in _LEVELS or piece == ",":
            kind = piece
        elif piece.startswith("\\"):
            kind = {r"\frac": "frac"}.get(piece, "text")
            if not _is_open(pieces, i + 1) and piece[1:].isalpha():
                kind = "command"
            while _is_open(pieces, i + 1):
                i = _skip_group(pieces, i + 1)
        elif piece.isspace() or piece in "{}":
            kind = None
        if kind is not None:
            items.append((kind, here))
        i += 1
    return items


def _is_open(pieces: list[str | Slot], i: int) -> bool:
    return i < len(pieces) and pieces[i] == "{"


def _skip_group(pieces: list[str | Slot], start: int) -> int:
    """Read the group in braces at `start` as a region; return the place of its closing brace."""
    end = _end(pieces, start)
    _read_region(pieces, start + 1, end)
    return end


def _end(pieces: list[str | Slot], start: int) -> int:
    """The place of what closes the bracket at `start`."""
    opening = pieces[start]
    assert isinstance(opening, str)
    depth = 0
    for i in range(start, len(pieces)):
        depth += (pieces[i] == opening) - (pieces[i] == _CLOSING[opening])
        if not depth:
            return i
    return len(pieces) - 1
