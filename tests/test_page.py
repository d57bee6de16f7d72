"""The stepper as an HTML file: what is in it, and what happens when keys are pressed."""

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import browsing
from test_picture import HOSTILE, hostile_graph, neuron, random_scalars, trained_mlp

from tinygrad_edu import Stepper, Tensor, Value, draw, record_lines
from tinygrad_edu.readers import page as page_module
from tinygrad_edu.readers.page import as_data, page, script, style
from tinygrad_edu.readers.wording import MINUS, TIMES

FOLDER = Path(page_module.__file__).parent


class Reader(HTMLParser):
    """Elements, attributes, and the text of every script, as a browser sees them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts = [], [], []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data


def dangers(text):
    """What a page should not contain, in words; empty if all is well."""
    read = Reader(text)
    found = []
    if len(read.scripts) != 2 or read.scripts[1].count(script()) != 1:
        found.append("another script")
    allowed = {"html", "head", "meta", "title", "style", "body", "div", "button", "svg", "path"}
    allowed |= {"input", "output", "select", "option", "p", "form", "code", "span", "ol", "table"}
    allowed |= {"tr", "th", "td", "script", "desc", "defs", "marker", "rect", "g", "text", "tspan"}
    found += [f"an element {tag}" for tag in read.tags if tag not in allowed]
    for name, value in read.attributes:
        if name.startswith("on") or name in ("href", "src", "action", "srcdoc", "http-equiv-x"):
            found.append(f"an attribute {name}")
        if name == "marker-end" and not value.startswith("url(#"):
            found.append(f"a link {value}")
    return found


def story_of(text):
    return json.loads(Reader(text).scripts[0])


def test_budgets():
    assert len((FOLDER / "stepper.js").read_bytes()) <= 10 * 1024
    assert len(script().encode()) < 10_000
    assert len(page(Stepper(neuron())).encode()) <= 30_000


@pytest.mark.parametrize("make", [neuron, trained_mlp, lambda: random_scalars(150)])
def test_a_page_needs_nothing_and_hides_nothing(make):
    text = page(Stepper(make()))
    assert not dangers(text)
    assert "http://www.w3.org" in text
    assert not re.findall(r"https?://(?!www\.w3\.org/)", text)


def test_the_checker_of_pages_sees_what_is_dangerous():
    text = page(Stepper(neuron()))
    planted = {
        "</title>": "</title><script>1</script>",
        "<button": '<button onclick="x"',
        "<form": '<form action="https://x"',
        '<div class="graph': '<img src="x"><div class="graph',
        'marker-end="url(#': 'marker-end="url(https://x#',
    }
    for there, replacement in planted.items():
        assert there in text
        assert dangers(text.replace(there, replacement, 1)), replacement


def test_hostile_names_are_harmless():
    assert not dangers(page(Stepper(hostile_graph())))
    for name in [*HOSTILE, "</script><script>alert(1)</script>", "<!--", "\u2028"]:
        a = Value(2.0, name=name)
        text = page(Stepper(a * a))
        assert not dangers(text)
        assert "<script>alert" not in text
        assert story_of(text)["events"]


def test_data_in_a_script_element_cannot_end_it():
    nasty = {"a": "</script><!-- & \u2028\u2029", "b": "\ud800"}
    text = as_data(nasty)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text)["a"] == nasty["a"]


def test_the_policy_allows_this_script_and_nothing_else():
    read = Reader(page(Stepper(neuron())))
    [policy] = [x for name, x in read.attributes if name == "content" and "default-src" in x]
    digest = base64.b64encode(hashlib.sha256(read.scripts[1].encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def test_the_numbers_are_those_of_the_story():
    story = story_of(page(Stepper(neuron())))
    events = [dict(zip(story["fields"], row, strict=False)) for row in story["events"]]
    assert [e["kind"] for e in events].count("contribute") == 9
    first = next(e for e in events if e["kind"] == "contribute")
    assert "".join(piece[1:] for piece in first["numbers"]) == "1 · 0.5 = 0.5"
    assert first["slope"] == f"{TIMES}0.5"
    assert story["differences"][1] == f"{MINUS}1.5"
    assert [stop for stop, _ in story["steps"]["pass"]] == [5, 15]
    assert story["codes"][first["code"]][1].startswith("@tanh.vjp")


def test_lines_of_the_user_are_shown_without_their_folder():
    with record_lines():
        y = Value(2.0, name="a") * 3
    story = story_of(page(Stepper(y)))
    assert story["lines"][0][0].endswith(f" of {Path(__file__).name}")
    assert os.path.dirname(__file__) not in json.dumps(story)


def test_a_page_is_accessible():
    text = page(Stepper(neuron()))
    assert '<html lang="en"' in text
    labels = [value for name, value in Reader(text).attributes if name == "aria-label"]
    assert {"Stepper: o = tanh(t4)", "First", "Previous", "Next", "Last", "Events"} <= set(labels)
    assert text.count('aria-live="polite"') == 1
    assert "prefers-reduced-motion" in style()


def test_a_very_large_graph_is_refused_in_a_file_and_drawn_in_a_notebook():
    stepper = Stepper(random_scalars(1600), granularity="pass")
    with pytest.raises(
        ValueError, match=r"1,\d{3} nodes would be too large .* step through a part"
    ):
        page(stepper)
    shown = stepper._repr_mimebundle_()["text/html"]
    assert "<img" in shown
    assert "<iframe" not in shown
    assert len(shown) < 400_000


def test_there_is_room_for_a_gradient_that_shrinks():
    x = Value(3.0, name="x")
    svg = re.search(r"<svg xmlns.*?</svg>", page(Stepper(x * x + x.tanh())), re.DOTALL).group()
    other = re.search(r"<svg xmlns.*?</svg>", page(Stepper(x * x + x)), re.DOTALL).group()
    widths = [float(re.search(r'-input" width="(\d+)', text).group(1)) for text in (svg, other)]
    assert widths[0] > widths[1] + 10  # 0.009866 arrives before the rest


def test_numbers_that_are_none():
    a = Value(0.0, name="a")
    story = story_of(page(Stepper((a.log() * a).sin())))
    assert f"! {MINUS}inf" in json.dumps(story, ensure_ascii=False)


def test_unknown_theme():
    with pytest.raises(ValueError, match="theme is 'blue', not one of auto, light, dark, print"):
        page(Stepper(neuron()), theme="blue")


def test_a_notebook_gets_a_page_in_a_frame_and_a_picture():
    stepper = Stepper(neuron())
    bundle = stepper._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == stepper.text()
    inner = re.search(r'srcdoc="([^"]*)"', bundle["text/html"]).group(1)
    assert html.unescape(inner) == page(stepper)
    assert 'sandbox="allow-scripts allow-forms"' in bundle["text/html"]
    before_frame = bundle["text/html"].partition("<iframe")[0]
    assert '<img src="data:image/svg+xml;base64,' in before_frame


PROGRAM = """
import hashlib
import numpy
from tinygrad_edu import Stepper, Tensor, Value, scope
from tinygrad_edu.readers.animation import animated
from tinygrad_edu.readers.page import page

