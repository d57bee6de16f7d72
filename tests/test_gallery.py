"""The gallery: its pictures are what its scripts draw today, and its page shows them all."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_picture import dangers, parts, texts

from tinygrad_edu.readers.wording import MINUS, TIMES

GALLERY = Path(__file__).parent.parent / "docs" / "gallery"


def load(name):
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", GALLERY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


graphs = load("graphs")


def said(svg):
    """What a picture says: texts that are no numbers as they are, numbers as numbers."""
    found = []
    for text in texts(ElementTree.fromstring(svg)):
        plain = text.replace(MINUS, "-").removeprefix(TIMES)
        try:
            found.append(float(plain))
        except ValueError:
            found.append(text)
    return found


def differences(one, other):
    """Where two pictures say different things; numbers may differ in their last digit shown."""
    if len(one) != len(other):
        return [f"{len(one)} texts and {len(other)}"]
    found = []
    for a, b in zip(one, other, strict=True):
        if isinstance(a, float) and isinstance(b, float):
            if a != pytest.approx(b, rel=2e-3, abs=1e-5):
                found.append((a, b))
        elif a != b:
            found.append((a, b))
    return found


@pytest.mark.parametrize("name", graphs.GRAPHS)
def test_a_picture_is_what_its_script_draws(name):
    kept = (GALLERY / f"{name}.svg").read_text("utf-8")
    drawn = graphs.GRAPHS[name]().svg
    assert not differences(said(kept), said(drawn))
    for letter in "ne":
        ids = [[e.get("id").partition("-")[2] for e in parts(svg, letter)] for svg in (kept, drawn)]
        assert ids[0] == ids[1]
    assert not dangers(kept)
    assert len(kept) < 40_000


def test_a_picture_that_says_something_else_is_found():
    said_now = said(graphs.neuron().svg)
    assert not differences(said_now, said_now)
    assert differences(said_now, said_now[1:])
    for i, text in enumerate(said_now):
        other = 2 * text + 1 if isinstance(text, float) else text + "!"
        assert differences(said_now, [*said_now[:i], other, *said_now[i + 1 :]])


def test_the_page_shows_every_picture_and_names_no_other():
    page = (GALLERY / "README.md").read_text("utf-8")
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", page)
    assert {name for name in shown if "/" not in name} == {f"{name}.svg" for name in graphs.GRAPHS}
    for name in shown:
        assert (GALLERY / name).is_file()
    for tool in ("torchviz", "torchview"):
        compared = {Path(name).name for name in shown if name.startswith(tool)}
        assert compared == {path.name for path in (GALLERY / tool).iterdir()}
        assert len(compared) == 5


@pytest.mark.parity
def test_the_comparison_is_of_the_same_models():
    pytest.importorskip("torch")
    pytest.importorskip("torchviz")
    pytest.importorskip("torchview")
    compare = load("compare")
    assert set(compare.MODELS) <= set(graphs.GRAPHS)
    for name in ("mlp_on_digits", "lenet", "lstm_collapsed", "attention_block"):
        model, inputs, loss = compare.MODELS[name]
        loss(model(*inputs)).backward()
        theirs = sum(p.numel() for p in model.parameters())
        ours = sum(n.group.parameters if n.group else 0 for n in graphs.GRAPHS[name]().shown.nodes)
        assert ours == theirs, name
