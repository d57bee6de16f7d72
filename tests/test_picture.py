"""Pictures: what they show is true, nothing in them is dangerous, and equal graphs look equal."""

import base64
import hashlib
import html
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from table import TABLE, package_operations

from tinygrad_edu import Tensor, Value, draw, ops, scope, trace
from tinygrad_edu.readers import graphviz_process, layout, wording
from tinygrad_edu.readers.palette import PALETTE
from tinygrad_edu.readers.picture import Drawing
from tinygrad_edu.readers.wording import DASH, MINUS, TIMES

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "\"double\" & 'single'",
    r"\N \l \G {a|b}",
    "a]]>b <!-- c",
    "\nsecond line",
    "\n",
    " ",
    "\x00\x07\x1b[31mred",
    "\u202egnirts \u2066x",
    "مرحبا שלום",
    "👩\u200d👩\u200d👧 e\u0301 漢字",
    "\ud800 lone",
    "\ufffe\uffff",
    "a" + "\u0301" * 500,
    "x" * 10_000,
    'x" onload="alert(1)',
    "url(javascript:alert(1))",
]


def neuron():
    x1, x2 = Value(2.0, name="x1"), Value(0.0, name="x2")
    w1, w2 = Value(-3.0, name="w1"), Value(1.0, name="w2")
    b = Value(6.8813735870195432, name="b")
    out = (w1 * x1 + w2 * x2 + b).tanh()
    out.name = "o"
    return out


def trained_mlp():
    rng = np.random.default_rng(0)

    def parameter(name, *shape):
        return Tensor(rng.normal(0, 0.3, shape).astype("f4"), requires_grad=True, name=name)

    x = Tensor(rng.random((32, 64), dtype="f4"), name="X")
    y = Tensor(rng.integers(0, 10, 32), name="y")
    with scope("hidden"):
        hidden = (x @ parameter("W1", 64, 16) + parameter("b1", 16)).relu()
    with scope("output"):
        logits = hidden @ parameter("W2", 16, 10) + parameter("b2", 10)
    loss = ops.cross_entropy(logits, y)
    loss.name = "loss"
    loss.backward()
    return loss


def random_scalars(count, seed=0):
    choose = random.Random(seed)
    values = [Value(choose.uniform(0.5, 1.5), name=f"v{i}") for i in range(4)]
    while len(values) < count:
        a, b = choose.sample(values[-9:], 2)
        values.append(choose.choice([a * b, a + b, a - b, (a * 0.5).tanh()]))
    return values[-1]


def parts(svg, letter):
    """The elements whose id is the drawing's prefix and `letter`: "n" for nodes, "e" for edges."""
    root = ElementTree.fromstring(svg)
    prefix = root.get("class")
    return [e for e in root.iter() if re.match(rf"{prefix}-{letter}\d", e.get("id", ""))]


def texts(element):
    pieces = (e for e in element.iter() if e.tag in (f"{SVG}text", f"{SVG}tspan"))
    return [e.text for e in pieces if e.text]


def edge_labels(svg):
    root = ElementTree.fromstring(svg)
    group = next(g for g in root.iter(f"{SVG}g") if g.get("class", "").endswith("-l"))
    return texts(group)


def dangers(svg):
    """What an SVG file should not contain, in words; empty if all is well."""
    found = []
    root = ElementTree.fromstring(svg)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    if len(set(ids)) != len(ids):
        found.append("an id occurs twice")
    prefix = root.get("class")
    names = ids + [name for e in root.iter() for name in (e.get("class") or "").split()]
    found += [f"{name} lacks the prefix" for name in names if not name.startswith(prefix)]
    allowed = {
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "marker",
        "path",
        "rect",
        "g",
        "text",
        "tspan",
        "image",
    }
    for element in root.iter():
        if element.tag.removeprefix(SVG) not in allowed:
            found.append(f"an element {element.tag}")
        for name, value in element.attrib.items():
            picture = element.tag == f"{SVG}image" and value.startswith("data:image/png;base64,")
            if name.lower().startswith("on") or ("href" in name.lower() and not picture):
                found.append(f"an attribute {name}")
            if name != "aria-label" and "url(" in value and not value.startswith(f"url(#{prefix}"):
                found.append(f"a link {value}")
    return found


