"""What lessons are made of: cells, exercises, progress, notebooks, the runner, use_mine."""

import json
import os
import random
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, draw, learn, nn, ops, randn
from tinygrad_edu.learn import catalogue, cells, checking, exercises, keeping, notebooks, oracles
from tinygrad_edu.learn.exercises import Exercise, Wrong

ROOT = Path(learn.__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own for every test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(folder))
    return folder


# Cells

TEXT = """\
# %% [markdown]
# # Title
#
# Words.

# %%
x = 1


# %% exercise="99.double"
def double(x):
    # BEGIN SOLUTION
    y = x + x
    return y
    # END SOLUTION


# BEGIN SOLUTION instead of: answer = None
answer = 42
# END SOLUTION
"""


def test_cells_are_read_with_their_lines():
    text, code, answer = cells.read(TEXT)
    assert (text.kind, text.source) == ("markdown", "# Title\n\nWords.")
    assert (code.kind, code.source, code.line) == ("code", "x = 1", 7)
    assert (answer.exercise, answer.line) == ("99.double", 11)


def test_solutions_are_left_out_or_kept_without_marks():
    *_, unsolved = cells.unsolved(cells.read(TEXT))
    assert unsolved.source == (
        'def double(x):\n    raise NotImplementedError("your turn")\n\n\nanswer = None'
    )
    *_, solved = cells.solved(cells.read(TEXT))
    assert solved.source == ("def double(x):\n    y = x + x\n    return y\n\n\nanswer = 42")
    *_, cell = cells.read(TEXT)
    assert cells.solution_lines(cell) == ["    y = x + x", "    return y", "answer = 42"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n# %%\n", "starts with a cell mark"),
        ("# %% [sql]\n", "line 1 is no cell mark"),
        ("# %%\n# BEGIN SOLUTION\nx = 1\n", "has no '# END SOLUTION'"),
        ("# %%\nx = 1\n# END SOLUTION\n", "line 3: .* without its other mark"),
        ("# %%\n# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION\n", "line 3"),
    ],
)
def test_a_broken_lesson_file_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        cells.unsolved(cells.read(text))


# The lessons there are


def test_find_takes_numbers_slugs_and_file_names():
    wanted = learn.find("03")
    for which in (3, "3", "03", "value_builds_a_graph", "03_value_builds_a_graph.py"):
        assert learn.find(which) == wanted
    assert wanted.builds == ("Value", "Op", "ops")
    assert learn.find("00").borrowed == {"Value": "03", "Value.backward": "04", "Value.grad": "04"}
    assert wanted.exercises == ("03.entries", "03.fool")
    with pytest.raises(KeyError, match="did you mean value_builds_a_graph"):
        learn.find("value_build_graph")
    with pytest.raises(KeyError, match="no lesson '99'; there are 00_hello_graph"):
        learn.find(99)


