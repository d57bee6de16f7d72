"""Headless Chromium, driven over its DevTools protocol: as much of it as the tests of pages need.

Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Browser:
    """One page in a browser of its own."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip("no Chromium on the PATH")
        websocket = pytest.importorskip("websocket")
        options = ["--disable-features=IsolateSandboxedIframes"]  # so that one socket sees both
        options += ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        self.process = subprocess.Popen(
            [program, *options, f"--user-data-dir={folder}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        line = next(line for line in self.process.stderr if "DevTools listening on" in line)
        port = line.split(":")[-1].split("/")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            address = next(t for t in json.load(answer) if t["type"] == "page")
        address = address["webSocketDebuggerUrl"]
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.told = []  # events: requests to the network, exceptions, messages
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self.told.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def js(self, expression, **where):
        """The value of a JavaScript expression."""
        found = self.send(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            **where,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self, selector, **where):
        return self.js(f"document.querySelector({json.dumps(selector)})?.textContent", **where)

    def inner(self):
        """Where `js` finds the page in a frame: the context made last."""
        made = [e for e in self.told if e["method"] == "Runtime.executionContextCreated"]
        return {"contextId": made[-1]["params"]["context"]["id"]}

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def open(self, address):
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def until(self, expression, seconds=30):
        end = time.monotonic() + seconds
        while not self.js(f"Boolean({expression})"):
            assert time.monotonic() < end, f"still not true: {expression}"
            time.sleep(0.1)

    def key(self, key, text=None, shift=False):
        shown = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 * shift, **shown)
            shown = {}

    def type(self, text):
        for character in text:
            self.key(character, character)

    def media(self, **features):
        """Media features, such as ``prefers_color_scheme="dark"``."""
        chosen = [{"name": n.replace("_", "-"), "value": v} for n, v in features.items()]
        self.send("Emulation.setEmulatedMedia", features=chosen)

    def complaints(self):
        """Exceptions and errors logged in the page."""
        return [
            event["params"]
            for event in self.told
            if event["method"] == "Runtime.exceptionThrown"
            or (
                event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"
            )
        ]

    def requests(self):
        """The addresses asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.told
            if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


@contextlib.contextmanager
def browsing(folder):
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()
