"""The command `tinygrad-edu`: draw an expression, work through the lessons, look at the machine.

Each command is one function from parsed arguments to an exit code: 0 for success, 1 for a check or
a lesson that failed, 2 for a request that makes no sense, which is answered in one line.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_edu import __version__, draw, latex, learn
from tinygrad_edu.doctor import doctor
from tinygrad_edu.expression import ExpressionError, functions, nearest, read_expression
from tinygrad_edu.learn import grading
from tinygrad_edu.readers.picture import Drawing
from tinygrad_edu.readers.stepper import GRANULARITIES, Stepper
from tinygrad_edu.readers.terminal import converse

SENTENCE = (
    "Learn deep learning by building it: every operation is written once, and read as numbers, "
    "arrays, graphs, pictures and formulas."
)

READINGS = (
    ("floats", "the math module", "Value, the scalar engine"),
    ("arrays", "NumPy", "Tensor, the array engine"),
    ("GPU arrays", "CuPy", 'Tensor.to("cuda"), with device("cuda")'),
    ("nodes", "the operations themselves", "derivatives of derivatives, to any order"),
    ("picture", "the recorded graph", "draw(out): SVG, PNG, PDF, DOT or text"),
    ("story", "the recorded graph", "Stepper(out): both passes, one step at a time"),
    ("formula", "the recorded graph, or the rule", "latex(out)"),
    (
        "program",
        "the recorded graph",
        "compile(f): readable Python of both passes, run in place of the graph; on a GPU kernels "
        "in C++",
    ),
    (
        "proof",
        "SymPy's symbols (in the tests)",
        "every elementwise derivative shown equal to the true one",
    ),
)

_NEURON = (
    'tinygrad-edu draw "tanh(w1*x1 + w2*x2 + b)" w1=-3 x1=2 w2=1 x2=0 b=6.8813735870195432 '
    "-o neuron.svg"
)

_FORMATS = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".tex": "latex"}
_FORMATS |= {".gv": "dot", ".latex": "latex", ".txt": "text"}
_FOLDER = Path("~/tinygrad-edu")
_WIDTH = 79  # of the help's own texts
_BOOK = Path(__file__).resolve().parent.parent / "docs" / "book" / "build.py"


class RequestError(Exception):
    """One line that says what is wrong with the command line, and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (by default, what the user typed); returns its exit code.

    >>> main(["draw", "tahn(x)", "x=1"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show "θ" shows "?" instead
            stream.reconfigure(errors="replace")
    arguments = [_protect(a) for a in (sys.argv[1:] if argv is None else argv)]
    try:
        parsed = _parser().parse_args(arguments)
        return parsed.action(parsed)
    except (RequestError, ExpressionError) as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # what we print to was closed, by `| head` perhaps
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


# The commands


def _draw(given: argparse.Namespace) -> int:
    """Forward and backward through an expression, as a picture and a table."""
    root = read_expression(given.expression, _values(given.values)).root
    root.backward()
    output = Path(given.output).expanduser() if given.output else None
    form = _format(given.format, output)
    drawing = draw(root)
    if output is not None:
        _save(drawing, output, form)
        print(f"{drawing.text()}\n\nwritten to {output}")
        return 0
    if form in ("png", "pdf"):
        raise RequestError(f"a {form} is not for the terminal; add -o picture.{form}")
    print(_as_text(drawing, form))
    if form != "text":  # what is printed can be piped on, so the table goes to the other stream
        print(f"\n{drawing.text()}", file=sys.stderr)
    return 0


def _step(given: argparse.Namespace) -> int:
    """Forward and backward through an expression, one step at a time."""
    root = read_expression(given.expression, _values(given.values)).root
    stepper = Stepper(root, granularity=given.granularity, mode=given.mode)
    if given.output is not None:
        output = given.output.expanduser()
        try:
            stepper.to_html(output)
        except OSError as error:
            raise RequestError(f"cannot write {output}: {error.strerror or error}") from None
        print(f"written to {output}")
    elif given.all or not sys.stdin.isatty():
        print(stepper.told())
    else:
        converse(stepper)
    return 0


def _lessons(given: argparse.Namespace) -> int:
    """The lessons with what has been done of each."""
    done = learn.progress()["exercises"]
    following = learn.next_lesson()
    every = [x for x in learn.lessons() if given.course is None or given.course in x.courses]
    width = max(len(lesson.title) for lesson in every)
    for lesson in every:
        passed = sum(bool(done.get(id, {}).get("passed")) for id in lesson.exercises)
        exercises = f"{passed} of {len(lesson.exercises)} exercises"
        state = "done" if learn.is_done(lesson) else exercises
        mark = ">" if lesson == following else " "
        title = f"{lesson.title:<{width}}"
        print(f"{mark} {lesson.number}  {title}  {lesson.minutes:>3} minutes  {state}")
    if following:
        print(f"\n`tinygrad-edu start` opens lesson {following.number}.")
    return 0


def _start(given: argparse.Namespace) -> int:
    """The next lesson with an exercise that has not passed, opened."""
    lesson = learn.next_lesson()
    if lesson is None:
        print("Every exercise of every lesson has passed. `tinygrad-edu lesson N` opens one again.")
        return 0
    return _open(lesson, given)


def _lesson(given: argparse.Namespace) -> int:
    """One lesson: opened in JupyterLab, or run in the terminal."""
    lesson = _find(given.lesson)
    if not given.run:
        return _open(lesson, given)
    keep = given.save and given.save.expanduser()
    result = learn.run(lesson, given.mode, echo=True, keep=keep)
    print(f"\n{result}")
    return 0 if result.passed else 1


def _check(given: argparse.Namespace) -> int:
    """The verdicts on a learner's notebook."""
    try:
        result = learn.run_checks(_find(given.lesson), given.file)
    except (FileNotFoundError, ValueError) as error:
        raise RequestError(str(error)) from None
    print(result)
    return 0 if result.passed else 1


def _grade(given: argparse.Namespace) -> int:
    """The verdicts on a folder of submissions."""
    print(
        "Submissions run as programs of yours, within limits of time and memory. That keeps "
        "accidents apart; it is not a sandbox.",
        file=sys.stderr,
    )
    lesson = _find(given.lesson) if given.lesson else None
    try:
        results = learn.grade(given.folder, lesson, limit=given.limit, report=_progress)
    except FileNotFoundError as error:
        raise RequestError(str(error)) from None
    if given.csv is None:
        print(grading.table(results))
    elif given.csv == "-":
        print(grading.csv_text(results), end="")
    else:
        try:
            Path(given.csv).write_text(grading.csv_text(results), encoding="utf-8", newline="")
        except OSError as error:
            raise RequestError(f"cannot write {given.csv}: {error.strerror or error}") from None
    return 0


def _progress(done: learn.Graded) -> None:
    print(f"{done.name}: {done.summary}", file=sys.stderr, flush=True)


def _book(given: argparse.Namespace) -> int:
    """The book: every lesson run, every name documented, one site."""
    if not _BOOK.is_file():
        raise RequestError(
            "the book is built in a checkout of the repository (there is no docs/book here): "
            'clone it, pip install -e ".[book]", and try again'
        )
    command = [sys.executable, str(_BOOK)]
    command += [] if given.no_browser else ["--open"]
    command += [] if given.output is None else ["--output", str(given.output)]
    return subprocess.run(command).returncode


def _new(given: argparse.Namespace) -> int:
    """A folder with a project of the learner's own."""
    try:
        folder = learn.new_project(given.project)
    except (ValueError, FileExistsError, FileNotFoundError) as error:
        raise RequestError(str(error)) from None
    except OSError as error:
        raise RequestError(f"cannot write {given.project}: {error.strerror or error}") from None
    print(f"made {folder}; next: cd {folder}, python -m pytest, python train.py")
    return 0


def _doctor(given: argparse.Namespace) -> int:
    """What this installation can do."""
    print(doctor())
    return 0


# What they are made of


def _values(words: list[str]) -> dict[str, float]:
    """``["x=1", "y=2"]`` as numbers by name."""
    values: dict[str, float] = {}
    for word in words:
        name, equals, text = word.strip().partition("=")
        if not equals or not name.isidentifier():
            raise RequestError(f"{word.strip()!r} is not NAME=NUMBER, such as x=2.5")
        if name in values:
            raise RequestError(f"{name} is given twice")
        try:
            values[name] = float(text)
        except ValueError:
            raise RequestError(f"{name}={text}: {text!r} is not a number") from None
        if not math.isfinite(values[name]):
            raise RequestError(f"{name}={text}: a finite number is needed")
    return values


def _format(asked: str | None, output: Path | None) -> str:
    """The format asked for, or else the one that the file's ending names."""
    if output is None:
        return asked or "text"
    named = _FORMATS.get(output.suffix.lower())
    if asked is None and named is None:
        raise RequestError(
            f"cannot tell the format from {output.name!r}; end it in one of {', '.join(_FORMATS)}"
        )
    if asked not in (None, named) and (named or asked in ("png", "pdf")):
        endings = " or ".join(ending for ending, form in _FORMATS.items() if form == asked)
        raise RequestError(f"{output.name} does not end in {endings}, as a {asked} does")
    return asked or named or "text"


def _as_text(drawing: Drawing, form: str) -> str:
    """A drawing in a format made of text."""
    if form == "latex":
        return str(latex(drawing.graph))
    return {"text": drawing.text, "svg": lambda: drawing.svg, "dot": lambda: drawing.source}[form]()


def _save(drawing: Drawing, output: Path, form: str) -> None:
    try:
        if form in ("png", "pdf"):
            drawing.save(output)
        else:
            output.write_text(_as_text(drawing, form).rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"cannot write {output}: {error.strerror or error}") from None
    except RuntimeError as error:  # no Graphviz to make it with
        raise RequestError(str(error)) from None


def _find(which: str) -> learn.Lesson:
    try:
        return learn.find(which)
    except KeyError as error:
        raise RequestError(error.args[0]) from None


def _open(lesson: learn.Lesson, given: argparse.Namespace) -> int:
    """Write the learner's notebook if it is not there, and open JupyterLab on it."""
    known = learn.progress()["notebooks"].get(lesson.number)
    folder = given.folder or (Path(known).parent if known else _FOLDER)
    try:
        path = learn.write_notebook(lesson, folder)
    except OSError as error:
        raise RequestError(f"cannot write to {folder}: {error.strerror or error}") from None
    print(f"Lesson {lesson.number} · {lesson.title}: {path}", flush=True)
    if given.write_only:
        return 0
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise RequestError(
            "JupyterLab, which shows the lessons, is not installed; `tinygrad-edu doctor` says "
            "what is missing, and `tinygrad-edu lesson N --run` needs none of it"
        ) from None
    options = [
        f"--ServerApp.root_dir={path.parent.resolve()}",
        f"--LabApp.default_url=/lab/tree/{path.name}",  # opened in the browser, or printed
    ]
    if given.no_browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container everyone is root, and Jupyter would refuse
    LabApp.launch_instance(options)
    return 0


# The command line


class _Parser(argparse.ArgumentParser):
    """argparse, with its complaints in one line and a suggestion for a misspelt command."""

    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"argument \S+: invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong:
            known = re.findall(r"\w+", wrong[2])
            hint = nearest(wrong[1], known) or f"; there are {', '.join(known)}"
            message = f"there is no {wrong[1]!r}{hint}"
        raise RequestError(f"{message} (`{self.prog} --help` shows the way)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tinygrad-edu",
        description=textwrap.fill(SENTENCE, _WIDTH),
        epilog=_first_screen(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tinygrad_edu {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, action: Callable[[argparse.Namespace], int], help: str, **more: Any
    ) -> argparse.ArgumentParser:
        description = f"{help[0].upper()}{help[1:]}."
        made = commands.add_parser(name, help=help, description=description, **more)
        made.set_defaults(action=action)
        return made

    drawn = command(
        "draw",
        _draw,
        "run an expression forward and backward, and draw its graph",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_draw_help(),
    )
    drawn.add_argument("expression", help="such as 'tanh(w*x + b)', in quotes")
    drawn.add_argument("values", nargs="*", metavar="NAME=NUMBER", help="a value for each name")
    drawn.add_argument("-o", "--output", metavar="FILE", help="where to; its ending is the format")
    drawn.add_argument("--format", choices=["svg", "png", "pdf", "dot", "latex", "text"])

    stepped = command(
        "step", _step, "step through the forward and the backward pass of an expression"
    )
    stepped.add_argument("expression", help="such as 'tanh(a*b)', in quotes")
    stepped.add_argument("values", nargs="*", metavar="NAME=NUMBER", help="a value for each name")
    stepped.add_argument("--all", action="store_true", help="print every step, and ask nothing")
    stepped.add_argument("--granularity", choices=GRANULARITIES, default="edge")
    stepped.add_argument("--mode", choices=["watch", "predict", "compare"], default="watch")
    stepped.add_argument(
        "-o", "--output", type=Path, metavar="FILE.html", help="write a page that steps by itself"
    )

    listed = command("lessons", _lessons, "list the lessons, and what you have done of each")
    listed.add_argument(
        "--course", choices=list("ABCDE"), help="only those of one course (lessons/COURSES.md)"
    )
    start = command("start", _start, "open the next lesson you have not finished")
    lesson = command("lesson", _lesson, "open one lesson, or run it in the terminal")
    lesson.add_argument("lesson", metavar="N", help="its number or name")
    lesson.add_argument("--run", action="store_true", help="run it here, with its solutions")
    lesson.add_argument(
        "--save",
        type=Path,
        metavar="FILE.ipynb",
        help="with --run: in a Jupyter kernel, and keep the notebook with all it showed",
    )
    lesson.add_argument("--mode", choices=["full", "quick"], default="full", help="how to run it")
    for opening in (start, lesson):
        opening.add_argument(
            "--folder",
            type=Path,
            help=f"where your notebook is or goes (default: where it was, else {_FOLDER})",
        )
        opening.add_argument(
            "--no-browser", action="store_true", help="serve it, and print the address"
        )
        opening.add_argument(
            "--write-only", action="store_true", help="write the notebook, and serve nothing"
        )

    check = command("check", _check, "check your answers to the exercises of a lesson")
    check.add_argument("lesson", metavar="N", help="its number or name")
    check.add_argument("file", nargs="?", help="your notebook (default: the one written for you)")

    grade = command("grade", _grade, "check a folder of submissions (for teachers)")
    grade.add_argument("folder", type=Path, help="with .ipynb or .py files, at any depth")
    grade.add_argument("--lesson", metavar="N", help="the lesson (default: each file says it)")
    grade.add_argument("--limit", type=float, default=120.0, help="seconds for each (120)")
    grade.add_argument(
        "--csv",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write a table of comma-separated values",
    )

    book = command("book", _book, "build the book (lessons, reference, pictures) and open it")
    book.add_argument("--output", type=Path, metavar="FOLDER", help="where to (build/book)")
    book.add_argument("--no-browser", action="store_true", help="build it, and open nothing")

    new = command("new", _new, "make a folder with a project of your own, and tests that pass")
    new.add_argument("project", metavar="PROJECT", help="its name, or a path that ends in it")

    command("doctor", _doctor, "say what this installation can do, and how to mend it")
    return parser


def _first_screen() -> str:
    """What the README's first screen says, for the end of the help."""
    start = 47  # where the last column begins
    rows = [
        f"  {name:<11} {source}".ljust(start)
        + f"\n{'':<{start}}".join(textwrap.wrap(given, _WIDTH - start))
        for name, source, given in (("reading", "read with", "you get"), *READINGS)
    ]
    return "\n".join(
        [
            "in a clone of the repository, one command sets up and opens the first lesson,",
            "and one sets up and runs every test:",
            '  pip install -e ".[lessons]" && tinygrad-edu start',
            '  pip install -e ".[test]" && python -m pytest',
            "",
            "a neuron, forward and backward:",
            "  " + " \\\n    ".join(textwrap.wrap(_NEURON, _WIDTH - 4, break_on_hyphens=False)),
            "",
            "an operation is two functions: its value, and its vector-Jacobian product;",
            "everything else is a reading of these lines:",
            *rows,
        ]
    )


def _draw_help() -> str:
    names = textwrap.fill(", ".join(sorted(functions())), 76)
    return (
        "an expression is made of numbers, names, pi, + - * / **, one comparison, and\n"
        f"these operations:\n{textwrap.indent(names, '  ')}\n\n"
        f"example:\n  {_NEURON}"
    )


def _protect(argument: str) -> str:
    """An argument such as ``-x*y`` as argparse must see it to take it for no option."""
    looks_like_option = re.fullmatch(r"-[oh]|--.*|-", argument, flags=re.DOTALL)
    return f" {argument}" if argument.startswith("-") and not looks_like_option else argument
