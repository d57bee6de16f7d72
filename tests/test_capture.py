"""A recorded step gives what the step gives, call by call; what cannot be recorded is refused.

Without a GPU on the double of CuPy, whose streams note launches without computing anything, as a
card does: what is not noted stays nan.
"""

import numpy as np
import pytest
from modules_made import MODULES, made, operand, unpacked
from table import TABLE

from tinygrad_edu import Tensor, checkpoint, compile, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.namespaces.contraction import contract
from tinygrad_edu.node import mapped, nodes_in
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


def agree(mine, theirs, rtol=2e-5):
    for a, b in zip(mine.tensors(), theirs.tensors(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 20)


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


def recorded_and_not(run, rtol):
    """What a function returns, each time the same: as it is, and repeated."""
    wanted = [x.numpy() for x in run()]
    recorded = compile(run, capture=True)
    for _ in range(capture.WARM_UP + 2):
        found = [x.numpy() for x in recorded()]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def run_and_back(function, leaves):
    """Its results, and the gradients of the leaves."""
    for x in leaves:
        x.grad = None
    with np.errstate(all="ignore"):
        results = list(nodes_in(function()))
        for x in results:
            if x.requires_grad and x.size:
                x.sum().backward()
    return results + [Tensor(x.grad, device="cuda") for x in leaves if x.grad is not None]


def needs_the_host(name, options):
    """Whether an operation cannot be recorded, or gives others: masks, indices, random numbers."""
    index = options.get("index")
    parts = index if isinstance(index, tuple) else (index,)
    mask = any(getattr(getattr(part, "dtype", None), "kind", "") == "b" for part in parts)
    return (
        mask
        or name in ("uniform_like", "normal_like")
        or options.get("mode", "constant") != "constant"
    )


# Modules whose indices or weights are made on the host in each call
ON_HOST = ("Upsample", *(f"{how}Pad{n}d" for how in ("Reflection", "Replication") for n in (1, 2)))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_operation(name):
    for sample in TABLE[name][::3]:
        options = {"device": "cuda"} if name == "to_device" else sample.options
        if not needs_the_host(name, options):
            repeat(name, sample.args, options)


def repeat(name, args, options):
    leaves = on_card(*map(np.asarray, args))
    for x in leaves:
        x.requires_grad = x.dtype.kind == "f"
    options = mapped(
        dict(options), lambda x: on_card(x)[0].data if isinstance(x, np.ndarray) else x
    )

    def run():
        return run_and_back(lambda: ops.lookup(name)(*leaves, **options), leaves)

    recorded_and_not(run, 1e-10)


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {*ON_HOST}))
def test_every_module(name):
    config = unpacked(name)[0]
    module = made(name, config.args, config.options).eval().to("cuda")
    inputs, named = (
        mapped(given, lambda x: x.to("cuda") if isinstance(x, Tensor) else x)
        for given in (
            [operand(x) for x in config.inputs],
            {key: operand(x) for key, x in config.named.items()},
        )
    )
    recorded_and_not(
        lambda: run_and_back(lambda: module(*inputs, **named), [*module.parameters()]), 1e-5
    )


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("nk,km->nm", [(2, 3), (3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("i,j->ji", [(2,), (3,)]),
        ("ij->", [(2, 3)]),
        ("ijk->kj", [(2, 3, 4)]),
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 2)]),
        ("ab,cb,a->c", [(2, 3), (4, 3), (2,)]),
        ("ij,ij->ij", [(1, 3), (2, 3)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,jk->ik", [(2, 0), (0, 4)]),
    ],
)
def test_contractions_are_einsum(subscripts, shapes):
    draw = np.random.default_rng(0)
    xs = [draw.normal(size=shape) for shape in shapes]
    wanted = np.einsum(subscripts, *xs)
    np.testing.assert_allclose(contract(NUMPY, xs, subscripts), wanted, rtol=1e-12)


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)])
def test_products_have_a_kernel_of_their_own(lead):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(*lead, 3, 4)), draw.normal(size=(2, 5, 4))
    f = compile(lambda x, y: x @ ops.matrix_transpose(y), capture=True)
    for _ in range(4):
        out = f(x, y)
    np.testing.assert_allclose(out.numpy(), x @ y.swapaxes(1, 2), rtol=1e-12)


@pytest.mark.parametrize("kinds", ["ii", "if", "df", "fi"])
def test_products_of_other_dtypes(kinds):
    x, y = (np.arange(6.0).reshape(2, 3).astype(kind) for kind in kinds)
    f = compile(lambda x, y: x @ ops.matrix_transpose(y), capture=True)
    for _ in range(4):
        out = f(x, y)
    np.testing.assert_array_equal(out.numpy(), x @ y.T)
    assert out.dtype == np.result_type(x, y)


