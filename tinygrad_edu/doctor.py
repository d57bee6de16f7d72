"""What this installation can do, what is missing, and the command that installs it.

Nothing here raises: every finding stands for itself, so that one broken package does not hide the
others.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import sys
import textwrap
from importlib import metadata

from tinygrad_edu import __version__
from tinygrad_edu.namespaces.cuda import cuda_of_driver, wheel
from tinygrad_edu.readers import graphviz_process

_SECONDS = 10.0  # longest wait for a program that we ask
_PURPOSES = {
    "data": "data sets, downloads",
    "train": "progress bars, curves and files of models",
    "lessons": "the lessons in JupyterLab",
    "test": "the tests",
    "parity": "comparing with PyTorch",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    topic : what was looked at: "numpy", "layout", "gpu".
    ok : whether it can be used.
    text : what was found.
    advice : a command or a sentence that mends it; empty where nothing needs mending.
    needed : False for what works without, only less.
    """

    topic: str
    ok: bool
    text: str
    advice: str = ""
    needed: bool = True


class Report(tuple[Finding, ...]):
    """The findings, printed as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = [_about(), ""]
        width = max(len(finding.topic) for finding in self)
        margin = " " * (width + 11)
        for finding in self:
            mark = "ok" if finding.ok else "missing" if finding.needed else "without"
            head = f"{mark:<9}{finding.topic:<{width}}  "
            lines += textwrap.wrap(finding.text, 88, initial_indent=head, subsequent_indent=margin)
            if finding.advice:
                lines.append(f"{margin}-> {finding.advice}")
        missing = [finding.topic for finding in self if not finding.ok and finding.needed]
        lines += [
            "",
            f"To mend: {', '.join(missing)}." if missing else "Everything needed is here.",
        ]
        return "\n".join(lines)


def doctor() -> Report:
    """What this machine offers, as a report that prints itself.

    >>> report = doctor()
    >>> [finding.ok for finding in report if finding.topic == "numpy"]
    [True]
    """
    return Report((_numpy(), _threads(), _layout(), *_extras(), _gpu()))


def _about() -> str:
    return (
        f"tinygrad_edu {__version__}, Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}\n{sys.executable}"
    )


def _numpy() -> Finding:
    import numpy

    return Finding("numpy", True, numpy.__version__)


def _threads() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        import threadpoolctl
    except ImportError:
        return Finding("threads", True, f"{cores} cores")
    pools = {
        f"{pool['num_threads']} for {pool.get('internal_api', 'BLAS')}"
        for pool in threadpoolctl.threadpool_info()
    }
    used = f"; threads: {', '.join(sorted(pools))}" if pools else ""
    return Finding("threads", True, f"{cores} cores{used}; lessons use one thread")


def _layout() -> Finding:
    """What places the nodes of a picture: Graphviz inside pygraphviz, a `dot`, or our own code."""
    try:
        child = graphviz_process.child()
        child.render("digraph { a -> b }", "plain", _SECONDS)
        return Finding("layout", True, f"Graphviz inside pygraphviz {child.version}")
    except (OSError, RuntimeError) as error:
        problem = str(error)
    dot = shutil.which("dot")
    if dot:
        return Finding("layout", True, f"the program {dot}")
    text = f"no Graphviz ({problem}): pictures use the simpler layout written in Python"
    return Finding("layout", False, text, "pip install pygraphviz", needed=False)


def _extras() -> list[Finding]:
    """One finding for each group of optional packages named in setup.cfg."""
    try:
        requirements = metadata.requires("tinygrad_edu") or []
    except metadata.PackageNotFoundError:
        text = "running from a folder that was not installed"
        return [Finding("package", False, text, 'pip install -e ".[lessons]"')]
    findings = []
    for extra, purpose in _PURPOSES.items():
        names = _names(requirements, extra)
        versions = {name: _version(name) for name in names}
        absent = [name for name, version in versions.items() if version is None]
        if absent:
            text = f"without {', '.join(absent)}: needed for {purpose}"
            advice = f"pip install {' '.join(absent)}"
            findings.append(Finding(extra, False, text, advice, needed=extra == "lessons"))
        else:
            text = ", ".join(f"{name} {version}" for name, version in versions.items())
            findings.append(Finding(extra, True, text))
    return findings


def _names(requirements: list[str], extra: str) -> list[str]:
    """The packages that an extra asks for, this one left out."""
    lines = [line for line in requirements if re.search(rf"extra == ['\"]{extra}['\"]", line)]
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]
    return [name for name in names if name.replace("-", "_") != "tinygrad_edu"]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _gpu() -> Finding:
    """Whether CuPy can compute on a GPU, and which CuPy fits the driver where it is missing."""
    driver = cuda_of_driver()
    if driver is None:
        return Finding("gpu", True, "no NVIDIA driver: everything runs on the CPU")
    fitting = wheel(driver)
    try:
        import cupy

        device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        total = int((cupy.arange(4) ** 2).sum())  # compiles and runs a kernel
    except ImportError:
        text = f"a driver for CUDA {driver}, and no CuPy to use it"
        return Finding("gpu", False, text, f"pip install {fitting}", needed=False)
    except Exception as error:  # whatever a broken driver or compiler raises is the finding
        text = f"CuPy fails: {type(error).__name__}: {str(error).splitlines()[0]}"
        return Finding("gpu", False, text, f"pip install --force-reinstall {fitting}", needed=False)
    assert total == 14
    return Finding("gpu", True, f"{device}, CUDA {driver}, CuPy {cupy.__version__}")
