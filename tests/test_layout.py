"""Layout: positions that make sense from every engine, and a process that nothing can kill."""

import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from tinygrad_edu.readers import graphviz_process, layered, layout

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and fork are POSIX")


def random_graph(count, seed, *, reach=8):
    """Sizes, edges and frames of an acyclic graph; about one edge in ten is repeated."""
    choose = random.Random(seed)
    sizes = [(choose.randrange(24, 160), choose.choice([22, 44, 61])) for _ in range(count)]
    edges = []
    for end in range(1, count):
        for _ in range(choose.randrange(1, 3)):
            edges += [(choose.randrange(max(0, end - reach), end), end)] * choose.choice(
                [1] * 9 + [2]
            )
    names = [(), ("a",), ("a", "b"), ("c",), ("c", "d")]
    frames = [names[i * len(names) // count] for i in range(count)]
    return sizes, edges, frames


def problems(sizes, edges, found, direction="LR"):
    """What is wrong with a layout, in words; empty if nothing is."""
    wrong = []
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (w, h), (x, y) in zip(sizes, found.centres, strict=True)
    ]
    for i, a in enumerate(boxes):
        if min(a[:2]) < -1 or a[2] > found.width + 1 or a[3] > found.height + 1:
            wrong.append(f"box {i} sticks out of the drawing")
        for j, b in enumerate(boxes[:i]):
            if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1:
                wrong.append(f"boxes {j} and {i} overlap")
    along = 0 if direction == "LR" else 1
    for (start, end), curve in zip(edges, found.curves, strict=True):
        if len(curve) % 3 != 1 or len(curve) < 4:
            wrong.append(f"edge {start} -> {end} has {len(curve)} points")
        if abs(curve[0][along] - boxes[start][2 + along]) > 2:
            wrong.append(f"edge {start} -> {end} leaves in the air")
        if abs(curve[-1][along] - boxes[end][along]) > 2:
            wrong.append(f"edge {start} -> {end} arrives in the air")
        if boxes[start][2 + along] > boxes[end][along] + 1:
            wrong.append(f"edge {start} -> {end} goes backwards")
    return wrong


@pytest.fixture
def fresh_child(monkeypatch):
    """A child process of its own for one test."""
    graphviz_process.child()
    mine = graphviz_process.Child()
    monkeypatch.setitem(graphviz_process._shared, "child", mine)
    yield mine
    mine.stop()


@pytest.fixture
def no_graphviz(monkeypatch):
    """As if pygraphviz and `dot` were not installed."""
    graphviz_process.child()
    missing = graphviz_process.Child()
    missing._missing = "hidden by a test"
    monkeypatch.setitem(graphviz_process._shared, "child", missing)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(layout, "_told", set())


# Positions


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_and_edges_are_where_they_should_be(seed, direction):
    sizes, edges, frames = random_graph(30, seed)
    for given in (frames, [()] * 30):
        found = layout.layout(sizes, edges, given, direction=direction)
        assert not problems(sizes, edges, found, direction)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(6))
def test_the_fallback_puts_them_right_too(seed, direction, no_graphviz):
    sizes, edges, frames = random_graph(30, seed)
    found = layout.layout(sizes, edges, frames, direction=direction)
    assert found.engine == "layered"
    assert not problems(sizes, edges, found, direction)


def test_the_checker_of_layouts_sees_what_is_wrong():
    sizes, edges, _ = random_graph(12, 0)
    found = layout.layout(sizes, edges)
    found.centres[3] = found.centres[4]
    assert any("overlap" in text for text in problems(sizes, edges, found))
    found.curves[0][-1] = (0.0, 0.0)
    assert any("in the air" in text for text in problems(sizes, edges, found))
    found.centres[0], found.centres[-1] = found.centres[-1], found.centres[0]
    assert any("backwards" in text for text in problems(sizes, edges, found))


def test_a_frame_holds_its_boxes_and_no_others():
    sizes, edges, frames = random_graph(40, 1)
    found = layout.layout(sizes, edges, frames)
    assert set(found.frames) == {("a",), ("a", "b"), ("c",), ("c", "d")}
    for path, (left, top, right, bottom) in found.frames.items():
        for (x, y), frame in zip(found.centres, frames, strict=True):
            inside = left < x < right and top < y < bottom
            assert inside == (frame[: len(path)] == path)
    (left, top, *_), (inner_left, inner_top, *_) = found.frames["a",], found.frames["a", "b"]
    assert left < inner_left
    assert top < inner_top


