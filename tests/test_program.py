"""The program reading: compiled functions agree with the functions they were made from."""

import linecache
import traceback
import tracemalloc

import checks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import TABLE, describe

from tinygrad_edu import (
    Tensor,
    Value,
    compile,
    draw,
    grad,
    learn,
    manual_seed,
    nn,
    no_grad,
    ops,
    rand,
)
from tinygrad_edu.ops import lookup
from tinygrad_edu.readers.program import chains, passes, writer

F = nn.functional
ASKED_FOR = (*passes.TOGETHER, "checkpoints")  # not made of the small program of TestPasses
RNG = np.random.default_rng(5)


def leaves_of(sample):
    return [Tensor(a, requires_grad=a.dtype.kind == "f") for a in sample.args]


def results(f, nodes):
    """What f gives, and the gradients of the nodes; 0 stands for none."""
    for node in nodes:
        node.grad = None
    out = f(*nodes)
    if out.requires_grad:
        out.backward()
    return [out.data, *(0.0 if x.grad is None else x.grad for x in nodes)]


def check_compiled(op, sample, **options):
    """Value and gradients, run twice, equal the engine's."""
    filled = checks.filled(op, sample)
    outs = checks.forward(op, checks.operands(sample), filled)
    g = checks.weights_like([o.astype(float) if o.dtype.kind != "f" else o for o in outs])

    def f(*nodes):
        parts = op(*nodes, **sample.options)
        return checks.weighted(checks.several(parts), g)

    compiled = compile(f, **options)
    nodes = leaves_of(sample)
    expected = results(f, nodes)
    for _ in range(2):
        for found, wanted in zip(results(compiled, nodes), expected, strict=True):
            checks.close(found, wanted, 1e-12, op.name)


class TestEveryOperation:
    @pytest.mark.parametrize("name", sorted(TABLE))
    def test_agrees_with_the_engine(self, name):
        for number, sample in enumerate(TABLE[name][::2]):  # all would take twice as long
            if lookup(name).family == "random":
                continue  # see TestSeen
            try:
                with np.errstate(all="ignore"):
                    check_compiled(lookup(name), sample)
            except Exception as error:
                raise AssertionError(f"{describe(number, sample)}: {error}") from error

    def test_a_planted_bug_is_found(self, monkeypatch):
        def wrong(program):
            def visit(new, step):
                return step.inputs[0] if step.name == "negative" else step

            return passes.rewrite(program, visit)

        monkeypatch.setitem(passes.PASSES, "wrong", wrong)
        with pytest.raises(AssertionError):
            check_compiled(lookup("negative"), TABLE["negative"][3], passes=("wrong",))


def network():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    return model, Tensor(RNG.normal(size=(5, 3)))


def same_gradients(f, model, *args):
    """f compiled and f itself give the same loss and the same gradients."""
    compiled = compile(f)
    found = []
    for g in (f, compiled, compiled):
        model.zero_grad()
        loss = g(*args)
        loss.backward()
        found.append([loss.data, *(p.grad for p in model.parameters())])
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            checks.close(y, x, 1e-12, "compiled")
    return compiled


