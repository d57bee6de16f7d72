"""Pictures of arrays, of one operation opened, and of two times: heat maps, badges, zoom, diff."""

import re
import struct
import tracemalloc
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from table import TABLE, package_operations
from test_picture import (
    HOSTILE,
    SVG,
    contrast,
    dangers,
    edge_labels,
    neuron,
    parts,
    texts,
    trained_mlp,
)

from tinygrad_edu import Tensor, Value, diff, draw, grad, keeps, nn, ops, trace
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.heatmap import CELLS, heat_map
from tinygrad_edu.readers.keeps import reads_of
from tinygrad_edu.readers.palette import PALETTE
from tinygrad_edu.readers.zoom import zoom

# Heat maps


def pixels(png):
    """The colours of a PNG of 4 bits with a palette, read by the standard: (height, width, 3)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", png, at + 8 + length)
        assert check == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + length
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (bits, colour, rest) == (4, 3, [0, 0, 0])
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    rows = rows.reshape(height, 1 + (width + 1) // 2)
    assert not rows[:, 0].any()  # no filter
    cells = np.stack([rows[:, 1:] >> 4, rows[:, 1:] & 15], axis=-1).reshape(height, -1)
    return palette[cells[:, :width]].astype(int)


def test_a_heat_map_is_orange_white_and_blue():
    png, width, height = heat_map(np.array([[-2.0, 0.0, 2.0], [1.0, np.nan, -1.0]]))
    assert (width, height) == (3, 2)
    orange, white, blue = pixels(png)[0].tolist()
    assert orange == [0xB3, 0x47, 0x00]
    assert white == [255, 255, 255]
    assert blue == [0x00, 0x5A, 0x8F]
    half, grey, half_orange = pixels(png)[1].tolist()
    assert grey == [0x57, 0x60, 0x6A]
    assert blue < half < white
    assert orange < half_orange < white


@pytest.mark.parametrize("shape", [(1,), (5,), (40,), (3, 4), (100, 7), (2, 3, 20, 20), (0, 3)])
def test_a_heat_map_of_any_shape_is_small(shape):
    png, width, height = heat_map(np.random.default_rng(0).normal(size=shape))
    assert width <= CELLS
    assert height <= CELLS
    assert len(png) < 400
    if 0 not in shape:
        assert pixels(png).shape == (height, width, 3)


def test_a_large_array_is_averaged_in_blocks():
    array = np.zeros((32, 32))
    array[:2, :2] = [[4.0, 0.0], [0.0, 0.0]]
    array[-2:, -2:] = -1.0
    cells = pixels(heat_map(array)[0])
    assert cells[0, 0].tolist() == [0x00, 0x5A, 0x8F]
    assert cells[-1, -1].tolist() == [0xB3, 0x47, 0x00]
    assert (cells[1:-1] == 255).all()


def test_heat_maps_stand_in_the_boxes_of_arrays():
    drawing = draw(trained_mlp(), thumbnails=True)
    found = {
        texts(p)[0]: [image.get("href") for image in p.iter(f"{SVG}image")]
        for p in parts(drawing.svg, "n")
    }
    assert len(found["θ W1"]) == 2
    assert len(found["X"]) == 1
    assert not found["cross_entropy"]
    assert not dangers(drawing.svg)
    assert "<image" not in draw(trained_mlp()).svg
    assert dangers(drawing.svg.replace("data:image/png", "https://x/", 1))
    assert dangers(drawing.svg.replace("data:image/png", "data:image/svg+xml", 1))


# What the rules say


def test_a_broadcast_has_a_badge():
    labels = edge_labels(draw(trained_mlp()).svg)
    assert labels.count("sum over axis 0") == 2
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    y = Tensor(np.ones((2, 1)), requires_grad=True, name="y")
    loss = (x * y * Tensor(2.0, requires_grad=True)).sum()
    assert "sum over axis 1" not in edge_labels(draw(loss).svg)
    loss.backward()
    labels = edge_labels(draw(loss).svg)
    assert "sum over axis 1" in labels
    assert "sum over axis 0" not in labels


def test_the_rules_of_arrays_as_shapes():
    drawing = draw(trained_mlp(), show=["data", "grad", "rules"])
    shown = [text for p in parts(drawing.svg, "n") for text in texts(p)]
    assert "dW2 = t3ᵀ @ G: (16, 32) @ (32, 10) → (16, 10)" in shown
    assert "db1 = G: (32, 16); sum over axis 0: (32, 16) → (16,)" in shown
    assert not any("dX" in text for text in shown)
    assert not dangers(drawing.svg)


def test_what_is_kept_is_shown():
    drawing = draw(trained_mlp(), show=["data", "kept"])
    shown = [text for p in parts(drawing.svg, "n") for text in texts(p)]
    kept = [text for text in shown if text.startswith("keeps")]
    assert kept[:3] == ["keeps X, 8,192 bytes", "keeps nothing", "keeps t2, 2,048 bytes"]


# What is kept


def names_kept(out):
    graph = trace(out)
    node = graph.nodes[graph.roots[0]]
    return {graph.nodes[i].name or "out" for i in reads_of(graph, node)}


def test_rules_keep_what_they_read():
    a, b = Value(2.0, name="a"), Value(3.0, name="b")
    assert names_kept(a.tanh()) == {"out"}
    assert names_kept(a * b) == {"a", "b"}
    assert names_kept(a + b) == set()
    assert "a" not in names_kept(a * 3)
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    w = Tensor([[1.0], [2.0]], name="w")
    assert names_kept(x @ w) == {"w"}  # w takes no gradient, so x is not needed
    assert names_kept(x.sum()) == set()


def poisoned(op, sample):
    """The gradients of a sample as they are, and with nan in all that `keeps` says is not read."""

    def run(keep):
        leaves = [
            Tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a
            for a in sample.args
        ]
        out = op(*leaves, **sample.options)
        graph = trace(out)
        node = graph.nodes[graph.roots[0]]
        if node.op is not op:
            return None
        read = reads_of(graph, node)
        args = tuple(
            a if not keep or i in read or a.dtype.kind != "f" else np.full_like(a, np.nan)
            for a, i in zip(node.args, node.inputs, strict=True)
        )
        result = node.data
        if keep and node.index not in read and result.dtype.kind == "f":
            result = np.full_like(result, np.nan)
        from tinygrad_edu.namespaces.arrays import NUMPY

        given = op.rule(NUMPY, np.ones_like(node.data), result, *args, **node.options)
        wanted = [graph.nodes[i].requires_grad for i in node.inputs]
        return [
            np.asarray(part() if callable(part) else part)
            for part, want in zip(given, wanted, strict=True)
            if part is not None and want
        ]

    return run(False), run(True)


DETERMINISTIC = [op for op in package_operations() if op.rule is not None and op.name in TABLE]


@pytest.mark.parametrize("op", DETERMINISTIC, ids=lambda op: op.name)
def test_what_is_not_kept_is_not_needed(op):
    with np.errstate(all="ignore"):
        true, without = poisoned(op, TABLE[op.name][0])
    for a, b in zip(true, without, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_kept_of_an_mlp_agrees_with_the_memory_in_use():
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU())
    x, y = Tensor(np.ones((256, 784), "f4")), Tensor(np.arange(256) % 128)
    loss_of = nn.CrossEntropyLoss()
    loss_of(model(x), y)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    loss = loss_of(model(x), y)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    found = keeps(loss)
    assert found.held == pytest.approx(used, rel=0.1)
    assert found.results == pytest.approx(used, rel=0.1)  # of this network every result is read
    assert found.leaves == x.data.nbytes + y.data.nbytes + model[2].weight.data.nbytes


def small_convolution():
    parts = nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    return nn.Sequential(*parts, nn.Dropout(0.5), nn.Linear(144, 10)), (64, 1, 8, 8)


@pytest.mark.parametrize(
    "made",
    [
        small_convolution,
        lambda: (nn.LSTM(64, 128), (32, 32, 64)),
        lambda: (nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), (16, 32, 64)),
        lambda: (nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.LayerNorm(256)), (256, 64)),
    ],
    ids=["convolution", "lstm", "transformer", "gelu and layer norm"],
)
def test_what_is_held_agrees_with_the_memory_in_use(made):
    model, shape = made()
    x = Tensor(np.random.default_rng(0).normal(size=shape).astype("f4"))

    def loss_of():
        out = model(x)
        return (out[0] if isinstance(out, tuple) else out).square().mean()

    loss_of()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    loss = loss_of()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert keeps(loss).held == pytest.approx(used, rel=0.1)


def test_views_are_counted_once_and_unread_results_are_not_needed():
    x = Tensor(np.ones((100, 100)), requires_grad=True)
    out = x.exp().reshape(10_000).reshape(100, 100).tanh()
    found = keeps(out)
    assert found.results == 2 * x.data.nbytes
    assert found.held == 2 * x.data.nbytes
    out = (x + 1).exp()  # exp reads its result, and nothing reads the sum
    assert keeps(out).results == x.data.nbytes
    assert keeps(out).held == 2 * x.data.nbytes


# Zoom


def loss_of(op, **options):
    x = Tensor([[1.0, 2.0, 0.5], [0.1, 0.2, 3.0]], requires_grad=True, name="x")
    return (op(x, **options) * Tensor([[1.0, 0, 2.0], [0, 1.0, 0.5]], name="t")).sum()


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sigmoid", "gelu"])
def test_zoom_shows_the_parts_with_their_numbers(name):
    loss = loss_of(getattr(ops, name), **({"keepdims": True} if name == "logsumexp" else {}))
    loss.backward()
    whole = trace(loss)
    place = next(n.index for n in whole.nodes if n.op and n.op.name == name)
    opened = zoom(whole, place)
    assert len(opened.nodes) > len(whole.nodes)
    inside = [n for n in opened.nodes if n.scope == (name,)]
    assert inside
    result = next(n for n in opened.nodes if n.place == place)
    np.testing.assert_allclose(result.data, whole.nodes[place].data, rtol=1e-6)
    np.testing.assert_allclose(result.grad, whole.nodes[place].grad, rtol=1e-6)
    (leaf,) = [n for n in opened.nodes if n.name == "x"]
    assert leaf.grad is not None
    assert len({n.place for n in opened.nodes}) == len(opened.nodes)
    drawing = draw(loss, zoom=name)
    assert len(parts(drawing.svg, "n")) == len(opened.nodes)
    assert name in texts(ElementTree.fromstring(drawing.svg))
    assert not dangers(drawing.svg)


def test_what_is_inside_can_be_opened_too():
    logits = Tensor([[1.0, 2.0, 0.5]], requires_grad=True, name="x")
    loss = ops.cross_entropy(logits, Tensor(np.array([1]), name="y"))
    loss.backward()
    drawing = draw(loss, zoom=["cross_entropy", "log_softmax"])
    scopes = {n.scope for n in drawing.graph.nodes if n.op}
    assert scopes == {("cross_entropy",), ("cross_entropy", "log_softmax")}
    frames = list(drawing._layout.frames)
    assert len(frames) == 2
    outside = drawing.graph.nodes[0]
    assert outside.name == "x"
    corner = drawing._layout.centres[0][0]
    assert corner < min(left for left, *_ in drawing._layout.frames.values())


def test_zoom_without_gradients_and_of_values():
    y = ops.sigmoid(Value(0.5, name="a"))
    opened = zoom(trace(y), 1)
    assert all(n.grad is None for n in opened.nodes)
    assert opened.nodes[opened.roots[0]].data == pytest.approx(y.data)


def test_what_cannot_be_opened():
    out = neuron()
    with pytest.raises(ValueError, match="tanh is not made of other operations"):
        draw(out, zoom="tanh")
    with pytest.raises(ValueError, match="node 0 is no operation"):
        draw(out, zoom="w1")


# Two times


def neuron_at(w1):
    x, w, b = Value(2.0, name="x"), Value(w1, name="w"), Value(1.0, name="b")
    out = (w * x + b).tanh()
    out.backward()
    return trace(out)


def test_a_diff_shows_before_after_and_change():
    before, after = neuron_at(0.5), neuron_at(0.25)
    svg = draw(diff(before, after)).svg
    boxes = [texts(p) for p in parts(svg, "n")]
    (w,) = [box for box in boxes if box[0] == "w"]
    assert w[1:4] == ["before", "after", "change"]
    assert w[4:8] == ["data", "0.5", "0.25", f"{wording.MINUS}0.25"]
    old, new = before.nodes[0].grad, after.nodes[0].grad
    assert w[8:] == ["grad", *(wording.number(x) for x in (old, new, new - old))]
    assert not dangers(svg)


def test_what_did_not_change_is_drawn_as_ever():
    before = neuron_at(0.5)
    assert texts(ElementTree.fromstring(draw(diff(before, neuron_at(0.5))).svg)) == texts(
        ElementTree.fromstring(draw(before).svg)
    )


def test_a_diff_of_arrays_compares_norms():
    w = Tensor([3.0, 4.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    before = trace(loss)
    loss.backward()
    w.data = w.data - 0.1 * w.grad
    after = trace((w * w).sum())
    box = texts(parts(draw(diff(before, after)).svg, "n")[0])
    assert box[3:7] == ["norm", "before", "after", "change"]
    assert box[7:11] == ["data", "5", "4", "1"]
    assert box[11:] == ["grad", wording.DASH, "10", wording.DASH]


def test_graphs_of_different_computations_are_refused():
    a = Value(1.0)
    with pytest.raises(ValueError, match="differ in size, 2 nodes and 1"):
        diff(trace(a.exp()), trace(a))
    with pytest.raises(ValueError, match=r"node 1 was exp of nodes 0.* and is tanh of nodes 0"):
        diff(trace(a.exp()), trace(a.tanh()))


def test_a_compact_diff():
    before, after = neuron_at(0.5), neuron_at(0.25)
    svg = draw(diff(before, after), detail="compact").svg
    assert "0.5 →" in [text for p in parts(svg, "n") for text in texts(p)]


# Colours and safety


@pytest.mark.parametrize("theme", [0, 1])
def test_texts_on_boxes_that_stand_for_several_can_be_read(theme):
    for ground in ("group", "cut"):
        for role in ("ink", "muted", "data", "grad"):
            assert contrast(PALETTE[role][theme], PALETTE[ground][theme]) >= 4.5


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_in_rules_are_harmless(text):
    x = Tensor(np.ones((2, 3), "f4"), requires_grad=True, name=text)
    loss = (x @ Tensor(np.ones((3, 2), "f4"), requires_grad=True, name="w")).sum()
    loss.backward()
    drawing = draw(loss, show=["data", "grad", "rules", "kept", "thumbnails", "local"])
    assert not dangers(drawing.svg)
    assert re.search("keeps", drawing.svg)
    assert drawing.source


def test_second_order_graphs_are_drawn():
    x = Value(1.5, name="x")
    first = grad((x * x).tanh(), x, create_graph=True)
    assert not dangers(draw([first, grad(first, x, create_graph=True)]).svg)
