"""Every lesson: its form, its ledger, its exercises, its notebooks, and that it runs."""

import dataclasses
import json
import re

import jupytext
import nbformat
import pytest
from ledger import complaints
from nbclient import NotebookClient

from tinygrad_edu import learn
from tinygrad_edu.learn import cells, exercises, notebooks
from tinygrad_edu.learn.session import MODE

LESSONS = learn.lessons()
EXERCISES = [e for lesson in LESSONS for e in exercises.exercises_of(lesson).values()]
SEEDS = [1, 2, 3]

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda x: x.number)
every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda x: x.id)


def test_there_are_lessons():
    numbers = [lesson.number for lesson in LESSONS]
    assert numbers[:12] == [f"{n:02d}" for n in range(12)]
    assert numbers == sorted(set(numbers))


@every_lesson
def test_form(lesson):
    text = lesson.path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip()]
    assert 150 <= len(lines) <= 300
    for cell in lesson.cells:
        if cell.kind == "code":
            assert len([x for x in cell.source.splitlines() if x.strip()]) <= 25, cell.source
    headings = re.findall(r"^# ## (.+)$", text, re.MULTILINE)
    order = [
        next(i for i, heading in enumerate(headings) if heading.startswith(wanted))
        for wanted in (
            "By hand",
            "Exercise A",
            "Exercise B",
            "A mistake to make once",
            "What PyTorch calls this",
            "To read",
            "Recap",
        )
    ]
    assert order == sorted(order)
    assert any(heading.startswith("An experiment") for heading in headings)
    assert "learn.predict(" in text
    assert re.search(r"\bdraw\(", text)
    assert "**Question.**" in lesson.cells[0].source


@every_lesson
def test_ledger(lesson):
    assert complaints(lesson, LESSONS) == []


def test_ledger_notices_what_is_not_listed(tmp_path):
    lesson = learn.find("03")
    assert any("gradcheck" in x for x in complaints(dataclasses.replace(lesson, uses=()), LESSONS))
    too_early = dataclasses.replace(lesson, uses=(*lesson.uses, "Tensor"))
    assert any("no earlier lesson builds" in x for x in complaints(too_early, LESSONS))
    borrowed = dataclasses.replace(lesson, borrowed={**lesson.borrowed, "draw": "00"})
    assert any("comes before" in x for x in complaints(borrowed, LESSONS))
    without = dataclasses.replace(learn.find("00"), borrowed={"Value": "03", "Value.grad": "04"})
    assert complaints(without, LESSONS) == ["uses Value.backward, which its ledger does not list"]


@every_exercise
def test_exercise_is_complete(exercise):
    assert len(exercise.hints) == 3
    assert len({wrong.name for wrong in exercise.wrong}) == len(exercise.wrong) >= 3
    assert len({wrong.diagnosis for wrong in exercise.wrong}) == len(exercise.wrong)


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_reference_passes(exercise, seed):
    verdict = exercises.examine(exercise, exercises.reference(exercise), seed)
    assert verdict.passed, verdict.message
    assert verdict.cases > 0


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_each_wrong_answer_gets_its_own_diagnosis(exercise, seed):
    for wrong in exercise.wrong:
        verdict = exercises.examine(exercise, wrong.answer, seed)
        assert verdict.status == "wrong", wrong.name
        assert verdict.mistake == wrong.name
        assert verdict.message.startswith(wrong.diagnosis)
        alone = dataclasses.replace(wrong, name="a copy")
        others = [x for x in exercise.wrong if x is not wrong]
        assert diagnosed(exercise, alone, others, seed) is None, wrong.name


def diagnosed(exercise, wrong, others, seed):
    """The mistake recognised in `wrong` when only `others` are known."""
    knows = type(exercise)()
    knows.wrong = tuple(others)
    return exercises.examine(knows, wrong.answer, seed).mistake


@every_lesson
def test_unsolved_notebook_holds_no_solution(lesson):
    text = json.dumps(learn.notebook(lesson))
    assert "SOLUTION" not in text
    shown = {
        line.strip()
        for cell in learn.notebook(lesson)["cells"]
        if cell["cell_type"] == "code"
        for line in cell["source"]
    }
    hidden = [line.strip() for cell in lesson.cells for line in cells.solution_lines(cell)]
    assert len(hidden) >= len(lesson.exercises)
    given_away = [line for line in hidden if line in shown and len(line) > 12]
    assert given_away == []


@every_lesson
@pytest.mark.parametrize("solved", [True, False])
def test_notebooks_are_valid_and_read_as_jupytext_reads_them(lesson, solved):
    made = nbformat.reads(json.dumps(learn.notebook(lesson, with_solutions=solved)), 4)
    nbformat.validate(made)
    text = lesson.path.read_text(encoding="utf-8")
    theirs = jupytext.reads(text, fmt="py:percent")
    form = cells.solved if solved else cells.unsolved
    assert [c.cell_type for c in theirs.cells] == [c.cell_type for c in made.cells]
    for cell, theirs_cell in zip(form(lesson.cells), theirs.cells, strict=True):
        if "SOLUTION" not in theirs_cell.source:
            assert cell.source == theirs_cell.source.strip("\n")
        assert theirs_cell.metadata.get("exercise") == cell.exercise


@every_lesson
def test_runs_in_quick_mode(lesson):
    done = learn.run(lesson, "quick")
    assert done.passed, f"{done}\n{done.output}"
    assert [v.exercise for v in done.verdicts] == list(lesson.exercises)


@pytest.mark.slow
@every_lesson
def test_unsolved_notebook_runs_and_nothing_passes(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv(MODE, "quick")
    path = learn.write_notebook(lesson, tmp_path)
    done = learn.run_checks(lesson, path)
    assert done.problems == (), done.output
    assert [v.status for v in done.verdicts] == ["not yet"] * len(lesson.exercises)
    assert not done.passed


def test_a_notebook_runs_in_a_kernel(tmp_path):
    lesson = LESSONS[0]
    path = learn.write_notebook(lesson, tmp_path)
    book = nbformat.read(path, 4)
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    shown = [o for cell in book.cells if cell.cell_type == "code" for o in cell.outputs]
    kinds = {kind for o in shown if "data" in o for kind in o["data"]}
    assert "application/vnd.jupyter.widget-view+json" in kinds  # the buttons of predict
    pictures = [o["data"]["text/html"] for o in shown if "data:image/svg+xml" in str(o)]
    assert len(pictures) >= 3
    verdicts = [o for o in shown if "00.signs: not yet" in str(o)]
    assert len(verdicts) == 1
    assert "text/html" in verdicts[0]["data"]


def test_solved_notebook_is_what_was_run():
    lesson = learn.find("04")
    made = notebooks.notebook(lesson, with_solutions=True)
    text = "".join("".join(cell["source"]) for cell in made["cells"])
    assert "order.append(x)" in text
    assert "SOLUTION" not in text