def told(root):
    stepper = Stepper(root)
    return page(stepper) + animated(stepper) + stepper.told()

x = Value(0.5, name="x")
w = Tensor(numpy.linspace(-1, 1, 12).reshape(4, 3), requires_grad=True, name="w")
with scope("layer"):
    y = (Tensor(numpy.ones((2, 4))) @ w + 0.5).relu()
text = told((x * x).tanh() + x.exp()) + told((y * y).sum())
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_equal_graphs_give_equal_bytes_in_every_process(capsys):
    exec(PROGRAM, {})
    prints = {capsys.readouterr().out}
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.returncode == 0, done.stderr
        prints.add(done.stdout)
    assert len(prints) == 1


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def neuron_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "neuron.html"
    return draw(neuron()).to_html(path).as_uri()


HOST = ".tinygrad-edu-stepper"


def shown(browser):
    """What the boxes show: {label: [data, gradient]}."""
    return browser.js(
        "Object.fromEntries([...document.querySelectorAll('div.graph g[id]')].map(box => "
        "[...box.querySelectorAll('tspan')].map(t => t.textContent))"
        ".map(t => [t[0], [t[2], t[4]]]))"
    )


@pytest.mark.browser
def test_stepping_by_keyboard(browser, neuron_page):
    browser.open(neuron_page)

    def at():
        return browser.text("output")

    assert at() == "0 / 15"
    assert shown(browser)["o"] == ["–", "–"]  # noqa: RUF001
    moves = [
        *[("ArrowRight", False, "1 / 15"), ("ArrowRight", False, "2 / 15")],
        *[("ArrowLeft", False, "1 / 15"), ("End", False, "15 / 15")],
        *[
            ("ArrowLeft", True, "13 / 15"),
            ("ArrowRight", True, "15 / 15"),
            ("Home", False, "0 / 15"),
        ],
    ]
    for key, shift, place in moves:
        browser.key(key, shift=shift)
        assert at() == place
    for key, count in [("2", 11), ("3", 2), ("4", 2), ("1", 15)]:
        browser.key(key, key)
        assert at().endswith(f" / {count}")
    browser.key("End")
    assert shown(browser)["x1"] == ["2", f"{MINUS}1.5"]
    assert shown(browser)["o"] == ["0.7071", "1"]
    for _ in range(8):
        browser.key("ArrowLeft")
    assert browser.text(f"{HOST} h2") == "o gives t4 its share"
    assert browser.text(".told") == (
        "o gives t4 its share∂L/∂t4 += ∂L/∂o · ∂o/∂t4"
        f"∂o/∂t4 = 1 {MINUS} o² = 0.51 · 0.5 = 0.51 of 1 contribution received"
    )
    assert browser.js("[...document.querySelectorAll('.now')].map(e => e.id.split('-')[1])") == [
        "n8"
    ]
    assert browser.js("document.querySelectorAll('.back > .lit').length") == 1
    assert browser.js("location.hash") == "#step=7"
    browser.key("?", "?")
    assert browser.js("document.querySelector('.help').hidden") is False
    browser.key(" ", " ")
    browser.until(f"document.querySelector('{HOST}').matches('.playing')")
    browser.key(" ", " ")
    assert browser.js(f"document.querySelector('{HOST}').matches('.playing')") is False
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("file:")] == []


