"""Stricter than use: warnings are errors, inputs are read-only, random numbers are seeded."""

import os
import random

import numpy as np
import pytest

from tinygrad_edu.namespaces import arrays
from tinygrad_edu.ops import manual_seed


def pytest_addoption(parser):
    parser.addoption("--device", choices=["cpu", "cuda"], default="cpu", help="cuda: on a real GPU")


def pytest_configure(config):
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that share the tests
    config.addinivalue_line("filterwarnings", "error")
    config.addinivalue_line("markers", "parity: compares with PyTorch; skipped where it is missing")
    config.addinivalue_line("markers", "numba: compiles with numba; skipped where it is missing")
    config.addinivalue_line("markers", "browser: drives Chromium; skipped where there is none")
    config.addinivalue_line("markers", "slow: takes long; run by pytest -m slow alone")


@pytest.fixture(autouse=True, scope="session")
def _nobodys_progress(tmp_path_factory):
    os.environ["TINYGRAD_EDU_HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _seeds():
    random.seed(0)
    np.random.seed(0)
    manual_seed(0)


@pytest.fixture
def cuda(request, monkeypatch):
    """CuPy, or its double."""
    import cupy_double  # not at the top: this file alone is copied by test_parity_marks

    before = dict(arrays.NAMESPACES)
    if request.config.getoption("--device") == "cuda":
        yield pytest.importorskip("cupy")
        return
    yield cupy_double.install(monkeypatch)
    arrays.NAMESPACES.clear()
    arrays.NAMESPACES.update(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that is skipped for want of a package and not marked: it would run nowhere."""
    report = yield
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    for package, needed, mark in (("torch", "PyTorch", "parity"), ("numba", "numba", "numba")):
        if package in reason.lower() and item.get_closest_marker(mark) is None:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} needs {needed}: put @pytest.mark.{mark} above it"
    return report