def contrast(one, other):
    """The contrast of two colours, from 1 to 21 (Web Content Accessibility Guidelines 2.2)."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture
def no_graphviz(monkeypatch):
    """As if pygraphviz and `dot` were not installed."""
    graphviz_process.child()
    missing = graphviz_process.Child()
    missing._missing = "hidden by a test"
    monkeypatch.setitem(graphviz_process._shared, "child", missing)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(layout, "_told", set())


# Structure


@pytest.mark.parametrize("make", [neuron, trained_mlp, lambda: random_scalars(30)])
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_one_box_per_node_and_one_path_per_use(make, direction):
    drawing = draw(make(), direction=direction)
    graph = drawing.graph
    assert len(parts(drawing.svg, "n")) == len(graph.nodes)
    assert len(parts(drawing.svg, "e")) == len(graph.edges)
    assert not dangers(drawing.svg)


def test_a_square_has_two_edges():
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    svg = draw(y).svg
    assert len(parts(svg, "e")) == 2
    assert edge_labels(svg) == [f"{TIMES}3"] * 2


def test_the_checker_of_files_sees_what_is_dangerous():
    svg = draw(neuron()).svg
    assert not dangers(svg)
    planted = {
        "</svg>": "<script>1</script></svg>",
        "<title>": '<title onclick="x">',
        "<rect ": '<rect href="x" ',
        'class="g': 'class="h',
        "-n0": "-n1",
        'marker-end="url(#': 'marker-end="url(https://x',
    }
    for text, replacement in planted.items():
        assert text in svg
        assert dangers(svg.replace(text, replacement, 1)), replacement


def test_a_single_leaf_and_several_roots():
    assert len(parts(draw(Value(1.0)).svg, "n")) == 1
    a = Value(2.0, name="a")
    drawing = draw([a * 2, a + 1])
    assert len(parts(drawing.svg, "n")) == 5
    assert repr(drawing) == "<Drawing of 5 nodes: t1 = a * 2, t2 = a + 1>"


def test_frames_carry_the_names_of_scopes():
    svg = draw(trained_mlp()).svg
    root = ElementTree.fromstring(svg)
    frames = [e for e in root.iter(f"{SVG}rect") if e.get("class").endswith("-frame")]
    assert len(frames) == 2
    assert {"hidden", "output"} <= set(texts(root))
    assert "-frame" not in draw(trained_mlp(), show=["data", "grad"]).svg.split("</style>")[1]


def test_a_scope_entered_again_is_a_frame_per_visit():
    x = Value(1.0, name="x")
    for _ in range(3):
        with scope("attention"):
            x = (x * 2).tanh()
        with scope("mlp"):
            x = (x + 1).relu()
    drawing = draw(x)
    assert len(drawing._layout.frames) == 6
    lefts = {path: frame[0] for path, frame in drawing._layout.frames.items()}
    order = sorted(lefts, key=lefts.get)
    assert [path[0] for path in order] == [
        (name, visit) for visit in range(3) for name in ("attention", "mlp")
    ]


def test_shared_leaves_of_a_large_graph_are_drawn_per_use():
    w, h = Value(0.5, name="w"), Value(0.0, name="h0")
    for t in range(30):
        h = (w * h + Value(0.1 * t)).tanh()
    h.backward()
    drawing = draw(h)
    copies = [p for p in parts(drawing.svg, "n") if f"{TIMES}30" in texts(p)]
    assert len(copies) == 30
    assert len(parts(drawing.svg, "n")) == len(drawing.graph.nodes) + 29
    assert not dangers(drawing.svg)


def test_a_leaf_shared_within_a_small_graph_is_one_box():
    x = y = Value(0.5, name="x")
    for _ in range(12):
        y = y * x
    assert len(parts(draw(y).svg, "n")) == 13


def test_detail_goes_down_with_size():
    small, medium, large = random_scalars(20), random_scalars(90), random_scalars(700)
    for root in (small, medium, large):
        root.backward()
    assert "data" in texts(ElementTree.fromstring(draw(small).svg))
    assert "data" not in texts(ElementTree.fromstring(draw(medium).svg))
    assert "data" in texts(ElementTree.fromstring(draw(medium, detail="full").svg))
    for drawing in (draw(medium), draw(large)):
        assert len(drawing.svg.encode()) < 1200 * len(drawing.graph.nodes)


@pytest.mark.parametrize("make", [neuron, trained_mlp, lambda: random_scalars(38)])
def test_a_node_costs_less_than_1200_bytes(make):
    root = make()
    if isinstance(root, Value):
        root.backward()
    drawing = draw(root)
    assert len(drawing.svg.encode()) < 1200 * len(drawing.graph.nodes)


# Truth


def test_the_numbers_are_those_of_the_engine():
    out = neuron()
    out.backward()
    drawing = draw(out)
    for node, part in zip(drawing.graph.nodes, parts(drawing.svg, "n"), strict=True):
        shown = texts(part)
        assert shown[shown.index("data") + 1] == wording.number(node.data)
        assert shown[shown.index("grad") + 1] == wording.number(node.grad)
    assert "0.7071" in drawing.svg
    assert f"{MINUS}1.5" in drawing.svg


def test_before_a_gradient_arrives_there_is_a_dash():
    svg = draw(neuron()).svg
    for part in parts(svg, "n"):
        shown = texts(part)
        assert shown[shown.index("grad") + 1] == DASH
    assert not edge_labels(svg)


def test_constants_have_no_gradient_row():
    y = Value(2.0, name="a") * 3
    y.backward()
    (constant,) = [p for p in parts(draw(y).svg, "n") if texts(p) == ["3"]]
    assert constant.find(f"{SVG}rect").get("class").endswith("-constant")


def slope(op, args, options, slot):
    """The derivative of `op` by central differences."""
    step = 1e-6
    ends = []
    for sign in (1, -1):
        moved = list(args)
        moved[slot] += sign * step
        ends.append(float(op(*map(Value, moved), **options).data))
    return (ends[0] - ends[1]) / (2 * step)


def scalar_samples():
    """One smooth sample with numbers only for every elementwise operation that has a rule."""
    for op in package_operations():
        if op.family != "elementwise" or op.rule is None:
            continue
        for sample in TABLE.get(op.name, ()):
            floating = all(a.shape == () and a.dtype.kind == "f" for a in sample.args)
            if sample.smooth and floating:
                yield pytest.param(op, [float(a) for a in sample.args], sample.options, id=op.name)
                break


@pytest.mark.parametrize(("op", "args", "options"), list(scalar_samples()))
def test_local_derivatives_are_finite_differences(op, args, options):
    y = op(*map(Value, args), **options)
    y.backward()
    drawing = draw(y)
    labels = edge_labels(drawing.svg)
    assert len(labels) == len(args)
    for (_, _, slot), label in zip(drawing.graph.edges, labels, strict=True):
        value = float(label.removeprefix(TIMES).replace(MINUS, "-"))
        assert value == pytest.approx(slope(op, args, options, slot), rel=1e-3, abs=1e-5)


def test_every_scalar_operation_is_among_the_samples_above():
    names = {op.name for op in package_operations() if op.family == "elementwise" and op.rule}
    assert {p.values[0].name for p in scalar_samples()} == names - {"where"}


def test_local_derivatives_are_those_of_the_forward_pass():
    a, b = Value(2.0, name="a"), Value(5.0, name="b")
    y = a * b
    y.backward()
    a.data = 100.0
    assert sorted(edge_labels(draw(y).svg)) == [f"{TIMES}2", f"{TIMES}5"]


def test_a_rule_that_fails_does_not_keep_a_graph_from_being_drawn(request):
    from tinygrad_edu import op
    from tinygrad_edu.ops import registry

    @op
    def unfinished_sample(xp, x):
        return x * 1.0

    request.addfinalizer(lambda: registry._REGISTRY.pop("unfinished_sample"))

    @unfinished_sample.vjp
    def unfinished_sample_vjp(xp, g, out, x):
        raise NotImplementedError

    drawing = draw(unfinished_sample(Value(2.0)))
    assert not edge_labels(drawing.svg)


def test_order_of_operands_is_numbered_where_it_matters():
    a, b = Value(2.0, name="a"), Value(5.0, name="b")
    assert texts(parts(draw(a - b).svg, "n")[2])[-2:] == ["1", "2"]
    assert texts(parts(draw(a + b).svg, "n")[2])[-2:] == ["grad", DASH]
    for direction in ("LR", "TB"):
        drawing = draw(b - a, direction=direction)
        across = direction == "LR"
        ends = [path.get("d").split()[-2:] for path in parts(drawing.svg, "e")]
        assert float(ends[0][across]) < float(ends[1][across])


def test_nan_and_inf_are_flagged():
    a = Value(0.0, name="a")
    y = (a.log() * a).sin()
    svg = draw(y).svg
    shown = [text for part in parts(svg, "n") for text in texts(part)]
    assert f"! {MINUS}inf" in shown
    assert "! nan" in shown
    t = Tensor([1.0, math.nan, -math.inf], requires_grad=True, name="t")
    assert "! 1 nan, 1 inf of 3" in texts(parts(draw(t * 2).svg, "n")[0])


def test_tensors_show_shape_type_range_and_norm():
    drawing = draw(trained_mlp())
    boxes = {texts(p)[0]: texts(p) for p in parts(drawing.svg, "n")}
    weight = boxes["θ W1"]
    node = next(n for n in drawing.graph.nodes if n.name == "W1")
    assert weight[1:3] == ["(64, 16)", "float32"]
    numbers = [node.data.min(), node.data.max(), np.linalg.norm(node.data.astype(float))]
    assert weight[weight.index("data") + 1 :][:3] == [wording.number(x) for x in numbers]
    assert weight.count("grad") == 1
    assert "grad" not in boxes["X"]
    assert "(64, 16)" in edge_labels(drawing.svg)


def test_odd_arrays():
    empty = Tensor(np.zeros((0, 3)), requires_grad=True, name="e")
    assert "empty" in texts(parts(draw(empty * 2).svg, "n")[0])
    flags = Tensor([True, False], name="f")
    assert "bool" in draw(ops.where(flags, Tensor([1.0, 2.0], requires_grad=True), 0.0)).svg
    huge = Tensor(np.array([1e200, 1e200]), requires_grad=True)
    assert "1.414e200" in draw(huge * 1.0).svg


def test_options_that_were_chosen_are_shown():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert "axis=0" in draw(t.sum(axis=0)).svg
    assert "axis" not in draw(t.sum()).svg
    assert "index=(:, 1)" in draw(t[:, 1]).svg
    picked = draw(t[np.array([0, 0, 1])]).svg
    assert "index=…" in picked
    assert "0x" not in picked


def test_a_picture_does_not_change_when_the_values_do():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    loss.backward()
    before, after = draw(loss), draw(loss)
    expected = (before.svg, before.source, before.text(), before.alt)
    w.data[0] = 77.0
    w.grad[:] = 55.0
    w.name = "changed"
    assert (after.svg, after.source, after.text(), after.alt) == expected


def test_names_from_a_mapping():
    a = Value(2.0)
    out = a * 3
    assert draw(out, names=locals()).alt.endswith("out = a * 3 = 6.")
    with pytest.raises(TypeError, match="names must map names to nodes"):
        draw(out, names=["out"])


# Colours

GROUNDS = {
    "ink": ["paper", "input", "parameter", "result", "output", "badge"],
    "muted": ["paper", "input", "parameter", "constant", "result", "output", "badge"],
    "data": ["input", "parameter", "constant", "result", "output"],
    "grad": ["input", "parameter", "result", "output"],
}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out(theme):
    for role, grounds in GROUNDS.items():
        for ground in grounds:
            assert contrast(PALETTE[role][theme], PALETTE[ground][theme]) >= 4.5, (role, ground)


def test_the_measure_of_contrast_tells_good_from_bad():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") < 4.5


def test_themes():
    out = neuron()
    assert "light-dark(#FFFFFF,#0D1117)" in draw(out).svg
    for theme, paper, other in (("light", "#FFFFFF", "#0D1117"), ("dark", "#0D1117", "#FFFFFF")):
        svg = draw(out, theme=theme).svg
        assert "light-dark" not in svg
        assert paper in svg
        assert other not in svg


# Hostile text


def hostile_graph():
    total = Value(0.0)
    for text in HOSTILE:
        with scope(text):
            total = total + Value(1.0, name=text)
    total.name = HOSTILE[0]
    return total


def test_hostile_names_are_escaped_and_shortened():
    drawing = draw(hostile_graph(), detail="full")
    assert not dangers(drawing.svg)
    root = ElementTree.fromstring(drawing.svg)
    shown = texts(root)
    for visible in (
        "<script>alert(1)</scrip…",
        r"\N \l \G {a|b}",
        "a]]>b <!-- c",
        r"\nsecond line",
        r"\x00\x07\x1b[31mred",
        r"\u202egnirts \u2066x",
        "👩\u200d👩\u200d👧 e\u0301 漢字",
        r"\ud800 lone",
        "x" * 23 + "…",
    ):
        assert visible in shown
    assert all(len(text) <= 81 for text in shown)
    everything = "".join(t for e in root.iter() for t in (e.text or "", e.get("aria-label", "")))
    assert all(c == "\n" or c.isprintable() or c == "\u200d" for c in everything)


@pytest.mark.parametrize("style", ["merged", "classic"])
@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "dot"])
def test_hostile_names_in_every_format(style, ending, tmp_path):
    if ending in ("png", "pdf"):
        pytest.importorskip("pygraphviz")
    path = draw(hostile_graph(), style=style).save(tmp_path / f"x.{ending}")
    content = path.read_bytes()
    assert len(content) > 500
    if ending == "svg":
        ElementTree.fromstring(content)
        assert b"<script" not in content


@pytest.mark.parametrize("text", HOSTILE)
def test_a_graph_of_one_hostile_node_is_drawn_by_graphviz_unharmed(text, tmp_path):
    pytest.importorskip("pygraphviz")
    with scope(text):
        y = Value(1.0, name=text) * 2
    for style in ("merged", "classic"):
        drawing = draw(y, style=style)
        assert drawing.save(tmp_path / "x.png").stat().st_size > 500
        assert drawing.engine == "pygraphviz"
        ElementTree.fromstring(drawing.svg)


def test_hostile_symbols_and_options(request):
    from tinygrad_edu import op
    from tinygrad_edu.ops import registry

    @op(symbol='<b onclick="x">\n]]>' + "_" * 100)
    def hostile_sample(xp, x, *, mode="a"):
        return x * 1.0

    request.addfinalizer(lambda: registry._REGISTRY.pop("hostile_sample"))

    @hostile_sample.vjp
    def hostile_sample_vjp(xp, g, out, x, *, mode):
        return (g,)

    y = hostile_sample(Value(1.0), mode="<i>\x00")
    y.backward()
    for detail in ("full", "compact"):
        assert not dangers(draw(y, detail=detail).svg)
    assert "mode=<i>\\x00" in texts(ElementTree.fromstring(draw(y).svg))


def test_alternative_text_in_a_page_is_escaped():
    page = draw(hostile_graph())._repr_mimebundle_()["text/html"]
    assert page.count("<") == page.count(">")
    assert "<script" not in page
    assert html.unescape(re.search('alt="([^"]*)"', page).group(1)).startswith("Graph of")


# Determinism

PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_picture import fingerprint
print(fingerprint())
"""


