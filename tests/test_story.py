"""Stories: they add up to the engine's gradients to the last bit, and what they say is true."""

import math
import random
from functools import partial

import numpy as np
import pytest
from table import TABLE, package_operations
from test_picture import neuron, random_scalars, scalar_samples, slope, trained_mlp

from tinygrad_edu import Tensor, Value, grad, no_grad, op, ops, optim, record_lines, scope, trace
from tinygrad_edu.engine.backprop import register_hook
from tinygrad_edu.ops import registry
from tinygrad_edu.readers.animation import animated
from tinygrad_edu.readers.page import page
from tinygrad_edu.readers.recompute import compare, what_if
from tinygrad_edu.readers.stepper import Stepper, acting
from tinygrad_edu.readers.story import replay, story


def same(a, b):
    """Whether two gradients are the same bits."""
    return np.asarray(a).tobytes() == np.asarray(b).tobytes() and np.shape(a) == np.shape(b)


def disagreements(graph, events):
    """The places where the events do not add up to what the graph's nodes hold."""
    told = replay(events)
    held = {n.index: n.grad for n in graph.nodes if n.grad is not None}
    return [i for i in held.keys() | told.keys() if not (i in told and same(told[i], held.get(i)))]


def diamond():
    x = Value(0.7, name="x")
    a, b = x * 2, x.exp()
    return a * b + a


def second_order():
    x = Value(1.3, name="x")
    return grad((x**3).tanh() * x, x, create_graph=True)


def second_order_of_arrays():
    rng = np.random.default_rng(1)
    w = Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="w")
    loss = (Tensor(rng.normal(size=(4, 3))) @ w).tanh().sum()
    return (grad(loss, w, create_graph=True) ** 2).sum()


def unrolled():
    rng = np.random.default_rng(2)
    w = Tensor(rng.normal(size=(3, 3)).astype("f4"), requires_grad=True, name="w")
    b = Tensor(rng.normal(size=3).astype("f4"), requires_grad=True, name="b")
    h = Tensor(np.zeros((2, 3), "f4"))
    for _ in range(5):
        with scope("step"):
            h = (h @ w + b).tanh()
    return (h * h).mean()


GRAPHS = [neuron, diamond, second_order, second_order_of_arrays, trained_mlp, unrolled]
GRAPHS += [partial(random_scalars, 80, seed=s) for s in range(3)]


@pytest.mark.parametrize("make", GRAPHS)
def test_replay_gives_every_gradient_to_the_last_bit(make):
    root = make()
    before = story(root)
    for n in {root, *root.inputs}:
        n._grad = None
    fresh = make()
    for leaf in leaves(fresh):
        leaf._grad = None
    fresh.backward()
    graph = trace(fresh)
    assert disagreements(graph, story(graph)) == []
    assert disagreements(graph, before) == []  # told before any backward pass


def leaves(root):
    seen, stack = set(), [root]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.inputs
    return [node for node in seen if node.op is None]


def operation_samples():
    """The first smooth sample of every operation that has a rule."""
    for operation in package_operations():
        for sample in TABLE.get(operation.name, ()) if operation.rule else ():
            if sample.smooth and all(a.size for a in sample.args):
                yield pytest.param(operation, sample, id=operation.name)
                break


@pytest.mark.parametrize(("operation", "sample"), list(operation_samples()))
def test_every_operation_replays_and_explains_itself(operation, sample):
    args = [
        Tensor(a.copy(), requires_grad=a.dtype.kind == "f", name=f"x{i}")
        for i, a in enumerate(sample.args)
    ]
    out = operation(*args, **sample.options)
    root = (out * Tensor(np.linspace(0.5, 1.5, out.size).reshape(out.shape))).sum()
    root.backward()
    graph = trace(root)
    events = story(graph)
    assert disagreements(graph, events) == []
    for event in events:
        assert event.title
        assert str(event.formula)
    told = [e for e in events if graph.nodes[acting(e)].op is operation]
    assert any(e.kind == "contribute" for e in told)
    for event in told:
        assert event.kind in ("seed", "complete") or "def " in event.code
    stepper = Stepper(root)
    assert page(stepper)
    assert animated(stepper)
    assert [i for i, row in stepper.compare().items() if not row.agrees] == []


def test_the_checker_of_replays_sees_a_wrong_bit():
    root = neuron()
    root.backward()
    graph = trace(root)
    events = story(graph)
    assert disagreements(graph, events) == []
    assert disagreements(graph, events[:-2])
    wrong = next(e for e in events if e.kind == "contribute")
    object.__setattr__(wrong, "value", np.nextafter(wrong.value, 9.0))
    assert disagreements(graph, events) == [wrong.node]


def test_order_and_counts():
    x = Value(3.0, name="x")
    events = story(x * x + x)
    told = [(e.kind, e.node, e.received, e.expected) for e in events]
    assert told == [
        ("forward", 1, 0, 0),
        ("forward", 2, 0, 0),
        ("seed", 2, 0, 0),
        ("complete", 2, 0, 0),
        ("contribute", 1, 1, 1),
        ("complete", 1, 1, 1),
        ("contribute", 0, 1, 3),
        ("contribute", 0, 2, 3),
        ("contribute", 0, 3, 3),
        ("complete", 0, 3, 3),
    ]
    assert next(e.count for e in events if e.node == 0) == "1 of 3 contributions received"
    assert events[-1].value == 7.0