HEAD = """\
# %% [markdown]
# # 97 · Planted
#
# - builds: nothing
# - uses: nothing
# - time: 1 minutes to read, 1 s to run
# - covers: nothing
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# # 97 · Planted", "needs '# NN · Title'"),
        ("# - time: 1 minutes to read, 1 s to run", "M minutes to read"),
        ("# - uses: nothing", "no line '- uses: ...'"),
    ],
)
def test_a_lesson_without_its_head_is_refused(line, message, planted):
    planted(HEAD.replace(line, "# x"))
    with pytest.raises(ValueError, match=message):
        learn.lessons()


# Exercises


class Double(Exercise):
    """Twice a number; on the second stage only, numbers above 100."""

    id = "97.double"
    answer = "double"
    hints = ("one", "two", "three")
    wrong = (
        Wrong("squared", lambda x: x * x, "You squared."),
        Wrong("same", lambda x: x, "You gave it back."),
        Wrong("capped", lambda x: min(2 * x, 200.0), "You capped."),
        Wrong("slow", lambda x: x if x < 100 else _never(), "You wait."),
    )

    def cases(self, rng):
        yield [rng.uniform(3, 100) for _ in range(5)]
        yield [150.0]

    def outcome(self, answer, case):
        return answer(case)

    def judge(self, case, outcome):
        return None if outcome == 2 * case else f"twice {case:g} is {2 * case:g}, not {outcome:g}"


def _never():
    raise AssertionError("an answer that fails on cheap cases is not tried on later ones")


def right(x):
    return 2 * x


def test_an_answer_passes_only_on_all_cases():
    verdict = exercises.examine(Double(), right, 1)
    assert verdict.passed
    assert verdict.cases == 6


def test_a_known_mistake_is_told_apart_from_an_unknown_one():
    known = exercises.examine(Double(), lambda x: x**2, 1)
    assert (known.status, known.mistake) == ("wrong", "squared")
    assert known.message.startswith("You squared.\ntwice ")
    late = exercises.examine(Double(), lambda x: 200.0 if x > 100 else 2 * x, 1)
    assert late.mistake == "capped"
    unknown = exercises.examine(Double(), lambda x: 2 * x + 1, 1)
    assert (unknown.status, unknown.mistake) == ("wrong", None)
    assert unknown.message.startswith("twice ")


def test_an_answer_that_raises_is_wrong_and_a_stub_is_not_yet():
    def broken(x):
        return x.nothing

    def stub(x):
        raise NotImplementedError("your turn")

    verdict = exercises.examine(Double(), broken, 1)
    assert verdict.status == "wrong"
    assert "it raised AttributeError: 'float' object has no attribute 'nothing'" in verdict.message
    assert exercises.examine(Double(), stub, 1).status == "not yet"
    assert exercises.examine(Double(), None, 1).status == "not yet"


def test_a_forgotten_return_is_named():
    update, backward = map(exercises.exercise, ("01.update", "04.backward"))
    verdict = exercises.examine(update, lambda w, x, t: w + t * x if t * (w @ x) <= 0 else None, 1)
    assert verdict.status == "wrong"
    assert verdict.message.startswith("Your function returned None")
    wrong = exercises.examine(update, lambda w, x, t: w + 2 * x, 1)
    assert "None" not in wrong.message
    returns_nothing_by_right = exercises.examine(backward, lambda root: None, 1)
    assert "returned None" not in returns_nothing_by_right.message


def test_an_answer_of_another_form_is_wrong_and_said_to_be():
    assert exercises.examine(exercises.exercise("00.signs"), 3.0).message.startswith(
        "The answer does not have the form that was asked for (TypeError: "
    )
    verdict = exercises.examine(Double(), lambda x: "many", 1)
    assert verdict.status == "wrong"
    assert verdict.message.startswith("It gives 'many', which is not what was asked for")


def test_no_case_is_an_error_and_never_a_pass():
    class Empty(Double):
        def cases(self, rng):
            yield from ()

    with pytest.raises(RuntimeError, match="has no case to examine"):
        exercises.examine(Empty(), right, 1)


def test_cases_are_random_and_the_same_for_one_seed():
    def drawn(seed):
        return list(Double().cases(random.Random(seed)))

    assert drawn(1) == drawn(1) != drawn(2)
    seeds = {exercises.examine(Double(), right).seed for _ in range(5)}
    assert len(seeds) == 5


def test_what_an_answer_prints_is_not_shown(capsys):
    exercises.examine(Double(), lambda x: print("noise") or 2 * x, 1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.001, False),
        (float("nan"), float("nan"), True),
        ([1.0, (2.0,)], [1.0, (2.0,)], True),
        ([1.0], [1.0, 2.0], False),
        ({"a": 1.0}, {"b": 1.0}, False),
        ("x", "x", True),
        (1.0, "1.0", False),
        (1, 1.0, True),
        (np.ones(2), np.ones(2) + 1e-13, True),
        (np.ones(2), np.array([1.0, 1.1]), False),
        (np.ones(2), np.ones((2, 1)), False),
        (np.ones(2), [1.0, 1.0], True),
        (exercises.Raised("TypeError", "a"), exercises.Raised("TypeError", "b"), True),
        (exercises.Raised("TypeError", "a"), exercises.Raised("ValueError", "a"), False),
    ],
)
def test_outcomes_are_compared_by_meaning(a, b, equal):
    assert exercises.same(a, b) is equal


def test_oracles_agree_with_the_engine_and_notice_a_wrong_slope():
    assert oracles.close(oracles.slope(lambda x: x**3, 2.0), 12.0, 1e-7)
    assert not oracles.close(oracles.slope(lambda x: x**3, 2.0), 12.1, 1e-7)
    theirs = oracles.torch_gradient(lambda x, y: (x * y).sin(), [0.3, 0.7])
    mine = oracles.slopes(lambda x, y: float(np.sin(x * y)), [0.3, 0.7])
    assert theirs is None or np.allclose(theirs, mine, rtol=1e-7)


# What the learner calls

SIGNS = {"a": "-", "b": "+", "c": "-"}


def test_check_shows_the_verdict_and_keeps_it(capsys):
    assert not learn.check("00.signs", {**SIGNS, "a": "+"}).passed
    shown = capsys.readouterr().out
    assert shown.startswith("00.signs: not right\nYou followed a into a·b only.")
    assert 'learn.hint("00.signs")' in shown
    assert learn.progress()["exercises"]["00.signs"] == {
        "attempts": 1,
        "passed": False,
        "hints": 0,
        "solution": False,
    }
    assert learn.check("00.signs", SIGNS).passed
    assert capsys.readouterr().out == "00.signs: passed.\n"
    learn.check("00.signs", {**SIGNS, "a": "+"})
    entry = learn.progress()["exercises"]["00.signs"]
    assert (entry["attempts"], entry["passed"]) == (3, True)


def test_a_stub_is_no_attempt(capsys):
    assert not learn.check("00.signs", dict.fromkeys("abc", "?")).passed
    assert capsys.readouterr().out == '00.signs: not yet\nStill to be "+" or "-": a, b, c.\n'
    assert learn.progress()["exercises"] == {}


def test_working_is_the_answer_once_it_passes_and_the_reference_before():
    assert learn.check("00.signs", dict.fromkeys("abc", "?")).working == SIGNS
    mine = dict(SIGNS)
    assert learn.check("00.signs", mine).working is mine


def test_hints_come_one_after_the_other(capsys):
    for expected in (1, 2, 3, 3):
        learn.hint("04.toposort")
        assert capsys.readouterr().out.startswith(f"Hint {expected} of 3 to 04.toposort\n")
    learn.hint("04.toposort", 1)
    assert capsys.readouterr().out.startswith("Hint 1 of 3")
    assert learn.progress()["exercises"]["04.toposort"]["hints"] == 3
    with pytest.raises(ValueError, match="levels 1 to 3, not 4"):
        learn.hint("04.toposort", 4)


def test_the_solution_opens_after_an_attempt_or_by_force(capsys):
    learn.solution("04.trap")
    assert capsys.readouterr().out.startswith("Try 04.trap first\n")
    learn.check("04.trap", lambda x: x * x)
    capsys.readouterr()
    learn.solution("04.trap")
    assert "return twice * twice" in capsys.readouterr().out
    learn.solution("04.toposort", force=True)
    shown = capsys.readouterr().out
    assert "order.append(x)" in shown
    assert "SOLUTION" not in shown
    assert learn.progress()["exercises"]["04.toposort"]["solution"]


@pytest.mark.parametrize("call", [learn.hint, learn.solution, lambda id: learn.check(id, 1)])
def test_unknown_exercises_are_named_with_those_there_are(call):
    with pytest.raises(KeyError, match=r"no exercise is called '04.topsort'.*04.toposort"):
        call("04.topsort")


def test_predict_never_waits_and_reveals(capsys):
    guess = learn.predict("Up or down?", ["up", "down"])
    assert guess.choice is None
    guess.reveal("up")
    assert capsys.readouterr().out == (
        "Predict: Up or down?\n  up / down\nUp or down?\nIt is: up.\n"
    )
    with pytest.raises(ValueError, match="none of the choices"):
        guess.reveal("sideways")


class Buttons:
    """Stands for the widget."""

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("up", "You predicted up, and so it is"), ("down", "You predicted down; it is up")],
)
def test_a_prediction_is_compared_with_what_came_out(chosen, said, capsys):
    guess = learn.predict("Up or down?", ["up", "down"])
    guess._buttons = Buttons(chosen)
    guess.reveal("up")
    assert said in capsys.readouterr().out


def test_pick_follows_the_mode(monkeypatch):
    monkeypatch.delenv("TINYGRAD_EDU_MODE", raising=False)
    assert learn.pick(full=300, quick=3) == 300
    monkeypatch.setenv("TINYGRAD_EDU_MODE", "quick")
    assert learn.pick(full=300, quick=3) == 3
    monkeypatch.setenv("TINYGRAD_EDU_MODE", "fast")
    with pytest.raises(ValueError, match="'full' or 'quick', not 'fast'"):
        learn.mode()


@pytest.mark.parametrize("why", ["quick mode", "no PyTorch"])
def test_nothing_is_compared_with_pytorch(why, monkeypatch, capsys):
    monkeypatch.setenv("TINYGRAD_EDU_MODE", "quick" if why == "quick mode" else "full")
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of it would fail
    if why == "no PyTorch":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    learn.beside_torch(nn.Linear(2, 1), randn(3, 2))
    assert capsys.readouterr().out.startswith("Linear: in full mode, with PyTorch installed")


@pytest.mark.parity
def test_a_layer_is_shown_beside_pytorchs(monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.setenv("TINYGRAD_EDU_MODE", "full")
    learn.beside_torch(nn.Linear(2, 1), randn(3, 2))
    learn.beside_torch("tanh")
    linear, tanh = capsys.readouterr().out.splitlines()
    assert linear.startswith("Linear beside PyTorch's: results within ")
    assert "gradients within " in tanh
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: 1.001 * (x @ self.weight.T))
    with pytest.raises(AssertionError, match="Linear is not PyTorch's: Difference"):
        learn.beside_torch(nn.Linear(2, 1), randn(3, 2))


def test_begin_leaves_blas_one_thread():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    learn.begin("00")
    pools = threadpoolctl.threadpool_info()
    assert {p["num_threads"] for p in pools if p["user_api"] == "blas"} <= {1}


def test_a_row_shows_every_drawing_with_its_caption():
    x = Value(2.0, name="x")
    row = learn.Row([draw(x * x), draw(x + 1)], ["a `square`", "x < 1 & <script>"])
    html = row._repr_mimebundle_()["text/html"]
    assert html.count("data:image/svg+xml;base64,") == 2
    assert "<code>square</code>" in html
    assert "x &lt; 1 &amp; &lt;script&gt;" in html
    assert repr(row) == "[a `square`]\n[x < 1 & <script>]"
    with pytest.raises(ValueError, match="2 drawings need as many captions, not 1"):
        learn.Row([draw(x), draw(x)], ["one"])


# Progress


def test_a_damaged_progress_file_is_kept_aside_and_reported(home, capsys):
    home.mkdir()
    (home / "progress.json").write_text('{"exercises": {"00.signs"', encoding="utf-8")
    assert learn.progress() == {"exercises": {}, "notebooks": {}}
    assert "could not be understood" in capsys.readouterr().out
    (aside,) = home.glob("progress-damaged-*.json")
    assert aside.read_text(encoding="utf-8") == '{"exercises": {"00.signs"'
    learn.check("00.signs", SIGNS)
    assert learn.progress()["exercises"]["00.signs"]["passed"]
    for damaged in ("[1, 2]", '{"exercises": {"a": 1}, "notebooks": {}}', '{"exercises": []}'):
        (home / "progress.json").write_text(damaged, encoding="utf-8")
        assert learn.progress() == {"exercises": {}, "notebooks": {}}
    assert len(list(home.glob("progress-damaged-*"))) == 4


def test_a_progress_file_that_cannot_be_read_is_not_replaced(home, capsys, monkeypatch):
    learn.check("00.signs", SIGNS)
    before = (home / "progress.json").read_bytes()

    def refused(self, **options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", refused)
        assert learn.progress() == {"exercises": {}, "notebooks": {}}
        keeping.update(lambda state: keeping.exercise(state, "00.flip"))
    assert capsys.readouterr().out.count("Permission denied") == 2
    assert (home / "progress.json").read_bytes() == before


def test_a_write_that_fails_leaves_the_old_file_and_the_lesson_going(home, capsys, monkeypatch):
    learn.check("00.signs", SIGNS)
    before = (home / "progress.json").read_bytes()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    learn.check("00.flip", {"a": 2.0, "b": 5.0, "c": 10.0})
    assert "could not be saved" in capsys.readouterr().out
    assert (home / "progress.json").read_bytes() == before


def test_a_home_that_is_no_folder_is_reported(home, capsys):
    home.write_text("a file", encoding="utf-8")
    assert learn.check("00.signs", SIGNS).passed
    assert "could not be saved" in capsys.readouterr().out


def test_processes_that_write_at_once_lose_nothing(home):
    code = (
        "import sys\nfrom tinygrad_edu.learn import keeping\n"
        "for i in range(20):\n"
        "    keeping.update(lambda s: keeping.exercise(s, f'{sys.argv[1]}.{i}'))\n"
    )

    def start(name):
        subprocess.run([sys.executable, "-c", code, name], check=True, cwd=ROOT)

    with ThreadPoolExecutor() as pool:
        list(pool.map(start, ["a", "b", "c"]))
    assert len(learn.progress()["exercises"]) == 60
    assert [path.name for path in home.iterdir()] == ["progress.json"]


def test_a_lock_left_by_a_crash_is_taken_over(home, monkeypatch):
    home.mkdir()
    (home / "progress.lock").touch()
    monkeypatch.setattr(keeping, "_PATIENCE", 0.05)
    learn.check("00.signs", SIGNS)
    assert learn.progress()["exercises"]["00.signs"]["passed"]


def test_next_lesson_is_the_first_that_is_not_done():
    first = learn.lessons()[0]
    assert learn.next_lesson() == first
    assert not learn.is_done(first)
    for id in first.exercises:
        learn.check(id, exercises.reference(exercises.exercise(id)))
    assert learn.is_done(first)
    assert learn.next_lesson() == learn.lessons()[1]
    for lesson in learn.lessons():
        for id in lesson.exercises:
            checking.record(exercises.Verdict(id, "passed", ""))
    assert learn.next_lesson() is None


@pytest.mark.parametrize(
    ("platform", "variables", "ending"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/tinygrad-edu"),
        ("linux", {}, "/.local/share/tinygrad-edu"),
        ("darwin", {}, "/Library/Application Support/tinygrad-edu"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/tinygrad-edu"),
        ("linux", {"TINYGRAD_EDU_HOME": "/chosen"}, "/chosen"),
    ],
)
def test_progress_lies_in_the_users_data_folder(platform, variables, ending, monkeypatch):
    for name in ("TINYGRAD_EDU_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert keeping.home().as_posix().endswith(ending)


# Notebooks


def edit(path, source="print('mine')"):
    book = json.loads(path.read_text(encoding="utf-8"))
    book["cells"][1]["source"] = [source]
    path.write_text(json.dumps(book), encoding="utf-8")
    return path.read_bytes()


def newer(lesson, monkeypatch):
    """The lesson, with its text changed."""
    changed = [*lesson.cells, cells.Cell("markdown", "A later addition.", 1)]
    monkeypatch.setitem(vars(lesson), "cells", changed)
    return lesson


def test_a_notebook_is_written_once_and_remembered(tmp_path):
    lesson = learn.find("04")
    path = learn.write_notebook(lesson, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "04_chain_rule_backward.ipynb"
    assert learn.progress()["notebooks"] == {"04": str(path)}
    before = path.stat().st_mtime_ns
    assert learn.write_notebook(lesson, path.parent) == path
    assert path.stat().st_mtime_ns == before


def test_an_edited_notebook_is_never_overwritten(tmp_path, capsys, monkeypatch):
    lesson = learn.find("04")
    path = learn.write_notebook(lesson, tmp_path)
    mine = edit(path)
    learn.write_notebook(lesson, tmp_path)
    assert path.read_bytes() == mine
    assert len(list(tmp_path.glob("*.ipynb"))) == 1
    newer(lesson, monkeypatch)
    assert learn.write_notebook(lesson, tmp_path) == path
    assert path.read_bytes() == mine
    assert "newer version" in capsys.readouterr().out
    beside = tmp_path / "04_chain_rule_backward-2.ipynb"
    assert "A later addition." in beside.read_text(encoding="utf-8")
    theirs = edit(beside)
    learn.write_notebook(lesson, tmp_path)  # edited too, and of this version: left as it is
    assert beside.read_bytes() == theirs
    assert len(list(tmp_path.glob("*.ipynb"))) == 2


def test_an_untouched_notebook_follows_the_lesson(tmp_path, monkeypatch):
    lesson = learn.find("04")
    path = learn.write_notebook(lesson, tmp_path)
    book = json.loads(path.read_text(encoding="utf-8"))
    for cell in book["cells"]:  # run, and saved by Jupyter: no edit
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["ran"]}]
        cell["source"] = "".join(cell["source"])
    path.write_text(json.dumps(book), encoding="utf-8")
    learn.write_notebook(newer(lesson, monkeypatch), tmp_path)
    assert "A later addition." in path.read_text(encoding="utf-8")
    assert len(list(tmp_path.glob("*.ipynb"))) == 1


@pytest.mark.parametrize("content", ["", "not a notebook", "[]", '{"cells": [], "metadata": {}}'])
def test_a_file_that_is_not_ours_is_left_alone(content, tmp_path):
    lesson = learn.find("00")
    path = tmp_path / f"{lesson.name}.ipynb"
    path.write_text(content, encoding="utf-8")
    learn.write_notebook(lesson, tmp_path)
    assert path.read_text(encoding="utf-8") == content
    assert (tmp_path / f"{lesson.name}-2.ipynb").exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        learn.write_notebook(learn.find("00"), tmp_path / "file" / "folder")


# The runner

CHECKS = """\
from tinygrad_edu.learn.exercises import Exercise, Wrong


