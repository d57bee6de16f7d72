"""A recorded step gives what the step gives, call by call; what cannot be recorded is refused.

Without a GPU on the double of CuPy, whose streams note launches without computing anything, as a
card does: what is not noted stays nan.
"""

import numpy as np
import pytest

from tinygrad_edu import Tensor, compile, nn, no_grad, ops, optim
from tinygrad_edu.readers.program import capture

pytestmark = pytest.mark.usefixtures("cuda")


def batches(count, seed=1):
    draw = np.random.default_rng(seed)
    return [
        (draw.normal(size=(4, 3)).astype("f4"), draw.normal(size=(4, 2)).astype("f4"))
        for _ in range(count)
    ]


def on_card(*xs):
    return [Tensor(x).to("cuda") for x in xs]


class Training:
    """A small network, and a step that may be recorded."""

    def __init__(self, recorded, compiled=True, **options):
        draw = np.random.default_rng(0)
        self.model = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.BatchNorm1d(5), nn.Linear(5, 2))
        for p in self.model.parameters():
            p.data = draw.normal(size=p.shape)
        self.model.to("cuda")
        self.optimizer = optim.SGD(self.model.parameters(), **{"lr": 0.1, **options})
        self.runs = 0
        loss = self.loss = lambda x, y: ((self.model(x) - y) ** 2).mean()
        if compiled:
            loss = compile(loss)

        def step(x, y):
            self.runs += 1
            self.optimizer.zero_grad()
            out = loss(x, y)
            out.backward()
            self.optimizer.step()
            return out

        self.step = compile(step, capture=True) if recorded else step

    def tensors(self):
        """Weights, gradients, statistics and momenta, on the host."""
        found = [x.data for x in [*self.model.parameters(), *self.model.buffers()]]
        found += [p.grad for p in self.model.parameters()]
        found += [a for state in self.optimizer.state.values() for a in state.values()]
        return [x.get() for x in found]


def agree(mine, theirs):
    for a, b in zip(mine.tensors(), theirs.tensors(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}])
def test_a_whole_training_step(compiled, options):
    mine, theirs = Training(True, compiled, **options), Training(False, compiled, **options)
    for x, y in batches(7):
        loss, wanted = mine.step(Tensor(x), y), theirs.step(*on_card(x, y))
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
        assert not loss.requires_grad
        agree(mine, theirs)
    assert (mine.runs, theirs.runs) == (capture.WARM_UP + 1, 7)


def test_results_and_arguments_are_nobody_elses():
    f = compile(lambda x: {"double": x * 2.0, "seen": [x]}, capture=True)
    xs = [Tensor([float(k)]).to("cuda") for k in range(6)]
    with no_grad():
        found = [f(x) for x in xs]
    assert [out["double"].item() for out in found] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert [out["seen"][0].item() for out in found] == [x.item() for x in xs] == [*range(6)]


def test_learning_rates_weights_and_gradients_may_be_changed_in_between():
    mine, theirs = Training(True, momentum=0.5), Training(False, momentum=0.5)
    for k, (x, y) in enumerate(batches(8)):
        for training in (mine, theirs):
            training.optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
            if k == 5:
                weight = training.model[0].weight
                weight.data = 0.5 * weight.data
                training.model.zero_grad()
            if k == 6:
                training.model.load_state_dict(training.model.state_dict())
            training.step(*on_card(x, y))
        agree(mine, theirs)
    assert mine.runs == capture.WARM_UP + 1


def test_what_python_decides_is_looked_at_again():
    mine, theirs = Training(True, momentum=0.5), Training(False, momentum=0.5)
    for k, (x, y) in enumerate(batches(14)):
        for training in (mine, theirs):
            if k == 4:
                training.model.eval()
            if k == 8:
                training.optimizer.param_groups[0]["momentum"] = 0.9
            if k == 11:
                training.optimizer.load_state_dict(training.optimizer.state_dict())
            training.step(*on_card(x, y))
        agree(mine, theirs)
    assert mine.runs == 14 - 5  # of five steps nothing was new


def test_another_shape_or_number_is_another_recording():
    runs = []
    f = compile(lambda x, k: (runs.append(k), x * k)[1], capture=True)
    for _ in range(5):
        for size in (1, 2):
            for k in (2.0, 3.0):
                out = f(Tensor(np.ones(size, "f4")).to("cuda"), k)
                assert out.tolist() == [k] * size
    assert len(runs) == 4 * (capture.WARM_UP + 1)
    for k in range(2 * capture.MOST):
        f(Tensor([1.0]).to("cuda"), float(k))
    assert len(f._recordings) == capture.MOST


def test_a_graph_recorded_before_a_repetition_refuses_to_run_backward():
    training = Training(True)
    x, y = on_card(*batches(1)[0])
    for _ in range(4):
        training.step(x, y)
    loss = training.loss(x, y)
    training.step(x, y)
    with pytest.raises(RuntimeError, match="was changed after"):
        loss.backward()


