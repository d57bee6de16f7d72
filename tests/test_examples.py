"""The examples run, and stay short enough to be copied."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu import train

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@every_example
def test_it_is_short_and_says_what_it_is(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60
    assert lines[0].startswith('"""')
    assert lines[0].endswith('"""')


@every_example
def test_it_runs(path, tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", path, "--quick"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.slow
@every_example
def test_it_trains_as_well_compiled(path, tmp_path, monkeypatch):
    fit, losses = train.fit, []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--quick"])
    for compiled in (False, True):

        def noted(*args, _compiled=compiled, **options):
            history = fit(*args, compile=_compiled, **options)
            losses.append(history["loss"])
            return history

        monkeypatch.setattr(train, "fit", noted)
        runpy.run_path(str(path), run_name="__main__")
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_small_project_takes_few_lines_and_predicts_right(tmp_path):
    [path] = [path for path in EXAMPLES if path.stem == "small_project"]
    text = path.read_text(encoding="utf-8")
    code = [line for line in text.splitlines()[1:] if line.strip()]
    assert len(code) <= 25
    result = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert result.stdout.rstrip().endswith("[1, 0]")
