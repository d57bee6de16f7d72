"""The map of the lessons and the table of the courses say what the lessons say of themselves."""

import importlib.util
import re
from pathlib import Path

import pytest

from tinygrad_edu import learn
from tinygrad_edu.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
COURSES = (ROOT / "lessons" / "COURSES.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d\d) \| (.+?) \| .+? \| (\d*) ?\|$", README, re.MULTILINE)


def test_every_lesson_stands_in_the_map_once():
    assert [number for number, *_ in ROWS] == [f"{n:02d}" for n in range(43)]
    listed = {number: (title, minutes) for number, title, minutes in ROWS if "](" in title}
    there = {x.number: (f"[{x.title}]({x.path.name})", str(x.minutes)) for x in learn.lessons()}
    assert listed == there


def test_the_picture_of_the_map_is_drawn_from_the_table():
    spec = importlib.util.spec_from_file_location("lessons_map", ROOT / "docs" / "lessons_map.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.drawing(README)
    assert module.drawing(README).count('class="ready"') == len(learn.lessons())


def covered():
    """For each course the lessons that its table names."""
    sections = re.split(r"^## ([A-E]) ·", COURSES, flags=re.MULTILINE)[1:]
    for letter, text in zip(sections[::2], sections[1::2], strict=True):
        yield letter, set(re.findall(r"\b\d\d\b", "".join(re.findall(r"\|([^|]+)\|$", text, re.M))))


@pytest.mark.parametrize(("letter", "numbers"), list(covered()))
def test_a_course_names_the_lessons_that_say_they_cover_it(letter, numbers):
    assert numbers <= {f"{n:02d}" for n in range(43)}
    said = {x.number for x in learn.lessons() if letter in x.courses}
    there = {x.number for x in learn.lessons()}
    assert numbers & there == said


def test_the_lessons_of_a_course_are_listed(capsys):
    assert main(["lessons", "--course", "B"]) == 0
    shown = capsys.readouterr().out
    assert "The perceptron" in shown
    assert "Hello, graph" not in shown
