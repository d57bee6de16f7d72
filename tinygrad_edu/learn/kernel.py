"""A lesson executed in a Jupyter kernel, so that its notebook can be kept with all it showed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygrad_edu.learn import notebooks
from tinygrad_edu.learn.catalogue import find

_LAST = """\
from tinygrad_edu.learn import execute
execute.report({lesson!r}, [], globals(), {path!r})
"""


def run(lesson: str, report: str, keep: Path) -> list[str]:
    """What went wrong in a lesson with its solutions in place; its notebook is written to `keep`.

    After the last cell the kernel examines the exercises and writes `report`, as `execute.main`
    does for a lesson without a kernel.

    Raises ImportError without nbclient, nbformat and ipykernel.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    text = json.dumps(notebooks.notebook(find(lesson), with_solutions=True))
    book: Any = nbformat.reads(text, as_version=4)
    last = nbformat.v4.new_code_cell(_LAST.format(lesson=lesson, path=report))
    book.cells.append(last)
    try:
        quiet = ["--log-level=ERROR"]
        client = NotebookClient(book, timeout=None, kernel_name="python3", extra_arguments=quiet)
        client.execute()
    except CellExecutionError as error:
        number = sum(c.cell_type == "code" and c.execution_count is not None for c in book.cells)
        print(error)
        return [f"code cell {number} raised {error.ename}: {error.evalue}"]
    book.cells.remove(last)
    keep.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, keep)
    return []