class TestUse:
    def test_a_training_loop_goes_as_before(self):
        losses = []
        for wrap in (lambda f: f, compile):
            manual_seed(0)
            model, _ = network()
            x = Tensor(np.arange(15.0).reshape(5, 3) / 10, dtype="float32")
            y = Tensor([0, 1, 1, 0, 1], dtype="int64")
            step = wrap(lambda x, y, model=model: F.cross_entropy(model(x), y))
            seen = []
            for _ in range(5):
                loss = step(x, y)
                loss.backward()
                for p in model.parameters():
                    p.data = p.data - 0.1 * p.grad
                    p.grad = None
                seen.append(loss.item())
            losses.append(seen)
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
        assert losses[1][4] < losses[1][0]

    def test_arguments_closures_and_parameters_get_gradients(self):
        w, x, h = (Tensor(RNG.normal(size=3), requires_grad=True) for _ in range(3))
        inner = h * 2.0
        f = compile(lambda x: (w * x * inner).sum())
        f(x).backward()
        assert np.allclose(w.grad, x.data * 2 * h.data)
        assert np.allclose(x.grad, w.data * 2 * h.data)
        assert np.allclose(h.grad, w.data * 2 * x.data)

    def test_values_too(self):
        a, b = Value(2.0), Value(-3.0)
        f = compile(lambda a: a * b + a**2)
        f(a).backward()
        assert (a.grad, b.grad) == (1.0, 2.0)

    def test_nested_arguments_and_results(self):
        f = compile(lambda pair, *, more: {"sum": pair[0] + pair[1], "parts": (more["z"] * 2, 7)})
        x, y, z = (Tensor([float(i)], requires_grad=True) for i in (1, 2, 3))
        out = f([x, y], more={"z": z})
        assert out["sum"].tolist() == [3.0]
        assert out["parts"][0].tolist() == [6.0]
        assert out["parts"][1] == 7
        out["parts"][0].backward(np.ones(1))
        assert (z.grad.tolist(), x.grad) == ([2.0], None)

    def test_each_result_has_its_backward_pass(self):
        w = Tensor([1.0, 2.0], requires_grad=True)
        square, cube = compile(lambda: ((w**2).sum(), (w**3).sum()))()
        (square + cube).backward()
        assert w.grad.tolist() == [5.0, 16.0]

    def test_two_calls_then_two_backward_passes(self):
        w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        f = compile(lambda x: ((w @ x).tanh() * x).sum())
        xs = Tensor([0.1, 0.2]), Tensor([-0.3, 0.5])
        first, second = f(xs[0]), f(xs[1])
        second.backward()
        first.backward()
        found, w.grad = w.grad, None
        for x in xs:
            f.function(x).backward()
        assert np.allclose(found, w.grad, rtol=1e-6)

    def test_backward_twice_doubles_the_leaves(self):
        w = Tensor([1.0, 2.0], requires_grad=True)
        out = compile(lambda: (w.exp() * w).sum())()
        out.backward()
        once = w.grad.copy()
        out.backward()
        assert np.array_equal(w.grad, 2 * once)

    def test_gradients_are_arrays_of_their_own(self):
        x, y = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        compile(lambda: ((x + y) * 3.0).sum())().backward()
        x.grad *= 0
        assert y.grad.tolist() == [3.0, 3.0]

    def test_second_order(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        first = grad(compile(lambda x: (x**3).sum())(x), x, create_graph=True)
        assert grad(first.sum(), x).tolist() == [6.0, 12.0]

    def test_a_gradient_inside_is_part_of_the_program(self):
        x = Tensor([1.0, 2.0], requires_grad=True)

        def penalty(x):
            return (grad((x**3).sum(), x, create_graph=True) ** 2).sum()

        f = compile(penalty)
        for value in ([1.0, 2.0], [3.0, -1.0]):
            x.data = np.array(value, "float32")
            x.grad = None
            f(x).backward()
            assert np.allclose(x.grad, 36 * x.data**3)

    def test_inside_another_program_it_is_part_of_it(self):
        inner = compile(lambda x: x * 2)
        assert compile(lambda x: inner(x) + 1)(Tensor([1.0])).tolist() == [3.0]

    def test_a_decorator_with_options(self):
        @compile(passes=())
        def double(x):
            "Twice x."
            return x * 2

        assert double(Tensor([1.0])).tolist() == [2.0]
        assert (double.__name__, double.__doc__) == ("double", "Twice x.")

    def test_an_argument_given_back_is_the_argument(self):
        x, w = Tensor([1.0]), Tensor([2.0])
        out = compile(lambda x: (x, w, x.detach()))(x)
        assert out[0] is x
        assert out[1] is w
        assert out[2] is not x
        assert not np.shares_memory(out[2].data, x.data)


class TestSeen:
    """What changes between calls is seen: by reading it anew, or by tracing again."""

    def test_parameters_that_are_assigned_loaded_or_replaced(self):
        model, x = network()
        model = model.to(dtype="float64")
        f = compile(lambda x: model(x).sum())
        state = {name: t.data * 2 for name, t in model.state_dict().items()}
        for change in (
            lambda: None,
            lambda: model.load_state_dict(state),
            lambda: setattr(model[0], "weight", nn.Parameter(np.ones((8, 3)))),
            lambda: model[0].weight.requires_grad_(False),
            lambda: model.to(dtype="float32"),
        ):
            change()
            for p in model.parameters():
                p.grad = None
            f(x).backward()
            found = [p.grad for p in model.parameters()]
            for p in model.parameters():
                p.grad = None
            expected = f.function(x)
            assert f(x).item() == expected.item()
            expected.backward()
            for g, p in zip(found, model.parameters(), strict=True):
                assert (g is None) == (p.grad is None)
                assert g is None or np.array_equal(g, p.grad)

    def test_shapes_dtypes_numbers_and_no_grad(self):
        w = Tensor([2.0], requires_grad=True)
        f = compile(lambda x, n: x * w * n)
        for x in (np.ones(1), np.ones((2, 3)), np.ones(2, "float32")):
            for n in (2, 3.0):
                out = f(Tensor(x), n)
                assert out.dtype == (Tensor(x) * w).dtype
                assert out.tolist() == (2 * n * x).tolist()
        with no_grad():
            assert not f(Tensor([1.0]), 2).requires_grad
        assert f(Tensor([1.0]), 2).requires_grad

    def test_the_programs_are_bounded(self):
        f = compile(lambda x: x + 1)
        for n in range(40):
            assert f(Tensor(np.zeros(n))).shape == (n,)
        assert sum(map(len, f._entries.values())) <= 16

    def test_training_and_evaluation(self):
        model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
        f = compile(model)
        x = Tensor(RNG.normal(size=(50, 3)))
        outs = [f(x).data, model.eval() and f(x).data, model.train() and f(x).data]
        assert (outs[0] == 0).any()
        assert not (outs[1] == 0).any()
        assert (outs[2] == 0).any()

    def test_running_statistics_move_once_a_call(self):
        layers = [nn.BatchNorm1d(2, momentum=m) for m in (0.1, 0.1, None, None)]
        x = Tensor(RNG.normal(size=(6, 2)), dtype="float32")
        for f in (layers[0], compile(layers[1]), layers[2], compile(layers[3])):
            for i in range(3):
                f(x * (i + 1.0))
        for plain, program in (layers[:2], layers[2:]):
            assert program.num_batches_tracked.item() == 3
            assert np.allclose(program.running_mean.data, plain.running_mean.data)
            assert np.allclose(program.running_var.data, plain.running_var.data)

    def test_random_numbers_are_fresh_and_the_same_as_without(self):
        x = Tensor(np.ones(4))

        def f(x):
            return ops.uniform_like(x) + F.dropout(x) + rand(4, dtype="float64")

        compiled = compile(f)
        for g in (f, compiled):
            manual_seed(3)
            drawn = [g(x).tolist() for _ in range(3)]
            assert drawn[0] != drawn[1]
            if g is f:
                expected = drawn
        assert drawn == expected

    def test_an_array_that_is_edited_in_place(self):
        factor, index = np.array([1.0, 2.0]), np.array([0, 1])
        weight = np.array([1.0, 1.0])
        target = Tensor([0], dtype="int64")

        def f(x):
            picked = (x * factor + Tensor(factor))[index]
            row = ops.reshape(x, shape=(1, 2))
            return picked.sum() + ops.cross_entropy(row, target, weight=weight)

        compiled = compile(f)
        x = Tensor(np.array([3.0, 4.0]))
        before = compiled(x).item()
        for array, value in ((factor, 5.0), (index, 1), (weight, 2.0)):
            array[0] = value
            assert compiled(x).item() == f(x).item()
        assert compiled(x).item() != before

    def test_an_index_and_a_class_that_are_arguments(self):
        table = Tensor(RNG.normal(size=(5, 2)), requires_grad=True)
        f = compile(lambda i: F.embedding(i, table).sum())
        for i in ([0, 1], [4, 4]):
            table.grad = None
            f(Tensor(i, dtype="int64")).backward()
            assert table.grad[i[1]].tolist() == [1.0 + (i[0] == i[1])] * 2
        with pytest.raises(IndexError, match="embedding index -1 is not in"):
            f(Tensor([0, -1], dtype="int64"))

    def test_a_variable_that_is_bound_anew(self):
        w = Tensor([1.0])
        f = compile(lambda: w * 2)
        assert f().tolist() == [2.0]
        w = Tensor([5.0])
        assert f().tolist() == [10.0]
        weights = [Tensor([1.0])]
        g = compile(lambda: weights[0] * 2)
        assert g().tolist() == [2.0]
        weights[0] = Tensor([7.0])
        assert g().tolist() == [14.0]

    def test_the_same_node_twice(self):
        f = compile(lambda x, y: x * 10 + y)
        a, b = Tensor([1.0]), Tensor([2.0])
        assert f(a, a).tolist() == [11.0]
        assert f(a, b).tolist() == [12.0]

    def test_an_operation_of_the_learners_own(self):
        x = Tensor([2.0], requires_grad=True)
        f = compile(lambda x: x.square())
        assert f(x).tolist() == [4.0]
        with learn.use_mine("square", lambda xp, x: x * 10.0, lambda xp, g, out, x: (g * 10.0,)):
            assert f(x).tolist() == [20.0]
        assert f(x).tolist() == [4.0]


class TestRefused:
    @pytest.mark.parametrize(
        "f",
        [
            lambda x: x * 2 if x.sum() > 0 else x,
            lambda x: x * float(x.sum()),
            lambda x: x * x.sum().item(),
            lambda x: x + x.numpy().max(),
            lambda x: x + x.data.max(),
            lambda x: x + np.asarray(x),
            lambda x: x * x.tolist()[0],
            lambda x: x * int(x.sum()),
            lambda x: Tensor([x.sum(), 1.0]),
            lambda x: Tensor(x) * 2,
            lambda x: (x * 1).__setitem__(0, 1.0) or x,
        ],
    )
    def test_reading_a_value(self, f):
        with pytest.raises(TypeError, match="was read while the program was traced"):
            compile(f)(Tensor([1.0, 2.0]))

    def test_reading_a_number(self):
        for f in (lambda x: x if x > 0 else -x, lambda x: x * x.data, lambda x: x * float(x)):
            with pytest.raises(TypeError, match="read while the program was traced"):
                compile(f)(Value(1.0))

    def test_a_backward_pass_or_a_hook_inside(self):
        w = Tensor([1.0], requires_grad=True)
        for f in (
            lambda: (w * 2).sum().backward() or w,
            lambda: w.register_hook(print) and w * 2,
            lambda: setattr(w, "data", np.zeros(1)) or w * 2,
        ):
            with pytest.raises(TypeError, match="while the program was traced"):
                compile(f)()
        assert w.grad is None

    def test_no_node_or_no_function(self):
        with pytest.raises(TypeError, match="must return a Value or a Tensor"):
            compile(lambda x: 3)(Tensor([1.0]))
        with pytest.raises(TypeError, match="takes a function, not a int"):
            compile(3)
        with pytest.raises(ValueError, match="has no pass 'unroll'; it has"):
            compile(lambda x: x, passes=("unroll",))
        with pytest.raises(RuntimeError, match="has not been called yet"):
            _ = compile(lambda x: x).source

    def test_a_second_derivative_of_random_numbers(self):
        x = Tensor([1.0], requires_grad=True)
        out = compile(lambda x: (x * ops.uniform_like(x)).sum())(x)
        with pytest.raises(RuntimeError, match="draws random numbers"):
            grad(out, x, create_graph=True)

    def test_a_parameter_changed_before_the_backward_pass(self):
        w = Tensor([1.0], requires_grad=True)
        out = compile(lambda: (w * w).sum())()
        w.data = np.array([2.0], "float32")
        with pytest.raises(RuntimeError, match="was changed after program used it"):
            out.backward()


class TestSource:
    def test_doubling_twenty_times_is_twenty_lines(self):
        def f(y):
            for _ in range(20):
                y = y + y
            return y

        for x in (Value(1.0), Tensor(1.0)):
            compiled = compile(f)
            assert float(compiled(x).data) == 2.0**20
            forward = compiled.source.partition("def backward")[0]
            assert forward.count(" = ") == 20

    def test_a_hostile_name_is_a_name(self, tmp_path):
        path = tmp_path / "made"
        code = f"x\nopen({str(path)!r}, 'w')\n\u2028 \r#"
        w = Tensor([1.0], name=code, requires_grad=True)
        h = Value(2.0, name=code)

        def f(x):
            y = x * w
            y.name = code
            return y.sum()

        f.__name__ = code
        compiled = compile(f)
        compiled(Tensor([1.0], name="import os")).backward()
        assert not path.exists()
        assert w.grad.tolist() == [1.0]
        assert "open(" not in compiled.source.replace("# x open(", "")
        g = compile(lambda: h * h)
        g().backward()
        assert h.grad == 4.0
        assert not path.exists()
        assert {line[:1] for line in compiled.source.splitlines()} <= {"#", "d", " ", ""}

    def test_the_traceback_shows_the_line(self):
        f = compile(lambda i: F.one_hot(i, 3))
        f(Tensor([1, 2], dtype="int64"))
        with pytest.raises(IndexError, match="class 7 is not in") as caught:
            f(Tensor([1, 7], dtype="int64"))
        text = "".join(traceback.format_exception(caught.value))
        assert "one_hot_1 = one_hot(i, num_classes=3" in text

    def test_sources_are_forgotten_with_their_programs(self):
        before = set(linecache.cache)
        f = compile(lambda x: x + 1)
        f(Tensor([1.0]))
        assert len(set(linecache.cache) - before) == 1
        del f
        assert set(linecache.cache) <= before

    def test_values_are_written_as_expressions(self):
        a, b = Value(2.0, name="a"), Value(3.0, name="b")
        f = compile(lambda: (a < b) * (a - (b - a)) * -(a + b))
        with no_grad():
            out = f()
        assert out.data == (2.0 - 1.0) * -5.0
        assert "(a < b) * (a - (b - a)) * -(a + b)" in f.source

    def test_comparisons_do_not_chain(self):
        f = compile(lambda a, b: ops.equal(ops.less(a, b), a) + 0.0)
        assert f(Value(0.0), Value(-1.0)).data == 1.0


def a_program():
    """A program in which every pass finds something."""
    w = Tensor(RNG.normal(size=(3, 3)), requires_grad=True)

    def f(x):
        _ = x.exp()
        h = ops.transpose(ops.transpose(x * 1.0)) - 0.0
        scores = h @ w
        causal = ops.tril(ops.ones_like(scores)) * Tensor(np.array(2.0))
        return (scores.tanh() * causal + scores.tanh() * -1.0 / 1.0 + scores.relu()).sum()

    return lambda x, _: f(x), w, Tensor(RNG.normal(size=(3, 3)), requires_grad=True)


class TestMemory:
    def test_what_may_be_a_view_is_not_written_over(self):
        x = Tensor(RNG.normal(size=(1, 1, 2, 2)), requires_grad=True)

        def whole(make):
            def f(x):
                made = x * 2.0
                seen = make(made)
                made = made + 1.0  # the last to read the product
                return (seen * made).sum()

            return f

        for make in (
            lambda t: ops.avg_pool2d(t, kernel_size=1),
            lambda t: ops.max_pool2d(t, kernel_size=1),
            lambda t: ops.einsum(t, subscripts="abcd->abdc"),
            lambda t: ops.to_device(t, device="cpu"),
            lambda t: t.transpose(0, 1, 3, 2).reshape(1, 1, 4, 1).reshape(1, 1, 2, 2),
            lambda t: t[:, :, ::-1],
            lambda t: ops.flip(t, axis=3),
        ):
            f = whole(make)
            expected = results(f, [x])
            for found, wanted in zip(results(compile(f), [x]), expected, strict=True):
                assert np.array_equal(found, wanted)

    def test_results_are_written_over_what_nobody_reads(self):
        w = Tensor(np.ones((3, 3)))
        f = compile(lambda x: ((x @ w + 1.0).tanh() * 2.0).exp())
        f(Tensor(np.ones((2, 3))))
        assert "+= 1.0" in f.source
        assert "out=" in f.source
        assert f.report().splitlines()[2] == "written over another result: 4"

    @pytest.mark.parametrize("axis", [0, 1, -1])
    @pytest.mark.parametrize("put", [ops.stack, ops.concat])
    def test_parts_are_written_where_they_belong(self, put, axis):
        x = Tensor(np.linspace(-1.0, 2.0, 1200).reshape(40, 30))

        def parts(x):
            return put(x.exp(), (x * 3.0).tanh(), (x + 1.0) * x, axis=axis)

        f = compile(parts)
        assert np.array_equal(f(x).data, parts(x).data)
        assert f"{put.__name__}(" not in f.source
        assert f.source.count("out=") >= 3

    def test_parts_that_are_read_again_are_copied(self):
        x = Tensor(np.linspace(-1.0, 2.0, 1200).reshape(40, 30))

        def both(x):
            part = x.exp()
            return ops.stack(part, part), ops.stack(part, x), ops.stack(part * 2.0, x.tanh()), part

        f = compile(both)
        found = f(x)
        assert f.source.count("stack(") == 2
        for mine, wanted in zip(found, both(x), strict=True):
            assert np.array_equal(mine.data, wanted.data)
        found[0].data[...] = 0.0
        assert np.array_equal(found[3].data, np.exp(x.data))

    def test_every_backward_pass_makes_the_arrays_whose_parts_it_fills(self):
        model, x = (
            nn.GRU(4, 32),
            Tensor(np.linspace(-1.0, 2.0, 1280).reshape(10, 32, 4), dtype="f4"),
        )
        run = compile(model)
        gradients = []
        for function in (model, run):
            for result in function(x):  # the states, and the last state: two backward passes
                model.zero_grad()
                result.sum().backward()
                gradients.append([p.grad.copy() for p in model.parameters()])
        for mine, wanted in zip(gradients[2:], gradients[:2], strict=True):
            for a, b in zip(mine, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        backward_0, backward_1 = run.source.split("def backward_")[1:]
        assert "out=" in backward_0
        assert "= empty(" in backward_1

    def test_arguments_and_parameters_are_not_written_over(self):
        x, w = Tensor(np.ones((2, 3))), Tensor(np.full((2, 3), 2.0), requires_grad=True)
        f = compile(lambda x: ((x + w) * w - x).sum())
        f(x).backward()
        assert (x.data == 1).all()
        assert (w.data == 2).all()
        assert (w.grad == 5).all()


class TestPicture:
    def test_shows_steps_frames_and_shared_memory(self):
        w = Tensor(np.ones((3, 3)), requires_grad=True, name="<w>")
        f = compile(lambda x: (x @ w + 1.0).tanh().sum())
        f(Tensor(np.ones((2, 3))))
        names = [n.name for n in f.graph().nodes if n.op is not None]
        assert names.count("matmul_1") == 2  # the sum is written over the product
        picture = draw(f)
        for text in ("tanh_1", "back: tanh", "g_w", "(2, 3)"):
            assert text in picture.svg
        assert "<w>" not in picture.svg

    def test_numbers_have_no_values(self):
        f = compile(lambda a: (a * 2).tanh())
        f(Value(0.5))
        assert "tanh" in draw(f).svg

    def test_before_a_call_there_is_none(self):
        with pytest.raises(RuntimeError, match="has not been called yet"):
            draw(compile(lambda x: x))


class TestManySamples:
    def losses(self, jit):
        w, b = Value(0.5), Value(-0.25)

        def loss(x, y):
            h = (w * x[0] + b * x[1]).tanh().relu() + ops.where(x[0] > 0, w, b * 2) ** 2
            return (h - y) ** 2 + w.abs().sqrt() / (b.exp() + 1.0)

        return loss, compile(loss, jit=jit).vectorize(), (w, b)

    @pytest.mark.parametrize("jit", [None, pytest.param("numba", marks=pytest.mark.numba)])
    def test_a_batch_is_the_mean_of_its_samples(self, jit):
        if jit:
            pytest.importorskip("numba")
        loss, batch, (w, b) = self.losses(jit)
        xs, ys, scale = RNG.normal(size=(2, 20)), RNG.normal(size=20), Value(3.0)
        mean = sum(loss((x, x2), y) for x, x2, y in zip(*xs, ys, strict=True)) * (1 / 20)
        (mean * scale).backward()
        expected = [mean.data, w.grad, b.grad]
        w.grad = b.grad = None
        out = batch((xs[0], xs[1]), ys)
        (out * scale).backward()
        assert [out.data, w.grad, b.grad] == pytest.approx(expected, rel=1e-12)
        w.data = 0.75  # a new value is seen
        again = [loss((x, x2), y).data for x, x2, y in zip(*xs, ys, strict=True)]
        assert batch.values((xs[0], xs[1]), ys) == pytest.approx(again, rel=1e-12)

    def test_wrong_arguments(self):
        loss, batch, _ = self.losses(None)
        with pytest.raises(ValueError, match="arrays of one length, not of shapes"):
            batch((np.ones(2), np.ones(3)), 1.0)
        with pytest.raises(TypeError, match="needs a function of Values that returns one Value"):
            compile(lambda x: (x, x)).vectorize()(np.ones(2))
        with pytest.raises(ValueError, match="jit is 'llvm'"):
            compile(loss, jit="llvm")

    def test_numbers_and_nothing_to_train(self):
        batch = compile(lambda x, k: x * k).vectorize()
        out = batch([1.0, 2.0, 6.0], 2.0)
        assert (out.data, out.requires_grad) == (6.0, False)


def chained(dtype):
    """A program whose elementwise steps are worth a chain: broadcasting, slices, both dtypes."""

    def leaf(*shape):
        return Tensor(RNG.normal(size=shape), dtype=dtype, requires_grad=True)

    w, b, scale = leaf(8, 70), leaf(70), leaf()

    def f(x, w):
        h = ((x + w) * b).relu().tanh() * 0.5 + scale
        kept = ops.where(h > 0.25, h, 1.0 - h * h) / (h.abs() + 1.0)
        half = kept[..., :35] * kept[..., 35:] - b[35:]
        return (half * half).sum() + (h * ops.erf(w)).sum()

    return f, [leaf(8, 1), w], (b, scale)


class TestCheckpoints:
    def deep(self, layers=30, size=40):
        ws = [Tensor(RNG.normal(size=(size, size)) / 8, requires_grad=True) for _ in range(layers)]

        def f(x):
            for w in ws:
                x = F.dropout((x @ w).tanh(), 0.1) + x * 0.5
            return (x * x).sum()

        return f, ws

    def peak(self, compiled, x, ws):
        """The gradients, and the bytes at the peak of a step after the first."""
        manual_seed(0)
        results(compiled, [x])
        manual_seed(1)
        for w in ws:
            w.grad = None
        tracemalloc.start()
        found = results(compiled, [x])
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return [*found, *(w.grad for w in ws)], high

    def test_the_same_gradients_in_less_memory(self):
        f, ws = self.deep()
        x = Tensor(RNG.normal(size=(200, 40)), requires_grad=True)
        plain, low = compile(f), compile(f, memory="low")
        expected, usual = self.peak(plain, x, ws)
        found, high = self.peak(low, x, ws)
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a, b)
        assert high < 0.75 * usual
        assert len(low._program.written.kept) < 0.6 * len(plain._program.written.kept)

    def test_inputs_and_results_that_the_backward_pass_reads(self):
        x, w = (Tensor(RNG.normal(size=(4, 4)), requires_grad=True) for _ in range(2))

        def f(x, w):
            first = (x @ w).tanh()
            second = (first @ w).exp() * first
            third = grad((second * w).tanh().sum(), w, create_graph=True)
            return (third * second * first).sum()

        expected = results(compile(f), [x, w])
        for found, wanted in zip(results(compile(f, memory="low"), [x, w]), expected, strict=True):
            assert np.array_equal(found, wanted)

    def test_another_word(self):
        with pytest.raises(ValueError, match="memory is 'little', not None or 'low'"):
            compile(lambda x: x, memory="little")


class TestChains:
    @pytest.fixture(autouse=True)
    def _small_arrays_are_large(self, monkeypatch):
        monkeypatch.setattr(chains, "_LARGE", 200)
        monkeypatch.setattr(writer, "BLOCK", 200)

    def check(self, dtype, **options):
        f, nodes, closed = chained(dtype)

        def all_of(g):
            for x in closed:
                x.grad = None
            return [*results(g, nodes), *(x.grad for x in closed)]

        compiled = compile(f, **options)
        for found, wanted in zip(all_of(compiled), all_of(compile(f, passes=())), strict=True):
            assert np.array_equal(found, wanted)
            assert found.dtype == wanted.dtype == dtype
        return compiled

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_blocks_change_no_number(self, dtype):
        compiled = self.check(dtype)
        assert "in range(0, 8, " in compiled.source
        assert "maximum(part, 0.0, out=part)" in compiled.source  # no memory between steps
        assert "part *= 0.5" in compiled.source  # of an operand that is written over
        assert "run as chains: " in compiled.report()

    @pytest.mark.numba
    def test_loops_in_machine_code_change_no_number(self):
        pytest.importorskip("numba")
        compiled = self.check("float32", jit="numba")
        assert "for i_1 in range(out.shape[1])" in compiled.source
        assert "35 + i_1" in compiled.source
        assert "] = out[i_0, i_1] * " in compiled.source  # written over an operand
        assert "erf(" not in compiled.source

    def test_they_can_be_left_out(self):
        few = tuple(name for name in passes.PASSES if name not in ("loops", "blocks"))
        assert "chain_" not in self.check("float32", passes=few).source

    def test_a_view_of_what_is_written_over_is_read_before(self):
        x = Tensor(RNG.normal(size=(20, 20)), requires_grad=True)

        def f(x):
            square = x @ x
            return (square * 0.5 + ops.matrix_transpose(square) * 2.0 - 1.0).sum()

        expected = results(compile(f, passes=()), [x])
        compiled = compile(f)
        for found, wanted in zip(results(compiled, [x]), expected, strict=True):
            assert np.array_equal(found, wanted)
        assert "chain_1(empty(" in compiled.source

    def test_equal_chains_are_written_once_and_drawn_as_one_operation(self):
        compiled = compile(lambda x, y: ((x * 2.0 + 1.0).sum(), (y * 2.0 + 1.0).sum()))
        compiled(Tensor(np.ones((20, 20))), Tensor(np.zeros((20, 20))))
        assert compiled.source.count("def chain_") == 1
        assert compiled.source.count(" chain_1(") == 3
        assert "chain" in [n.op.name for n in compiled.graph().nodes if n.op]
        assert "* +" in draw(compiled).svg


class TestPasses:
    @pytest.mark.parametrize("name", [n for n in passes.PASSES if n not in ASKED_FOR])
    def test_each_alone_changes_no_number_and_finds_something(self, name):
        f, w, x = a_program()
        plain, chosen = compile(f, passes=()), compile(f, passes=(name,))
        expected = [*results(plain, [x, w])]
        for found, wanted in zip(results(chosen, [x, w]), expected, strict=True):
            assert np.array_equal(found, wanted)
        assert chosen.source != plain.source

    def test_all_together_leave_little(self):
        f, w, x = a_program()
        plain, full = compile(f, passes=()), compile(f)
        for found, wanted in zip(results(full, [x, w]), results(plain, [x, w]), strict=True):
            assert np.array_equal(found, wanted)
        assert full._program.program.operations < 0.7 * plain._program.program.operations

    def test_what_is_not_exact_stays(self):
        zero = Tensor(np.array([-0.0, 1.0]))
        out = compile(lambda x: x + 0.0)(zero).data
        assert np.signbit(out).tolist() == np.signbit(zero.data + 0.0).tolist()
        one = Tensor([1.0])
        for f in (lambda x: x * np.float64(1.0), lambda x: (x > 0) * 1.0):
            assert compile(f)(one).dtype == f(one).dtype

    def test_random_numbers_are_not_shared(self):
        x = Tensor(np.ones(3))
        a, b = compile(lambda x: (ops.uniform_like(x), ops.uniform_like(x)))(x)
        assert a.tolist() != b.tolist()


UNARY = ["tanh", "exp", "sigmoid", "relu", "abs", "square", "negative", "softplus", "sin"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "divide"]
STEP = st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 9), st.integers(0, 9))


