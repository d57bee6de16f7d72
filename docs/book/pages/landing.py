"""The first page, which says what the README's first screen says, with the stepper live."""

from __future__ import annotations

import re
from pathlib import Path

from pages import ROOT
from tinygrad_edu import Stepper, Value
from tinygrad_edu.readers.page import page

README = ROOT / "README.md"


def pages() -> dict[str, str]:
    """The first page, and the stepper it shows."""
    return {"index.md": _landing(), "static/neuron.html": page(_neuron())}


def _landing() -> str:
    text = README.read_text(encoding="utf-8")
    parts = {
        "sentence": text.split("\n\n")[1],
        "example": _between(text, "```python\n", "```"),
        "commands": "\n\n".join(re.findall(r"```sh\npip install -e .*?```", text, re.S)),
        "readings": _between(text, "Everything else is a reading of these lines:\n\n", "\n\n"),
    }
    template = (Path(__file__).parent / "landing.md").read_text(encoding="utf-8")
    for name, part in parts.items():
        template = template.replace(f"<!-- {name} -->", part)
    return template


def _between(text: str, start: str, end: str) -> str:
    """The first part of a text between two marks; an error if there is none."""
    begin = text.index(start) + len(start)
    return text[begin : text.index(end, begin)].strip()


def _neuron() -> Stepper:
    x1, x2 = Value(2.0, name="x1"), Value(0.0, name="x2")
    w1, w2 = Value(-3.0, name="w1"), Value(1.0, name="w2")
    b = Value(6.8813735870195432, name="b")
    return Stepper((w1 * x1 + w2 * x2 + b).tanh())
