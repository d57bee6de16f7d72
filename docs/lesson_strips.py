"""Run lessons in JupyterLab, photograph them light and dark, and make docs/images/lessons/NN.png.

    python docs/lesson_strips.py            # every lesson
    python docs/lesson_strips.py 04 10 --pages /tmp/pages   # some; the whole pages are kept too

Needs the extras `lessons` and `test`, and Chromium.  A strip shows the three largest pictures of a
lesson, in the order of the page, so that one can see at a glance what a lesson looks like today.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

from tinygrad_edu import learn

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, STRIP = 1000, 14_000, 220
PANEL = "[...jupyterapp.shell.widgets('main')].find(widget => widget.sessionContext)"
BUSY = (
    "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
    ".some(e => e.textContent.includes('*'))"
)
PICTURES = """JSON.stringify([...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(e => e.querySelector('img, iframe, canvas, .tinygrad-edu-stepper') && e.offsetHeight > 60)
  .map(e => { const r = e.getBoundingClientRect();
    const inner = [...e.querySelectorAll('img, iframe, canvas, .tinygrad-edu-stepper')]
      .map(x => x.getBoundingClientRect()).filter(x => x.height > 20);
    return {x: r.x, y: r.y, height: r.height, width: Math.min(r.width,
      Math.max(...inner.map(x => x.right)) - r.x)}; }))"""


class Lab:
    """JupyterLab serving a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "TINYGRAD_EDU_HOME")
        own = {name: str(folder / "jupyter" / name) for name in names}
        options = ["--no-browser", "--allow-root", "--expose-app-in-browser", f"--port={self.port}"]
        options += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
        options += ["--LabApp.news_url="]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env={**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > end:
                raise RuntimeError("JupyterLab did not start")
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether it can be reached yet."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api").close()
            return True
        return False


def photograph(browser, address: str, seconds: float) -> dict[str, tuple[Image.Image, list]]:
    """Open a notebook, run all of it, and take it in both themes, with the places of pictures."""
    browser.open(address)
    browser.until("window.jupyterapp && document.querySelector('.jp-Notebook')")
    browser.until(f"{PANEL}?.sessionContext.session?.kernel?.connectionStatus === 'connected'")
    browser.js("void jupyterapp.commands.execute('application:toggle-left-area')")
    browser.js("void jupyterapp.commands.execute('notebook:run-all-cells')")
    time.sleep(1.0)
    browser.until(f"!{BUSY}", seconds)
    time.sleep(1.5)
    shots = {}
    for theme in ("Light", "Dark"):
        name = f"JupyterLab {theme}"
        browser.js(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{name}'}})")
        browser.until(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        time.sleep(1.0)
        shot = base64.b64decode(browser.send("Page.captureScreenshot", format="png")["data"])
        shots[theme] = Image.open(io.BytesIO(shot)), json.loads(browser.js(PICTURES))
    if browser.js("document.querySelectorAll('.jp-RenderedText[data-mime-type*=stderr]').length"):
        print("  something was printed to stderr")
    return shots


def strip(page: Image.Image, places: list[dict[str, float]]) -> Image.Image:
    """The three largest pictures side by side, STRIP pixels high."""
    largest = sorted(places, key=lambda p: -p["width"] * p["height"])[:3]
    parts = []
    for p in sorted(largest, key=lambda p: p["y"]):
        box = (p["x"], p["y"], p["x"] + p["width"], p["y"] + min(p["height"], 0.75 * p["width"]))
        part = page.crop(tuple(map(int, box)))
        part.thumbnail((2 * STRIP, STRIP), Image.Resampling.LANCZOS)
        parts.append(part)
    made = Image.new("RGB", (sum(p.width + 8 for p in parts) - 8, STRIP), "white")
    x = 0
    for part in parts:
        made.paste(part, (x, (STRIP - part.height) // 2))
        x += part.width + 8
    return made


def main() -> None:
    """Make the strips that were asked for."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import browsing

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="their numbers; all of them by default")
    parser.add_argument("--pages", type=Path, help="a folder for the photographs of whole pages")
    given = parser.parse_args()
    chosen = [x for x in learn.lessons() if not given.lessons or x.number in given.lessons]
    target = ROOT / "docs" / "images" / "lessons"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browsing(Path(name, "browser")) as browser:
        folder = Path(name, "work")
        folder.mkdir()
        for lesson in chosen:
            text = json.dumps(learn.notebook(lesson, with_solutions=True))
            (folder / f"{lesson.name}.ipynb").write_text(text, encoding="utf-8")
        lab = Lab(folder)
        try:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            browser.send("Emulation.setDeviceMetricsOverride", **size)
            for lesson in chosen:
                address = f"http://127.0.0.1:{lab.port}/lab/tree/{lesson.name}.ipynb?reset"
                shots = photograph(browser, address, 10 * lesson.seconds + 60)
                made = strip(*shots["Light"]).quantize(64)
                made.save(target / f"{lesson.number}.png", optimize=True)
                print(f"{lesson.number}: {made.width} x {made.height}", flush=True)
                if given.pages:
                    given.pages.mkdir(parents=True, exist_ok=True)
                    for theme, (page, _) in shots.items():
                        page.save(given.pages / f"{lesson.number}-{theme.lower()}.png")
        finally:
            lab.process.terminate()
            lab.process.wait()


if __name__ == "__main__":
    main()
