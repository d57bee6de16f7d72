"""The folder for what is made or downloaded once, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def cache_folder() -> Path:
    """The folder for data that can be had again: TINYGRAD_EDU_HOME's ``data``, or the user's cache.

    >>> import os
    >>> cache_folder() == Path(os.environ["TINYGRAD_EDU_HOME"], "data")
    True
    """
    chosen = os.environ.get("TINYGRAD_EDU_HOME")
    if chosen:
        return Path(chosen).expanduser() / "data"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
        return Path(local, "tinygrad-edu", "data")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/tinygrad-edu/data"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tinygrad-edu", "data")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A ``with`` block that writes a file, which replaces `path` when the block ends well.

    Other processes meet the old file or the new one, never a part; after an error, the old one.

    >>> path = Path("numbers.bin")
    >>> with whole_file(path) as file:
    ...     _ = file.write(bytes([1, 2]))
    >>> path.read_bytes()
    b'\\x01\\x02'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
