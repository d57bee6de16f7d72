"""Large graphs: what stands for what, counts that add up, and a limit that is kept."""

import hashlib
import itertools
import math
import os
import re
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from test_picture import HOSTILE, SVG, dangers, neuron, parts, random_scalars, texts, trained_mlp

from tinygrad_edu import Tensor, Value, diff, draw, manual_seed, nn, scope, trace
from tinygrad_edu.readers.collapse import VISIBLE, collapse, modules
from tinygrad_edu.readers.cycles import without_cycles
from tinygrad_edu.readers.parts import focus, path, search
from tinygrad_edu.readers.wording import TIMES


def scalar_mlp(sizes, samples):
    """The loss of an MLP of Values on several samples: neurons of plain arithmetic."""
    draw_number = np.random.default_rng(0).normal
    layers = [
        [([Value(draw_number()) for _ in range(n)], Value(0.1)) for _ in range(m)]
        for n, m in itertools.pairwise(sizes)
    ]
    total = Value(0.0)
    for _ in range(samples):
        h = [Value(draw_number()) for _ in range(sizes[0])]
        for layer in layers:
            h = [sum((w * x for w, x in zip(ws, h, strict=True)), b).tanh() for ws, b in layer]
        total = total + h[0] ** 2
    return total


def unrolled(steps):
    """Two recurrent units, written out by hand."""
    w = [[Value(0.3 * (i + j) - 0.4) for j in range(3)] for i in range(2)]
    b = [Value(0.1), Value(-0.1)]
    h = [Value(0.0), Value(0.0)]
    for t in range(steps):
        x = Value(math.sin(t))
        h = [(w[i][0] * x + w[i][1] * h[0] + w[i][2] * h[1] + b[i]).tanh() for i in range(2)]
    return h[0] + h[1]


def chain(length):
    x = Value(0.5, name="x")
    for _ in range(length):
        x = (x * 1.01).tanh()
    return x


