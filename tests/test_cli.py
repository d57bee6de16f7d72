"""The command: what it prints, what it writes, and how it complains."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tinygrad_edu import cli, learn
from tinygrad_edu.doctor import Finding, Report, doctor

NEURON = ["tanh(w1*x1 + w2*x2 + b)", "w1=-3", "x1=2", "w2=1", "x2=0", "b=6.8813"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of the test's own: neither progress nor notebooks are anybody's."""
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path / "progress"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))  # installed or not
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return cli.main(list(words))


def refused(capsys, *words):
    """The one line with which a request is refused."""
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-edu: ")
    assert err.count("\n") == 1
    return err


# draw


def test_draw_prints_values_and_gradients(capsys):
    assert run("draw", *NEURON) == 0
    rows = {line.split()[0]: line.split()[-2:] for line in capsys.readouterr().out.splitlines()}
    assert rows["w1"] == ["-3", "1"]
    assert rows["x1"] == ["2", "-1.5"]
    assert rows["b"] == ["6.881", "0.5001"]


def test_draw_writes_svg(capsys, home):
    assert run("draw", *NEURON, "-o", "neuron.svg") == 0
    assert ElementTree.parse(home / "neuron.svg").getroot().tag.endswith("svg")
    out = capsys.readouterr().out
    assert "0.7071" in out
    assert "written to neuron.svg" in out


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.dot", b"digraph"), ("a.gv", b"digraph")],
)
def test_draw_writes_the_format_of_the_ending(home, name, start):
    assert run("draw", *NEURON, "-o", name) == 0
    assert (home / name).read_bytes().startswith(start)


def test_draw_writes_text_and_latex(home):
    assert run("draw", *NEURON, "-o", "a.tex") == 0
    assert r"\tanh" in (home / "a.tex").read_text(encoding="utf-8")
    assert run("draw", *NEURON, "-o", "a.out", "--format", "text") == 0
    assert "0.7071" in (home / "a.out").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("form", "start"), [("svg", "<"), ("dot", "digraph"), ("latex", "\\"), ("text", "node")]
)
def test_a_picture_on_the_terminal_can_be_piped_on(capsys, form, start):
    assert run("draw", *NEURON, "--format", form) == 0
    out, err = capsys.readouterr()
    assert out.startswith(start)
    assert ("0.7071" in err) == (form != "text")


def test_an_expression_may_begin_with_a_minus(capsys):
    assert run("draw", "-x*y", "x=2", "y=3") == 0
    assert "-6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tahn(x)", "x=1"], "no operation is called 'tahn'; did you mean 'tan' or 'tanh'?"),
        (["x*y", "x=1"], "no value for y; add y=1.0"),
        (["x*", "x=1"], "cannot read x*"),
        (["log(x)", "x=-1"], "log(x) is nan for -1"),
        (["x", "x"], "'x' is not NAME=NUMBER, such as x=2.5"),
        (["x", "x=one"], "x=one: 'one' is not a number"),
        (["x", "x=nan"], "x=nan: a finite number is needed"),
        (["x", "x=1", "x=2"], "x is given twice"),
        (["x", "2=1"], "'2=1' is not NAME=NUMBER"),
        (["x", "x=1", "-o", "a.jpg"], "cannot tell the format from 'a.jpg'"),
        (["x*2", "x=1", "-o", "no/such/a.svg"], "cannot write no"),
        (["x*2", "x=1", "-o", "a.svg", "--format", "png"], "a.svg does not end in .png"),
        (["x*2", "x=1", "-o", "a.xyz", "--format", "png"], "a.xyz does not end in .png"),
        (["x*2", "x=1", "-o", "a.svg", "--format", "dot"], "a.svg does not end in .dot or .gv"),
        (["x*2", "x=1", "--format", "png"], "a png is not for the terminal; add -o picture.png"),
        (["x*2", "x=1", "--format", "gif"], "there is no 'gif'; there are svg, png, pdf"),
        (["x*2", "x=1", "--fast"], "unrecognized arguments: --fast"),
        ([], "the following arguments are required: expression"),
    ],
)
def test_draw_refuses_in_one_line(capsys, words, message):
    assert message in refused(capsys, "draw", *words)


