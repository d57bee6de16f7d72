"""MNIST-1D: ten digits drawn as lines of 40 numbers, made from their recipe.

Source: Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024,
arXiv:2011.14439.  The numbers are those of the authors' generator, drawn in the same order from the
same stream.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import zipfile
from typing import Any

import numpy

from tinygrad_edu.data.cache import cache_folder, whole_file
from tinygrad_edu.data.dataset import TensorDataset
from tinygrad_edu.namespaces.arrays import Array

# The height of each digit's stroke at twelve places, from left to right.
_STROKES = [
    "5 6 6.5 6.75 7 7 7 7 6.75 6.5 6 5",
    "5 3 3 3.4 3.8 4.2 4.6 5 5.4 5.8 5 5",
    "5 6 6.5 6.5 6 5.25 4.75 4 3.5 3.5 4 5",
    "5 6 6.5 6.5 6 5 5 6 6.5 6.5 6 5",
    "5 4.4 3.8 3.2 2.6 2.6 5 5 5 5 5 5",
    "5 3 3 3 3 5 6 6.5 6.5 6 4.5 5",
    "5 4 3.5 3.25 3 3 3 3 3.25 3.5 4 5",
    "5 7 7 6.6 6.2 5.8 5.4 5 4.6 4.2 5 5",
    "5 4 3.5 3.5 4 5 5 4 3.5 3.5 4 5",
    "5 4 3.5 3.5 4 5 5 5 5 4.7 4.3 5",
]


def mnist1d(
    num_samples: int = 5000,
    train_split: float = 0.8,
    *,
    padding: tuple[int, int] = (36, 60),
    scale_coeff: float = 0.4,
    max_translation: int = 48,
    corr_noise_scale: float = 0.25,
    iid_noise_scale: float = 0.02,
    shear_scale: float = 0.75,
    shuffle_seq: bool = False,
    final_seq_length: int = 40,
    seed: int = 42,
    dtype: Any = "float32",
) -> tuple[TensorDataset, TensorDataset]:
    """MNIST-1D: train and test, signals (N, length) of `dtype` and labels (N,) of int64, 0 to 9.

    By default 4000 and 1000 signals of length 40, of mean 0 and standard deviation 1 together.

    Parameters
    ----------
    num_samples : of both together, a multiple of 10.
    train_split : which part of them is for training.
    padding, ..., shear_scale, final_seq_length : what each does is in `mnist1d_steps`.
    shuffle_seq : whether the places are shuffled, in the same way in every signal.

    The names and defaults are the authors'.  Made once, in a quarter of a second, and read from the
    cache afterwards.  Raises ValueError for an option out of range.

    Source: Greydanus and Kobak 2024, arXiv:2011.14439.

    >>> train, test = mnist1d(num_samples=200)
    >>> train
    TensorDataset((160, 40) float32, (160,) int64)

    Built in lesson 20.
    """
    options = _checked(
        {
            "num_samples": num_samples,
            "train_split": train_split,
            "padding": padding,
            "scale_coeff": scale_coeff,
            "max_translation": max_translation,
            "corr_noise_scale": corr_noise_scale,
            "iid_noise_scale": iid_noise_scale,
            "shear_scale": shear_scale,
            "shuffle_seq": shuffle_seq,
            "final_seq_length": final_seq_length,
            "seed": seed,
        }
    )
    x, y = _remembered(options)
    x = x.astype(dtype)
    end = int(len(y) * train_split)
    digits = [str(i) for i in range(10)]
    return (
        TensorDataset(x[:end], y[:end], classes=digits),
        TensorDataset(x[end:], y[end:], classes=digits),
    )


def mnist1d_templates() -> Array:
    """The ten digits before anything is done to them, (10, 12) of float64; each starts at 0.

    >>> mnist1d_templates().shape
    (10, 12)
    """
    x = numpy.array([[float(height) for height in stroke.split()] for stroke in _STROKES])
    x -= x.mean(1, keepdims=True)
    x /= x.std(1, keepdims=True)
    x -= x[:, :1]
    return x / 6.0


def mnist1d_steps(digit: int, generator: Any, **options: Any) -> list[tuple[str, Array]]:
    """How one signal is made: the name of every step, and the signal (n,) after it.

    digit : 0 to 9.  generator : a ``numpy.random.RandomState``, the kind of the reference.
    options : as in `mnist1d`.

    - "template": the stroke, 12 numbers; "pad": as many zeros after it as `padding` says, from the
      first to the second number; "resample": read at 72 equally spaced places
    - "scale": multiplied by up to 1 + scale_coeff / 2, or down to 1 - scale_coeff / 2
    - "shift": the last k numbers brought to the front, k below max_translation
    - "noise": smooth noise in place of the zeros, and a little noise everywhere
    - "shear": a straight line subtracted; "shorten": read at final_seq_length places

    >>> import numpy
    >>> steps = mnist1d_steps(3, numpy.random.RandomState(0))
    >>> [(name, len(x)) for name, x in steps][:3]
    [('template', 12), ('pad', 61), ('resample', 72)]
    >>> len(steps[-1][1])
    40
    """
    defaults = {p.name: p.default for p in inspect.signature(mnist1d).parameters.values()}
    unknown = sorted(options.keys() - defaults.keys())
    if unknown:
        raise TypeError(f"mnist1d has no option {unknown[0]!r}; it has {', '.join(defaults)}")
    chosen = {**defaults, **options}
    return [*_steps(mnist1d_templates()[digit], generator, _checked(chosen))]


def _checked(chosen: dict[str, Any]) -> dict[str, Any]:
    low, high = chosen["padding"]
    if chosen["num_samples"] < 10 or chosen["num_samples"] % 10:
        raise ValueError(
            f"mnist1d: num_samples is {chosen['num_samples']}; it must be a multiple of 10, the "
            "number of digits"
        )
    if not 0 <= low <= high or not 0 <= chosen["train_split"] <= 1:
        raise ValueError(
            f"mnist1d: padding is {chosen['padding']} and train_split {chosen['train_split']}; "
            "padding goes from a whole number to one at least as large, train_split from 0 to 1"
        )
    if not 1 <= chosen["max_translation"] <= 12 + high or chosen["final_seq_length"] < 2:
        raise ValueError(
            f"mnist1d: max_translation is {chosen['max_translation']} and final_seq_length "
            f"{chosen['final_seq_length']}; they must be 1 to {12 + high}, and at least 2"
        )
    return chosen


def _steps(template: Array, generator: Any, options: dict[str, Any]) -> Any:
    low, high = options["padding"]
    size = 12 + high
    yield "template", template
    zeros = low + int(generator.rand() * (high - low + 1))
    # The tiny number marks the stroke: what is exactly 0 later on is the padding.
    x = numpy.concatenate([template + 1e-8, numpy.zeros(zeros)])
    yield "pad", x
    x = _resampled(x, size)
    yield "resample", x
    x = x * (1 + options["scale_coeff"] * (generator.rand() - 0.5))
    yield "scale", x
    shift = generator.choice(options["max_translation"])
    x = numpy.concatenate([x[-shift:], x[:-shift]])
    yield "shift", x
    smooth = _smoothed(options["corr_noise_scale"] * generator.randn(size))
    x = numpy.where(x != 0, x, smooth) + options["iid_noise_scale"] * generator.randn(size)
    yield "noise", x
    slope = options["shear_scale"] * (generator.rand() - 0.5)
    x = x - slope * numpy.linspace(-0.5, 0.5, size)
    yield "shear", x
    yield "shorten", _resampled(x, options["final_seq_length"])


def _resampled(x: Array, size: int) -> Array:
    """The line through the numbers of x, read at `size` equally spaced places."""
    return numpy.interp(numpy.linspace(0, 1, size), numpy.linspace(0, 1, len(x)), x)


_BELL = numpy.exp(-0.5 * (numpy.arange(-8, 9) / 2.0) ** 2)
_BELL /= _BELL.sum()


def _smoothed(x: Array) -> Array:
    """Averaged with a bell of standard deviation 2 places, mirrored at the ends."""
    return numpy.convolve(numpy.pad(x, 8, mode="symmetric"), _BELL, mode="valid")


def _made(options: dict[str, Any]) -> tuple[Array, Array]:
    generator = numpy.random.RandomState(options["seed"])
    each = options["num_samples"] // 10
    x = numpy.array(
        [
            [*_steps(template, generator, options)][-1][1]
            for template in mnist1d_templates()
            for _ in range(each)
        ]
    )
    order = generator.permutation(len(x))
    x, y = x[order], numpy.repeat(numpy.arange(10), each)[order]
    if options["shuffle_seq"]:
        x = x[:, generator.permutation(x.shape[1])]
    return (x - x.mean()) / x.std(), y


def _remembered(options: dict[str, Any]) -> tuple[Array, Array]:
    """The set from the cache, or made and put there if that can be written."""
    made_from = sorted(item for item in options.items() if item[0] != "train_split")
    key = hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]
    path = cache_folder() / f"mnist1d-{key}.npz"
    shape = (options["num_samples"], options["final_seq_length"])
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        with path.open("rb") as old, numpy.load(old, allow_pickle=False) as saved:
            x, y = saved["x"], saved["y"]
        if x.shape == shape and x.dtype == numpy.float64 and y.shape == shape[:1]:
            return x, y.astype(numpy.int64)
    x, y = _made(options)
    with contextlib.suppress(OSError), whole_file(path) as file:
        numpy.savez(file, x=x, y=y)
    return x, y
