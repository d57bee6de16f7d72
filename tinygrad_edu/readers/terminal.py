"""The stepper in a terminal: one key and Enter per move."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_edu.readers.stepper import GRANULARITIES, Stepper

KEYS = (
    "Enter or n: next, p: previous, g12: go to step 12, f: first, l: last\n"
    f"1 to 4: steps of {', '.join(GRANULARITIES)}\n"
    "t: table, c: the operation's source, ?: keys, q: quit"
)
_PREDICT = "in predict mode, answer =0.5 or h for a hint"


def converse(
    stepper: Stepper,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
) -> None:
    """Step through a story at the terminal's prompt, until q or the end of the input.

    >>> from tinygrad_edu import Value
    >>> answers = iter(["n", "q"])
    >>> converse(Stepper(Value(2.0, name="a") * 3), lambda prompt: next(answers))
    at the start the leaves hold their numbers: a = 2
    t1 = a · 3
      2 · 3 = 6
    """
    write(stepper.explain())
    while True:
        asked = f"{stepper.question}\n" if stepper.mode == "predict" else ""
        try:
            word = read(f"{asked}[{stepper.position}/{len(stepper)}] ? for keys > ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if word == "q":
            return
        write(_answer(stepper, word))


def _answer(stepper: Stepper, word: str) -> str:
    """What to write after a word; moves the stepper."""
    if word.startswith("="):
        return str(stepper.answer(word[1:]))
    if word == "h":
        return stepper.hint
    if word == "t":
        return stepper.table()
    if word == "c":
        told = stepper.step.events[0].code if stepper.step else ""
        return told or "no operation is at work here"
    moves = {"": 1, "n": 1, "p": -1, "f": -len(stepper), "l": len(stepper)}
    if word in moves:
        stepper.goto(stepper.position + moves[word])
    elif word.startswith("g") and word[1:].isdigit():
        stepper.goto(int(word[1:]))
    elif word in ("1", "2", "3", "4"):
        stepper.granularity = GRANULARITIES[int(word) - 1]
    else:
        return f"{KEYS}\n{_PREDICT}" if stepper.mode == "predict" else KEYS
    return stepper.explain()