# lessons


def solve(lesson, home):
    """The path of a notebook with every solution in place."""
    path = home / f"solved-{lesson.number}.ipynb"
    path.write_text(json.dumps(learn.notebook(lesson, with_solutions=True)), encoding="utf-8")
    return str(path)


def test_lessons_lists_them_with_progress(capsys, home):
    first, second = learn.lessons()[:2]
    assert run("lessons") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"> {first.number}  {first.title}")
    assert lines[0].endswith(f"0 of {len(first.exercises)} exercises")
    assert lines[-1] == f"`tinygrad-edu start` opens lesson {first.number}."

    assert run("check", first.number, solve(first, home)) == 0
    capsys.readouterr()
    assert run("lessons") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"  {first.number}")
    assert lines[0].endswith("done")
    assert lines[1].startswith(f"> {second.number}")


def test_start_says_so_when_everything_is_done(capsys, monkeypatch):
    monkeypatch.setattr(learn, "next_lesson", lambda: None)
    assert run("start") == 0
    assert "Every exercise of every lesson has passed" in capsys.readouterr().out


def test_a_lesson_is_written_once(capsys, home):
    assert run("lesson", "0", "--write-only") == 0
    notebook = home / "tinygrad-edu" / f"{learn.find(0).name}.ipynb"
    assert str(notebook) in capsys.readouterr().out
    cells = json.loads(notebook.read_text(encoding="utf-8"))
    cells["cells"][1]["source"] = ["my own words"]
    notebook.write_text(json.dumps(cells), encoding="utf-8")
    assert run("start", "--write-only") == 0
    assert "my own words" in notebook.read_text(encoding="utf-8")


def test_a_lesson_stays_in_the_folder_it_was_put_in(home):
    assert run("lesson", "0", "--write-only", "--folder", "mine") == 0
    assert run("lesson", "0", "--write-only") == 0
    assert len(list((home / "mine").glob("*.ipynb"))) == 1
    assert not (home / "tinygrad-edu").exists()


def test_a_lesson_runs_in_the_terminal(capfd):
    assert run("lesson", "0", "--run", "--mode", "quick") == 0
    assert "passed" in capfd.readouterr().out


