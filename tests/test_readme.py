"""The README does what it says: its code runs, its commands exist, its links lead somewhere."""

import configparser
import inspect
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from pages import landing

from tinygrad_edu import cli, ops

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^(?:<!-- shown: ops\.(?P<shown>\w+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
BLOCKS = list(BLOCK.finditer(README))
PYTHON = [b["code"] for b in BLOCKS if b["language"] == "python" and not b["shown"]]
SHOWN = [(b["shown"], b["code"]) for b in BLOCKS if b["shown"]]
COMMANDS = [b["code"].strip() for b in BLOCKS if b["language"] == "sh"]
OTHERS = {"CONTRIBUTING.md", "CHANGELOG.md", "README.md"}


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_code_runs(code, tmp_path):
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    for name in re.findall(r'\.save\("([^"]+)"\)', code):
        assert (tmp_path / name).stat().st_size > 500


def test_the_first_example_checks_itself(tmp_path):
    assert len(PYTHON[0].strip().splitlines()) <= 12
    broken = PYTHON[0].replace("0.7071", "0.7072")
    assert broken != PYTHON[0]
    assert "AssertionError" in run(broken, tmp_path).stderr


def words_in(svg):
    """Every piece of text in a picture; positions may differ between versions of Graphviz."""
    texts = (element.text for element in ElementTree.parse(svg).iter() if element.text)
    return [text for text in texts if text.strip() and "{" not in text]


def test_the_picture_is_what_the_first_example_draws(tmp_path):
    assert run(PYTHON[0], tmp_path).returncode == 0
    shown = words_in(ROOT / "docs" / "images" / "neuron.svg")
    assert words_in(tmp_path / "neuron.svg") == shown
    assert "0.7071" in shown


def test_an_operation_takes_ten_lines():
    definition = PYTHON[1].partition("gradcheck(")[0]
    assert len([line for line in definition.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize(("name", "code"), SHOWN)
def test_shown_operations_are_the_real_ones(name, code):
    op = ops.lookup(name)
    parts = [inspect.getsource(part).strip() for part in (op.forward, op.rule)]
    assert code.strip() == "\n\n\n".join(parts)


def first_screens():
    """The README, the book's first page and the help, each as plain words."""
    shown = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu", "--help"], capture_output=True, text=True, check=True
    ).stdout
    texts = {"README.md": README, "the book": landing.pages()["index.md"], "--help": shown}
    return {
        name: " ".join(text.replace("`", "").replace("|", " ").split())
        for name, text in texts.items()
    }


def test_three_first_screens_say_the_same():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["description"] == cli.SENTENCE
    assert cli.SENTENCE in README.splitlines()[:4]
    head, *rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", README.split("## ")[1], re.M)
    assert [tuple(cell.replace("`", "") for cell in row) for row in rows] == [*cli.READINGS]
    said = [cli.SENTENCE, *COMMANDS, *(" ".join(row) for row in [head, *cli.READINGS])]
    said += ["one command sets up and opens the first lesson", "sets up and runs every test"]
    said += ["its value, and its vector-Jacobian product", "lse is a reading of these lines:"]
    for name, text in first_screens().items():
        assert [words for words in said if words not in text] == [], name
    assert "tanh(w1*x1 + w2*x2 + b)" in README.partition("## ")[0]
    assert "tanh(w1*x1 + w2*x2 + b)" in first_screens()["--help"]


def test_the_two_commands():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        assert "\n" not in command
        extra = re.match(r'pip install -e "\.\[(\w+)\]" && ', command)
        assert extra
        assert extra[1] in setup["options.extras_require"]
    assert COMMANDS[0].endswith(" && tinygrad-edu start")
    assert COMMANDS[1].endswith(" && python -m pytest")


def links_of(text):
    """The targets of relative links and pictures, and the files named in the text's tables."""
    return [
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"https?://|#", target)
    ]


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [target for target in links_of(text) if not (ROOT / target).exists()] == []


def test_a_link_to_nowhere_is_found():
    assert links_of("[a](no/such/file.md#part) [b](https://example.org)") == ["no/such/file.md"]


def test_the_folder_table_has_every_room():
    rooms = {p.parent.name for p in (ROOT / "tinygrad_edu").glob("*/__init__.py")}
    listed = set(re.findall(r"^\| \[`tinygrad_edu/(\w+)`\]", README, re.MULTILINE))
    assert listed == rooms
