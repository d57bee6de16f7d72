"""Data sets that are downloaded once and kept: MNIST, Fashion-MNIST, CIFAR-10, tiny Shakespeare.

All take the same options:

folder : where the files lie, or will; by default in the user's cache.
offline : whether to raise FileNotFoundError, and not ask any server, if they are not there.
progress : whether a bar is shown while they are downloaded, where tqdm is installed.

What is there is checked against the published SHA-256 sums.  Where no server gives a file, a
ConnectionError says what each of them answered, and what can be used instead.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy

from tinygrad_edu.data.cache import cache_folder
from tinygrad_edu.data.dataset import TensorDataset
from tinygrad_edu.data.download import Remote, fetch
from tinygrad_edu.data.formats import read_cifar10, read_idx
from tinygrad_edu.namespaces.arrays import Array

Folder = str | os.PathLike[str] | None


def _remotes(mirrors: tuple[str, ...], files: dict[str, tuple[int, str]]) -> dict[str, Remote]:
    return {
        name: Remote(name, tuple(mirror + name for mirror in mirrors), size, sha256)
        for name, (size, sha256) in files.items()
    }


# Sizes and sums: tensorflow/datasets, tensorflow_datasets/url_checksums/mnist.txt, with the first
# place to have them from.  The others: pytorch/vision, torchvision/datasets/mnist.py.
_MNIST = _remotes(
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)

# Sizes, sums and the first place: tensorflow/datasets, url_checksums/fashion_mnist.txt.  The second
# place: keras-team/keras, keras/src/datasets/fashion_mnist.py, which has the same sums.
_FASHION_MNIST = _remotes(
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)

# Size, sum and the first place: tensorflow/datasets, url_checksums/cifar10.txt.  The second place:
# tensorflow/swift-models, Tests/DatasetsTests/CIFAR10.
_CIFAR10 = Remote(
    "cifar-10-binary.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"
        "cifar-10-binary.tar.gz",
    ),
    170052171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
_CIFAR10_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_CIFAR10_TEST = ("test_batch.bin",)

# Size, sum and the first place: tensorflow/datasets, url_checksums/tiny_shakespeare.txt.  The other
# place: jcjohnson/torch-rnn, data/tiny-shakespeare.txt.
_TINY_SHAKESPEARE = Remote(
    "input.txt",
    (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "https://raw.githubusercontent.com/jcjohnson/torch-rnn/master/data/tiny-shakespeare.txt",
    ),
    1115394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


def mnist(
    *, flat: bool = False, folder: Folder = None, offline: bool = False, progress: bool = True
) -> tuple[TensorDataset, TensorDataset]:
    """MNIST: 60,000 handwritten digits to train and 10,000 to test, 11 MB to download.

    Images (N, 1, 28, 28) of float32 from 0 to 1, or (N, 784) if `flat`; labels (N,) of int64.
    The other options: see the module.  Without a connection: `digits`, 8 by 8.

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document
    recognition".

    >>> train, test = mnist()
    >>> images, labels = train.batch([0, 1, 2])
    >>> images.shape, labels.shape
    ((3, 1, 28, 28), (3,))
    >>> mnist(folder="nowhere", offline=True)
    Traceback (most recent call last):
    FileNotFoundError: train-images-idx3-ubyte.gz is not in nowhere, and offline=True; ...
    """
    names = [str(i) for i in range(10)]
    return _idx_pair(_MNIST, "mnist", names, "data.digits()", flat, folder, offline, progress)


def fashion_mnist(
    *, flat: bool = False, folder: Folder = None, offline: bool = False, progress: bool = True
) -> tuple[TensorDataset, TensorDataset]:
    """Fashion-MNIST: 60,000 pictures of clothes to train and 10,000 to test, 31 MB to download.

    Images (N, 1, 28, 28) of float32 from 0 to 1, or (N, 784) if `flat`; labels (N,) of int64;
    ``classes`` names the ten kinds.  The other options: see the module.  Without a connection:
    `digits`.

    Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.

    >>> train, test = fashion_mnist(flat=True)
    >>> images, labels = train.batch([0, 1, 2])
    >>> images.shape, train.classes[0]
    ((3, 784), 'T-shirt/top')
    """
    names = [
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ]
    return _idx_pair(
        _FASHION_MNIST, "fashion-mnist", names, "data.digits()", flat, folder, offline, progress
    )


def cifar10(
    *, folder: Folder = None, offline: bool = False, progress: bool = True
) -> tuple[TensorDataset, TensorDataset]:
    """CIFAR-10: 50,000 small photographs to train and 10,000 to test, 170 MB to download.

    Images (N, 3, 32, 32) of float32 from 0 to 1, 740 MB in memory; labels (N,) of int64;
    ``classes`` names the ten kinds.  The options: see the module.  Without a connection: `digits`
    with the split "writer".

    The binary archive is used: the other one is a pickle, and opening a pickle can run anything.

    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".

    >>> train, test = cifar10()
    >>> images, labels = test.batch([0, 1])
    >>> images.shape, images.dtype, test.classes[:2]
    ((2, 3, 32, 32), dtype('float32'), ('airplane', 'automobile'))
    """
    place = _place(folder, "cifar-10")
    archive = fetch(
        _CIFAR10,
        place,
        substitute="data.digits('writer')",
        offline=offline,
        progress=progress,
    )
    unpacked = _unpacked(archive, place / "cifar-10-batches-bin")
    names = [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ]

    def read(files: tuple[str, ...]) -> TensorDataset:
        images, labels = zip(*(read_cifar10(unpacked / name) for name in files), strict=True)
        return _images(numpy.concatenate(images), numpy.concatenate(labels), names)

    return read(_CIFAR10_TRAIN), read(_CIFAR10_TEST)


def tiny_shakespeare(*, folder: Folder = None, offline: bool = False, progress: bool = True) -> str:
    """Scenes by Shakespeare, 1,115,394 characters in one text, 1 MB to download.

    The options: see the module.  Without a connection: `python_manual`.

    Source: Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks".

    >>> print(tiny_shakespeare().splitlines()[0])
    First Citizen:
    """
    path = fetch(
        _TINY_SHAKESPEARE,
        _place(folder, "tiny-shakespeare"),
        substitute="data.python_manual()",
        offline=offline,
        progress=progress,
    )
    return path.read_bytes().decode()


def _place(folder: Folder, name: str) -> Path:
    return cache_folder() / name if folder is None else Path(folder)


def _idx_pair(
    remotes: dict[str, Remote],
    name: str,
    classes: list[str],
    substitute: str,
    flat: bool,
    folder: Folder,
    offline: bool,
    progress: bool,
) -> tuple[TensorDataset, TensorDataset]:
    place = _place(folder, name)
    paths = [
        fetch(remote, place, substitute=substitute, offline=offline, progress=progress)
        for remote in remotes.values()
    ]
    x, y, test_x, test_y = (read_idx(path) for path in paths)
    for images, labels in ((x, y), (test_x, test_y)):
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or labels.max() > 9:
            raise ValueError(
                f"{name}: images of shape {images.shape} and labels of shape {labels.shape}, "
                f"the largest {labels.max()}, are not {name}"
            )
    shape = (-1, 784) if flat else (-1, 1, 28, 28)
    return (
        _images(x.reshape(shape), y, classes),
        _images(test_x.reshape(shape), test_y, classes),
    )


def _images(images: Array, labels: Array, classes: list[str]) -> TensorDataset:
    """Bytes from 0 to 255 as float32 from 0 to 1."""
    x = images.astype(numpy.float32)
    x /= 255
    return TensorDataset(x, labels.astype(numpy.int64), classes=classes)


def _unpacked(archive: Path, target: Path) -> Path:
    """The folder of an archive's data files, which appears whole or not at all."""
    wanted = (*_CIFAR10_TRAIN, *_CIFAR10_TEST)
    if all((target / name).is_file() for name in wanted):
        return target
    if not hasattr(tarfile, "data_filter"):
        raise RuntimeError("unpacking safely needs a newer Python: 3.10.12, 3.11.4, or later")
    with tempfile.TemporaryDirectory(dir=archive.parent) as aside:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                for name in wanted:
                    tar.extract(f"{target.name}/{name}", aside, filter="data")
        except (KeyError, EOFError, zlib.error, tarfile.TarError) as error:
            raise ValueError(f"cannot unpack '{archive}': {error.args[0]}") from error
        shutil.rmtree(target, ignore_errors=True)  # what a try that was broken off may have left
        os.replace(Path(aside, target.name), target)
    return target