class Double(Exercise):
    id = "97.double"
    answer = "double"
    hints = ("one", "two", "three")
    wrong = (Wrong("squared", lambda x: x * x, "You squared."),)

    def cases(self, rng):
        yield [rng.uniform(3, 9) for _ in range(4)]

    def outcome(self, answer, case):
        return answer(case)

    def judge(self, case, outcome):
        return None if outcome == 2 * case else f"twice {case} is not {outcome}"
"""
BODY = """\

# %% exercise="97.double"
def double(x):
    # BEGIN SOLUTION
    return x + x
    # END SOLUTION


# %%
double(21)
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A function that makes a folder of one lesson, 97, from its text, and returns the lesson."""

    def plant(text, checks=CHECKS):
        folder = tmp_path / "lessons"
        (folder / "checks").mkdir(parents=True, exist_ok=True)
        (folder / "97_planted.py").write_text(text, encoding="utf-8")
        (folder / "checks" / "97_planted.py").write_text(checks, encoding="utf-8")
        monkeypatch.setenv("TINYGRAD_EDU_LESSONS", str(folder))

    return plant


def test_a_lesson_runs_as_a_notebook_would(planted):
    planted(HEAD + BODY)
    done = learn.run(learn.find(97))
    assert done.passed
    assert done.output == "42\n"
    assert str(done).startswith("lesson 97 · Planted: ")
    assert str(done).endswith(" s of 1 s\n  97.double: passed")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (BODY + "1 / 0\n", "code cell 2 raised ZeroDivisionError: division by zero"),
        (BODY + "import sys\nsys.exit()\n", "code cell 2 raised SystemExit"),
        (BODY + "import os\nos._exit(3)\n", "Python ended with code 3"),
        (
            BODY + "class Bad:\n    _repr_mimebundle_ = None\nBad()\n",
            "code cell 2 raised TypeError",
        ),
    ],
)
def test_a_lesson_that_breaks_fails(body, problem, planted):
    planted(HEAD + body)
    done = learn.run(learn.find(97))
    assert not done.passed
    assert problem in str(done)


def test_a_lesson_run_in_a_kernel_leaves_its_notebook_with_outputs(planted, tmp_path):
    planted(HEAD + BODY)
    path = tmp_path / "made" / "97.ipynb"
    done = learn.run(learn.find(97), keep=path)
    assert done.passed, done
    assert 0.0 < done.work < 10.0
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[-1]["outputs"][0]["data"]["text/plain"]) == "42"
    assert "report" not in path.read_text(encoding="utf-8")
    planted(HEAD + BODY.replace("x + x", "x * x") + "1 / 0\n")
    done = learn.run(learn.find(97), keep=tmp_path / "broken.ipynb")
    assert done.problems == ("code cell 2 raised ZeroDivisionError: division by zero",)
    assert not (tmp_path / "broken.ipynb").exists()


def test_a_lesson_whose_exercise_fails_fails(planted):
    planted(HEAD + BODY.replace("x + x", "x * x"))
    done = learn.run(learn.find(97))
    assert not done.passed
    assert done.verdicts[0].mistake == "squared"
    assert "97.double: wrong\n    You squared.\n    twice " in str(done)


def test_a_lesson_without_exercises_does_not_pass(planted):
    planted(HEAD + "\n# %%\nx = 1\n", checks="")
    done = learn.run(learn.find(97))
    assert done.verdicts == ()
    assert not done.passed


def test_a_lesson_over_twice_its_budget_fails(planted, monkeypatch):
    planted(HEAD + BODY)
    monkeypatch.setattr("tinygrad_edu.learn.running._START_UP", -2.0)
    done = learn.run(learn.find(97))
    assert not done.passed
    assert "over twice its budget of 1.0 s" in str(done)
    assert 0 < done.work < 10


def test_the_mode_reaches_the_lesson_and_progress_stays_the_learners(planted, home):
    line = "print(learn.mode(), learn.check('97.double', double).passed)"
    planted(HEAD + BODY + f"from tinygrad_edu import learn\n{line}\n")
    done = learn.run(learn.find(97), "quick")
    assert done.output.endswith("quick True\n")
    assert done.passed
    assert learn.progress()["exercises"] == {}


def test_exercises_of_lesson_and_checks_must_be_the_same(planted):
    planted(HEAD + BODY, checks=CHECKS.replace("97.double", "97.triple"))
    with pytest.raises(ValueError, match=r"\['97.double'\].*\['97.triple'\]"):
        exercises.exercises_of(learn.find(97))


def submission(folder, *sources):
    """A learner's notebook with these code cells."""
    path = folder / "mine.ipynb"
    made = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": source}
        for source in sources
    ]
    book = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


