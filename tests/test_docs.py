"""The examples in docstrings run, and what is public has a docstring."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
from published_made import publish_in

import tinygrad_edu
from tinygrad_edu import ops
from tinygrad_edu.ops import registry

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(tinygrad_edu.__path__, "tinygrad_edu.")
    if not info.name.endswith("__main__") and ".lessons" not in info.name
)

# Of these the examples need PyTorch, or onnx and onnxruntime, which come with it in CI.
BESIDE_PYTORCH = {f"tinygrad_edu.interop.{name}" for name in ("onnx.export", "parity", "pytorch")}


def examples_of(module):
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module, module.__name__) if test.examples]


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """A place where examples may check exercises and register operations without a trace.

    What is published is small there, and lies beside it.
    """
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    publish_in(tmp_path / "published", monkeypatch)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.parity if name in BESIDE_PYTORCH else [])
        for name in MODULES
    ],
)
def test_examples_of(name, aside):
    if name in BESIDE_PYTORCH:
        pytest.importorskip("torch", reason="PyTorch is not installed")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    shown = []
    for test in examples_of(importlib.import_module(name)):
        runner.run(test, out=shown.append)
    assert not shown, "".join(shown)


def test_operations_are_among_the_modules_with_examples():
    # An operation is an object, not a function: doctest finds its example through its module.
    assert sum(len(examples_of(importlib.import_module(name))) for name in MODULES) >= 20


def public_objects():
    for name in tinygrad_edu.__all__:
        thing = getattr(tinygrad_edu, name)
        if inspect.isclass(thing):
            yield from (
                (f"{name}.{attribute}", value)
                for attribute, value in vars(thing).items()
                if not attribute.startswith("_")
                and (inspect.isroutine(value) or isinstance(value, property))
            )
        yield name, thing
    yield from (
        (op.name, op) for op in ops.registered() if op.call.__module__.startswith("tinygrad_edu.")
    )


@pytest.mark.parametrize(
    ("name", "thing"), [*public_objects()], ids=lambda x: x if isinstance(x, str) else ""
)
def test_public_names_say_what_they_return(name, thing):
    lines = (inspect.getdoc(thing) or "").splitlines()
    assert lines, f"{name} has no docstring"
    assert lines[0].endswith((".", ":", "?")), (
        f"{name}: the first line is no sentence: {lines[0]!r}"
    )


def test_a_wrong_example_is_found(aside):
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    shown = []
    doctest.DocTestRunner().run(wrong, out=shown.append)
    assert shown
