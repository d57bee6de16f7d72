"""Look over a built book: links, pictures, sizes; and every page in a browser.

    python docs/book/check.py build/book

Prints what is wrong, a line each, and ends with 1 if there is anything.  The part in the browser
needs Chromium and the extra `test`.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 2_000_000  # bytes of a page
SLOWEST = 2.0  # seconds until a page can be used
PHONE = 390  # pixels
STEPPED = 4  # pages whose steppers are tried by keyboard: the first page, and lessons
SHEET = (688, 1001)  # pixels of an A4 page inside its margins
PRINTED = (3, 30)  # sheets of a lesson


class Page(HTMLParser):
    """What one page holds: its anchors, links, resources, and pictures without a description."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.silent: list[str] = []  # pictures and frames that do not say what they show
        self.feed(text)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        """Note what a tag brings."""
        found = {name: value or "" for name, value in given}
        self.anchors.update(found[x] for x in ("id", "name") if x in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and "href" in found:
            self.resources.append(found["href"])
        elif "src" in found:
            self.resources.append(found["src"])
        described = {"img": "alt", "iframe": "title"}.get(tag)
        if described and not found.get(described, "").strip():
            self.silent.append(f"<{tag} {found.get('src', '')[:60]}>")


def problems(site: Path) -> Iterator[str]:
    """What is wrong with the files of a site, a line each."""
    pages = {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }
    if not pages:
        yield f"there is no page in {site}"
    for name, page in pages.items():
        size = (site / name).stat().st_size
        if size > LARGEST:
            yield f"{name}: {size:,} bytes, over {LARGEST:,}"
        yield from (f"{name}: {what} does not say what it shows" for what in page.silent)
        for target in page.resources:
            if urlsplit(target).scheme not in ("", "data", "about") or target.startswith("//"):
                yield f"{name}: fetches {target}"
            elif not target.startswith("data:"):
                yield from _missing(site, pages, name, target)
        for target in page.links:
            if not urlsplit(target).scheme:
                yield from _missing(site, pages, name, target)
    for path in sorted(site.rglob("*.css")):
        name = path.relative_to(site).as_posix()
        for target in re.findall(r"""(?:url\(|@import )["']?([^"')]+)""", path.read_text()):
            if urlsplit(target).scheme in ("http", "https"):
                yield f"{name}: fetches {target}"
            elif not target.startswith("data:"):
                yield from _missing(site, pages, name, target)


def _missing(site: Path, pages: dict[str, Page], name: str, target: str) -> Iterator[str]:
    parts = urlsplit(target)
    path = (site / name).parent / unquote(parts.path) if parts.path else site / name
    if not path.exists():
        yield f"{name}: there is no {target}"
        return
    inside = path.resolve().relative_to(site.resolve()).as_posix()
    if parts.fragment and inside in pages and unquote(parts.fragment) not in pages[inside].anchors:
        yield f"{name}: {inside} has no place #{parts.fragment}"


# The smallest contrast of a text with what is behind it, and the text, for all texts of a page.
CONTRAST = """JSON.stringify((() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const luminance = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    const style = getComputedStyle(e);
    if (!text || !e.offsetParent || style.visibility !== 'visible' || e.closest('script, style'))
      continue;
    const ink = parse(style.color), paper = behind(e);
    if (ink.length === 4 && ink[3] < 1) continue;
    const [a, b] = [luminance(ink), luminance(paper)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < needed) poor.push(`${ratio.toFixed(2)} for "${text.slice(0, 40)}"`);
  }
  return [...new Set(poor)].slice(0, 5);
})())"""


# What a print would cut off or had better leave out, given the size of a sheet.
PRINT = """JSON.stringify(((width, height) => {
  const found = new Set(), screen = 'nav, button, select, input, footer, .sidebar-drawer';
  const say = (e, what) => found.add(`${e.localName} ${e.getAttribute('class') || ''} ${what}`);
  for (const e of document.querySelectorAll('body, body *')) {
    if (!e.getClientRects().length || e.closest('math') || e.parentElement.closest('svg')) continue;
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (style.visibility !== 'visible' || box.width < 2) continue;
    if (box.right > width + 1) say(e, `ends at ${Math.round(box.right)} of ${width} pixels`);
    const hidden = [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight];
    if (e.clientWidth && style.overflowX !== 'visible' && hidden[0] > 1)
      say(e, `hides ${hidden[0]} pixels beside it`);
    if (e.clientWidth && style.overflowY !== 'visible' && hidden[1] > 1)
      say(e, `hides ${hidden[1]} pixels below it`);
    if (e.matches('img, svg, iframe') && box.height > height) say(e, 'is taller than a sheet');
    if (e.matches('img') && !e.naturalWidth) say(e, 'is not there');
    if (e.matches(screen)) say(e, 'is for the screen');
  }
  const below = document.scrollingElement.scrollHeight - innerHeight;
  if (window !== top && below > 1) found.add(`a frame hides ${below} pixels`);
  return [...found].slice(0, 5);
})(WIDTH, HEIGHT))"""


def printed(page: Path, browser: Any) -> Iterator[str]:
    """What is wrong with the print of a page on A4."""
    name, (width, height) = page.name, SHEET
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.told.clear()
    browser.open(page.resolve().as_uri())
    browser.js("document.querySelectorAll('iframe').forEach(e => { e.loading = 'eager' })")
    time.sleep(0.1)
    asked = PRINT.replace("WIDTH", str(width)).replace("HEIGHT", str(height))
    for found in json.loads(browser.js(asked)):
        yield f"{name}, printed: {found}"
    for context in _contexts(browser)[1:]:
        browser.js("dispatchEvent(new Event('beforeprint'))", contextId=context)
        inside = asked.replace(f"({width},", "(innerWidth,")
        for found in json.loads(browser.js(inside, contextId=context)):
            yield f"{name}, printed, in a frame: {found}"
    made = browser.send("Page.printToPDF", preferCSSPageSize=True)
    sheets = len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(made["data"])))
    if not PRINTED[0] <= sheets <= PRINTED[1]:
        yield f"{name}, printed: {sheets} sheets, not {PRINTED[0]} to {PRINTED[1]}"
    browser.send("Emulation.setEmulatedMedia", media="")