RIGHT = "def double(x):\n    return x + x"


@pytest.mark.parametrize(
    ("sources", "status", "problem"),
    [
        ([RIGHT], "passed", None),
        (["def double(x):\n    return x * x"], "wrong", None),
        ([], "not yet", None),
        (["x = = 1", RIGHT], "passed", "code cell 1 raised SyntaxError"),
        (["import nothing_of_this_name", RIGHT], "passed", "raised ModuleNotFoundError"),
        (["%matplotlib inline\n!ls", RIGHT], "passed", None),
        (["import sys\nsys.exit(1)", RIGHT], "passed", "code cell 1 raised SystemExit"),
        ([RIGHT, "def double(x):\n    return double(x)"], "wrong", None),
    ],
)
def test_a_learners_notebook_is_checked(sources, status, problem, planted, tmp_path):
    planted(HEAD + BODY)
    done = learn.run_checks(learn.find(97), submission(tmp_path, *sources))
    assert [v.status for v in done.verdicts] == [status]
    assert (problem or "") in "".join(done.problems)
    assert bool(done.problems) is bool(problem)
    assert done.passed is (status == "passed" and not problem)
    entry = learn.progress()["exercises"].get("97.double", {"attempts": 0, "passed": False})
    assert entry["passed"] is (status == "passed")
    assert entry["attempts"] == (0 if status == "not yet" else 1)