def random_function(steps):
    """A function of two nodes that applies operations to any of its earlier results."""

    def f(x, y):
        found = [x, y, x * 0.5 + 1.0]
        for name, i, j in steps:
            operands = [found[i % len(found)], found[j % len(found)]]
            out = getattr(ops, name)(*operands[: 1 if name in UNARY else 2])
            found.append(ops.tanh(out))  # so that nothing grows without bound
        total = found[-1] * found[-1 - len(steps) // 2]
        return total.sum() if isinstance(total, Tensor) else total

    return f


PROGRAMS = given(steps=st.lists(STEP, min_size=1, max_size=12), wide=st.booleans())


def check_random(steps, wide, **options):
    """A random function and its program give the same numbers and gradients.

    All arrays count as large, so that every chain is one.
    """
    rng = np.random.default_rng(len(steps))
    dtype = "float64" if wide else "float32"
    x = Tensor(rng.normal(size=(2, 3)), dtype=dtype, requires_grad=True)
    y = Tensor(rng.normal(size=(3,)), dtype=dtype, requires_grad=True)
    f = random_function(steps)
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "_LARGE", 2)
        patch.setattr(chains, "_SMALL", 2)
        patch.setattr(writer, "BLOCK", 3)
        expected = results(f, [x, y])
        for memory in (None, "low"):
            found = results(compile(f, memory=memory, **options), [x, y])
            for one, wanted in zip(found, expected, strict=True):
                assert np.allclose(one, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


def check_random_values(steps):
    a, b = Value(0.7), Value(-1.3)
    f = random_function(steps)
    f(a, b).backward()
    wanted = a.grad, b.grad
    a.grad = b.grad = None
    compile(f)(a, b).backward()
    assert (a.grad, b.grad) == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


class TestRandomPrograms:
    @settings(max_examples=100, deadline=None, derandomize=True)
    @PROGRAMS
    def test_agree_with_the_engine(self, steps, wide):
        check_random(steps, wide)
        check_random_values(steps)

    @pytest.mark.slow
    @settings(max_examples=2000, deadline=None)
    @PROGRAMS
    def test_many_agree_with_the_engine(self, steps, wide):
        check_random(steps, wide)

    @pytest.mark.slow
    @pytest.mark.numba
    @settings(max_examples=50, deadline=None)
    @PROGRAMS
    def test_agree_with_the_engine_in_machine_code(self, steps, wide):
        pytest.importorskip("numba")
        check_random(steps, wide, jit="numba")

    def test_a_planted_bug_is_found(self, monkeypatch):
        def wrong(program):
            return passes.rewrite(
                program, lambda new, s: s.inputs[0] if s.name == "negative" else s
            )

        monkeypatch.setitem(passes.PASSES, "wrong", wrong)
        with pytest.raises(AssertionError):
            check_random([("negative", 0, 0), ("exp", 3, 3)], True, passes=("wrong",))


def test_letting_go_of_a_large_result_spares_the_constant_read_with_it():
    def f(x):
        return ops.where(x * 2.0 > 0.25, x, -x).sum(axis=0)

    x, program = Tensor(np.linspace(-1.0, 1.0, 10**4).reshape(100, 100)), compile(f)
    with no_grad():
        assert np.array_equal(program(x).data, f(x).data)
    assert "del " in program.source