def test_the_fallback_draws_a_frame_only_where_it_is_true(no_graphviz):
    sizes = [(40, 20)] * 4
    chain = [(0, 1), (1, 2), (2, 3)]
    apart = layout.layout(sizes, chain, [("a",), ("a",), (), ()])
    assert list(apart.frames) == [("a",)]
    around = layout.layout(sizes, chain, [("a",), (), (), ("a",)])
    assert not around.frames


def test_repeated_edges_have_a_curve_each():
    found = layout.layout([(40, 20), (40, 20)], [(0, 1), (0, 1), (0, 1)])
    assert len(found.curves) == 3


def test_nothing_to_lay_out():
    found = layout.layout([], [])
    assert (found.centres, found.width, found.height) == ([], 0.0, 0.0)


# The layered layout


def test_ranks_bring_leaves_and_free_trees_to_their_use():
    #  0 -> 1 -> 2 -> 3 -> 4, and 5, 6 -> 7 -> 4: the product of two leaves waits beside 3
    assert layered.ranks(8, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 7), (6, 7), (7, 4)]) == [
        *[0, 1, 2, 3, 4],
        *[2, 2, 3],
    ]


def test_a_deep_chain_needs_no_recursion():
    count = 20_000
    rank = layered.ranks(count, [(i, i + 1) for i in range(count - 1)])
    assert rank == list(range(count))


def test_ten_thousand_nodes_are_laid_out(no_graphviz):
    sizes, edges, _ = random_graph(10_000, 2)
    found = layout.layout(sizes, edges)
    assert len(found.centres) == 10_000
    assert len(found.curves) == len(edges)


def test_crossings_are_undone():
    # two chains that start crossed: a -> D, b -> C with a above b and C above D
    sizes = [(40, 20)] * 4
    centres, _ = layered.arrange(sizes, [(0, 3), (1, 2)], between_ranks=40, between_nodes=10)
    assert (centres[0][1] < centres[1][1]) == (centres[3][1] < centres[2][1])


# Engines and deadlines


def test_pygraphviz_is_asked_first(fresh_child):
    pytest.importorskip("pygraphviz")
    assert layout.layout([(40, 20)], []).engine == "pygraphviz"
    assert fresh_child.version in layout.engine()


def test_without_graphviz_the_user_is_told_once(no_graphviz, caplog):
    with caplog.at_level(logging.WARNING):
        layout.layout([(40, 20)], [])
        layout.layout([(40, 20)], [])
    assert [record.message for record in caplog.records] == [
        "no Graphviz found, so graphs are drawn with the built-in layout; for better pictures run: "
        "pip install 'pygraphviz>=2.0'"
    ]
    assert layout.engine() == "built in (no Graphviz found)"


def test_past_the_deadline_the_fallback_draws(fresh_child, monkeypatch, caplog):
    pytest.importorskip("pygraphviz")
    layout.layout([(40, 20)], [])  # started, so that only the layout counts
    first = fresh_child._process.pid
    monkeypatch.setattr(layout, "DEADLINE", 0.2)
    monkeypatch.setattr(layout, "_told", set())
    sizes, edges, _ = random_graph(4_000, 3, reach=300)
    start = time.monotonic()
    found = layout.layout(sizes, edges)
    assert time.monotonic() - start < 60
    assert found.engine == "layered"
    assert "Graphviz needed more than 0.2 s" in caplog.text
    monkeypatch.setattr(layout, "DEADLINE", 10.0)
    assert layout.layout([(40, 20)], []).engine == "pygraphviz"
    assert fresh_child._process.pid != first


