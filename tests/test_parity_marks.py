"""What needs PyTorch or numba is marked, so that the run with the package includes it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
import pytest

{mark}
def test_planted():
    pytest.skip("could not import '{package}'")
"""


@pytest.mark.parametrize(("package", "mark"), [("torch", "parity"), ("numba", "numba")])
@pytest.mark.parametrize("marked", [False, True])
def test_a_skipped_test_without_its_mark_fails(tmp_path, package, mark, marked):
    line = f"@pytest.mark.{mark}"
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    planted = PLANTED.format(mark=line if marked else "", package=package)
    (tmp_path / "test_planted.py").write_text(planted, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == (not marked), result.stdout
    assert (f"put {line} above it" in result.stdout) is not marked
