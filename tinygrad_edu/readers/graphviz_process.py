"""Graphviz in a child process: what crashes or hangs there is lost, and this process is not.

pygraphviz carries Graphviz inside its wheels, but some graphs end the process that lays them out
and a long layout holds the interpreter.  So a child is started when first needed and kept, at
about a millisecond a request; it is killed when it takes too long and started again when it died.

This file is also the program the child runs.  They speak in lines of JSON over two pipes:
``{"path": [...]}`` is answered by ``{"ready": version}``, and ``{"dot": text, "format": name}`` by
``{"output": base64}``; either may be answered by ``{"error": text}``.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any

_START_SECONDS = 20.0  # for Python and pygraphviz to load; a cold disk is slow


class Unavailable(RuntimeError):
    """There is no pygraphviz that works here."""


class Failed(RuntimeError):
    """The child refused the graph or died of it."""


class Late(TimeoutError):
    """The child was killed at its deadline."""


class Child:
    """One child process, started when first asked.  May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._replies = -1
        self._missing: str | None = None
        self.version = ""

    def render(self, dot: str, format: str, seconds: float) -> bytes:
        """What Graphviz makes of `dot` in `format` ("plain", "png", ...), within `seconds`.

        Raises Unavailable without pygraphviz, Late past the deadline, Failed if the graph was
        refused or the child died of it.  The next call then starts a new child.
        """
        with self._lock:
            self._start()
            answer = self._ask({"dot": dot, "format": format, "seconds": seconds}, seconds)
        if "error" in answer:
            raise Failed(answer["error"])
        return base64.b64decode(answer["output"])

    def stop(self) -> None:
        """End the child, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            self._close_pipes()  # an idle child ends when its input does
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def disown(self) -> None:
        """In a forked process: let go of the pipes, which belong to the parent's child."""
        process, self._process = self._process, None
        if process is not None:
            self._close_pipes()
            process.poll()  # notices that the child is not ours

    def _start(self) -> None:
        if self._missing is not None:
            raise Unavailable(self._missing)
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        if not sys.executable:
            raise Unavailable("Python does not know its own executable")
        theirs: list[int] = []
        try:
            end, self._requests = os.pipe()
            theirs.append(end)
            self._replies, end = os.pipe()
            theirs.append(end)
            self._process = subprocess.Popen(
                [sys.executable, "-I", __file__],
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows
            )
        except OSError as error:
            self._close_pipes()
            raise Unavailable(f"no child process: {error}") from error
        finally:
            for end in theirs:
                os.close(end)
        path = [entry for entry in sys.path if isinstance(entry, str)]
        try:
            answer = self._ask({"path": path}, _START_SECONDS)
        except (Failed, Late) as error:
            answer = {"error": f"pygraphviz does not start: {error}"}
        if "error" in answer:
            self._missing = answer["error"]
            self.stop()
            raise Unavailable(self._missing)
        self.version = answer["ready"]

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and wait for its answer; on any trouble the child is ended."""
        process = self._process
        assert process is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(seconds, end)
        watch.daemon = True
        try:
            watch.start()
            _write(self._requests, json.dumps(request).encode("ascii") + b"\n")
            line = _read_line(self._replies)
            answer: dict[str, Any] = json.loads(line)
        except BaseException as error:  # Ctrl-C too: an answer left in the pipe would mislead
            process.kill()
            self.stop()
            if not isinstance(error, OSError | EOFError | ValueError | RuntimeError):
                raise
            if late.is_set():
                raise Late(f"no answer from Graphviz within {seconds:g} s") from None
            raise Failed("Graphviz died") from error
        finally:
            watch.cancel()
        return answer

    def _close_pipes(self) -> None:
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):
                os.close(pipe)
        self._requests = self._replies = -1


def child() -> Child:
    """The child process of this process."""
    if "child" not in _shared:
        with _starting:
            if "child" not in _shared:
                _shared["child"] = Child()
                atexit.register(_end)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=_after_fork)
    return _shared["child"]


_shared: dict[str, Child] = {}
_starting = threading.Lock()


def _end() -> None:
    if "child" in _shared:
        _shared["child"].stop()


def _after_fork() -> None:
    parents = _shared["child"]
    parents.disown()
    _shared["child"] = Child()  # with a lock of its own: the old one may be held by a lost thread


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _read_line(pipe: int) -> bytes:
    chunks = []
    while True:
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            raise EOFError("the child closed its pipe")
        chunks.append(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(chunks)


# What the child runs


def serve() -> None:
    """Answer requests on standard input until it ends."""
    import faulthandler
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # Graphviz may print

    def reply(answer: dict[str, str]) -> None:
        replies.write(json.dumps(answer).encode("ascii") + b"\n")
        replies.flush()

    with sys.stdin.buffer as requests:
        sys.path[:] = json.loads(requests.readline())["path"]
        try:
            import pygraphviz
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})
            return
        reply({"ready": pygraphviz.__version__})
        for line in requests:
            request = json.loads(line)
            # Also without a parent to kill it, no layout outlives its deadline by much.
            faulthandler.dump_traceback_later(request["seconds"] + 5, exit=True, file=nowhere)
            try:
                graph = pygraphviz.AGraph(string=request["dot"])
                output = graph.draw(format=request["format"], prog="dot")
                graph.close()
                answer = {"output": base64.b64encode(output).decode("ascii")}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            faulthandler.cancel_dump_traceback_later()
            reply(answer)


if __name__ == "__main__":
    serve()
