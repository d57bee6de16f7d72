"""The import ladder: a room may import only from itself and from rooms above it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_edu

PACKAGE = Path(tinygrad_edu.__file__).parent

LADDER = [
    "namespaces",
    "node",
    "ops",
    "engine",
    "expression",
    "readers",
    "nn",
    "optim",
    "data",
    "metrics",
    "files",
    "plots",
    "train",
    "widgets",
    "interop",
    "learn",
    "doctor",
    "cli",
    "__main__",
]


def module_name(path: Path, package: Path) -> str:
    parts = ["tinygrad_edu", *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a syntax tree, except under ``if TYPE_CHECKING``, which never runs."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from executed(child)


def imported_names(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of ours, in functions and under conditions too."""
    for node in executed(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: None if is_package else -1]
            start = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in found if name.split(".")[0] == "tinygrad_edu")


def room_of(dotted: str) -> str:
    """The room that a dotted name belongs to: a folder or file, or the one of a public name."""
    parts = dotted.split(".")
    name = parts[1] if len(parts) > 1 else ""
    if name in LADDER:
        return name
    home = tinygrad_edu._HOMES.get(name)
    return home.split(".")[0] if home else ""


def violations(package: Path) -> list[str]:
    """What breaks the ladder in the files under `package`, one line each."""
    broken = []
    for path in sorted(package.rglob("*.py")):
        module = module_name(path, package)
        if module == "tinygrad_edu":
            continue  # the lazy names: it sees everything
        room = module.split(".")[1]
        if room not in LADDER:
            broken.append(f"{module}: not a room of the ladder")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in imported_names(tree, module, path.name == "__init__.py"):
            target = room_of(name)
            if name == "tinygrad_edu.__version__":
                continue
            if target not in LADDER or LADDER.index(target) > LADDER.index(room):
                broken.append(f"{module}:{line}: imports {name}")
    return broken


def test_rooms_import_only_from_above():
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    "line",
    [
        "from tinygrad_edu.readers import trace",
        "from tinygrad_edu import trace",
        "import tinygrad_edu.cli",
        "def f():\n    from tinygrad_edu.engine.value import Value",
        "from ..engine import value",
        "from tinygrad_edu.lost import thing",
        "import tinygrad_edu",
    ],
)
def test_the_checker_finds_a_planted_import(tmp_path, line):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "__init__.py").write_text("from tinygrad_edu.node import Node\n")
    assert violations(tmp_path) == []
    (tmp_path / "ops" / "planted.py").write_text(line + "\n")
    assert len(violations(tmp_path)) == 1


def test_the_checker_finds_a_file_outside_the_ladder(tmp_path):
    (tmp_path / "cellar.py").write_text("")
    assert violations(tmp_path) == ["tinygrad_edu.cellar: not a room of the ladder"]


# NumPy is not ours, and half the cost of a fresh process: it is there before the processes part.
IMPORT_EACH = """
import importlib, os, sys, numpy
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
IMPORT_ONE = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except BaseException as error:
    print(f"{sys.argv[1]}: {type(error).__name__}: {error}")
"""


def import_failures(modules):
    """What goes wrong when each module is imported before anything else of ours, one line each."""
    alone = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
    }  # a process with threads is not to be forked
    jobs = [(IMPORT_EACH, modules)] if hasattr(os, "fork") else [(IMPORT_ONE, [m]) for m in modules]
    return [
        line
        for script, names in jobs
        for line in subprocess.run(
            [sys.executable, "-W", "error", "-c", script, *names],
            capture_output=True,
            text=True,
            check=True,
            env=alone,
        ).stdout.splitlines()
    ]


def test_every_module_can_be_imported_first():
    modules = [module_name(path, PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
    modules = [m for m in modules if not m.endswith("__main__") and ".lessons" not in m]
    assert len(modules) > 20
    assert import_failures(modules) == []


def test_an_import_that_fails_is_reported():
    modules = ["tinygrad_edu.no_such_room", "tinygrad_edu.node"]
    [line] = import_failures(modules)
    assert line.startswith("tinygrad_edu.no_such_room: ModuleNotFoundError: ")


def test_importing_the_package_loads_nothing_and_the_engines_load_no_optional_package():
    script = (
        "import sys, tinygrad_edu\n"
        "assert 'numpy' not in sys.modules\n"
        "tinygrad_edu.Value, tinygrad_edu.Tensor, tinygrad_edu.trace\n"
        "ours = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(ours & {'graphviz', 'pygraphviz', 'matplotlib', 'torch', 'cupy', 'IPython',"
        " 'ipywidgets', 'sklearn', 'nbformat'}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_lazy_names_are_the_ones_that_editors_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module or "").removeprefix("tinygrad_edu").removeprefix(".")
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == tinygrad_edu._HOMES
    assert sorted(seen) == sorted(tinygrad_edu.__all__)


@pytest.mark.parametrize("name", tinygrad_edu.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(tinygrad_edu, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Valu'"):
        _ = tinygrad_edu.Valu