def seen(site: Path, browser: Any) -> Iterator[str]:
    """What is wrong with the pages of a site as a browser shows them."""
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    size = {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    for name in names:
        browser.told.clear()
        began = time.monotonic()
        browser.open((site / name).resolve().as_uri())
        took = time.monotonic() - began
        if took > SLOWEST:
            yield f"{name}: {took:.1f} s until it can be used"
        if browser.js("document.documentElement.scrollWidth > innerWidth"):
            yield f"{name}: wider than a phone of {PHONE} pixels"
        yield from (f"{name}: {_first_line(x)}" for x in browser.complaints())
        yield from _pale(name, browser)
        outside = [x for x in browser.requests() if not x.startswith(("file:", "data:", "about:"))]
        yield from (f"{name}: asks for {x}" for x in outside)
    size["width"] = 1200
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    for name in names:
        if "/" not in name:  # what only wide pages show is on all of them
            browser.open((site / name).resolve().as_uri())
            yield from _pale(name, browser)
    for page in sorted((site / "lessons").glob("[0-9]*.html")):
        yield from printed(page, browser)
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    framed = [x for x in names if "<iframe" in (site / x).read_text(encoding="utf-8")]
    framed = [x for x in framed if x == "index.html" or x.startswith("lessons/")]
    if len(framed) < STEPPED:
        yield f"only {len(framed)} pages have a stepper, not {STEPPED}"
    for name in framed[:STEPPED]:
        browser.told.clear()
        browser.open((site / name).resolve().as_uri())
        if not _steps(browser):
            yield f"{name}: its stepper does not answer to the keyboard"


def _pale(name: str, browser: Any) -> Iterator[str]:
    """Texts of the open page that are hard to read, in both themes."""
    for scheme in ("light", "dark"):
        browser.media(prefers_color_scheme=scheme)
        for poor in json.loads(browser.js(CONTRAST)):
            yield f"{name}: in {scheme}, a contrast of {poor}"


def _steps(browser: Any) -> bool:
    """Whether an arrow key moves the first stepper of the page that is open."""
    frame = "document.querySelector('iframe')"
    browser.js(f"{frame}.scrollIntoView({{behavior: 'instant'}})")
    time.sleep(0.5)  # a frame far down is loaded when it is seen
    x, y = json.loads(
        browser.js(f"JSON.stringify((r => [r.x + 30, r.y + 120])({frame}.getBoundingClientRect()))")
    )
    before = _places(browser)
    browser.click(x, y)
    browser.key("ArrowRight")
    time.sleep(0.2)
    return _places(browser) != before


def _places(browser: Any) -> list[Any]:
    """Where the sliders of all steppers stand."""
    slider = "document.querySelector('input[type=range]')?.value"
    return [browser.js(slider, contextId=context) for context in _contexts(browser)]


def _contexts(browser: Any) -> list[int]:
    """Where scripts run: in the page, and in each of its frames."""
    made = {
        event["params"]["context"]["id"]
        for event in browser.told
        if event["method"] == "Runtime.executionContextCreated"
    }
    gone = {
        event["params"]["executionContextId"]
        for event in browser.told
        if event["method"] == "Runtime.executionContextDestroyed"
    }
    return sorted(made - gone)


def _first_line(complaint: dict[str, Any]) -> str:
    entry = complaint.get("entry") or complaint.get("exceptionDetails", {})
    return str(entry.get("text", complaint)).splitlines()[0]


def main() -> int:
    """Check the site that the command line names."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import NAMES, browsing

    site = Path(sys.argv[1])
    found = list(problems(site))
    if any(map(shutil.which, NAMES)):
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            browsing(folder) as browser,
        ):
            found += seen(site, browser)
    else:
        print("no Chromium on the PATH: the pages were not looked at in a browser")
    print("\n".join(found) or f"{sum(1 for _ in site.rglob('*.html'))} pages, nothing wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