@pytest.mark.browser
def test_stepping_by_mouse(browser, neuron_page):
    browser.open("about:blank#")
    browser.open(neuron_page)

    def click(selector):
        found = f"document.querySelector({selector!r})"
        browser.js(f"{found}.scrollIntoView({{block: 'center'}})")
        middle = "(r => [r.x + r.width / 2, r.y + r.height / 2])"
        browser.click(*browser.js(f"{middle}({found}.getBoundingClientRect())"))

    for selector, place in [
        ("[aria-label=Next]", 1),
        ("[aria-label=Last]", 15),
        ("[aria-label=Previous]", 14),
        ("li:nth-child(11) button", 11),
        ("[aria-label=First]", 0),
    ]:
        click(selector)
        assert browser.text("output") == f"{place} / 15"
    facts = browser.text("div.graph .hit title")
    assert facts == f"∂L/∂t4 += ∂L/∂o · ∂o/∂t4\n∂o/∂t4 = 1 {MINUS} o² = 0.5\n1 · 0.5 = 0.5"


@pytest.mark.browser
def test_a_link_begins_at_its_step(browser, neuron_page):
    browser.open("about:blank#")
    browser.open(neuron_page + "#step=12")
    assert browser.text("output") == "12 / 15"
    browser.js("location.hash = '#step=3'")
    browser.until("document.querySelector('output').textContent === '3 / 15'")


@pytest.mark.browser
def test_predicting(browser, neuron_page):
    browser.open("about:blank#")
    browser.open(neuron_page + "#step=6")
    browser.key("p", "p")
    assert browser.text("form code") == "∂L/∂t4 += ∂L/∂o · ∂o/∂t4 = ?"
    assert browser.js("document.activeElement.size") == 10
    browser.type("0.7")
    browser.key("Enter", "\r")
    assert browser.text("[role=status]") == (
        f"not 0.7; work out ∂o/∂t4 = 1 {MINUS} o² = 0.5, then 1 · 0.5"
    )
    assert browser.text("output") == "6 / 15"
    browser.type("0.5")
    browser.key("Enter", "\r")
    assert browser.text("[role=status]") == "✓ 1 · 0.5 = 0.5"
    assert browser.text("output") == "7 / 15"
    assert browser.complaints() == []