@pytest.mark.parametrize(
    "source",
    [
        "while True:\n    pass",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])",
    ],
)
def test_a_notebook_that_never_ends_is_stopped(source, planted, tmp_path):
    planted(HEAD + BODY)
    started = time.monotonic()
    done = learn.run_checks(learn.find(97), submission(tmp_path, source), limit=2.0)
    assert time.monotonic() - started < 30
    assert done.problems == ("stopped: it had not finished after 2 s",)
    assert not done.passed


def test_the_learners_own_notebook_is_found(tmp_path):
    lesson = learn.find("00")
    with pytest.raises(FileNotFoundError, match="tinygrad-edu lesson 00"):
        learn.run_checks(lesson)
    learn.write_notebook(lesson, tmp_path)
    assert [v.status for v in learn.run_checks(lesson).verdicts] == ["not yet", "not yet"]
    with pytest.raises(FileNotFoundError, match=r"no file .*absent.ipynb"):
        learn.run_checks(lesson, tmp_path / "absent.ipynb")


def test_a_file_that_is_no_notebook_is_reported(tmp_path):
    path = tmp_path / "odd.ipynb"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.ipynb is not a notebook"):
        notebooks.read_cells(path)
    done = learn.run_checks(learn.find("00"), path)
    assert not done.passed
    assert "odd.ipynb is not a notebook" in str(done)


