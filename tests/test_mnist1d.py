"""MNIST-1D: the published numbers, made here, kept in a cache that may be damaged."""

import hashlib
import re

import numpy as np
import pytest

from tinygrad_edu.data import cache, mnist1d, mnist1d_steps, mnist1d_templates

# Of the authors' generator, version 0.0.2.post1, with its default options.
LABELS = "6feec4a017698c7fe237c8854cbd2e338c6dd5c16240f6fa79daefaaa129e169"
FIRST = [-0.33200566736939013, -0.4719103656557236, -0.778697076293495, -1.0097408265367045]
LAST = [0.4472328851428726, 0.6598756470890784, 0.8777343497528006, 1.1931518368352758]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path))
    return tmp_path


def arrays(**options):
    train, test = mnist1d(dtype="float64", **options)
    return [
        np.concatenate([a.data, b.data]) for a, b in zip(train.tensors, test.tensors, strict=True)
    ]


def test_the_numbers_are_the_published_ones():
    x, y = arrays()
    assert x.shape == (5000, 40)
    assert hashlib.sha256(y.astype("<i8").tobytes()).hexdigest() == LABELS
    np.testing.assert_allclose(x[0, :4], FIRST, rtol=0, atol=1e-12)
    np.testing.assert_allclose(x[-1, -4:], LAST, rtol=0, atol=1e-12)
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-12)
    assert np.bincount(y).tolist() == [500] * 10


OPTIONS = {
    "default": {},
    "shuffled": {"shuffle_seq": True},
    "long": {"final_seq_length": 71, "max_translation": 30, "padding": (20, 33)},
    "loud": {"corr_noise_scale": 1.0, "iid_noise_scale": 0.5, "scale_coeff": 2, "shear_scale": 3},
    "seed": {"seed": 7, "num_samples": 250},
}


@pytest.mark.parametrize("what", OPTIONS)
@pytest.mark.parity
def test_every_option_does_what_the_authors_does(what):
    published = pytest.importorskip("mnist1d.data")
    options = {"num_samples": 100, **OPTIONS[what]}
    args = published.get_dataset_args()
    vars(args).update(options)
    state = np.random.get_state()
    theirs = published.make_dataset(args)
    np.random.set_state(state)
    x, y = arrays(**options)
    end = int(len(y) * 0.8)
    np.testing.assert_allclose(x[:end], theirs["x"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(x[end:], theirs["x_test"], rtol=0, atol=1e-12)
    assert y.tolist() == [*theirs["y"], *theirs["y_test"]]


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].tolist()
    mnist1d(num_samples=10, seed=1)
    assert np.random.get_state()[1].tolist() == before


def test_split_dtype_and_names():
    train, test = mnist1d(num_samples=100, train_split=0.25)
    assert (len(train), len(test)) == (25, 75)
    assert [t.dtype for t in train.tensors] == [np.float32, np.int64]
    assert train.classes == tuple("0123456789")


def test_the_steps_end_in_the_signal():
    steps = dict(mnist1d_steps(0, np.random.RandomState(42)))
    assert [*steps] == [
        *("template", "pad", "resample", "scale", "shift", "noise", "shear", "shorten")
    ]
    assert steps["template"].tolist() == mnist1d_templates()[0].tolist()
    assert steps["template"][0] == 0
    assert sorted(steps["scale"]) == sorted(steps["shift"])
    # The first signal that is drawn, before the whole set is standardised and shuffled.
    x, y = arrays(num_samples=10)
    line = np.polyfit(steps["shorten"], x[y == 0][0], 1)
    np.testing.assert_allclose(np.polyval(line, steps["shorten"]), x[y == 0][0], atol=1e-12)


def test_the_second_time_it_is_read(home, monkeypatch):
    first = arrays(num_samples=50)
    monkeypatch.setattr("tinygrad_edu.data.mnist_1d._made", None)  # would fail if it were called
    second = arrays(num_samples=50)
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype
        assert a.tolist() == b.tolist()
    assert [p.suffix for p in (home / "data").iterdir()] == [".npz"]


class Trap:
    """Unpickling this would raise."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not an archive"),
        lambda path: np.savez(path, x=np.zeros((3, 2)), y=np.zeros(3)),
        lambda path: np.savez(path, z=np.zeros(3)),
        lambda path: np.savez(path, x=np.array([Trap()], dtype=object), y=np.zeros(1)),
    ],
)
def test_a_damaged_or_foreign_cache_is_made_anew(home, damage):
    first = arrays(num_samples=50)
    (path,) = (home / "data").iterdir()
    damage(path)
    assert arrays(num_samples=50)[0].tolist() == first[0].tolist()
    with np.load(path) as saved:
        assert saved["x"].shape == (50, 40)


def test_where_the_cache_cannot_be_written_it_works_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("a file where the folder should be")
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path))
    assert len(mnist1d(num_samples=50)[0]) == 40


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_cache_lies_where_caches_lie(system, monkeypatch, tmp_path):
    for name in ("TINYGRAD_EDU_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(cache.Path, "home", lambda: tmp_path)
    folder = cache.cache_folder()
    assert folder.is_relative_to(tmp_path)
    assert "tinygrad-edu" in folder.parts


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    with cache.whole_file(path) as file:
        file.write(b"old")
        assert not path.exists()

    def fail():
        with cache.whole_file(path) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"old"
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: mnist1d(15), ValueError, "num_samples is 15; it must be a multiple of 10"),
        (lambda: mnist1d(padding=(5, 2)), ValueError, "padding is (5, 2) and train_split 0.8;"),
        (lambda: mnist1d(train_split=2), ValueError, "padding is (36, 60) and train_split 2;"),
        (
            lambda: mnist1d(max_translation=80),
            ValueError,
            "max_translation is 80 and final_seq_length 40; they must be 1 to 72, and at least 2",
        ),
        (
            lambda: mnist1d_steps(1, np.random.RandomState(0), scale=1),
            TypeError,
            "mnist1d has no option 'scale'; it has num_samples, ",
        ),
    ],
)
def test_errors_say_what_and_what_next(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()
