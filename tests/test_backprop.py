"""The one backward pass: order, accumulation, memory, and errors that change nothing."""

import gc
import math
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, detect_anomaly, grad, no_grad, ops, record_lines, scope
from tinygrad_edu.engine.backprop import topological, walk
from tinygrad_edu.node import NO_OPTIONS, Node, apply, set_mode
from tinygrad_edu.ops.registry import op


@pytest.fixture
def without_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class TestOrder:
    def test_every_node_comes_after_all_its_uses(self):
        x = Value(2.0)
        a = x * x
        b = a + x
        c = a * b
        d = c + a
        order = topological(d)
        place = {node: i for i, node in enumerate(order)}
        assert set(order) == {a, b, c, d}
        assert all(place[n] < place[i] for n in order for i in n.inputs if i in place)

    def test_random_graphs(self):
        rng = np.random.default_rng(0)
        for _ in range(50):
            nodes = [Value(float(v)) for v in rng.normal(size=3)]
            for _ in range(30):
                i, j = rng.integers(len(nodes), size=2)
                nodes.append(nodes[i] + nodes[j] if rng.random() < 0.5 else nodes[i] * nodes[j])
            order = topological(nodes[-1])
            place = {node: i for i, node in enumerate(order)}
            assert len(place) == len(order)
            assert all(place[n] < place[i] for n in order for i in n.inputs if i in place)

    def test_several_roots_one_of_them_under_another(self):
        x = Value(1.0)
        inner = x * 2
        outer = inner + 1
        assert topological(inner, outer) == [outer, inner]

    def test_a_million_operations(self):
        x = Value(1.0)
        y = x
        for _ in range(500_000):
            y = y * 1.0 + 0.0
        y.backward()
        assert x.grad == 1.0

    def test_nodes_are_visited_and_not_paths(self):
        x = Value(1.0)
        y = x
        for _ in range(60):
            y = y + y
        y.backward()
        assert x.grad == 2.0**60

    def test_threads_may_share_a_graph(self):
        x = Value(2.0)
        shared = x * 3
        losses = [shared * float(i) for i in range(8)]
        results = [0.0] * 8

        def work(i):
            for _ in range(50):
                topological(losses[i])
            results[i] = len(topological(losses[i]))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert results == [2] * 8