def test_inside_another_it_is_part_of_it():
    inner = compile(lambda x: x + 1.0, capture=True)
    f = compile(lambda x: inner(x) * 2.0, capture=True)
    assert [f(Tensor([1.0]).to("cuda")).item() for _ in range(5)] == [4.0] * 5
    g = compile(lambda x: inner(x) * 2.0)
    assert g(Tensor([1.0])).item() == 4.0


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)])
def test_products_have_a_kernel_of_their_own(lead):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(*lead, 3, 4)), draw.normal(size=(2, 5, 4))
    f = compile(lambda x, y: x @ ops.matrix_transpose(y), capture=True)
    for _ in range(4):
        out = f(x, y)
    np.testing.assert_allclose(out.numpy(), x @ y.swapaxes(1, 2), rtol=1e-12)


W = Tensor([2.0], requires_grad=True)


def refused(f, *args):
    """The words in which a step is refused, after it has run as it is."""
    step = compile(f, capture=True)
    for _ in range(capture.WARM_UP):
        step(*args)
    with pytest.raises(RuntimeError) as caught:
        step(*args)
    assert str(caught.value).startswith("compile: capture=True cannot record")
    assert step._recordings.popitem()[1]._graph is None
    return str(caught.value)


class TestRefusals:
    x = staticmethod(lambda: Tensor([1.0, 2.0]).to("cuda"))

    def test_random_numbers(self):
        text = refused(lambda x: nn.functional.dropout(x, 0.5), self.x())
        assert "in uniform_like: random numbers cannot be drawn" in text

    @pytest.mark.parametrize("read", [Tensor.item, Tensor.tolist, Tensor.numpy, float, bool])
    def test_values_read_on_the_host(self, read):
        text = refused(lambda x: (read(x.sum()), x)[1], self.x())
        assert "the value of an unnamed Tensor of shape () was read on the host" in text

    def test_what_reads_them_inside(self):
        labels = Tensor(np.array([0, 1])).to("cuda")
        assert "in one_hot: " in refused(lambda y: ops.one_hot(y, num_classes=2), labels)

    def test_cublas(self):
        text = refused(lambda x: ops.einsum(x, x, subscripts="i,i->"), self.x())
        assert "in einsum: " in text
        assert "cuBLAS" in text

    def test_work_on_the_cpu(self):
        here = Tensor([1.0])
        text = refused(lambda x: (here * 2.0, x)[1], self.x())
        assert "multiply computes on the CPU with an unnamed Tensor of shape (1,)" in text

    def test_arrays_of_the_cpu(self):
        text = refused(lambda x: x[np.array([1, 0])], self.x())
        assert "getitem takes an array of the CPU" in text
        text = refused(lambda x: x * np.array([1.0, 2.0]), self.x())
        assert "numbers of the host cannot be sent to the card" in text

    def test_gradients_from_before(self):
        w = Tensor([1.0, 1.0], requires_grad=True).to("cuda").detach().requires_grad_()

        def step(x):
            (w * x).sum().backward()
            return x

        text = refused(step, self.x())
        assert "had a gradient before" in text
        assert "zero_grad() inside the step" in text

    @pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad"])
    def test_optimisers_that_count(self, name):
        w = Tensor([1.0, 1.0]).to("cuda").requires_grad_()
        optimizer = getattr(optim, name)([w], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        assert f"{name} counts its steps on the host" in refused(step, self.x())
        assert not w.has_grad  # nothing was computed, so nothing arrived

    def test_arguments_with_gradients(self):
        with pytest.raises(ValueError, match=r"requires a gradient.*by closure"):
            compile(lambda x: x * 2.0, capture=True)(W.to("cuda"))

    def test_other_options(self):
        with pytest.raises(ValueError, match="give passes, jit and memory"):
            compile(lambda x: x, capture=True, memory="low")

    def test_after_a_refusal_the_device_works(self):
        refused(lambda x: (x.item(), x)[1], Tensor([1.0]).to("cuda"))
        assert (self.x() * 2.0).tolist() == [2.0, 4.0]


def test_the_double_computes_nothing_while_it_captures(cuda):
    stream = cuda.cuda.Stream(non_blocking=True)
    x = cuda.zeros(2)
    with stream:
        stream.begin_capture()
        x += 1.0
        x[0] = 5.0
        y = x * 2.0
        view = y[1:]
        graph = stream.end_capture()
    assert x.get().tolist() == [0.0, 0.0]
    graph.launch()
    graph.launch()
    assert (x.get().tolist(), y.get().tolist()) == ([5.0, 2.0], [10.0, 4.0])
    assert view.get().tolist() == [4.0]


def test_a_launch_that_is_not_recorded_is_noticed(monkeypatch):
    monkeypatch.setattr(
        capture.Notes, "write", lambda self, node, data: setattr(node, "_data", data)
    )
    mine, theirs = Training(True, compiled=False), Training(False, compiled=False)
    for x, y in batches(5):
        for training in (mine, theirs):
            training.step(*on_card(x, y))
    with pytest.raises(AssertionError):
        agree(mine, theirs)
