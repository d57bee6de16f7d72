"""Small files in the formats of the published data sets, and remotes that lead to them."""

import gzip
import hashlib
import io
import tarfile

import numpy as np

from tinygrad_edu.data import published
from tinygrad_edu.data.download import Remote


def idx(array):
    kind = {"u1": 8}[array.dtype.str[1:]]
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def small_mnist(draw, n=5, m=3):
    files = {}
    for part, size in (("train", n), ("t10k", m)):
        images = draw.integers(256, size=(size, 28, 28)).astype("u1")
        labels = draw.integers(10, size=size).astype("u1")
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    return files


def small_cifar(draw, **changes):
    files = {
        f"cifar-10-batches-bin/{name}": draw.integers(10, size=(2, 3073)).astype("u1").tobytes()
        for name in (*published._CIFAR10_TRAIN, *published._CIFAR10_TEST)
    }
    files = {"cifar-10-batches-bin/readme.html": b"hello", **files}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = 0 if "member" in changes else len(content)
            for key, value in changes.get("member", {}).items():
                setattr(member, key, value)
            if name not in changes.get("without", ()):
                tar.addfile(member, None if "member" in changes else io.BytesIO(content))
    return files, buffer.getvalue()


def remote_for(address, content):
    """A published file: its name is the last part of its address."""
    name = address.rpartition("/")[2]
    return Remote(name, (address,), len(content), hashlib.sha256(content).hexdigest())


def publish_in(folder, monkeypatch):
    """Make a folder the place that every published set comes from: a few pictures, a few words."""
    draw = np.random.default_rng(0)

    def put(name, content):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return remote_for(path.as_uri(), content)

    for name in ("mnist", "fashion_mnist"):
        files = {file: put(f"{name}/{file}", data) for file, data in small_mnist(draw).items()}
        monkeypatch.setattr(published, f"_{name.upper()}", files)
    text = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
    monkeypatch.setattr(published, "_CIFAR10", put("cifar-10-binary.tar.gz", small_cifar(draw)[1]))
    monkeypatch.setattr(published, "_TINY_SHAKESPEARE", put("input.txt", text))
