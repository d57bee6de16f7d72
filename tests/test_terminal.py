"""The stepper in a terminal."""

import pytest
from test_picture import neuron

from tinygrad_edu import Stepper, Value
from tinygrad_edu.cli import main
from tinygrad_edu.readers.terminal import KEYS, converse


def conversation(stepper, *words):
    """What is written after each word."""
    answers = iter(words)
    written, prompts = [], []

    def read(prompt):
        prompts.append(prompt)
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    converse(stepper, read, written.append)
    return written, prompts


def test_moving():
    stepper = Stepper(neuron())
    written, prompts = conversation(stepper, "n", "", "p", "g7", "l", "n", "f", "p", "q", "n")
    titles = [text.splitlines()[0] for text in written]
    assert titles[1:6] == [
        "t1 = w1 · x1",
        "t2 = w2 · x2",
        "t1 = w1 · x1",
        "o gives t4 its share",
        "t1 gives x1 its share",
    ]
    assert titles[7].startswith("at the start")
    assert prompts[4] == "[7/15] ? for keys > "
    assert len(prompts) == 9


def test_tables_code_and_granularity():
    stepper = Stepper(neuron())
    written, _ = conversation(stepper, "c", "2", "g7", "c", "t", "?", "nonsense")
    assert written[1] == "no operation is at work here"
    assert written[3].startswith("backward through o = tanh(t4)")
    assert "def tanh_vjp(xp, g, out, x):" in written[4]
    assert written[5] == stepper.table()
    assert written[6] == written[7] == KEYS


def test_predicting():
    stepper = Stepper(Value(2.0, name="a") * 3, mode="predict")
    written, prompts = conversation(stepper, "=5", "h", "=6", "?")
    assert prompts[0] == "t1 = a · 3 = ?\n[0/3] ? for keys > "
    assert written[1] == "not 5; work out 2 · 3"
    assert written[2] == "work out 2 · 3"
    assert written[3] == "right: 2 · 3 = 6"
    assert written[4].endswith("in predict mode, answer =0.5 or h for a hint")


def test_the_command_prints_everything(capsys):
    assert main(["step", "tanh(a*b)", "a=1", "b=2", "--all"]) == 0
    out = capsys.readouterr().out
    assert "1 · 0.07065 = 0.07065" in out
    assert out.splitlines()[-4].split() == ["a", "input", "1", "0.1413", "1", "of", "1"]


def test_the_command_without_a_terminal_asks_nothing(capsys):
    assert main(["step", "a*b", "a=1", "b=2", "--granularity", "pass", "--mode", "compare"]) == 0
    out = capsys.readouterr().out
    assert "2. backward through t1 = a · b" in out
    assert "difference" in out


def test_the_command_writes_a_page(tmp_path, capsys):
    path = tmp_path / "x.html"
    assert main(["step", "a*b", "a=1", "b=2", "-o", str(path)]) == 0
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert main(["step", "a*b", "a=1", "b=2", "-o", str(tmp_path / "no" / "x.html")]) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"), [(["a*"], "cannot read"), (["a*b", "a=1"], "no value")]
)
def test_the_command_refuses_in_one_line(capsys, words, message):
    assert main(["step", *words]) == 2
    assert message in capsys.readouterr().err