def test_a_percent_file_can_be_checked(planted, tmp_path):
    planted(HEAD + BODY)
    path = tmp_path / "mine.py"
    path.write_text(f"# %%\n{RIGHT}\n", encoding="utf-8")
    assert learn.run_checks(learn.find(97), path).passed


# Operations of one's own


def relu(xp, x):
    return xp.where(x > 0, x * 10, 0.0)


def relu_rule(xp, g, out, x):
    return (xp.where(x > 0, g * 10, 0.0),)


def gradient(x):
    leaf = Value(x)
    leaf.relu().backward()
    return leaf.grad


def test_my_functions_serve_both_engines_and_then_do_not():
    op = ops.relu
    with learn.use_mine("relu", relu, relu_rule) as mine:
        assert mine.active
        assert ops.lookup("relu") is op
        assert Value(2.0).relu().data == 20.0
        assert gradient(2.0) == 10.0
        x = Tensor([-1.0, 2.0], requires_grad=True)
        ops.relu(x).sum().backward()
        assert x.grad.tolist() == [0.0, 10.0]
    assert not mine.active
    assert gradient(2.0) == 1.0


def test_undo_gives_back_the_librarys_functions():
    before = ops.relu.forward, ops.relu.rule
    mine = learn.use_mine("relu", relu, relu_rule)
    assert repr(mine) == "<relu, yours>"
    mine.undo()
    mine.undo()
    assert (ops.relu.forward, ops.relu.rule) == before
    assert repr(mine) == "<relu, undone>"


