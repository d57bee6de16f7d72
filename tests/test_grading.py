"""Grading: a folder of right, wrong, empty, crashing and never-ending submissions, all survived."""

import csv
import io
import json

import pytest

from tinygrad_edu import learn
from tinygrad_edu.cli import main
from tinygrad_edu.learn import grading

RIGHT = 'signs = {"a": "-", "b": "+", "c": "-"}\nchanged = {"a": 2.0, "b": 5.0, "c": 10.0}\n'
SUBMISSIONS = {
    "ada/00_hello_graph.py": RIGHT,
    "bob/00_wrong.py": RIGHT.replace('"a": "-"', '"a": "+"'),
    "cy/00_empty.py": "",
    "dee/00_crash.py": f"{RIGHT}import os\nos.abort()\n",
    "eve/00_endless.py": f"{RIGHT}while True:\n    print('x' * 10000)\n",
    "fay/00_greedy.py": f"numbers = bytearray(64 * 2**30)\n{RIGHT}",
    "=gil/00_formula.py": f"raise ValueError('=1+1')\n{RIGHT}",
    "hal/00_forged.py": "import sys\nprint(sys.argv, sys.stdin.read())\nsigns = changed = 1\n",
    "ivy/notes.py": "x = 1\n",
    "jo/00_broken.ipynb": "{not json",
    ".hidden/00_cache.py": RIGHT,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submissions")
    for name, source in SUBMISSIONS.items():
        path = folder / name
        path.parent.mkdir()
        text = f"# %%\n{source}" if path.suffix == ".py" else source
        path.write_text(text, encoding="utf-8")
    seen = []
    found = grading.grade(folder, limit=12.0, report=seen.append)
    assert seen == found
    return {result.name.partition("/")[0]: result for result in found}


def test_every_submission_gets_its_verdicts_and_survives_the_others(results):
    statuses = {name: [v.status for v in r.verdicts] for name, r in results.items()}
    assert statuses == {
        "ada": ["passed", "passed"],
        "bob": ["wrong", "passed"],
        "cy": ["not yet", "not yet"],
        "dee": [],
        "eve": [],
        "fay": ["not yet", "not yet"],
        "=gil": ["not yet", "not yet"],
        "hal": ["wrong", "wrong"],
        "ivy": [],
        "jo": [],
    }
    problems = {name: " ".join(r.problems) for name, r in results.items()}
    assert "ended with code" in problems["dee"]
    assert "ended with code" in problems["eve"] or "stopped" in problems["eve"]
    assert "MemoryError" in problems["fay"]
    assert "ValueError: =1+1" in problems["=gil"]
    assert "which lesson" in problems["ivy"]
    assert "not a notebook" in problems["jo"]


def test_the_csv_has_a_row_for_each_exercise_and_no_formula(results):
    text = grading.csv_text(list(results.values()))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == grading.COLUMNS
    assert len(rows) == 2 * 9 + 1
    by_name = {(r["submission"], r["exercise"]): r for r in rows}
    assert by_name["ada/00_hello_graph.py", "00.signs"]["status"] == "passed"
    wrong = by_name["bob/00_wrong.py", "00.signs"]
    assert wrong["status"] == "wrong"
    assert wrong["lesson"] == "00"
    assert by_name["dee/00_crash.py", "00.flip"]["status"] == "not graded"
    assert by_name["'=gil/00_formula.py", "00.signs"]["status"] == "not yet"
    assert not any(cell.startswith(("=", "+", "-", "@")) for r in rows for cell in r.values())


def test_a_submission_is_not_told_where_its_verdicts_go(tmp_path):
    spy = tmp_path / "00_spy.py"
    found = tmp_path / "found.txt"
    spy.write_text(
        "# %%\nimport os, sys\n"
        f"open({str(found)!r}, 'w').write(repr([sys.argv, sys.stdin.read(), dict(os.environ)]))\n",
        encoding="utf-8",
    )
    (graded,) = grading.grade(tmp_path)
    assert graded.problems == ()
    assert "report.json" not in found.read_text(encoding="utf-8")


def test_grading_changes_nobodys_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path / "home"))
    (tmp_path / "00_ada.py").write_text(f"# %%\n{RIGHT}", encoding="utf-8")
    (graded,) = grading.grade(tmp_path)
    assert [verdict.status for verdict in graded.verdicts] == ["passed", "passed"]
    assert learn.progress()["exercises"] == {}


def test_a_file_says_its_lesson_in_its_metadata_or_its_name(tmp_path):
    lesson = learn.find("03")
    path = learn.write_notebook(lesson, tmp_path)
    moved = path.rename(tmp_path / "renamed.ipynb")
    assert grading.lesson_of(moved) == lesson
    other = tmp_path / "04_mine.py"
    other.write_text("", encoding="utf-8")
    assert grading.lesson_of(other) == learn.find("04")
    for name in ("99_nothing.py", "notes.py", "2026_report.py"):
        assert grading.lesson_of(tmp_path / name) is None


def test_the_command_grades(tmp_path, capsys):
    (tmp_path / "00_ada.py").write_text(f"# %%\n{RIGHT}", encoding="utf-8")
    assert main(["grade", str(tmp_path), "--csv"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == ",".join(grading.COLUMNS)
    assert "not a sandbox" in shown.err
    assert main(["grade", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "00_ada.py  2 of 2 exercises passed\n"
    table = tmp_path / "out" / "grades.csv"
    assert main(["grade", str(tmp_path), "--csv", str(table)]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert main(["grade", str(tmp_path / "absent")]) == 2
    assert main(["grade", str(tmp_path), "--lesson", "77"]) == 2


def test_a_notebook_of_another_lesson_can_be_graded_as_this_one(tmp_path):
    book = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "ada.ipynb").write_text(json.dumps(book), encoding="utf-8")
    (graded,) = grading.grade(tmp_path, learn.find("00"))
    assert [v.status for v in graded.verdicts] == ["not yet", "not yet"]