class TestAccumulation:
    def test_leaves_accumulate_and_inner_nodes_are_overwritten(self):
        x = Value(3.0)
        y = x * x
        z = y * 2
        z.backward()
        assert (x.grad, y.grad, z.grad) == (12.0, 2.0, 1.0)
        z.backward()
        assert (x.grad, y.grad, z.grad) == (24.0, 2.0, 1.0)

    def test_an_operand_used_twice_gets_both_contributions(self):
        x = Tensor([2.0], requires_grad=True)
        (x * x + x).backward()
        assert x.grad.tolist() == [5]

    def test_the_root_may_be_a_leaf(self):
        x = Value(2.0)
        x.backward()
        assert x.grad == 1.0

    def test_the_gradient_to_start_from(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        (x * 3).backward(np.array([1.0, 10.0]))
        assert x.grad.tolist() == [3, 30]
        with pytest.raises(ValueError, match="only a single number has an obvious gradient"):
            (x * 3).backward()
        with pytest.raises(ValueError, match="has shape"):
            (x * 3).backward(np.zeros(3))

    def test_broadcasting_is_undone(self):
        x = Tensor(np.ones((2, 1)), requires_grad=True)
        y = Tensor(np.ones(3), requires_grad=True)
        (x * y).sum().backward()
        assert x.grad.tolist() == [[3], [3]]
        assert y.grad.tolist() == [2, 2, 2]

    def test_a_constant_gets_no_gradient(self):
        x, c = Tensor([1.0], requires_grad=True), Tensor([5.0])
        (x * c).backward()
        assert c.grad is None

    def test_a_costly_gradient_that_nobody_needs_is_not_computed(self):
        called = []

        @op
        def lazily(xp, x, y):
            """x + y."""
            return x + y

        @lazily.vjp
        def lazily_vjp(xp, g, out, x, y):
            return (lambda: called.append("x") or g), (lambda: called.append("y") or g)

        lazily(Tensor([1.0], requires_grad=True), Tensor([1.0])).backward()
        assert called == ["x"]


class TestRefusals:
    def test_nothing_recorded(self):
        with pytest.raises(RuntimeError, match="nothing was recorded"):
            Tensor([1.0]).sum().backward()
        with no_grad():
            y = Value(1.0) * 2
        with pytest.raises(RuntimeError, match="nothing was recorded"):
            y.backward()

    @pytest.mark.parametrize("change", ["assign", "update", "item"])
    def test_an_operand_changed_since_is_named_with_the_operation(self, change):
        w = Tensor([1.0, 2.0], requires_grad=True, name="w")
        other = Tensor([1.0, 1.0], requires_grad=True)
        loss = (w * w + other).sum()
        if change == "assign":
            w.data = np.zeros(2)
        elif change == "update":
            w.data -= 0.5
        else:
            with no_grad():
                w[0] = 7
        with pytest.raises(RuntimeError, match=r"'w' of shape \(2,\) was changed after multiply"):
            loss.backward()
        assert other.grad is None  # nothing half-changed

    def test_a_change_seen_through_a_view(self):
        w = Tensor(np.ones((2, 2)), requires_grad=True, name="w")
        loss = (w.T @ w).sum()
        w.data -= 0.5
        with pytest.raises(RuntimeError, match=r"'w'.*was changed"):
            loss.backward()

    def test_a_changed_value(self):
        a = Value(2.0, name="a")
        loss = a * a
        a.data = 3.0
        with pytest.raises(RuntimeError, match=r"'a'.*changed after multiply"):
            loss.backward()
        assert not a.has_grad

    def test_an_error_inside_a_rule_names_operation_shapes_and_line(self):
        @op
        def breaks(xp, x):
            """x."""
            return x

        @breaks.vjp
        def breaks_vjp(xp, g, out, x):
            raise ValueError("no idea")

        x = Tensor(np.ones((2, 3)), requires_grad=True)
        with record_lines():
            y = breaks(x * 1).sum()
        with pytest.raises(
            ValueError,
            match=r"no idea \(in the backward rule of breaks: operand shapes \(2, 3\), gradient "
            r"shape \(2, 3\), recorded at .*test_backprop.py:\d+\)",
        ):
            y.backward()
        assert x.grad is None
        (x * 2).sum().backward()  # the failed pass left no trace
        assert x.grad.tolist() == [[2, 2, 2], [2, 2, 2]]

    def test_a_rule_that_gives_too_few_gradients(self):
        @op
        def short(xp, x, y):
            """x + y."""
            return x + y

        @short.vjp
        def short_vjp(xp, g, out, x, y):
            return (g,)

        with pytest.raises(ValueError, match="1 gradients for 2 operands"):
            short(Value(1.0), Value(2.0)).backward()


class TestUpdates:
    @pytest.mark.parametrize("kind", [Value, lambda v: Tensor(v, requires_grad=True)])
    def test_inside_no_grad_a_leaf_is_changed_itself(self, kind):
        p = kind(2.0)
        same = p
        (p * 3).backward()
        with no_grad():
            p -= 0.5 * p.grad
            p *= 2
            p /= 4
            p += 1
        assert p is same
        assert float(p.data) == pytest.approx(1.25)
        assert p.is_leaf

    def test_outside_it_a_value_becomes_a_result_and_a_tensor_refuses(self):
        total = Value(1.0)
        first = total
        total += 2
        assert total is not first
        assert total.op is ops.add
        p = Tensor([1.0], requires_grad=True, name="p")
        with pytest.raises(RuntimeError, match=r"'p' .* only rebind your variable"):
            p -= 1

    def test_what_is_no_parameter_is_never_changed(self):
        x = Tensor([1.0])
        y = x
        with no_grad():
            y += 1
        assert x.tolist() == [1]


def test_a_rule_that_branches_on_a_value_is_refused_in_graph_reading():
    @op
    def hinge(xp, x):
        """max(x, 0)."""
        return xp.maximum(x, 0.0)

    @hinge.vjp
    def hinge_vjp(xp, g, out, x):
        return (g if x > 0 else 0.0 * g,)

    x = Value(2.0)
    hinge(x).backward()
    assert x.grad == 1.0
    with pytest.raises(TypeError, match=r"use xp\.where"):
        grad(hinge(x), x, create_graph=True)


class TestAnomaly:
    def test_the_rule_that_gives_nan_is_named_with_the_line(self):
        x = Value(0.0, name="x")
        with (
            detect_anomaly(),
            pytest.raises(
                FloatingPointError, match=r"rule of multiply gave nan to 'x'.*test_backprop.py:\d+"
            ),
        ):
            (x * math.inf * 0.0).backward()

    def test_without_it_nothing_is_checked(self):
        x = Value(0.0)
        (x * math.inf * 0.0).backward()
        assert math.isnan(x.grad)

    def test_settings_return_to_what_they_were_after_an_error(self):
        with pytest.raises(KeyError), no_grad(), scope("layer"):
            raise KeyError
        y = Value(1.0) * 2
        assert y.requires_grad
        assert y.scope == ()
        assert y.line is None


class TestHooks:
    def test_a_hook_sees_the_whole_gradient_and_may_replace_it(self):
        x = Value(2.0)
        y = x * 3
        z = y + y
        seen = []
        remove = y.register_hook(seen.append)
        z.backward()
        assert seen == [2.0]
        remove()
        y.register_hook(lambda g: g * 10)
        x.grad = None
        z.backward()
        assert seen == [2.0]
        assert x.grad == 60.0

    def test_a_hook_on_a_leaf(self):
        x = Tensor([1.0], requires_grad=True)
        x.register_hook(lambda g: g * 2)
        (x * 3).backward()
        assert x.grad.tolist() == [6]


class TestGrad:
    def test_results_are_returned_and_stored_nowhere(self):
        x, y = Value(2.0), Value(3.0)
        inner = x * y
        dx, dy, di = grad(inner * inner, [x, y, inner])
        assert (dx.data, dy.data, di.data) == (36.0, 24.0, 12.0)
        assert not x.has_grad
        assert not inner.has_grad

    def test_what_does_not_matter_gives_zeros(self):
        x, y = Tensor([1.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
        assert grad((x * 2).sum(), y).tolist() == [0, 0]

    @pytest.mark.parametrize("kind", [Value, lambda v: Tensor(np.array(v), requires_grad=True)])
    def test_any_order(self, kind):
        x = kind(0.7)
        y = x.tanh() * x
        derivatives = []
        for _ in range(4):
            y = grad(y, x, create_graph=True)
            derivatives.append(float(y.data))
        t = math.tanh(0.7)
        d1 = t + 0.7 * (1 - t * t)
        d2 = 2 * (1 - t * t) * (1 - 0.7 * t)
        assert derivatives[:2] == pytest.approx([d1, d2])
        step = 1e-4
        at = [grad_n(3, 0.7 + s) for s in (-step, step)]
        assert derivatives[3] == pytest.approx((at[1] - at[0]) / (2 * step), rel=1e-5)


def grad_n(order, at):
    x = Value(at)
    y = x.tanh() * x
    for _ in range(order):
        y = grad(y, x, create_graph=True)
    return y.data


class TestMemory:
    def test_dropping_the_loss_frees_the_graph_by_reference_counting(self, without_gc):
        for x in (Value(2.0), Tensor(np.ones((3, 3)), requires_grad=True)):
            y = x * 2
            inner = weakref.ref(y)
            loss = y.tanh() if isinstance(x, Value) else (y @ y).sum()
            loss.backward()
            del y
            assert inner() is not None
            del loss
            assert inner() is None

    def test_gradients_that_are_graphs_leave_no_cycle(self, without_gc):
        x = Tensor(np.ones(3), requires_grad=True)
        y = (x**3).sum()
        first = grad(y, x, create_graph=True)
        second = grad(first.sum(), x)
        inner = weakref.ref(first)
        del y, first, second
        assert inner() is None

    def test_free_lets_go_while_walking(self, without_gc):
        x = Tensor(np.ones(1000), requires_grad=True)
        y = x
        inner = []
        for _ in range(10):
            y = y.tanh()
            inner.append(weakref.ref(y))
        loss = y.sum()
        del y
        loss.backward(free=True)
        assert x.grad is not None
        assert all(ref() is None for ref in inner)

    def test_a_freed_graph_refuses_a_second_pass(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        loss = x.tanh().sum()
        loss.backward(free=True)
        once = x.grad.copy()
        with pytest.raises(RuntimeError, match="dropped its graph"):
            loss.backward()
        np.testing.assert_array_equal(x.grad, once)

    def test_free_lowers_the_peak(self):
        def peak(free):
            x = Tensor(np.ones(100_000), requires_grad=True)
            y = x
            for _ in range(20):
                y = y.sin()
            loss = y.sum()
            del y
            tracemalloc.start()
            loss.backward(free=free)
            _, high = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return high

        assert peak(True) < 0.5 * peak(False)

    def test_training_does_not_grow(self):
        rng = np.random.default_rng(0)
        w1 = Tensor(rng.normal(size=(2, 16)), requires_grad=True)
        w2 = Tensor(rng.normal(size=(16, 1)), requires_grad=True)
        x = Tensor(rng.normal(size=(16, 2)))

        def step():
            loss = ((x @ w1).tanh() @ w2).square().mean()
            loss.backward()
            for p in (w1, w2):
                p.data -= 0.01 * p.grad
                p.grad = None

        for _ in range(100):
            step()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            step()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 100_000


class TestWalk:
    def test_contributions_add_up_to_the_gradients(self):
        x = Value(0.5)
        a = x.tanh()
        b = a * x
        received = {}

        def visit(node, g, contributions):
            for i, c in zip(node.inputs, contributions, strict=True):
                received.setdefault(i, []).append(c)

        walk(topological(b), {b: 1.0}, visit=visit)
        b.backward()
        assert sum(received[x]) == x.grad
        assert received[a] == [a.grad]

    def test_no_gradient_is_computed_through_what_needs_none(self):
        x = Tensor([1.0], requires_grad=True)
        y = x * Tensor([2.0])
        steps = []
        walk(topological(y), {y: np.ones(1)}, visit=lambda n, g, c: steps.append(c))
        assert steps[0][1] is None


def test_scopes_and_lines_are_recorded_on_nodes():
    with scope("block"), scope("layer"), record_lines():
        y = ops.tanh(Value(1.0))
    assert y.scope == ("block", "layer")
    assert y.line[0].endswith("test_backprop.py")


@pytest.mark.parametrize("recording", [True, False])
def test_the_lane_of_two_operands_records_what_record_does(recording):
    """A call of two nodes fills the fields itself, for speed; `apply` goes through `record`."""
    for x, y in ((Value(2.0), Value(3.0)), (Tensor([2.0], requires_grad=True), Tensor([3.0]))):
        with set_mode(recording=recording, scope=("frame",)):
            quick, plain = ops.multiply(x, y), apply(ops.multiply, (x, y), NO_OPTIONS)
        for field in Node.__slots__:
            if field not in ("__weakref__", "_data", "_note"):
                same = getattr(quick, field, "unset") is getattr(plain, field, "unset")
                assert same, field
        assert (quick.data, quick._note, type(quick)) == (plain.data, plain._note, type(plain))
        assert quick.inputs == plain.inputs == ((x, y) if recording else ())
