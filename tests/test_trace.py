"""trace: a snapshot that tells the truth and stays as it was."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, scope, trace


def test_nodes_come_operands_first_and_edges_count_uses():
    a, b = Value(2.0, name="a"), Value(3.0)
    square = a * a
    graph = trace(square + b + 1, names={"b": b, "square": square})
    assert [n.name for n in graph.nodes] == ["a", "square", "b", None, None, None]
    assert [n.kind for n in graph.nodes] == [
        "input", "result", "input", "result", "constant", "output",
    ]  # fmt: skip
    assert all(i < n.index for n in graph.nodes for i in n.inputs)
    assert (0, 1, 0) in graph.edges
    assert (0, 1, 1) in graph.edges
    assert not graph.has_gradients


def test_a_snapshot_does_not_change_with_the_values():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    loss.backward()
    graph = trace(loss)
    w.data -= 1
    w.grad *= 0
    leaf = graph.nodes[0]
    assert leaf.kind == "parameter"
    assert leaf.data.tolist() == [1, 2]
    assert leaf.grad.tolist() == [2, 4]
    assert leaf.shape == (2,)
    assert graph.has_gradients


def test_scopes_lines_and_several_roots():
    with scope("block"):
        a = Value(1.0) * 2
    b = a + 1
    graph = trace([a, b])
    assert graph.nodes[graph.roots[0]].scope == ("block",)
    assert [graph.nodes[i].kind for i in graph.roots] == ["output", "output"]


def test_what_is_no_node_is_refused():
    with pytest.raises(TypeError, match="not float"):
        trace(2.0)


def test_a_leaf_alone():
    assert [n.kind for n in trace(Value(1.0)).nodes] == ["input"]
    assert [n.kind for n in trace(Tensor(np.ones(2))).nodes] == ["constant"]