def fingerprint():
    """One number for every output of several drawings."""
    digest = hashlib.sha256()
    for root in (neuron(), trained_mlp(), random_scalars(60)):
        for style in ("merged", "classic"):
            drawing = draw(root, style=style)
            for text in (drawing.svg, drawing.source, drawing.text(), drawing.alt):
                digest.update(text.encode())
    return digest.hexdigest()


def test_equal_graphs_give_equal_bytes_in_every_process():
    here = os.path.dirname(__file__)
    prints = {fingerprint()}
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, here],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.returncode == 0, done.stderr
        prints.add(done.stdout.strip())
    assert len(prints) == 1


def test_different_drawings_have_different_prefixes():
    prefixes = {ElementTree.fromstring(draw(r).svg).get("class") for r in (neuron(), Value(1.0))}
    assert len(prefixes) == 2


# Files and notebooks

SIGNATURES = {"svg": b"<svg", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "dot": b"digraph"}


@pytest.mark.parametrize("style", ["merged", "classic"])
@pytest.mark.parametrize("ending", list(SIGNATURES))
def test_files(ending, style, tmp_path):
    if ending in ("png", "pdf"):
        pytest.importorskip("pygraphviz")
    path = tmp_path / f"neuron.{ending}"
    drawing = draw(neuron(), style=style)
    assert drawing.save(path) == path
    content = path.read_bytes()
    if not (ending == "svg" and style == "classic"):
        assert content.startswith(SIGNATURES[ending])
    assert SIGNATURES[ending] in content
    assert drawing.save(str(path)).read_bytes()[:20] == content[:20]