def test_a_cell_run_again_takes_its_own_place():
    before = ops.relu.forward
    learn.use_mine("relu", relu, relu_rule)
    again = learn.use_mine("relu", relu, relu_rule)
    again.undo()
    assert ops.relu.forward is before


def test_swaps_nest_and_are_undone_in_turn():
    def other(xp, x):
        return x

    def other_rule(xp, g, out, x):
        return (g,)

    outer = learn.use_mine("relu", relu, relu_rule)
    inner = learn.use_mine("relu", other, other_rule)
    with pytest.raises(RuntimeError, match="undo the later use_mine first"):
        outer.undo()
    inner.undo()
    assert gradient(2.0) == 10.0
    outer.undo()
    assert gradient(2.0) == 1.0


def test_an_error_inside_the_block_undoes_too():
    with pytest.raises(ZeroDivisionError), learn.use_mine("relu", relu, relu_rule):
        raise ZeroDivisionError
    assert gradient(2.0) == 1.0


def test_functions_that_do_not_fit_are_refused_and_change_nothing():
    before = ops.relu.forward, ops.relu.rule
    with pytest.raises(TypeError, match=r"must take \(xp, x\) like .* not \(xp, x, y\)"):
        learn.use_mine("relu", lambda xp, x, y: x, relu_rule)
    with pytest.raises(TypeError, match="vjp"):
        learn.use_mine("relu", relu, lambda xp, g, x: (g,))
    with pytest.raises(TypeError, match=r"\(xp, x, \*, axis=None, keepdims=False\)"):
        learn.use_mine("sum", lambda xp, x: x, relu_rule)
    with pytest.raises(KeyError, match="did you mean relu"):
        learn.use_mine("rellu", relu, relu_rule)
    assert (ops.relu.forward, ops.relu.rule) == before


# The whole


def test_learn_imports_nothing_optional():
    code = textwrap.dedent(
        """
        import sys
        from tinygrad_edu import learn
        learn.check("00.flip", {"a": 2.0, "b": 5.0, "c": 10.0})
        learn.notebook(learn.find(0))
        learn.predict("?", ["a", "b"]).reveal("a")
        optional = "IPython ipywidgets jupytext nbformat nbclient torch matplotlib pygraphviz"
        print([name for name in optional.split() if name in sys.modules])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_lessons_are_found_beside_or_inside_the_package():
    assert (catalogue.folder() / "00_hello_graph.py").is_file()
