"""``python -m benchmarks.run [NAME ...] [--write] [--rounds N]``: measure, print, keep.

Without names, lists them; ``all`` is all of them.  ``--write`` replaces the section of each in
RESULTS.md.  The last lines say how many targets hold and name those that are missed.
"""

import argparse
import importlib
import re
from pathlib import Path

NAMES = (
    "scalar_mlp",
    "tensor_mlp",
    "conv2d",
    "layers",
    "program",
    "drawing",
    "import_time",
    "gpu",
    "robustness",
)
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, "all", []], metavar="NAME")
    parser.add_argument("--write", action="store_true", help="keep the figures in RESULTS.md")
    parser.add_argument("--rounds", type=int, default=30, help="turns per engine (default 30)")
    arguments = parser.parse_args()
    names = NAMES if "all" in arguments.names else arguments.names
    if not names:
        print("\n".join([*NAMES, "all"]))
        return
    sections = []
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        section = f"## {module.TITLE}\n\n{module.report(rounds=arguments.rounds)}\n"
        print(section, flush=True)
        sections.append(section)
        if arguments.write:
            RESULTS.write_text(replace_section(RESULTS.read_text(), module.TITLE, section))
    print(summary("".join(sections)))


def summary(text: str) -> str:
    """How many verdicts in `text` hold, and those that do not, each under its headings.

    >>> print(summary("## A\\n### small\\n- speed: 2.00: **missed**\\n- size: 1.00: **holds**\\n"))
    1 of 2 targets hold
    missed: A, small: speed: 2.00: **missed**
    """
    held, missed, headings = 0, [], ["", ""]
    for line in text.splitlines():
        if line.startswith("## "):
            headings = [line[3:], ""]
        elif line.startswith("### "):
            headings[1] = line[4:]
        elif line.endswith("**holds**"):
            held += 1
        elif line.endswith("**missed**"):
            missed.append(f"missed: {', '.join(filter(None, headings))}: {line[2:]}")
    return "\n".join([f"{held} of {held + len(missed)} targets hold", *missed])


def replace_section(text: str, title: str, section: str) -> str:
    """`text` with the section called `title` replaced, or added at the end."""
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: section + "\n", text).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}"


if __name__ == "__main__":
    main()
