"""Transforms of batches: what they may give, how often, from which generator, and their errors."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, manual_seed
from tinygrad_edu.data import DataLoader, TensorDataset
from tinygrad_edu.data import transforms as T

IMAGES = np.random.default_rng(1).normal(size=(400, 2, 5, 6))
LINES = IMAGES[:, 0, 0]  # (400, 6)


def rng(seed=0):
    return np.random.default_rng(seed)


TRANSFORMS = {
    "shift": lambda g: T.RandomShift(1, generator=g),
    "crop": lambda g: T.RandomCrop(5, padding=1, generator=g),
    "flip": lambda g: T.RandomHorizontalFlip(generator=g),
    "scale": lambda g: T.RandomScale(generator=g),
    "noise": lambda g: T.GaussianNoise(clip=False, generator=g),
    "cutout": lambda g: T.Cutout(2, generator=g),
    "erasing": lambda g: T.RandomErasing(generator=g),
    "erasing with noise": lambda g: T.RandomErasing(value="random", generator=g),
}
SHAPES = [(7, 6), (7, 2, 6), (7, 2, 5, 6)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "shape"),
    [(n, s) for n in TRANSFORMS for s in SHAPES if len(s) == 4 or not n.startswith("erasing")],
)
def test_kind_dtype_and_repetition(name, dtype, shape):
    make = TRANSFORMS[name]
    x = rng().normal(size=shape).astype(dtype)
    x.flags.writeable = False
    out = make(rng(3))(x)
    assert out.dtype == dtype
    assert len(out) == 7
    assert not np.shares_memory(out, x)
    assert out.tolist() != x.tolist()
    again = make(rng(3))(Tensor(x))
    assert isinstance(again, Tensor)
    assert again.tolist() == out.tolist()
    assert make(rng(4))(x).tolist() != out.tolist()
    manual_seed(3)
    default = make(None)(x)
    manual_seed(3)
    assert make(None)(x).tolist() == default.tolist()


def windows(x, size, room):
    """Every window of an image with zeros around it, and how often it should come."""
    c, h, w = x.shape
    padded = np.zeros((c, h + 2 * room, w + 2 * room))
    padded[:, room : room + h, room : room + w] = x
    return [
        padded[:, i : i + size[0], j : j + size[1]]
        for i in range(padded.shape[1] - size[0] + 1)
        for j in range(padded.shape[2] - size[1] + 1)
    ]


@pytest.mark.parametrize(
    ("transform", "size", "room"),
    [
        (T.RandomShift(2, generator=rng()), (5, 6), 2),
        (T.RandomCrop((3, 4), generator=rng()), (3, 4), 0),
        (T.RandomCrop(5, padding=1, generator=rng()), (5, 5), 1),
    ],
)
def test_every_place_comes_about_equally_often(transform, size, room):
    same = np.repeat(IMAGES[:1], 4000, axis=0)
    found = {}
    for out in transform(same):
        found[out.tobytes()] = found.get(out.tobytes(), 0) + 1
    expected = {np.ascontiguousarray(w).tobytes() for w in windows(IMAGES[0], size, room)}
    assert found.keys() == expected
    share = 4000 / len(expected)
    assert max(abs(n - share) for n in found.values()) < 5 * share**0.5


def test_axes_can_be_moved_by_different_amounts():
    out = T.RandomShift((0, 1), generator=rng())(IMAGES)
    for before, after in zip(IMAGES, out, strict=True):
        moved = [before, np.roll(before, 1, -1), np.roll(before, -1, -1)]
        moved[1][..., 0] = moved[2][..., -1] = 0
        assert any(np.array_equal(after, m) for m in moved)


def test_flips_are_as_likely_as_asked():
    out = T.RandomHorizontalFlip(0.3, generator=rng())(IMAGES)
    flipped = [np.array_equal(b, a[..., ::-1]) for a, b in zip(IMAGES, out, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(IMAGES, out, strict=True)]
    assert sum(flipped) + sum(kept) == 400
    assert abs(sum(flipped) - 120) < 40


@pytest.mark.parametrize("x", [LINES, IMAGES[:, :, 0], IMAGES])
def test_normalising_gives_mean_zero_and_std_one(x):
    out = T.Normalize.measure(x)(x)
    over = (0, *range(2, x.ndim))
    np.testing.assert_allclose(out.mean(over), 0, atol=1e-12)
    np.testing.assert_allclose(out.std(over), 1, rtol=1e-12)
    assert T.Normalize(0.5, 2.0)(Tensor(x)).tolist() == ((x - 0.5) / 2.0).tolist()


def test_scale_and_noise_have_the_asked_size():
    ones = np.ones((4000, 3))
    out = T.RandomScale(0.5, 1.5, generator=rng())(ones)
    assert (out == out[:, :1]).all()
    assert (out.min(), out.max()) == pytest.approx((0.5, 1.5), abs=0.01)
    noise = T.GaussianNoise(1.0, 0.2, clip=False, generator=rng())(0 * ones)
    assert (noise.mean(), noise.std()) == pytest.approx((1.0, 0.2), abs=0.01)
    clipped = T.GaussianNoise(0.0, 5.0, generator=rng())(ones)
    assert (clipped.min(), clipped.max()) == (0.0, 1.0)


def boxes(out):
    """The first row and column, height and width of what was erased from images of ones."""
    found = []
    for image in out:
        gone = image[0] != 1
        assert (gone == (image[1] != 1)).all()  # the same place in all channels
        rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        if not len(rows):
            found.append((0, 0, 0, 0))
            continue
        box = (rows[0], columns[0], len(rows), len(columns))
        assert gone.sum() == box[2] * box[3]  # a full rectangle
        found.append(box)
    return np.array(found)


def test_erased_rectangles_have_the_asked_area_ratio_and_frequency():
    ones = np.ones((3000, 2, 20, 24))
    out = T.RandomErasing(0.5, (0.1, 0.3), (0.5, 2.0), generator=rng())(ones)
    top, left, h, w = boxes(out).T
    erased = h > 0
    assert abs(erased.mean() - 0.5) < 0.03
    top, left, h, w = (v[erased] for v in (top, left, h, w))
    area, ratio = h * w / 480, h / w
    assert 0.08 < area.min() < 0.12
    assert 0.28 < area.max() < 0.33
    assert area.mean() == pytest.approx(0.2, abs=0.01)
    assert 0.4 < ratio.min() < 0.6
    assert 1.6 < ratio.max() < 2.5
    assert (top.min(), left.min()) == (0, 0)
    assert ((top + h).max(), (left + w).max()) == (20, 24)
    noise = T.RandomErasing(1.0, value="random", generator=rng())(ones)
    changed = noise[noise != 1]
    assert (changed.mean(), changed.std()) == pytest.approx((0, 1), abs=0.02)


def test_a_rectangle_that_never_fits_leaves_the_image():
    ones = np.ones((5, 1, 4, 4))
    assert T.RandomErasing(1.0, (1.0, 1.0), generator=rng())(ones).tolist() == ones.tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_cutouts_are_squares_that_may_cross_the_border(size):
    out = T.Cutout(size, value=7.0, generator=rng())(np.ones((2000, 2, 8, 8)))
    assert {*np.unique(out)} == {1.0, 7.0}
    _, _, h, w = boxes(out).T
    assert (h.max(), w.max()) == (min(size, 8),) * 2
    assert (h.min(), w.min()) == (size - size // 2,) * 2
    line = T.Cutout(size, generator=rng())(np.ones((50, 8)))
    assert ((line == 0).sum(1) <= size).all()


def test_transforms_change_what_a_data_set_gives_and_nothing_else():
    data = TensorDataset(IMAGES, np.arange(400))
    data.transform = T.Compose([T.RandomShift(1, generator=rng()), T.RandomHorizontalFlip()])
    first, second = (next(iter(DataLoader(data, 400))) for _ in range(2))
    assert first[0].tolist() != second[0].tolist()
    assert first[1].tolist() == second[1].tolist() == [*range(400)]
    assert data.tensors[0].tolist() == IMAGES.tolist()


def test_a_transform_says_what_it_is():
    both = T.Compose([T.RandomCrop(3, padding=1), T.Normalize(0.5, 2.0)])
    assert repr(both) == (
        "Compose([RandomCrop(size=3, padding=1, fill=0.0), Normalize(mean=0.5, std=2.0)])"
    )


ERRORS = {
    "whole numbers": (
        lambda: T.RandomShift(1)(np.ones((2, 3), int)),
        TypeError(
            "RandomShift changes Tensors and arrays of a floating dtype, not int64; use "
            ".astype('float32')"
        ),
    ),
    "a list": (
        lambda: T.RandomShift(1)([[1.0]]),
        TypeError(
            "RandomShift changes Tensors and arrays of a floating dtype, not list; use "
            ".astype('float32')"
        ),
    ),
    "one image": (
        lambda: T.RandomErasing()(np.ones((3, 8, 8))),
        ValueError("RandomErasing changes batches (N, C, H, W), not (3, 8, 8)"),
    ),
    "a vector": (
        lambda: T.RandomHorizontalFlip()(np.ones(3)),
        ValueError(
            "RandomHorizontalFlip changes batches (N, L) or (N, C, L) or (N, C, H, W), not (3,)"
        ),
    ),
    "crop": (
        lambda: T.RandomCrop(7, padding=1)(np.ones((2, 3, 4))),
        ValueError("RandomCrop: a window of (7,) does not fit into (4,) with padding (1,)"),
    ),
    "axes": (
        lambda: T.RandomShift((1, 2))(np.ones((2, 3))),
        ValueError(
            "RandomShift: max_shift is (1, 2); it must be one whole number of at least 0, or 1 of "
            "them, one for each axis of places"
        ),
    ),
    "channels": (
        lambda: T.Normalize([1, 2], [1, 2])(np.ones((2, 3, 4))),
        ValueError(
            "Normalize has 2 means and 2 standard deviations, and shape (2, 3, 4) has 3 channels"
        ),
    ),
    "std": (
        lambda: T.Normalize(0, [1, 0]),
        ValueError("Normalize: a standard deviation is 0; leave that channel out"),
    ),
    "p": (
        lambda: T.RandomHorizontalFlip(1.5),
        ValueError("RandomHorizontalFlip: p is 1.5; a probability is from 0 to 1"),
    ),
    "scale": (
        lambda: T.RandomErasing(scale=(0.3, 0.1)),
        ValueError(
            "RandomErasing: scale is (0.3, 0.1) and ratio (0.3, 3.3); each goes from a smaller "
            "number to a larger one, scale within 0 and 1, ratio above 0"
        ),
    ),
    "value": (
        lambda: T.RandomErasing(value="mean"),
        ValueError("RandomErasing: value is 'mean', not a number or 'random'"),
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()
