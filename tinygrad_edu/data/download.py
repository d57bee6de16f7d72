"""Published files, downloaded once: several places to have them from, and a sum that must agree."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = 1 << 18  # bytes read at a time
_SECONDS = 30.0  # longest silence of a server
_TRIES = 5  # of one server that breaks off, but gave something each time


class Remote(NamedTuple):
    """A published file: its name, where it can be had, its size in bytes and its SHA-256."""

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str


class _Failed(Exception):
    """Why a server did not give the file; `again` if the same server may do better now."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def fetch(
    remote: Remote, folder: Path, *, substitute: str, offline: bool = False, progress: bool = True
) -> Path:
    """The path of a published file in `folder`, downloaded if it is not there whole.

    Its bytes are checked against the published SHA-256 whenever it is asked for.  A download that
    was broken off is gone on with; a server that fails is replaced by the next.  The file appears
    whole or not at all.

    Parameters
    ----------
    remote : the file.
    folder : where it lies, or will.
    substitute : what can be used without a download, for the messages.
    offline : whether to raise, and not ask any server, if the file is not there.
    progress : whether a bar is shown, where tqdm is installed.

    Raises FileNotFoundError if it is not there and `offline`, ConnectionError, with what each
    server said, if none gave it, OSError if `folder` cannot be written.
    """
    path = folder / remote.name
    if _is_whole(path, remote):
        return path
    if offline:
        raise FileNotFoundError(
            f"{remote.name} is not in {folder}, and offline=True; load it once with a connection, "
            f"or use {substitute}, which needs none"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{remote.name}.lock"):
            reasons = _filled(path, remote, progress)
    except OSError as error:
        raise OSError(
            f"cannot keep {remote.name} in {folder}: {error.strerror or error}; free space, or "
            "choose another folder=..."
        ) from error
    if reasons:
        raise ConnectionError(
            f"cannot download {remote.name}. {'; '.join(reasons)}. Try again later, put the file "
            f"into {folder}, or use {substitute}, which needs no download"
        )
    return path


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """A block that one process at a time is in; the system ends it for a process that dies."""
    with path.open("wb") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # after ten seconds of waiting
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _filled(path: Path, remote: Remote, progress: bool) -> list[str]:
    """Why each server failed, until one gave the file; nothing if it is at `path` now."""
    if _is_whole(path, remote):  # another process was here
        return []
    part = path.with_name(f"{path.name}.part")
    reasons: list[str] = []
    for url in remote.urls:
        for _ in range(_TRIES):
            failure = _tried(url, part, path, remote, progress)
            if failure is None:
                return []
            reasons.append(f"{url}: {failure}")
            if not failure.again:
                break
    return reasons


def _tried(url: str, part: Path, path: Path, remote: Remote, progress: bool) -> _Failed | None:
    """Why one server did not give the file; None if it is at `path` now."""
    try:
        _download(url, part, remote, progress)
    except _Failed as failure:
        return failure
    os.replace(part, path)
    return None


def _is_whole(path: Path, remote: Remote) -> bool:
    try:
        if path.stat().st_size != remote.size:
            return False
        found = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return found.hexdigest() == remote.sha256


def _download(url: str, part: Path, remote: Remote, progress: bool) -> None:
    """Fill `part` from one server, from where it ends; `_Failed` unless it is the file then."""
    done = before = part.stat().st_size if part.exists() else 0
    if done < remote.size:
        with _opened(url, done) as response, _bar(remote, progress) as bar:
            if response.status != http.client.PARTIAL_CONTENT:  # the server starts at the start
                done = 0
            with part.open("ab" if done else "wb") as file:
                bar.update(done)
                while done <= remote.size and (block := _read(response)):
                    done += len(block)
                    file.write(block)
                    bar.update(len(block))
    if done < remote.size:
        raise _Failed(f"it ended after {done} of {remote.size} bytes", again=done > before)
    if not _is_whole(part, remote):
        part.unlink()
        what = f"more than {remote.size} bytes" if done > remote.size else "another SHA-256"
        # What was there before may have been wrong: then once more, from the start.
        raise _Failed(f"it has {what}: it is not the published file", again=before > 0)


@contextlib.contextmanager
def _opened(url: str, start: int) -> Iterator[Any]:
    """The answer of a server that is asked for a file from byte `start`."""
    headers = {"User-Agent": "tinygrad_edu"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_SECONDS
        )
    except urllib.error.HTTPError as error:
        with error:
            raise _Failed(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        if response.status == http.client.PARTIAL_CONTENT:
            given = response.headers.get("Content-Range", "")
            if not given.startswith(f"bytes {start}-"):
                raise _Failed(f"asked for bytes from {start}, it answered {given!r:.60}")
        yield response


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read(_BLOCK))
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException):
        return b""  # as if it had ended: what has come is kept


class _NoBar:
    """A progress bar that shows nothing."""

    def update(self, n: int) -> None:
        """`n` bytes more."""


@contextlib.contextmanager
def _bar(remote: Remote, show: bool) -> Iterator[Any]:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        show = False
    if not show:
        yield _NoBar()
        return
    with tqdm(total=remote.size, desc=remote.name, unit="B", unit_scale=True) as bar:
        yield bar