@pytest.mark.browser
def test_predicting_in_a_notebooks_frame(browser, tmp_path):
    stepper = Stepper(neuron(), mode="predict")
    path = tmp_path / "notebook.html"
    path.write_text(f'<meta charset="utf-8">{stepper._repr_mimebundle_()["text/html"]}', "utf-8")
    browser.open(path.as_uri())
    inner = browser.inner()
    assert browser.text("output", **inner) == "0 / 15"
    browser.js("document.querySelector('form input').focus()", **inner)
    browser.click(60, 60)  # the frame must have the keys
    browser.js("document.querySelector('form input').focus()", **inner)
    browser.type("6")
    browser.key("Enter", "\r")
    assert browser.text("[role=status]", **inner) == f"not 6; work out ({MINUS}3) · 2"
    browser.type("-6")
    browser.key("Enter", "\r")
    assert browser.text("[role=status]", **inner) == f"✓ ({MINUS}3) · 2 = {MINUS}6"
    assert browser.text("output", **inner) == "1 / 15"
    assert browser.complaints() == []


@pytest.mark.browser
def test_every_step_shows_what_python_knows(browser, tmp_path):
    stepper = Stepper(random_scalars(30))
    browser.open(stepper.to_html(tmp_path / "graph.html").as_uri())
    from tinygrad_edu.readers import wording

    for position in range(0, len(stepper) + 1, 3):
        stepper.goto(position)
        browser.js(f"document.querySelector('[name=step]').value = {position}")
        browser.js(
            "document.querySelector('[name=step]').dispatchEvent(new Event('input', "
            "{bubbles: true}))"
        )
        rows = browser.js(
            "[...document.querySelectorAll('tr')].slice(1).map(row => "
            "[...row.children].slice(0, 3).map(cell => cell.textContent))"
        )
        state = stepper.state
        for i, name in enumerate(stepper.names):
            row = next((r for r in rows if r[0] == name), None)
            if row is None:
                continue
            for held, text in zip((state.values, state.gradients), row[1:], strict=True):
                assert text == (wording.number(held[i]) if i in held else wording.DASH)
    assert browser.complaints() == []


@pytest.mark.browser
def test_light_and_dark(browser, neuron_page, tmp_path):
    def ground():
        return browser.js(f"getComputedStyle(document.querySelector('{HOST}')).backgroundColor")

    def box():
        return browser.js("getComputedStyle(document.querySelector('div.graph g rect')).fill")

    browser.open(neuron_page)
    seen = []
    for theme in ("light", "dark"):
        browser.media(prefers_color_scheme=theme)
        seen.append((ground(), box()))
    assert seen == [
        ("rgb(255, 255, 255)", "rgb(227, 241, 250)"),
        ("rgb(13, 17, 23)", "rgb(16, 40, 58)"),
    ]
    forced = Stepper(neuron()).to_html(tmp_path / "light.html", theme="light")
    browser.open(forced.as_uri())
    assert ground() == "rgb(255, 255, 255)"
    browser.media(prefers_color_scheme="light")


@pytest.mark.browser
def test_hostile_names_are_text(browser, tmp_path):
    a = Value(2.0, name="</script><img src=x onerror=document.title='!'>")
    path = Stepper(a * a).to_html(tmp_path / "hostile.html")
    browser.open(path.as_uri())
    browser.key("End")
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert browser.js("document.title") != "!"
    assert "</script>" in browser.text("table")
    assert browser.complaints() == []


@pytest.mark.browser
def test_the_label_of_the_current_edge_is_lit(browser, tmp_path):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    row = Tensor([1.0, 1.0], requires_grad=True, name="row")
    stepper = Stepper((x * row).tanh().sum())
    browser.open(stepper.to_html(tmp_path / "labels.html").as_uri())
    lit = {}
    for position, step in enumerate(stepper.steps, start=1):
        browser.key("ArrowRight")
        if step.events[0].kind == "contribute":
            found = "[...document.querySelectorAll('text.lit')].map(e => e.textContent)"
            lit[stepper.names[step.events[0].node]] = browser.js(found)
        assert browser.text("output") == f"{position} / {len(stepper)}"
    assert lit == {"t2": ["(2, 2)"], "t1": ["(2, 2)"], "x": ["(2, 2)"], "row": ["(2,)"]}


@pytest.mark.browser
def test_arrays_in_a_browser(browser, tmp_path):
    w = Tensor([[1.0, 2.0]], requires_grad=True, name="w")
    path = Stepper((w @ Tensor([[3.0], [4.0]])).sum(), mode="predict").to_html(tmp_path / "a.html")
    browser.open(path.as_uri())
    assert browser.text("form code") == "t1 = w @ x1: of which shape?"
    browser.js("document.querySelector('form input').focus()")
    browser.type("1, 1")
    browser.key("Enter", "\r")
    assert browser.text("output") == "1 / 5"
    assert browser.complaints() == []