def test_png_has_the_resolution_asked_for(tmp_path):
    pytest.importorskip("pygraphviz")
    widths = []
    for dpi in (72, 144):
        content = draw(neuron()).save(tmp_path / "x.png", dpi=dpi).read_bytes()
        widths.append(int.from_bytes(content[16:20], "big"))
    assert widths[1] == pytest.approx(2 * widths[0], abs=2)


def test_a_notebook_gets_an_image_and_words():
    drawing = draw(neuron())
    bundle = drawing._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    data = re.search('src="data:image/svg\\+xml;base64,([^"]*)"', bundle["text/html"]).group(1)
    assert base64.b64decode(data).decode() == drawing.svg
    told = "Graph of a computation. w1 = -3; x1 = 2; t1 = w1 * x1 = -6".replace("-", MINUS)
    assert f'alt="{told}' in bundle["text/html"]
    assert bundle["text/plain"] == drawing.text()


def test_accessibility():
    root = ElementTree.fromstring(draw(neuron()).svg)
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Drawing of 10 nodes: o = tanh(t4)"
    assert root.get("aria-label") == root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc").endswith("o = tanh(t4) = 0.7071.")


def test_source_has_every_number():
    out = neuron()
    out.backward()
    source = draw(out).source
    for text in ("0.7071", f"{MINUS}1.5", f"{TIMES}0.5", "tanh"):
        assert text in source
    classic = draw(out, style="classic").source
    assert "data 0.7071 | grad 1" in classic
    assert classic.count(" -> ") == 9 + 5


