"""What is written down about the package is what is there."""

import ast
import configparser
import re
import sys
from importlib import resources
from pathlib import Path

import pytest

import tinygrad_edu
from tinygrad_edu import learn

ROOT = Path(__file__).parent.parent

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = SETUP["options.extras_require"]

# Imported under another name than it is installed under.
DISTRIBUTIONS = {
    "array_api_compat": "array-api-compat",
    "sklearn": "scikit-learn",
    "IPython": "ipykernel",
    "PIL": "pillow",
    "packaging": "pytest",
    "websocket": "websocket-client",
}


def lines_of(text):
    return [line.strip() for line in text.strip().splitlines()]


def packages_of(extra):
    """The names an extra asks for, those of an extra inside it included."""
    names = set()
    for line in lines_of(EXTRAS[extra]):
        inner = re.fullmatch(r"tinygrad_edu\[(\w+)\]", line)
        names |= packages_of(inner[1]) if inner else {re.split(r"[^\w.-]", line)[0]}
    return names


def test_every_package_is_listed():
    folders = [
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ["tinygrad_edu", "lessons"]
        for path in (ROOT / room).rglob("__init__.py")
    ]
    names = [re.sub(r"^lessons", "tinygrad_edu.lessons", folder) for folder in folders]
    assert sorted(lines_of(SETUP["options"]["packages"])) == sorted(names)


def test_the_version_is_written_once():
    assert SETUP["metadata"]["version"] == "attr: tinygrad_edu.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", tinygrad_edu.__version__)
    assert f"## {tinygrad_edu.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_type_information_is_marked():
    assert resources.files(tinygrad_edu).joinpath("py.typed").is_file()


def imported_by(paths):
    """The top-level names imported anywhere in some files."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.importorskip":
                found.add(ast.literal_eval(node.args[0]).partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("tinygrad_edu", ["lessons", "cuda12", "cuda13", "cluster", "jit", "parity"]),
        ("lessons", ["lessons", "parity"]),  # compared with PyTorch where it is installed
        ("tests", ["test", "parity", "jit", "mpi", "cuda12"]),
    ],
)
def test_what_is_imported_can_be_installed(folder, extras):
    known = {"numpy", "graphviz", "pygraphviz", "tinygrad_edu"}.union(*map(packages_of, extras))
    known |= {"cupy"} if "cuda12" in extras else set()
    local = {path.stem for path in (ROOT / folder).rglob("*.py")}
    local |= {"benchmarks", *(x.stem for x in (ROOT / "docs" / "book").iterdir())}  # on their path
    names = imported_by((ROOT / folder).rglob("*.py")) - set(sys.stdlib_module_names) - local
    assert {DISTRIBUTIONS.get(name, name) for name in names} - known == set()


def test_both_graphics_cards_are_served():
    assert packages_of("cuda12") == {"cupy-cuda12x"}
    assert packages_of("cuda13") == {"cupy-cuda13x"}


def test_pygraphviz_is_asked_for_where_it_has_wheels():
    markers = pytest.importorskip("packaging.requirements")
    lines = [x for x in lines_of(SETUP["options"]["install_requires"]) if x.startswith("pygraph")]
    wanted = {
        (system, machine, python): any(
            markers.Requirement(line).marker.evaluate(
                {
                    "sys_platform": system,
                    "platform_machine": machine,
                    "platform_python_implementation": python,
                }
            )
            for line in lines
        )
        for system, machine, python in [
            ("linux", "x86_64", "CPython"),
            ("linux", "aarch64", "CPython"),
            ("linux", "riscv64", "CPython"),
            ("linux", "x86_64", "PyPy"),
            ("darwin", "arm64", "CPython"),
            ("darwin", "x86_64", "CPython"),
            ("win32", "AMD64", "CPython"),
            ("win32", "ARM64", "CPython"),
        ]
    }
    assert [key for key, value in wanted.items() if not value] == [
        ("linux", "riscv64", "CPython"),
        ("linux", "x86_64", "PyPy"),
        ("win32", "ARM64", "CPython"),
    ]


@pytest.mark.parametrize("package", ["tinygrad_edu.readers"])
def test_files_beside_the_code_go_into_the_wheel(package):
    folder = ROOT.joinpath(*package.split("."))
    there = {p.name for p in folder.iterdir() if p.is_file() and p.suffix not in (".py", ".pyc")}
    patterns = SETUP["options.package_data"][package].replace(",", "\n")
    held = {path.name for pattern in lines_of(patterns) for path in folder.glob(pattern)}
    assert there == held == {"stepper.js", "stepper.css", "stepper.html"}


def test_the_template_of_a_project_goes_into_the_wheel():
    folder = ROOT / "tinygrad_edu" / "learn"
    held = folder.glob(SETUP["options.package_data"]["tinygrad_edu.learn"])
    there = {path.name.removesuffix(".txt") for path in held if path.is_file()}
    assert there == set(learn.projects.FILES)


def test_every_file_of_the_lessons_goes_into_the_wheel():
    there = {p.name for p in (ROOT / "lessons").rglob("*") if p.is_file() and p.suffix != ".pyc"}
    patterns = lines_of(SETUP["options.package_data"]["tinygrad_edu.lessons"].replace(",", "\n"))
    assert {name for name in there if not name.endswith(".py")} == {
        path.name for pattern in patterns for path in (ROOT / "lessons").glob(pattern)
    }
