"""A comparison with PyTorch is marked as one, so that the run with PyTorch includes it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
import pytest

{mark}
def test_planted():
    pytest.skip("could not import 'torch'")
"""


@pytest.mark.parametrize(("mark", "code"), [("", 1), ("@pytest.mark.parity", 0)])
def test_a_skipped_comparison_without_its_mark_fails(tmp_path, mark, code):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_planted.py").write_text(PLANTED.format(mark=mark), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == code, result.stdout
    assert ("put @pytest.mark.parity above it" in result.stdout) == bool(code)