def test_text_is_a_table():
    out = neuron()
    out.backward()
    assert draw(out).text() == (
        "node  made from   value  grad\n"
        "w1    input          -3     1\n"
        "x1    input           2  -1.5\n"
        "t1    w1 * x1        -6   0.5\n"
        "w2    input           1     0\n"
        "x2    input           0   0.5\n"
        "t2    w2 * x2         0   0.5\n"
        "t3    t1 + t2        -6   0.5\n"
        "b     input       6.881   0.5\n"
        "t4    t3 + b     0.8814   0.5\n"
        "o     tanh(t4)   0.7071     1"
    )


def test_a_long_table_is_cut():
    lines = draw(random_scalars(400)).text().splitlines()
    assert len(lines) == 202
    assert re.fullmatch(r"\(200 of \d+ nodes\)", lines[-1])


def test_labels_are_unique():
    a, b = Value(1.0, name="a"), Value(2.0, name="a")
    c = Value(3.0, name="t1")
    graph = trace((a * b) * c)
    from tinygrad_edu.readers.telling import labels

    found = labels(graph)
    assert len(set(found)) == len(found)


def test_the_picture_in_the_readme_is_the_one_of_its_example():
    root = Path(__file__).parent.parent
    example = re.search("```python\n(.*?draw.*?)```", (root / "README.md").read_text("utf-8"), re.S)
    names = {}
    exec(re.sub(r"\.save\(.*\)", "", example.group(1)), names)
    current = draw(names["out"]).svg
    shown = (root / "docs" / "images" / "neuron.svg").read_text("utf-8")
    assert texts(ElementTree.fromstring(shown)) == texts(ElementTree.fromstring(current))
    assert not dangers(shown)


