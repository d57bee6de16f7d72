"""A project of the learner's own: a folder with a program, its tests, and what it needs."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import sys
from importlib import resources
from pathlib import Path

FILES = ("README.md", "pyproject.toml", "test_train.py", "train.py")
_TEMPLATE = {name: f"{name}.txt" if name.endswith(".py") else name for name in FILES}
_LONGEST = 50
_DEVICES = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)  # no folders on Windows


def new_project(folder: Path | str) -> Path:
    """A new folder with a project in it that trains a network and passes its own tests.

    folder : where; its last part is the name of the project: a letter, then letters, digits, - or
        _, at most 50 together.  The folder that it is put in must be there.

    Returns the folder, made in full or not at all.  Raises ValueError for a name that cannot be
    used, FileExistsError if something is there already, and OSError if it cannot be written.

    Built in lesson 42.

    >>> new_project("my-project").name
    'my-project'
    """
    folder = Path(folder).expanduser()
    complaint = _complaint(folder.name)
    if complaint:
        raise ValueError(complaint)
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} is there already; choose another name")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {folder.parent} to put {folder.name} in")
    template = resources.files("tinygrad_edu.learn") / "template"
    texts = {
        name: (template / held).read_text(encoding="utf-8") for name, held in _TEMPLATE.items()
    }
    folder.mkdir()
    try:
        for name, text in texts.items():
            text = text.replace("PROJECT", folder.name)
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _complaint(name: str) -> str | None:
    """What is wrong with the name of a project, or None."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or name[-1] in "_-":
        return (
            f"{name!r} cannot be the name of a project: begin with a letter, go on with letters, "
            "digits, - and _, and end with a letter or digit"
        )
    if len(name) > _LONGEST:
        return f"a project's name has at most {_LONGEST} characters, and this one has {len(name)}"
    plain = name.lower().replace("-", "_")
    taken = {"tinygrad_edu", "numpy", "pytest", "train", "test_train", *sys.stdlib_module_names}
    if plain in taken or keyword.iskeyword(plain) or _DEVICES.fullmatch(name):
        return f"{name!r} means something else already; choose another name for your project"
    return None