class Block(nn.Module):
    """A residual block: what a deep network repeats."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.linear(self.norm(x)).tanh()


def deep(blocks):
    manual_seed(0)
    x = Tensor(np.random.default_rng(0).normal(size=(3, 4)), name="x")
    return nn.Sequential(*(Block() for _ in range(blocks))).double()(x).sum()


def many_roots(count):
    return [Value(float(i)).exp() for i in range(count)]


LARGE = {
    "neurons": lambda: scalar_mlp([2, 16, 16, 1], 16),
    "recurrent": lambda: unrolled(50),
    "chain": lambda: chain(400),
    "blocks": lambda: deep(30),
    "more blocks": lambda: deep(100),
    "random": lambda: random_scalars(2000),
    "roots": lambda: many_roots(400),
}


def summary(graph):
    """(label, times, siblings) of each group."""
    return [(n.group.label, n.group.times, n.group.siblings) for n in graph.nodes if n.group]


def problems(whole, graph):
    """What is wrong with a collapsed graph, in words; empty if all is well."""
    found = []
    if graph.total != len(whole.nodes):
        found.append("the total is wrong")
    if any(i >= n.index for n in graph.nodes for i in n.inputs):
        found.append("an operand comes after its result")
    if [n.index for n in graph.nodes] != list(range(len(graph.nodes))):
        found.append("places are wrong")
    stands = {}
    for n in graph.nodes:
        for place in n.group.members if n.group else (n.place,):
            if place in stands:
                found.append(f"{place} is drawn twice")
            stands[place] = n.index
    if set(stands) != set(range(len(whole.nodes))):
        found.append("a node is lost")
        return found
    edges = {(stands[a], stands[b]) for a, b, _ in whole.edges if stands[a] != stands[b]}
    if edges != {(a, b) for a, b, _ in graph.edges}:
        found.append("the edges are not those of the whole")
    if {stands[root] for root in whole.roots} != set(graph.roots):
        found.append("the roots are not those of the whole")
    for n in graph.nodes:
        if n.group is None:
            continue
        inside = [whole.nodes[place] for place in n.group.members]
        leaves = [x for x in inside if x.is_leaf and x.requires_grad]
        grads = [np.ravel(x.grad) for x in leaves if x.grad is not None]
        norm = float(np.linalg.norm(np.concatenate(grads))) if grads else None
        if n.group.operations != sum(x.op is not None for x in inside):
            found.append(f"{n.group.label}: operations are miscounted")
        if n.group.parameters != sum(math.prod(x.shape) for x in leaves):
            found.append(f"{n.group.label}: parameters are miscounted")
        if norm is None or n.group.norm is None:
            if norm is not n.group.norm:
                found.append(f"{n.group.label}: a norm is missing, or should be")
        elif n.group.norm != pytest.approx(norm, rel=1e-9):
            found.append(f"{n.group.label}: the norm is wrong")
    return found


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("to", [60, 12, 3])
def test_a_collapsed_graph_is_small_and_tells_the_truth(name, to):
    root = LARGE[name]()
    if not isinstance(root, list):
        root.backward()
    whole = trace(root)
    small = collapse(whole, to)
    assert len(small.nodes) <= to
    assert not problems(whole, small)


def test_the_checker_sees_what_is_wrong():
    import dataclasses

    root = deep(30)
    root.backward()
    whole = trace(root)
    small = collapse(whole)
    planted = [dataclasses.replace(small, total=5), dataclasses.replace(small, roots=(0,))]
    for i, n in enumerate(small.nodes):
        others = [x for x in small.nodes if x is not n]
        if n.group:
            for change in (
                {"operations": 999},
                {"parameters": 999},
                {"norm": 9.0},
                {"members": ()},
            ):
                wrong = dataclasses.replace(n, group=dataclasses.replace(n.group, **change))
                nodes = (*others[:i], wrong, *others[i:])
                planted.append(dataclasses.replace(small, nodes=nodes))
        if n.inputs:
            nodes = (*others[:i], dataclasses.replace(n, inputs=()), *others[i:])
            planted.append(dataclasses.replace(small, nodes=nodes))
            break
    assert len(planted) > 3
    for graph in planted:
        assert problems(whole, graph)


def test_a_small_graph_stays_as_it_is():
    whole = trace(neuron())
    assert collapse(whole) is whole


def test_neurons_of_every_sample_and_layer_become_one_box_per_layer():
    graph = collapse(trace(scalar_mlp([2, 16, 16, 1], 16)))
    assert summary(graph) == [
        ("32 inputs", 1, 0),
        ("tanh neuron", 16, 15),
        ("tanh neuron", 16, 15),
        ("tanh neuron", 16, 0),
        ("pow 2", 1, 15),
        ("Σ of 17", 1, 0),
    ]
    counts = [n.group.parameters for n in graph.nodes][1:4]
    assert counts == [2 * 16 + 16, 16 * 16 + 16, 17]


def test_a_recurrent_cell_closes_to_one_node():
    graph = collapse(trace(unrolled(50)))
    assert summary(graph) == [("52 inputs", 1, 0), ("2 tanh neurons", 50, 0)]


def test_calls_of_one_module_are_counted():
    cell, x = nn.Linear(2, 2), Tensor([[1.0, 2.0]], name="x")
    for _ in range(7):
        x = cell(x).tanh()
    assert summary(collapse(trace(x), 4)) == [("Linear", 7, 0)]


def test_blocks_in_a_row_become_the_first_and_how_many_more():
    assert summary(collapse(trace(deep(100)))) == [("0 (Block) … 99 (Block)", 1, 99)]
    assert [label for label, _, _ in summary(collapse(trace(deep(20))))] == [
        f"{i} (Block)" for i in range(20)
    ]


def test_rows_end_where_their_module_does():
    stages = nn.Sequential(*(nn.Sequential(*(Block() for _ in range(3))) for _ in range(70)))
    x = Tensor(np.ones((3, 4)), name="x")
    assert summary(collapse(trace(stages.double()(x)))) == [
        ("0 (Sequential) … 69 (Sequential)", 1, 69),
    ]
    assert [label for label, _, _ in summary(collapse(trace(stages[:30](x))))] == [
        "0 (Block) … 2 (Block)",
    ] * 30


def test_every_module_is_a_box_where_that_is_asked_for():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 2)))
    x, y = Tensor(np.ones((3, 4)), name="x"), Tensor(np.ones((3, 2)), name="y")
    whole = trace(nn.MSELoss()(model.double()(x), y))
    inner = modules(whole)
    assert [n.name or n.group.label for n in inner.nodes] == [
        *("x", "0 (Linear)", "1 (ReLU)", "0 (Linear)", "y", "MSELoss"),
    ]
    assert [n.scope for n in inner.nodes if n.group] == [
        *(("Sequential",), ("Sequential",), ("Sequential", "2 (Sequential)"), ()),
    ]
    assert [n.name or n.group.label for n in modules(whole, 1).nodes] == [
        *("x", "Sequential", "y", "MSELoss"),
    ]
    for graph in (inner, modules(whole, 1), modules(whole, 2)):
        assert not problems(whole, graph)


def test_data_given_to_a_module_stays_outside_though_it_has_no_name():
    whole = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU())(Tensor(np.ones((3, 4), "f4"))))
    assert [n.kind for n in modules(whole, 1).nodes] == ["input", "output"]


def test_parameters_are_called_as_in_their_module():
    graph = trace(nn.Linear(4, 8)(Tensor(np.ones((3, 4), "f4"))))
    assert {n.name for n in graph.nodes if n.kind == "parameter"} == {"weight", "bias"}


def test_scopes_of_values_collapse_too():
    x = Value(1.0, name="x")
    for _ in range(200):
        with scope("up"):
            x = x * 2
        with scope("down"):
            x = x / 3
    whole = trace(x)
    assert not problems(whole, collapse(whole))
    assert len(collapse(whole).nodes) <= VISIBLE


def test_cycles_are_closed():
    assert without_cycles([0, 1, 2], [(0, 1), (1, 2)]) == [0, 1, 2]
    assert len(set(without_cycles([0, 1, 2, 3], [(0, 1), (1, 2), (2, 1), (2, 3)]))) == 3
    ring = [(i, i + 1) for i in range(9999)] + [(9999, 0)]
    assert len(set(without_cycles(list(range(10_000)), ring))) == 1


# Drawn


def caption(svg):
    root = ElementTree.fromstring(svg)
    return [text for text in texts(root) if "nodes shown" in text]


@pytest.mark.parametrize("name", LARGE)
def test_a_large_graph_is_drawn_small(name):
    root = LARGE[name]()
    drawing = draw(root, max_nodes=100)
    shown = len(drawing.shown.nodes)
    assert shown <= VISIBLE
    assert len(parts(drawing.svg, "n")) >= shown
    assert caption(drawing.svg)[0].startswith(f"{shown:,} of {len(drawing.graph.nodes):,} nodes")
    assert not dangers(drawing.svg)
    assert len(drawing.svg.encode()) < 1200 * shown + 4000
    assert repr(drawing).startswith(f"<Drawing of {shown:,} of ")


def test_a_box_shows_counts_and_the_norm_of_the_gradient():
    loss = scalar_mlp([2, 16, 16, 1], 8)
    loss.backward()
    drawing = draw(loss)
    boxes = [texts(p) for p in parts(drawing.svg, "n")]
    layer = next(n for n in drawing.shown.nodes if n.group.label == "tanh neuron")
    shown = boxes[layer.index]
    assert shown[:3] == ["tanh neuron", f"{TIMES}8", "+15 more"]
    assert shown[3] == "640 operations, 48 parameters"
    assert shown[4] == "grad norm"
    assert float(shown[5]) == pytest.approx(layer.group.norm, rel=1e-3)


def test_what_can_be_asked_for():
    loss = trained_mlp()
    assert len(draw(loss, collapse=False).shown.nodes) == len(draw(loss).graph.nodes)
    labels = {n.group.label for n in draw(loss, collapse="modules").shown.nodes if n.group}
    assert labels == {"hidden", "output"}
    assert len(draw(loss, collapse=1).shown.nodes) == len(
        draw(loss, collapse="modules").shown.nodes
    )
    with pytest.raises(ValueError, match="collapse is 'all', not 'auto', 'modules', False, or"):
        draw(loss, collapse="all")
    with pytest.raises(ValueError, match="collapse is 0, not"):
        draw(loss, collapse=0)
    with pytest.raises(ValueError, match="max_nodes is 2: input, what is in between"):
        draw(loss, max_nodes=2)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_scopes_are_harmless(text):
    x = Value(1.0, name=text)
    for _ in range(40):
        with scope(text):
            x = (x * 2).tanh()
        x = x + 1
    for drawing in (draw(x, max_nodes=30), draw(x, collapse="modules"), draw(x, focus=5)):
        assert not dangers(drawing.svg)
        assert drawing.source
        assert draw(x, max_nodes=30, style="classic").source


# Parts


def test_focus_keeps_what_is_near_and_says_what_is_cut():
    whole = trace(chain(50))
    place = whole.nodes[-1].inputs[0]
    part = focus(whole, place, up=2, down=1)
    kept = [n.place for n in part.nodes if n.group is None and not n.is_leaf]
    assert kept == [place - 3, place - 2, place, place + 1]
    stubs = [n.group.label for n in part.nodes if n.group]
    assert stubs == ["1 before"]
    svg = draw(whole, focus=place).svg
    assert f" of {len(whole.nodes)} nodes shown" in caption(svg)[0]
    assert not dangers(svg)


def test_focus_counts_the_uses_that_are_cut():
    x = Value(1.0, name="x")
    y = x.exp()
    total = sum((y * i for i in range(5)), Value(0.0))
    graph = trace(total)
    part = focus(graph, search(graph, "exp")[0], up=1, down=0)
    assert [n.group.label for n in part.nodes if n.group] == ["5 uses"]


def test_focus_takes_nodes_names_operations_frames_and_places():
    loss = trained_mlp()
    drawing = draw(loss)
    relu = next(n for n in drawing.graph.nodes if n.op and n.op.name == "relu")
    expected = draw(loss, focus=relu.index).svg
    assert draw(loss, focus="relu").svg == expected
    assert draw(loss, focus=loss.inputs[0].inputs[0].inputs[0]).svg == expected
    assert search(drawing.graph, "hidden")[0] in {n.index for n in drawing.graph.nodes}
    for what in (Value(1.0), 1000, -1):
        with pytest.raises(LookupError, match="is not in this graph"):
            draw(loss, focus=what)
    with pytest.raises(LookupError, match=r"no node is called 'rely'.*near it: relu"):
        draw(loss, focus="rely")


def test_a_path_is_pointed_out():
    out = neuron()
    drawing = draw(out, path=("w1", "o"))
    graph = drawing.graph
    on = path(graph, search(graph, "w1")[0], search(graph, "o")[0])
    assert [graph.nodes[i].name for i in sorted(on)] == ["w1", None, None, None, "o"]
    marked = [p for p in parts(drawing.svg, "n") if "-on" in p.find(f"{SVG}rect").get("class")]
    assert len(marked) == 5
    edges = [p for p in parts(drawing.svg, "e") if p.get("class")]
    assert len(edges) == 4
    with pytest.raises(ValueError, match="no way leads from node"):
        draw(out, path=("o", "w1"))


def test_a_path_through_a_collapsed_graph():
    loss = scalar_mlp([2, 8, 8, 1], 8)
    drawing = draw(loss, path=(5, loss))
    marked = [
        p for p in parts(drawing.svg, "n") if "-on" in p.findall(f"{SVG}rect")[-1].get("class")
    ]
    assert 2 <= len(marked) <= len(drawing.shown.nodes)


# Determinism

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from test_collapse import fingerprint
print(fingerprint())
"""