def test_check_tells_an_unsolved_notebook_from_a_solved_one(capsys, home):
    assert "no notebook of lesson 00" in refused(capsys, "check", "0")
    assert run("lesson", "0", "--write-only") == 0
    assert run("check", "0") == 1
    assert "not yet" in capsys.readouterr().out
    assert run("check", "0", solve(learn.find(0), home)) == 0
    out = capsys.readouterr().out
    assert all(f"{id}: passed" in out for id in learn.find(0).exercises)
    assert learn.is_done(learn.find(0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lesson", "hello_grph"], "did you mean hello_graph"),
        (["lesson", "99"], "there is no lesson '99'"),
        (["check", "0", "nowhere.ipynb"], "there is no file"),
        (["lesson"], "the following arguments are required: N"),
        (["drwa", "x"], "there is no 'drwa'; did you mean 'draw'?"),
        (["zzz"], "there is no 'zzz'; there are draw, step, lessons"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_requests_that_make_no_sense(capsys, words, message):
    assert message in refused(capsys, *words)


def test_a_folder_that_cannot_be_written(capsys, home):
    (home / "file").write_text("", encoding="utf-8")
    message = refused(capsys, "lesson", "0", "--write-only", "--folder", "file/below")
    assert "cannot write to" in message


def test_without_jupyterlab_the_notebook_is_written_all_the_same(capsys, monkeypatch, home):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)  # as if it were not installed
    assert run("lesson", "0") == 2
    assert "JupyterLab, which shows the lessons, is not installed" in capsys.readouterr().err
    assert len(list((home / "tinygrad-edu").glob("00_*.ipynb"))) == 1


def test_jupyterlab_serves_the_lesson(home):
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
    environment |= {"JUPYTER_CONFIG_DIR": str(home / "config"), "IPYTHONDIR": str(home / "ipython")}
    command = [sys.executable, "-m", "tinygrad_edu", "start", "--no-browser"]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            known = wait_for_server(server, home / "runtime", home / "log")
            name = f"{learn.find(0).name}.ipynb"
            headers = {"Authorization": f"token {known['token']}"}
            page = fetch(f"{known['url']}lab/tree/{name}", headers)
            assert f"/lab/tree/{name}?token=" in (home / "log").read_text(encoding="utf-8")
            assert b"<title>JupyterLab</title>" in page
            served = json.loads(fetch(f"{known['url']}api/contents/{name}", headers))
            assert len(served["content"]["cells"]) == len(learn.find(0).cells)
            server.terminate()
            server.wait(30)
            with pytest.raises(OSError, match="refused"):  # who stops the command stops the server
                socket.create_connection(("localhost", known["port"]), 5.0).close()
        finally:
            server.kill()


def wait_for_server(server, runtime, log, seconds=90.0):
    """What a server says about itself, once it listens: it says so a moment before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_text(encoding="utf-8"))
                socket.create_connection(("localhost", known["port"]), 1.0).close()
                return known
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))


def fetch(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as reply:
        return reply.read()


# doctor


def test_doctor_reports_and_succeeds(capsys):
    assert run("doctor") == 0
    out = capsys.readouterr().out
    for topic in ("numpy", "threads", "layout", "gpu"):
        assert f" {topic} " in out


def test_a_report_says_what_to_do():
    report = Report(
        [
            Finding("numpy", True, "2.3.0"),
            Finding("lessons", False, "without jupyterlab", "pip install jupyterlab"),
            Finding("gpu", False, "no CuPy", "pip install cupy-cuda13x", needed=False),
        ]
    )
    lines = repr(report).splitlines()
    assert "ok       numpy    2.3.0" in lines
    assert "missing  lessons  without jupyterlab" in lines
    assert "                  -> pip install jupyterlab" in lines
    assert "without  gpu      no CuPy" in lines
    assert lines[-1] == "To mend: lessons."


def test_doctor_survives_a_layout_engine_that_does_not(monkeypatch):
    from tinygrad_edu.readers import graphviz_process

    class Broken:
        def render(self, *args):
            raise graphviz_process.Unavailable("gone")

    monkeypatch.setattr(graphviz_process, "child", Broken)
    monkeypatch.setenv("PATH", "")
    layout = next(finding for finding in doctor() if finding.topic == "layout")
    assert not layout.ok
    assert "gone" in layout.text
    assert layout.advice == "pip install pygraphviz"


@pytest.mark.parametrize(("shown", "extra"), [("12.4", "cuda12x"), ("13.0", "cuda13x")])
def test_doctor_names_the_cupy_that_fits_the_driver(monkeypatch, home, shown, extra):
    program = home / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '| Driver Version: 1.0   CUDA Version: {shown} |'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/bin:/usr/bin")
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    gpu = next(finding for finding in doctor() if finding.topic == "gpu")
    assert (gpu.ok, gpu.advice) == (False, f"pip install cupy-{extra}")


# The whole


def test_as_a_module_and_in_a_pipe(home):
    command = [sys.executable, "-m", "tinygrad_edu"]
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("tinygrad_edu ")
    wrong = subprocess.run([*command, "draw", "x*", "x=1"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_every_command_explains_itself(capsys):
    for command in ("draw", "lessons", "start", "lesson", "check", "doctor"):
        with pytest.raises(SystemExit) as caught:
            run(command, "--help")
        assert caught.value.code == 0
        assert "usage: tinygrad-edu" in capsys.readouterr().out


def test_a_terminal_that_cannot_show_a_character_is_no_failure():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "tinygrad_edu", "lessons"]
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