def labelled(name, weight=None, **options):
    """Logits (4, 3, 2), the classes they are to be, and the loss and its gradient, recorded."""
    draw = np.random.default_rng(3)
    x = Tensor(draw.normal(size=(4, 3, 2))).to("cuda").requires_grad_()
    y = draw.integers(0, 3, size=(4, 2))
    if weight is not None:
        options["weight"] = Tensor(weight).to("cuda")

    def loss(y):
        x.grad = None
        logits = nn.functional.log_softmax(x, 1) if name == "nll_loss" else x
        out = getattr(nn.functional, name)(logits, y, **options)
        out.sum().backward()
        return out, Tensor(x.grad, device="cuda")

    return y, loss, compile(loss, capture=True)


CLASSES = [
    {},
    {"reduction": "none"},
    {"reduction": "sum", "weight": np.array([0.5, 1.0, 2.0])},
    {"ignore_index": 1},
    {"ignore_index": 1, "weight": np.array([0.5, 1.0, 2.0])},
    {"ignore_index": -100},
]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, options) for name in ("cross_entropy", "nll_loss") for options in CLASSES),
        ("cross_entropy", {"label_smoothing": 0.1, "ignore_index": 2}),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["card", "host"])
def test_losses_against_classes(name, options, there):
    y, loss, recorded = labelled(name, **options)
    for k in range(6):
        now = (y + k) % 3
        if options.get("ignore_index") == -100:
            now[k % 4] = -100
        labels = Tensor(now).to("cuda")
        found = recorded(labels if there else now)
        for a, b in zip(found, loss(labels), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert recorded._recordings.popitem()[1]._graph is not None


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_class_that_is_none_gives_nan(name, wrong):
    """As it is, the step raises; recorded, it cannot wait for the answer, but says so."""
    y, _, recorded = labelled(name, reduction="none")
    bad = y.copy()
    bad[1, 0] = wrong
    with pytest.raises(IndexError, match=rf"class {wrong} is not in \[0, 3\)"):
        recorded(bad)
    for _ in range(3):
        losses, slopes = recorded(y)
        assert np.isfinite(losses.numpy()).all()
    losses, slopes = recorded(bad)
    assert np.isnan(losses.numpy()).nonzero()[0].tolist() == [1]
    assert np.isnan(slopes.numpy()).any()
    assert np.isfinite(recorded(y)[0].numpy()).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_embeddings(compiled):
    """Indices that come from the host are checked there, before anything is sent."""
    draw = np.random.default_rng(4)
    table = Tensor(draw.normal(size=(5, 2))).to("cuda").requires_grad_()
    order = Tensor(np.array([1, 0, 2])).to("cuda")  # by closure
    optimizer = optim.AdamW([table], lr=0.1)

    def look(i):
        return nn.functional.embedding(i, table, padding_idx=4)[order]

    looked = compile(look) if compiled else look

    def step(i):
        optimizer.zero_grad()
        out = looked(i)
        (out * out).sum().backward()
        optimizer.step()
        return out

    recorded = compile(step, capture=True)
    kept = table.data.copy()
    for k in range(6):
        places = (np.array([0, 4, 1]) + k) % 5
        if k == 4:
            order.data = np.array([2, 2, 1])
        before = table.numpy()
        found = recorded(places if k % 2 else Tensor(places).to("cuda"))
        np.testing.assert_array_equal(found.numpy(), before[places][order.numpy()])
        assert (table.numpy() != before).any()
    assert (table.data != kept).all()
    state = optimizer.state_dict()["state"][0]["step"]
    with pytest.raises(IndexError, match=r"embedding index 5 is not in \[0, 5\)"):
        recorded(np.array([0, 5, 1]))
    assert optimizer.state_dict()["state"][0]["step"] == state == 6


OPTIMISERS = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (optim.Adam, {}),
    (optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (optim.Adam, {"amsgrad": True}),
    (optim.Adam, {"decoupled_weight_decay": True, "maximize": True, "weight_decay": 0.1}),
    (optim.AdamW, {}),
    (optim.AdamW, {"amsgrad": True, "weight_decay": 0.3}),
    (optim.RMSprop, {}),
    (optim.RMSprop, {"momentum": 0.9, "centered": True, "weight_decay": 0.1, "maximize": True}),
    (optim.Adagrad, {}),
    (optim.Adagrad, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
]


class Descent:
    """Two groups of weights in double precision, an optimiser, and a schedule of its rates."""

    def __init__(self, kind, options):
        draw = np.random.default_rng(2)
        weights = [Tensor(draw.normal(size=n)).to("cuda").requires_grad_() for n in (3, 4, 2)]
        groups = [{"params": weights[:2]}, {"params": weights[2:], "lr": 0.2}]
        self.weights, self.optimizer = weights, kind(groups, **{"lr": 0.05, **options})
        self.schedule = optim.lr_scheduler.ExponentialLR(self.optimizer, gamma=0.9)

    def step(self, x):
        self.optimizer.zero_grad()
        loss = ops.concat(*((w - x) ** 2 for w in self.weights)).sum()
        loss.backward()
        self.optimizer.step()
        return loss

    def counts(self):
        return [state["step"] for state in self.optimizer.state_dict()["state"].values()]

    def tensors(self):
        """Weights, gradients and what is remembered, on the host."""
        states = self.optimizer.state_dict()["state"].values()
        found = [a for state in states for name, a in state.items() if name != "step"]
        found += [a for w in self.weights for a in (w.data, w.grad)]
        return [a.get() for a in found]


@pytest.mark.parametrize(("kind", "options"), OPTIMISERS)
def test_every_optimiser(kind, options):
    """Twenty steps with rates that fall; the state goes into one that is eager, and back."""
    mine, theirs = Descent(kind, options), Descent(kind, options)
    step = compile(mine.step, capture=True)
    for k in range(20):
        x = np.array(0.1 * k)
        loss, wanted = step(x), theirs.step(Tensor(x, device="cuda"))
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-10)
        for training in (mine, theirs):
            training.schedule.step()
        if k == 11:
            loaded = Descent(kind, options)
            loaded.optimizer.load_state_dict(mine.optimizer.state_dict())
            for w, other in zip(loaded.weights, theirs.weights, strict=True):
                w.data = other.data
            theirs.weights, theirs.optimizer = loaded.weights, loaded.optimizer
            theirs.schedule.optimizer = loaded.optimizer
        if k == 15:
            mine.optimizer.load_state_dict(theirs.optimizer.state_dict())
    assert next(iter(step._recordings.values()))._graph is not None
    agree(mine, theirs, rtol=1e-10)
    if kind is not optim.SGD:
        assert mine.counts() == theirs.counts() == [20, 20, 20]


@pytest.mark.parametrize("clip", [nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_])
def test_clipped_gradients_and_averaged_weights(clip):
    mine, theirs = Descent(optim.AdamW, {}), Descent(optim.AdamW, {})
    averages = []
    for training in (mine, theirs):
        averages.append(optim.AveragedParameters(training.weights, decay=0.8))

        def step(training=training, average=averages[-1], plain=training.optimizer.step):
            clip(training.weights, 0.3)
            plain()
            average.update_parameters()

        training.optimizer.step = step
    recorded = compile(mine.step, capture=True)
    for k in range(8):
        recorded(np.array(0.1 * k))
        theirs.step(Tensor(np.array(0.1 * k), device="cuda"))
    assert [average.n_averaged for average in averages] == [8, 8]
    for a, b in zip(*(average.averages for average in averages), strict=True):
        np.testing.assert_allclose(a.get(), b.get(), rtol=1e-10)
    agree(mine, theirs, rtol=1e-10)


def test_counts_that_go_apart_are_recorded_anew():
    """One weight takes a step of its own in between, and is ahead of the other from then on."""
    mine, theirs = Descent(optim.Adam, {}), Descent(optim.Adam, {})
    step = compile(mine.step, capture=True)
    for k in range(9):
        step(np.array(0.1 * k))
        theirs.step(Tensor(np.array(0.1 * k), device="cuda"))
        if k == 4:
            for training in (mine, theirs):
                training.optimizer.zero_grad()
                training.weights[0].sum().backward()
                training.optimizer.step()
    assert mine.counts() == [10, 9, 9]
    agree(mine, theirs, rtol=1e-10)


def test_a_transformer_with_everything():
    """Indices, attention, dropout, clipping, AdamW and a schedule: twelve steps of each."""
    draw = np.random.default_rng(5)
    texts = draw.integers(0, 7, size=(12, 2, 6))
    sides = []
    for captured in (True, False):
        manual_seed(1)
        embed, head = nn.Embedding(7, 8), nn.Linear(8, 7)
        block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        model = nn.ModuleList([embed, block, head]).to("float64").to("cuda")
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)

        def step(text, parts=(embed, block, head), model=model, optimizer=optimizer):
            optimizer.zero_grad()
            out = text[:, :-1]
            for part in parts:
                out = part(out)
            loss = nn.functional.cross_entropy(out.transpose(0, 2, 1), text[:, 1:])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss

        run = compile(step, capture=True) if captured else step
        losses = []
        for text in texts:
            losses.append(run(Tensor(text).to("cuda")).item())
            schedule.step()
        sides.append([*losses, *(w.tolist() for w in model.parameters())])
        if captured:
            assert next(iter(run._recordings.values()))._graph is not None
    for mine, theirs in zip(*sides, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("compiled", [True, False])
def test_random_numbers(compiled):
    """Each repetition draws what the step would have drawn, after `manual_seed` too."""
    x = Tensor(np.ones(50)).to("cuda")

    def draw(x):
        return nn.functional.dropout(x, 0.5) + ops.normal_like(x), ops.uniform_like(x)

    recorded = compile(compile(draw) if compiled else draw, capture=True)
    sides = {}
    for run in (draw, recorded):
        drawn = sides[run] = []
        for k in range(9):
            if k in (0, 6):
                manual_seed(k)
            drawn += [a.tolist() for a in run(x)]
    np.testing.assert_allclose(sides[draw], sides[recorded], rtol=1e-12)
    assert len({tuple(a) for a in sides[draw]}) == 18


def test_random_numbers_are_not_recorded_by_hand(cuda):
    x = Tensor([1.0]).to("cuda")
    with cuda.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="would draw the same; record them by compile"):
            ops.uniform_like(x)
        stream.end_capture()


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

    def test_random_numbers_drawn_again(self):
        w = Tensor([1.0, 1.0]).to("cuda").requires_grad_()

        def step(x):
            w.grad = None
            checkpoint(lambda x: nn.functional.dropout(x, 0.5), w * x).sum().backward()
            return x

        text = refused(step, self.x())
        assert "random numbers that are drawn again, as in a checkpoint" in text

    @pytest.mark.parametrize("read", [Tensor.item, Tensor.tolist, Tensor.numpy, float, bool])
    def test_values_read_on_the_host(self, read):
        text = refused(lambda x: (read(x.sum()), x)[1], self.x())
        assert "the value of an unnamed Tensor of shape () was read on the host" in text

    def test_what_reads_them_inside(self):
        labels = Tensor(np.array([0, 1])).to("cuda")
        assert "stream is capturing" in refused(nn.functional.one_hot, labels)

    def test_cublas(self):
        text = refused(lambda x: Tensor(x.data[:, None].dot(x.data[None]), device="cuda"), self.x())
        assert "cuBLAS" in text

    def test_work_on_the_cpu(self):
        here = Tensor([1.0])
        text = refused(lambda x: (here * 2.0, x)[1], self.x())
        assert "multiply computes on the CPU with an unnamed Tensor of shape (1,)" in text

    def test_arrays_of_the_cpu(self):
        text = refused(lambda x: x[np.array([1, 0])], self.x())
        assert "in getitem: numbers of the host cannot be sent to the card" in text
        inside = compile(lambda x: x[np.array([1, 0])])
        assert "numbers of the host cannot be sent to the card" in refused(inside, self.x())
        padded = refused(lambda x: ops.pad(x, widths=((1, 1),), mode="reflect"), self.x())
        assert "in pad: numbers of the host cannot be sent to the card" in padded
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

    @pytest.mark.parametrize("name", ["LBFGS", "GradientDescent"])
    def test_optimisers_that_decide_on_the_host(self, name):
        step = self.optimised(lambda w: getattr(optim, name)([w], lr=0.1))
        assert f"{name} decides on the host where to go next" in refused(step, self.x())

    def test_formulas_that_read_the_count(self):
        class Fading(optim.Optimizer):
            def _state_names(self, group):
                return ("step",)

            def _update(self, xp, x, g, state, group):
                x -= group["lr"] / state["step"] * g

        step = self.optimised(lambda w: Fading([w], {"lr": 0.1}))
        assert "'step' cannot be read in _update" in refused(step, self.x())
        assert "work out in _factors" in refused(step, self.x())

    def test_schedules_inside(self):
        def scheduled(w):
            optimizer = optim.SGD([w], lr=0.1)
            schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1)
            plain = optimizer.step
            optimizer.step = lambda closure: (plain(closure), schedule.step())
            return optimizer

        text = refused(self.optimised(scheduled), self.x())
        assert "'lr' was" in text
        assert "move a learning-rate schedule on after the recorded step" in text

    def test_first_gradients(self):
        first = [True]
        w = Tensor([1.0, 1.0]).to("cuda").requires_grad_()
        optimizer = optim.Adam([w])

        def step(x):
            if not first:
                (w * x).sum().backward()
            optimizer.step()
            return x

        recorded = compile(step, capture=True)
        for _ in range(capture.WARM_UP):
            recorded(self.x())
        first.clear()
        with pytest.raises(RuntimeError, match="gets its first gradient while launches"):
            recorded(self.x())
        assert not optimizer.state

    def optimised(self, make):
        """A step with the optimiser that `make` gives for a weight."""
        w = Tensor([1.0, 1.0]).to("cuda").requires_grad_()
        optimizer = make(w)

        def closure(x):
            optimizer.zero_grad()
            loss = (w * x).sum()
            loss.backward()
            return loss

        return lambda x: optimizer.step(lambda: closure(x))

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
