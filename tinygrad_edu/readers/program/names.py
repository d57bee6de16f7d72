"""Names for the generated source: whatever a user wrote becomes an identifier or a comment."""

from __future__ import annotations

import keyword
import re

_LONGEST = 40


def identifier(text: str) -> str:
    """`text` as a Python identifier in ASCII, at most 40 letters long.

    >>> identifier("layer 1"), identifier("2x"), identifier("class")
    ('layer_1', 'x_2x', 'class_')
    """
    clean = re.sub(r"[\W_]+", "_", text, flags=re.ASCII)[:_LONGEST].strip("_")
    if not clean or clean[0].isdigit():
        clean = f"x_{clean}".rstrip("_")
    return clean + "_" if keyword.iskeyword(clean) or clean.startswith("__") else clean


def comment(text: str) -> str:
    """`text` on one line: what cannot be printed becomes a space.

    >>> comment("a\\nimport os")
    'a import os'
    """
    return "".join(c if c.isprintable() else " " for c in text)


class Names:
    """Hands out names, each once.

    >>> names = Names({"tanh"})
    >>> names.new("w"), names.new("w"), names.new("tanh"), names.new("add_1"), names.new("add_1")
    ('w', 'w_2', 'tanh_2', 'add_1', 'add_2')
    """

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def new(self, wish: str) -> str:
        """`wish` as an identifier that nobody has; numbered if somebody has it."""
        name = identifier(wish)
        if name in self._taken:
            stem = re.sub(r"_[0-9]+$", "", name)
            count = self._next.get(stem, 2)
            while f"{stem}_{count}" in self._taken:
                count += 1
            self._next[stem] = count + 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name
