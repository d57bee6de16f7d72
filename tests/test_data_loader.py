"""Data sets and the loader: what is read, in which order, and going on where one stopped."""

import itertools
import json
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, manual_seed, nn, optim, train
from tinygrad_edu.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
    transforms,
)

N = 23
DATA = TensorDataset(np.arange(2.0 * N).reshape(N, 2), np.arange(N))


class Slow(Dataset):
    """The same examples, read one by one."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        return DATA[index]


def rng(seed=0):
    return np.random.default_rng(seed)


def labels(loader):
    return [batch[1].tolist() for batch in loader]


def flat(batches):
    return [*itertools.chain(*batches)]


# Data sets


def test_examples_and_batches_are_copies_without_history():
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    data = TensorDataset(x)
    (batch,), (example,) = data.batch(np.array([2, 0])), data[-1]
    batch.data += 1.0
    example.data += 1.0
    assert x.tolist() == [[1.0, 1.0]] * 3
    assert not batch.requires_grad
    assert batch.shape == (2, 2)
    assert example.shape == (2,)


def test_one_by_one_and_whole_batches_read_the_same():
    for dataset in (DATA, Subset(DATA, [3, 1, 2, 1, -1])):
        indices = np.array([4, 0, 4, 2])
        fast = dataset.batch(indices)
        slow = Dataset.batch(dataset, indices)
        for a, b in zip(fast, slow, strict=True):
            assert a.dtype == b.dtype
            assert a.tolist() == b.tolist()


def test_a_transform_changes_the_first_tensor_of_what_is_read():
    data = TensorDataset(np.ones((4, 2)), np.ones(4), transform=lambda x: x * 3.0)
    x, y = data.batch([0, 1])
    assert (x.tolist(), y.tolist()) == ([[3.0, 3.0]] * 2, [1.0, 1.0])
    assert data[2][0].tolist() == [3.0, 3.0]
    assert data.tensors[0].tolist() == [[1.0, 1.0]] * 4


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([20, 3], [20, 3]), ([0.5, 0.5], [12, 11]), ([0.3, 0.3, 0.4], [7, 7, 9]), ([N], [N])],
)
def test_a_split_shares_out_every_example_once(lengths, sizes):
    parts = random_split(DATA, lengths, generator=rng())
    assert [len(p) for p in parts] == sizes
    assert sorted(flat(p.indices.tolist() for p in parts)) == [*range(N)]
    again = random_split(DATA, lengths, generator=rng())
    assert [p.indices.tolist() for p in again] == [p.indices.tolist() for p in parts]
    other = random_split(DATA, lengths, generator=rng(1))
    assert [p.indices.tolist() for p in other] != [p.indices.tolist() for p in parts]


def test_the_default_generator_decides_where_none_is_given():
    manual_seed(3)
    first = random_split(DATA, [10, 13])[0].indices.tolist(), labels(DataLoader(DATA, 4, True))
    manual_seed(3)
    second = random_split(DATA, [10, 13])[0].indices.tolist(), labels(DataLoader(DATA, 4, True))
    assert first == second


# Collation


@pytest.mark.parametrize(
    ("batch", "dtype", "values"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1, 2.5], "float32", [1.0, 2.5]),
        ([True, False], "bool", [True, False]),
        ([np.float64(1), np.float64(2)], "float64", [1.0, 2.0]),
        ([np.ones(2, "int8"), np.zeros(2, "int8")], "int8", [[1, 1], [0, 0]]),
        ([Tensor([1.0]), Tensor([2.0])], "float32", [[1.0], [2.0]]),
    ],
)
def test_numbers_and_arrays_are_stacked(batch, dtype, values):
    out = default_collate(batch)
    assert out.dtype == dtype
    assert out.tolist() == values


def test_structures_are_put_together_entry_by_entry():
    batch = [{"x": (1.0, "a"), "y": [1, 2]}, {"x": (2.0, "b"), "y": [3, 4]}]
    out = default_collate(batch)
    assert (out["x"][0].tolist(), out["x"][1]) == ([1.0, 2.0], ["a", "b"])
    assert [t.tolist() for t in out["y"]] == [[1, 3], [2, 4]]


# The loader


@pytest.mark.parametrize("dataset", [DATA, Slow(), Subset(DATA, range(N))])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, N, 100])
def test_every_example_comes_once(dataset, drop_last, batch_size):
    loader = DataLoader(dataset, batch_size, shuffle=True, drop_last=drop_last, generator=rng())
    for _ in range(2):
        batches = labels(loader)
        full, rest = divmod(N, batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0 and not drop_last)
        assert [len(b) for b in batches] == sizes
        assert len(loader) == len(sizes)
        assert len({*flat(batches)}) == sum(sizes)


def test_each_pass_has_a_new_order_and_all_repeat_from_the_seed():
    loader = DataLoader(DATA, 5, shuffle=True, generator=rng())
    passes = [labels(loader) for _ in range(3)]
    assert passes[0] != passes[1] != passes[2] != passes[0]
    assert flat(passes[0]) == rng().permutation(N).tolist()
    again = DataLoader(DATA, 5, shuffle=True, generator=rng())
    assert [labels(again) for _ in range(3)] == passes
    assert flat(labels(DataLoader(DATA, 5))) == [*range(N)]


def test_a_pass_left_early_is_not_gone_on_with():
    loader = DataLoader(DATA, 5)
    assert next(iter(loader))[1].tolist() == [0, 1, 2, 3, 4]
    assert flat(labels(loader)) == [*range(N)]


def test_samplers_and_collate_fn():
    assert labels(DataLoader(DATA, 2, sampler=[5, 3, 5])) == [[5, 3], [5]]
    batches = DataLoader(DATA, batch_sampler=[[1, 2, 3], [0]])
    assert labels(batches) == [[1, 2, 3], [0]]
    assert len(batches) == 2
    lengths = DataLoader(DATA, 10, collate_fn=lambda batch: (len(batch), type(batch[0][0])))
    assert [*lengths] == [(10, Tensor), (10, Tensor), (3, Tensor)]
    assert [*DataLoader(["a", "b", "c"], 2)] == [["a", "b"], ["c"]]


class Noise:
    """A transform with a generator of its own."""

    def __init__(self, seed):
        self.generator = rng(seed)

    def __call__(self, x):
        return x + self.generator.standard_normal(x.shape)


class Sampler:
    """A random order from a generator of its own."""

    def __init__(self, seed):
        self.generator = rng(seed)

    def __iter__(self):
        return iter(self.generator.permutation(N).tolist())

    def __len__(self):
        return N


def noisy(**options):
    return DataLoader(
        Subset(TensorDataset(*DATA.tensors, transform=Noise(1)), range(N)), 4, **options
    )


KINDS = {
    "plain": lambda: DataLoader(DATA, 4),
    "shuffled": lambda: DataLoader(DATA, 4, shuffle=True, generator=rng()),
    "shuffled with its own generator": lambda: DataLoader(DATA, 4, shuffle=True),
    "another bit generator": lambda: DataLoader(
        DATA, 4, shuffle=True, generator=np.random.Generator(np.random.MT19937(0))
    ),
    "augmented": lambda: noisy(shuffle=True, generator=rng()),
    "sampler": lambda: noisy(sampler=Sampler(2)),
    "batch sampler": lambda: DataLoader(DATA, batch_sampler=[[3, 1], [2], [0, 0, 0]]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [0, 1, 3, 6, 7, 9, 12])
def test_a_loader_goes_on_where_another_stopped(kind, stop):
    def record(batch):
        return [t.tolist() for t in batch]

    first, resumed = KINDS[kind](), KINDS[kind]()
    whole, state = [], json.dumps(first.state_dict()) if stop == 0 else None
    for _ in range(4):
        for batch in first:
            whole.append(record(batch))
            if len(whole) == stop:
                state = json.dumps(first.state_dict())
    resumed.load_state_dict(json.loads(state))
    rest = []
    while len(rest) < len(whole) - stop:
        rest += [record(batch) for batch in resumed]
    assert rest == whole[stop:]


def test_a_state_between_passes_starts_a_pass():
    first, second = KINDS["shuffled"](), KINDS["shuffled"]()
    labels(first)
    second.load_state_dict(first.state_dict())
    assert labels(second) == labels(first)


def test_a_state_that_does_not_fit_changes_nothing():
    loader = KINDS["augmented"]()
    next(iter(loader))
    good = json.loads(json.dumps(loader.state_dict()))
    broken = [
        {key: value for key, value in good.items() if key != "position"},
        {**good, "examples": 5},
        {**good, "batch_size": 5},
        {**good, "generators": good["generators"][:1]},
        {**good, "generators": [good["generators"][0], {"bit_generator": "PCG64"}]},
        {**good, "generators": [good["generators"][0], 7]},
        {**good, "drawn_from": {"bit_generator": "MT19937"}},
        {**good, "order": [1, 2]},
        {**good, "position": 99},
        {**good, "position": "1"},
    ]
    for state in broken:
        with pytest.raises(ValueError, match=r"^DataLoader: "):
            loader.load_state_dict(state)
        assert json.loads(json.dumps(loader.state_dict())) == good


ERRORS = {
    "sizes": (
        lambda: TensorDataset(np.ones((2, 3)), np.ones(3)),
        ValueError(
            "TensorDataset: the first axis numbers the examples, and the shapes are (2, 3), (3,); "
            "their first sizes must be equal"
        ),
    ),
    "no tensors": (lambda: TensorDataset(), ValueError("TensorDataset got no tensors")),
    "example": (lambda: DATA[N], IndexError("example 23 of 23")),
    "a mask": (
        lambda: Subset(DATA, np.ones(N, bool)),
        TypeError(
            "Subset takes the numbers of examples, not bool; of a mask they are "
            "numpy.flatnonzero(mask)"
        ),
    ),
    "subset": (lambda: Subset(DATA, [0, 23]), IndexError("Subset: example 23 of 23")),
    "split": (
        lambda: random_split(DATA, [20, 4]),
        ValueError(
            "random_split: the lengths add up to 24; whole numbers must add up to 23, the number "
            "of examples, and fractions to 1"
        ),
    ),
    "no length": (
        lambda: len(Dataset()),
        NotImplementedError("Dataset defines no __len__(self)"),
    ),
    "batch size": (
        lambda: DataLoader(DATA, 0),
        ValueError("DataLoader: batch_size is 0; it must be at least 1"),
    ),
    "sampler and shuffle": (
        lambda: DataLoader(DATA, shuffle=True, sampler=[1]),
        ValueError("DataLoader: sampler decides the order; leave out shuffle"),
    ),
    "batch sampler": (
        lambda: DataLoader(DATA, 3, batch_sampler=[[1]]),
        ValueError(
            "DataLoader: batch_sampler decides what is in a batch; leave out batch_size, shuffle, "
            "sampler and drop_last"
        ),
    ),
    "a seed": (
        lambda: DataLoader(DATA, shuffle=True, generator=0),
        TypeError(
            "DataLoader: generator is a int; it must be a numpy.random.Generator, such as "
            "numpy.random.default_rng(0)"
        ),
    ),
    "shapes": (
        lambda: default_collate([Tensor([1.0]), Tensor([1.0, 2.0])]),
        ValueError(
            "a batch needs examples with equal shapes, and example 0 has (1,), example 1 (2,); "
            "pass DataLoader(..., collate_fn=...) (pad_sequence makes them equal)"
        ),
    ),
    "things": (
        lambda: default_collate([object()]),
        TypeError(
            "examples of object cannot be put into a batch; return Tensors, arrays, numbers or "
            "strings, or pass DataLoader(..., collate_fn=...)"
        ),
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()


def augmented_training(folder, stop=None):
    """Three epochs on images moved at random, with dropout; ended after `stop` steps."""
    manual_seed(0)
    images = TensorDataset(
        rng(5).normal(size=(N, 1, 4, 4)),
        np.arange(N) % 3,
        transform=transforms.Compose(
            [transforms.RandomShift(1, generator=rng(7)), transforms.GaussianNoise(clip=False)]
        ),
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Dropout(0.2), nn.Linear(8, 3))
    for p in model.parameters():
        p.data = rng(1).normal(size=p.shape)

    class Stop:
        def on_step_end(self, run):
            if run.step == stop:
                run.stop()

    train.fit(
        model,
        DataLoader(images, 4, shuffle=True, generator=rng(6)),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), lr=0.1),
        epochs=3,
        checkpoint=folder,
        resume=True,
        callbacks=[Stop()],
        progress=False,
    )
    return [p.tolist() for p in model.parameters()]


@pytest.mark.parametrize("stop", [1, 5, 6, 10, 18])
def test_a_training_on_changed_images_goes_on_to_the_same_weights(tmp_path, stop):
    pytest.importorskip("safetensors")
    whole = augmented_training(tmp_path / "whole")
    assert augmented_training(tmp_path / "parts", stop) != whole or stop == 18
    assert augmented_training(tmp_path / "parts") == whole
