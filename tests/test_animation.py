"""The animated SVG: CSS alone, each number at its time, still where motion is unwanted."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browser import browsing
from test_picture import SVG, dangers, hostile_graph, neuron, random_scalars, texts, trained_mlp

from tinygrad_edu import Stepper, Value, draw
from tinygrad_edu.readers.animation import animated
from tinygrad_edu.readers.wording import MINUS


def film_of(root, **options):
    return animated(Stepper(root), **options)


def test_budget():
    assert len(film_of(neuron()).encode()) <= 16 * 1024


@pytest.mark.parametrize("make", [neuron, trained_mlp, hostile_graph, lambda: random_scalars(60)])
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_the_file_is_plain_and_safe(make, direction):
    text = film_of(make(), direction=direction)
    assert not dangers(text)
    assert "prefers-reduced-motion:no-preference" in text
    assert "<script" not in text


def test_every_step_has_a_caption_and_every_contribution_an_arrow():
    root = ElementTree.fromstring(film_of(neuron()))
    prefix = root.get("class")
    captions = [e.text for e in root.findall(f"{SVG}text") if e.get("style")]
    assert len(captions) == 15
    assert captions[0] == f"t1 = w1 · x1 = ({MINUS}3) · 2 = {MINUS}6"
    assert captions[6] == "∂L/∂t4 += ∂L/∂o · ∂o/∂t4 = 1 · 0.5 = 0.5"
    back = next(g for g in root.iter(f"{SVG}g") if g.get("class") == f"{prefix}-back")
    assert len(back) == 9


def times(element):
    return [int(n) for n in re.findall(r"\d+", element.get("style", ""))]


def test_a_gradient_is_a_dash_then_what_has_arrived():
    x = Value(3.0, name="x")
    root = ElementTree.fromstring(film_of(x * x))
    cells = [t for t in root.iter(f"{SVG}tspan") if t.get("style")]
    arriving = {t.text: times(t) for t in cells}
    assert arriving["6"] == [4]  # from the last step on
    assert arriving["3"] == [3, 4]  # one of two contributions
    assert arriving["9"] == [1]


def test_a_long_story_is_told_in_larger_steps():
    text = film_of(random_scalars(50))
    assert len([t for t in texts(ElementTree.fromstring(text)) if "backward through" in t]) > 10


def test_a_very_large_graph_is_refused():
    with pytest.raises(ValueError, match=r"a film that steps through 1,\d{3} nodes"):
        film_of(random_scalars(1600))


def test_drawings_animate_themselves(tmp_path):
    out = neuron()
    path = draw(out, theme="dark").animate(tmp_path / "x.svg", seconds=2)
    text = path.read_text("utf-8")
    assert text == film_of(out, theme="dark", seconds=2)
    assert "light-dark" not in text
    assert "38s steps(19)" in text
    assert out.grad == 0.0


def test_the_picture_in_the_readme_is_the_one_of_its_neuron():
    shown = Path(__file__).parent.parent / "docs" / "images" / "neuron_steps.svg"
    current = film_of(neuron())
    root = ElementTree.fromstring(shown.read_text("utf-8"))
    assert texts(root) == texts(ElementTree.fromstring(current))
    assert not dangers(shown.read_text("utf-8"))


@pytest.mark.browser
def test_at_a_given_time(tmp_path):
    path = draw(neuron()).animate(tmp_path / "neuron.svg", seconds=1)
    with browsing(tmp_path / "browser") as browser:
        browser.open(path.as_uri())
        visible = (
            "[...document.querySelectorAll('tspan, svg > text')].filter(e => "
            "+getComputedStyle(e).fillOpacity > 0.5 && e.style.length).map(e => e.textContent)"
        )

        def at(seconds):
            browser.js(
                f"document.getAnimations().forEach(a => {{a.pause(); a.currentTime = {seconds}e3}})"
            )
            return browser.js(visible)

        start = at(0.5)
        assert len(start) == 10  # a dash for every gradient
        assert set(start) == {"–"}  # noqa: RUF001
        seventh = at(7.5)
        assert "∂L/∂t4 += ∂L/∂o · ∂o/∂t4 = 1 · 0.5 = 0.5" in seventh
        assert seventh.count("–") == 8  # noqa: RUF001
        assert "0.7071" in seventh
        end = at(18.5)
        assert "–" not in end  # noqa: RUF001
        assert f"{MINUS}1.5" in end
        browser.media(prefers_reduced_motion="reduce")
        assert browser.js("document.getAnimations().length") == 0
        still = browser.js(visible)
        assert sorted(still) == sorted(end)
        assert browser.complaints() == []