def test_no_node_gives_before_it_has_received_everything():
    for make in GRAPHS:
        complete = set()
        for event in story(make()):
            if event.kind == "complete":
                complete.add(event.node)
            if event.kind == "contribute":
                assert event.source in complete


def test_the_nodes_are_left_alone():
    root = trained_mlp()
    nodes = [*leaves(root), root]
    held = [
        (n._data, n._data.copy(), n._grad, None if n._grad is None else n._grad.copy(), n._work)
        for n in nodes
    ]
    called = []
    remove = register_hook(nodes[0], called.append)
    for event in story(root):
        assert str(event)
    remove()
    assert not called
    for node, (data, copy, g, g_copy, work) in zip(nodes, held, strict=True):
        assert node._data is data
        assert node._grad is g
        assert node._work is work
        assert same(data, copy)
        assert g is None or same(g, g_copy)


def test_a_story_does_not_change_when_the_values_do():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    events = story((w * w).sum())
    w.data[0] = 50.0
    assert replay(events)[0].tolist() == [2.0, 4.0]


def test_after_a_step_of_an_optimizer_the_story_is_that_of_the_pass():
    w = Value(3.0, name="w")
    loss = w * w
    loss.backward()
    w.data = 2.0
    assert replay(story(loss)) == {1: 1.0, 0: 6.0}
    p = Tensor([3.0], requires_grad=True, name="p")
    loss = (p * p).sum()
    loss.backward()
    p.data = p.data - 0.1
    assert replay(story(loss))[0].tolist() == [6.0]


def test_numbers_that_were_overwritten_are_missed():
    p = Tensor([3.0], requires_grad=True, name="p")
    loss = (p * p).sum()
    loss.backward()
    p.data -= 0.1
    with pytest.raises(RuntimeError, match="p was changed in place after multiply used it"):
        story(loss)


def test_a_root_of_several_numbers_needs_a_gradient():
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    y = x * x
    with pytest.raises(
        ValueError, match=r"of shape \(1, 2\): only a single number .* pass gradient="
    ):
        story(y)
    seed = np.array([[1.0, 10.0]], "f4")
    y.backward(seed)
    graph = trace(y)
    assert disagreements(graph, story(graph, gradient=seed)) == []
    with pytest.raises(ValueError, match="the gradient has shape"):
        story(y, gradient=[1.0])


def test_several_roots_start_with_1_each():
    a = Value(2.0)
    assert replay(story([a * 3, a * a]))[0] == 7.0


def test_a_leaf_and_a_constant():
    x = Value(2.0)
    assert [e.kind for e in story(x)] == ["seed", "complete"]
    with no_grad():
        y = x * 2
    assert story(y) == []


# What is said


@pytest.mark.parametrize(("operation", "args", "options"), list(scalar_samples()))
def test_local_derivatives_are_finite_differences(operation, args, options):
    y = operation(*map(Value, args), **options)
    for event in story(y):
        if event.kind == "contribute":
            upstream, local = str(event.numbers).partition(" = ")[0].split(" · ")
            assert upstream == "1"
            assert number(local.strip("()")) == pytest.approx(
                slope(operation, args, options, event.slot), rel=1e-3, abs=1e-5
            )


def number(text):
    return float(text.replace("\u2212", "-").replace("! ", ""))


FUNCTIONS = {op.name: op for op in ops.registered()}


def evaluate(text, names):
    """A formula of a rule, worked out by the operations it names, on Values."""
    python = text.replace("\u2212", "-").replace("·", "*").replace("²", "**2").replace("^", "**")
    python = python.replace("≥", ">=").replace("≤", "<=").replace("≠", "!=").replace(" = ", " == ")

    def call(operation):
        def on_values(*args, **options):
            given = [a if isinstance(a, Value) else Value(float(a)) for a in args]
            return operation(*given, **options).data

        return on_values

    functions = {name: call(operation) for name, operation in FUNCTIONS.items()}
    return float(eval(python, {"__builtins__": {}}, {**functions, **names}))


@pytest.mark.parametrize(("operation", "args", "options"), list(scalar_samples()))
def test_formulas_of_local_derivatives_evaluate_to_finite_differences(operation, args, options):
    names = dict(zip(["p", "q", "r"], args, strict=False))
    y = operation(*(Value(x, name=name) for name, x in names.items()), **options)
    y.name = "y"
    for event in story(y):
        if event.kind != "contribute":
            continue
        formula = (
            str(event.local).split(" = ", 1)[1].rpartition(" = ")[0]
            or str(event.local).split(" = ")[1]
        )
        if "_vjp(" in formula:
            assert operation.name in {"logaddexp", "mish"}  # too long for a line
            continue
        value = evaluate(formula, {**names, "y": y.data})
        assert value == pytest.approx(
            slope(operation, args, options, event.slot), rel=2e-3, abs=1e-5
        )