@POSIX
def test_a_dot_program_on_the_path_serves_in_place_of_pygraphviz(
    no_graphviz, monkeypatch, tmp_path
):
    program = tmp_path / "dot"
    program.write_text(
        f"#!{sys.executable}\n"
        "print('graph 1 3 1\\nnode 0 1 0.5 0.5 0.3 x solid box black grey\\n"
        "node 1 2 0.5 0.5 0.3 x solid box black grey\\n"
        "edge 0 1 4 1.25 0.5 1.4 0.5 1.6 0.5 1.75 0.5 solid black\\nstop')\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    found = layout.layout([(36, 21.6)] * 2, [(0, 1)])
    assert found.engine == "dot"
    assert found.centres[1][0] - found.centres[0][0] == pytest.approx(72)
    assert layout.engine() == str(program)


@POSIX
def test_a_dot_program_that_fails_is_passed_over(no_graphviz, monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    assert layout.layout([(36, 21.6)] * 2, [(0, 1)]).engine == "layered"


# The child process


def test_what_graphviz_refuses_is_an_error_and_the_child_lives(fresh_child):
    pytest.importorskip("pygraphviz")
    with pytest.raises(graphviz_process.Failed):
        fresh_child.render("digraph{", "plain", 10)
    process = fresh_child._process
    assert fresh_child.render("digraph{a}", "plain", 10).startswith(b"graph")
    assert fresh_child._process is process


@pytest.mark.parametrize(
    "dot",
    [
        'digraph{a[shape=record,label="\\n x"];b[label="\\n"];a->b}',
        "digraph{subgraph cluster_0{rank=same;a;b}subgraph cluster_1{rank=same;b;c}a->c;c->b}",
        'digraph{a->b[label="x",constraint=false];b->a[label="y",constraint=false];'
        'subgraph cluster_0{a}subgraph cluster_1{b}a->a[label="z",constraint=false]}',
    ],
)
def test_graphs_known_to_crash_graphviz_leave_us_alive(dot, fresh_child):
    pytest.importorskip("pygraphviz")
    for _ in range(3):
        with contextlib.suppress(graphviz_process.Failed, graphviz_process.Late):
            fresh_child.render(dot, "plain", 10)
    assert layout.layout([(40, 20)], []).engine == "pygraphviz"


def test_random_graphs_of_our_profile_do_not_even_kill_the_child(fresh_child):
    pytest.importorskip("pygraphviz")
    layout.layout([(40, 20)], [])
    process = fresh_child._process
    for seed in range(150):
        sizes, edges, frames = random_graph(5 + seed % 30, seed)
        direction = "LR" if seed % 2 else "TB"
        assert layout.layout(sizes, edges, frames, direction=direction).engine == "pygraphviz"
    assert fresh_child._process is process


@POSIX
def test_a_child_that_died_is_started_again(fresh_child):
    pytest.importorskip("pygraphviz")
    layout.layout([(40, 20)], [])
    os.kill(fresh_child._process.pid, signal.SIGKILL)
    assert layout.layout([(40, 20)], []).engine in ("pygraphviz", "layered")
    assert layout.layout([(40, 20)], []).engine == "pygraphviz"


def test_an_interrupt_leaves_no_stale_answer(fresh_child, monkeypatch):
    pytest.importorskip("pygraphviz")
    sizes, edges, _ = random_graph(10, 0)
    expected = layout.layout(sizes, edges)

    def interrupted(pipe):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(graphviz_process, "_read_line", interrupted)
        with pytest.raises(KeyboardInterrupt):
            layout.layout([(40, 20)], [])
    assert layout.layout(sizes, edges) == expected


def test_threads_share_the_child(fresh_child):
    pytest.importorskip("pygraphviz")
    graphs = [random_graph(10 + i, i) for i in range(8)]
    expected = [layout.layout(*graph) for graph in graphs]
    found = [None] * 8

    def work(i):
        for _ in range(5):
            found[i] = layout.layout(*graphs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def run(script, *arguments, **environment):
    """Run a script in a Python of its own, warnings as errors; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@POSIX
def test_a_forked_process_gets_a_child_of_its_own():
    pytest.importorskip("pygraphviz")
    script = """
import os
from tinygrad_edu.readers import graphviz_process, layout
assert layout.layout([(40, 20)], []).engine == "pygraphviz"
first = graphviz_process.child()._process.pid
if os.fork() == 0:
    assert layout.layout([(40, 20)], []).engine == "pygraphviz"
    assert graphviz_process.child()._process.pid != first
    graphviz_process.child().stop()
    os._exit(0)
_, status = os.wait()
assert status == 0, status
assert layout.layout([(40, 20)], []).engine == "pygraphviz"
assert graphviz_process.child()._process.pid == first
print("done")
"""
    assert run(script) == "done\n"


@POSIX
def test_the_child_does_not_outlive_its_parent():
    pytest.importorskip("pygraphviz")
    script = """
import time
from tinygrad_edu.readers import graphviz_process, layout
layout.layout([(40, 20)], [])
print(graphviz_process.child()._process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the child lives on without its parent")


def test_hidden_pygraphviz_and_an_empty_path_still_draw(tmp_path):
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('hidden')")
    script = """
import logging, sys
sys.path.insert(0, sys.argv[1])
logging.disable()
from tinygrad_edu.readers import layout
print(layout.layout([(40, 20), (40, 20)], [(0, 1)]).engine)
"""
    assert run(script, str(tmp_path), PATH="") == "layered\n"
