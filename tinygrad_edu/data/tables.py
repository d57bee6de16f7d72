"""Small data sets that scikit-learn carries or draws: handwritten digits, tables, points, photos.

scikit-learn is installed with ``pip install "tinygrad_edu[data]"``.  A set is fixed by its
arguments: the same ones give the same examples.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_edu.data.dataset import TensorDataset
from tinygrad_edu.engine.tensor import Tensor


def digits(
    split: str = "strat", *, flat: bool = False, seed: int = 0
) -> tuple[TensorDataset, TensorDataset]:
    """1797 handwritten digits: 1437 to train, 360 to test.

    Images (N, 1, 8, 8) of float32 from 0 (paper) to 1 (ink), labels (N,) of int64.

    Parameters
    ----------
    split : "strat" chooses the test images at random, as many of each digit as there should be;
        "writer" takes the last 360, written by people who wrote none of the others: harder.
    flat : give rows of 64 numbers, (N, 64), in place of images.
    seed : of the choice that "strat" makes.

    Source: Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI machine
    learning repository; its test set, as scikit-learn carries it.

    >>> train, test = digits("writer")
    >>> train
    TensorDataset((1437, 1, 8, 8) float32, (1437,) int64)
    >>> len(test)
    360

    Built in lesson 10.
    """
    x, y = _sklearn().datasets.load_digits(return_X_y=True)
    order = numpy.arange(len(y))
    if split == "strat":
        train, test = _sklearn().model_selection.train_test_split(
            order, test_size=360, stratify=y, random_state=seed
        )
    elif split == "writer":
        train, test = order[:-360], order[-360:]
    else:
        raise ValueError(f"digits: split is {split!r}, not 'strat' or 'writer'")
    x = (x / 16.0).astype("float32")
    x = x if flat else x.reshape(-1, 1, 8, 8)
    names = [str(i) for i in range(10)]
    return (
        TensorDataset(x[train], y[train].astype("int64"), classes=names),
        TensorDataset(x[test], y[test].astype("int64"), classes=names),
    )


def iris() -> TensorDataset:
    """150 irises of 3 kinds: (150, 4) of float32, in cm, and labels (150,) of int64.

    The columns are the length and width of the sepals, and of the petals.
    Source: Fisher 1936, "The use of multiple measurements in taxonomic problems".

    >>> iris().classes
    ('setosa', 'versicolor', 'virginica')
    """
    return _table("load_iris")


def wine() -> TensorDataset:
    """178 wines from 3 growers: (178, 13) of float32 and labels (178,) of int64.

    The columns are results of a chemical analysis, each in a unit of its own.
    Source: Aeberhard and Forina 1992, Wine, UCI machine learning repository.

    >>> wine()
    TensorDataset((178, 13) float32, (178,) int64)
    """
    return _table("load_wine")


def breast_cancer() -> TensorDataset:
    """569 tumours: (569, 30) of float32, and labels (569,) of int64.

    The columns measure the nuclei of cells in an image: the mean, the standard error and the worst
    value of ten properties.
    Source: Wolberg, Mangasarian, Street and Street 1993, UCI machine learning repository.

    >>> breast_cancer().classes
    ('malignant', 'benign')
    """
    return _table("load_breast_cancer")


def diabetes() -> TensorDataset:
    """442 patients: (442, 10) of float32, and how ill each is a year later, (442,) of float32.

    The columns are age, sex, body mass index, blood pressure and six measurements of blood serum,
    each of mean 0 and scaled so that its squares add up to 1; the target goes from 25 to 346.
    Source: Efron, Hastie, Johnstone and Tibshirani 2004, "Least angle regression", section 1.

    >>> diabetes()
    TensorDataset((442, 10) float32, (442,) float32)
    """
    x, y = _sklearn().datasets.load_diabetes(return_X_y=True)
    return TensorDataset(x.astype("float32"), y.astype("float32"))


def moons(n_samples: int = 100, noise: float = 0.1, *, seed: int = 0) -> TensorDataset:
    """Two half circles, one in the bend of the other: (N, 2) of float32, labels (N,) of int64.

    noise : standard deviation of what is added to both coordinates.

    >>> moons(6)
    TensorDataset((6, 2) float32, (6,) int64)
    """
    return _points("make_moons", n_samples=n_samples, noise=noise, random_state=seed)


def circles(
    n_samples: int = 100, noise: float = 0.05, factor: float = 0.5, *, seed: int = 0
) -> TensorDataset:
    """A circle of radius 1, labelled 0, around one of radius `factor`: shapes as of `moons`.

    noise : standard deviation of what is added to both coordinates.

    >>> circles(6)
    TensorDataset((6, 2) float32, (6,) int64)
    """
    return _points(
        "make_circles", n_samples=n_samples, noise=noise, factor=factor, random_state=seed
    )


def photo(name: str = "china") -> Tensor:
    """A colour photograph, (3, 427, 640) of float32 from 0 to 1: "china" or "flower".

    >>> photo("flower").shape
    (3, 427, 640)
    """
    if name not in ("china", "flower"):
        raise ValueError(f"photo: name is {name!r}, not 'china' or 'flower'")
    pixels = _sklearn().datasets.load_sample_image(f"{name}.jpg")  # (427, 640, 3)
    return Tensor(pixels.transpose(2, 0, 1) / numpy.float32(255))


def _sklearn() -> Any:
    try:
        import sklearn.datasets
        import sklearn.model_selection
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this data set comes with scikit-learn: pip install 'tinygrad_edu[data]'; "
            "mnist1d() and the sequences need no other package"
        ) from error
    return sklearn


def _table(loader: str) -> TensorDataset:
    found = getattr(_sklearn().datasets, loader)()
    names = [str(name) for name in found.target_names]
    return TensorDataset(found.data.astype("float32"), found.target.astype("int64"), classes=names)


def _points(maker: str, **options: Any) -> TensorDataset:
    x, y = getattr(_sklearn().datasets, maker)(**options)
    return TensorDataset(x.astype("float32"), y.astype("int64"), classes=("0", "1"))