def test_formulas_of_an_array_show_how_shapes_meet():
    loss = trained_mlp()
    said = {}
    for event in story(loss):
        if event.kind == "contribute":
            name = event.told.names[event.node]
            said[name] = f"{event.formula} | {event.local} | {event.numbers}"
    assert said["W1"] == ("∂L/∂W1 += Xᵀ @ G | G = ∂L/∂t1 | (64, 32) @ (32, 16) → (64, 16)")
    assert said["b1"] == ("∂L/∂b1 += G | G = ∂L/∂t2 | sum over axis 0: (32, 16) → (16,)")
    assert said["t2"] == "∂L/∂t2 += G · (t2 > 0) | G = ∂L/∂t3 | (32, 16) · (32, 16) → (32, 16)"


def test_numbers_said_are_the_engines():
    out = neuron()
    out.backward()
    shown = [str(e.numbers) for e in story(out) if e.kind == "contribute"]
    assert shown[:2] == ["1 · 0.5 = 0.5", "0.5 · 1 = 0.5"]
    assert "0.5 · (\u22123) = \u22121.5" in shown
    [first] = [str(e) for e in story(out) if e.kind == "forward" and e.told.names[e.node] == "o"]
    assert first.endswith("tanh(0.8814) = 0.7071")


def test_the_letter_of_the_loss_is_no_other_node():
    a = Value(2.0, name="L")
    assert str(story(a * 2)[-1].formula) == "∂J/∂L = 2"


def test_lines_of_the_user():
    with record_lines():
        a = Value(2.0, name="a")
        y = a * 3  # the line that is shown
    file, line, text = story(y)[0].line
    assert (file, text) == ("test_story.py", "y = a * 3  # the line that is shown")
    assert line > 100
    assert story(Value(1.0) * 2)[0].line is None


def test_an_operation_of_the_learner_that_does_not_read_on_symbols(request):
    @op
    def branching_sample(xp, x):
        return x * 2.0

    request.addfinalizer(lambda: registry._REGISTRY.pop("branching_sample"))

    @branching_sample.vjp
    def branching_sample_vjp(xp, g, out, x):
        return (2.0 * g if x > 0 else g,)

    y = branching_sample(Value(2.0, name="a"))
    gives = story(y)[3]
    assert str(gives.local) == "∂t1/∂a = branching_sample_vjp(G, t1, a) = 2"
    assert "2.0 * g if x > 0" in gives.code


# Other numbers


def test_what_if_is_what_the_engine_would_have_said():
    choose = random.Random(3)
    root = random_scalars(60)
    graph = trace(root)
    inputs = [n.index for n in graph.nodes if n.name]
    changes = {i: choose.uniform(0.5, 1.5) for i in inputs}
    changed = what_if(graph, changes)
    by_name = {n.name: n for n in leaves(root) if n.name}
    for i, x in changes.items():
        by_name[graph.nodes[i].name].data = x
    again = trace(rebuilt(root))
    assert [n.data for n in changed.nodes] == [n.data for n in again.nodes]
    assert same(replay(story(changed))[inputs[0]], replay(story(again))[inputs[0]])


def rebuilt(root):
    """The computation run again on the same leaves."""
    graph = trace(root)
    live = {n.name: n for n in leaves(root) if n.name}
    nodes = []
    for n in graph.nodes:
        if n.op is None:
            nodes.append(live.get(n.name) if n.name else Value._constant(n.data))
        else:
            nodes.append(n.op(*(nodes[i] for i in n.inputs), **n.options))
    return nodes[-1]


def test_what_if_refuses_another_shape():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"data of shape \(3,\) for a node of shape \(2,\)"):
        what_if(trace(x.sum()), {0: [1.0, 2.0, 3.0]})


@pytest.mark.parametrize("make", GRAPHS)
def test_gradients_agree_with_differences(make):
    graph = trace(make())
    gradients = replay(story(graph))
    rows = compare(graph, gradients)
    assert rows.keys() == gradients.keys()
    assert [i for i, row in rows.items() if not row.agrees] == []


def test_a_wrong_gradient_does_not_agree():
    graph = trace(neuron())
    gradients = replay(story(graph))
    assert not compare(graph, {0: gradients[0] * 1.001})[0].agrees
    graph = trace(trained_mlp())
    gradients = replay(story(graph))
    place = next(n.index for n in graph.nodes if n.name == "b2")
    wrong = gradients[place].copy()
    wrong[-1] = 0.5
    row = compare(graph, {place: wrong})[place]
    assert not row.agrees
    assert row.gradient == 0.5
    assert "off (8 of 10)" in str(row)
    assert not compare(graph, {place: wrong * math.nan})[place].agrees


def test_training_goes_on_after_a_story():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    story(loss)
    loss.backward()
    optimizer.step()
    np.testing.assert_allclose(w.data, [0.8, 1.6], rtol=1e-6)
