"""`tinygrad-edu new`: what it makes passes its own tests, and what it refuses stays as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu import cli
from tinygrad_edu.learn import projects

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_project_passes_its_own_tests(here, capsys):
    assert cli.main(["new", "my-signals"]) == 0
    assert "my-signals" in capsys.readouterr().out
    folder = here / "my-signals"
    assert everything(folder) == sorted(projects.FILES)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    tested = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout
    assert "5 passed" in tested.stdout
    trained = subprocess.run(
        [sys.executable, "train.py", "--epochs", "1"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert trained.returncode == 0, trained.stderr
    assert "94% is the target: not yet" in trained.stdout
    assert (folder / "model.safetensors").is_file()


def test_its_own_tests_find_a_network_that_learns_nothing(here):
    folder = projects.new_project("broken")
    program = folder / "train.py"
    text = program.read_text(encoding="utf-8")
    assert "lr=3e-3" in text
    program.write_text(text.replace("lr=3e-3", "lr=0.0"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "loss"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    tested = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert tested.returncode == 1, tested.stdout


def test_the_name_stands_in_the_project(here):
    folder = projects.new_project(here / "Waves2")
    assert '\nname = "Waves2"\n' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# Waves2\n")
    assert not any("PROJECT" in (folder / name).read_text("utf-8") for name in projects.FILES)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "2fast",
        "-x",
        "_x",
        "x_",
        "a b",
        'a"\nname = "b',
        "a\n",
        "a[b]",
        "<b>",
        "größe",
        "a.b",
        "x" * 51,
        "con",
        "COM1",
        "json",
        "train",
        "NumPy",
        "tinygrad-edu",
        "class",
    ],
)
def test_a_name_that_cannot_be_used_is_refused(here, name):
    with pytest.raises(ValueError, match="name"):
        projects.new_project(name)
    assert everything(here) == []


def test_the_command_refuses_in_one_line(here, capsys):
    assert cli.main(["new", "a b"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-edu: 'a b' cannot be the name of a project")
    assert err.count("\n") == 1
    assert cli.main(["new", "nowhere/mine"]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder", "file", "link to nothing"])
def test_what_is_there_is_left_alone(here, capsys, kind):
    place = here / "mine"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("kept", encoding="utf-8")
    else:
        place.symlink_to(here / "nothing")
    assert cli.main(["new", "mine"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert everything(here) == ["mine"]
    assert kind != "file" or place.read_text(encoding="utf-8") == "kept"


def test_nothing_is_left_of_a_project_that_could_not_be_written(here, monkeypatch, capsys):
    written = []

    def fails(path, *given, **named):
        written.append(path.name)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return original(path, *given, **named)

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", fails)
    assert cli.main(["new", "mine"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert len(written) == 3
    assert everything(here) == []