def fingerprint():
    """One number for drawings that are parts of graphs, or stand for more than they show."""
    loss = trained_mlp()
    drawings = [draw(LARGE[name](), max_nodes=100) for name in ("recurrent", "blocks")]
    drawings += [
        draw(random_scalars(400)),
        draw(unrolled(50), focus=200, path=(0, 200)),
        draw(loss, collapse="modules", thumbnails=True),
        draw(loss, zoom="cross_entropy", show=["data", "grad", "local", "rules", "kept"]),
        draw(diff(trace(neuron()), trace(neuron()))),
    ]
    digest = hashlib.sha256()
    for drawing in drawings:
        for text in (drawing.svg, drawing.source, drawing.text(), drawing.alt):
            digest.update(text.encode())
    return digest.hexdigest()


def test_equal_graphs_give_equal_bytes_in_every_process():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},  # this process has another, at random
    )
    assert done.stdout.strip() == fingerprint()


# Themes


def test_the_theme_for_print_has_no_tints():
    svg = draw(trained_mlp(), theme="print").svg
    style = re.search("<style>(.*)</style>", svg).group(1)
    colours = Counter(re.findall("#[0-9A-F]{6}", style))
    assert all(c[1:3] == c[3:5] == c[5:7] for c in colours)  # greys only
    assert "light-dark" not in style


def test_before_backward_a_line_says_how_to_get_gradients():
    out = neuron()
    hint = "no gradients yet: call backward() on the result and draw again"
    assert hint in texts(ElementTree.fromstring(draw(out).svg))
    assert hint not in draw(out, show="data").svg
    out.backward()
    assert hint not in draw(out).svg