# Without Graphviz


def test_without_graphviz_pictures_are_drawn_all_the_same(no_graphviz, tmp_path):
    for make in (neuron, trained_mlp, lambda: random_scalars(120)):
        for style in ("merged", "classic"):
            drawing = draw(make(), style=style)
            assert not dangers(drawing.svg)
            assert drawing.engine == "layered"
            assert drawing.source.startswith("digraph")
    for ending in ("png", "pdf"):
        with pytest.raises(RuntimeError, match=r"pip install 'pygraphviz>=2\.0'"):
            draw(neuron()).save(tmp_path / f"x.{ending}")


def test_a_very_large_graph_is_drawn(monkeypatch):
    monkeypatch.setattr(layout, "DEADLINE", 0.5)
    drawing = draw(random_scalars(10_000), collapse=False)
    assert drawing.engine in ("pygraphviz", "dot", "layered")
    assert len(parts(drawing.svg, "n")) >= len(drawing.graph.nodes) > 5000


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theme": "blue"}, "theme is 'blue', not 'auto', 'light', 'dark' or 'print'"),
        ({"style": "art"}, "style is 'art', not 'merged' or 'classic'"),
        ({"show": ["data", "sparks"]}, "draw cannot show 'sparks'; show takes data, grad, local"),
        ({"detail": "some"}, "detail is 'some', not 'auto', 'full' or 'compact'"),
        ({"direction": "RL"}, "direction is 'RL', not 'LR'"),
    ],
)
def test_unknown_choices(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(Value(1.0), **options)


def test_what_cannot_be_drawn_or_saved(tmp_path):
    with pytest.raises(TypeError, match="trace needs a Value or a Tensor, not int"):
        draw(3)
    with pytest.raises(ValueError, match=r"must be \.svg, \.png, \.pdf or \.dot"):
        draw(Value(1.0)).save(tmp_path / "x.bmp")


def test_a_graph_can_be_drawn_itself():
    out = neuron()
    assert draw(trace(out)).svg == draw(out).svg
    assert isinstance(draw(trace(out)), Drawing)


# Wording


@pytest.mark.parametrize(
    ("x", "text"),
    [
        *[(0.0, "0"), (-0.0, "0"), (2.0, "2"), (-3.5, "-3.5"), (0.70710678, "0.7071")],
        *[(99_999.0, "99999"), (100_000.0, "1e5"), (123_456.7, "1.235e5"), (1e-7, "1e-7")],
        *[(-1.23456e-12, "-1.235e-12"), (math.inf, "! inf"), (-math.inf, "! -inf")],
        *[(math.nan, "! nan"), (1e300, "1e300")],
    ],
)
def test_numbers(x, text):
    assert wording.number(x) == text.replace("-", MINUS)


def test_cleaned_text_is_short_and_harmless():
    for text in HOSTILE:
        for limit in (1, 8, 24):
            shown = wording.clean(text, limit)
            assert wording.cells(shown) <= limit
            assert len(shown) <= 2 * limit + 1
            assert all(c.isprintable() or c == "\u200d" for c in shown)
            shown.encode("utf-8")
    assert wording.clean("w1") == "w1"
