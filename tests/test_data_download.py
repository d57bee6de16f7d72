"""Downloads from a server of our own on this machine: whole files, or clear errors."""

import contextlib
import gzip
import hashlib
import http.server
import re
import socket
import tarfile
import threading
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from published_made import idx, remote_for, small_cifar, small_mnist

from tinygrad_edu import data
from tinygrad_edu.data import download, published
from tinygrad_edu.data.download import Remote, fetch

CONTENT = np.random.default_rng(0).integers(256, size=700_000).astype("u1").tobytes()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; a path's first part says how: whole, short, wrong, ..."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        _, how, name = self.path.split("/", 2)
        content = self.server.files.get(name)
        asked = self.headers.get("Range")
        self.server.requests.append((how, asked))
        if content is None or how == "missing":
            self.send_error(404)
            return
        if how == "redirect":
            self.send_response(302)
            self.send_header("Location", f"/ranges/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if asked and how in ("ranges", "breaks", "shifted"):
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            self.send_response(206)
            told = start + (how == "shifted")
            self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        sent = content[start:]
        if how == "wrong":
            sent = bytes(len(sent))
        if how == "long":
            sent = sent + bytes(1000)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        if how in ("short", "breaks"):
            sent = sent[: 300_000 if how == "breaks" else 0]
            self.close_connection = True
        self.wfile.write(sent)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *about: None  # a client that hangs up is part of the tests
        server.files, server.requests = {"file.bin": CONTENT}, []
        server.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote(server, *hows, content=CONTENT):
    urls = tuple(f"{server.base}/{how}/file.bin" for how in hows)
    return Remote("file.bin", urls, len(content), hashlib.sha256(content).hexdigest())


def get(found, folder, **options):
    return fetch(found, folder, substitute="data.digits()", progress=False, **options)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("how", ["ranges", "whole", "redirect", "breaks"])
def test_a_file_comes_whole_and_only_once(server, tmp_path, how):
    path = get(remote(server, how), tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == ["file.bin"]
    count = len(server.requests)
    assert get(remote(server, how), tmp_path / "new") == path
    assert get(remote(server, how), tmp_path / "new", offline=True) == path
    assert len(server.requests) == count


def test_a_connection_that_breaks_is_gone_on_with(server, tmp_path):
    get(remote(server, "breaks"), tmp_path)
    starts = [asked for _, asked in server.requests]
    assert starts == [None, "bytes=300000-", "bytes=600000-"]


@pytest.mark.parametrize("how", ["ranges", "whole"])
@pytest.mark.parametrize("left", [1, 123_456, len(CONTENT) - 1])
def test_what_an_earlier_try_left_is_used(server, tmp_path, how, left):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:left])
    assert get(remote(server, how), tmp_path).read_bytes() == CONTENT
    assert server.requests == [(how, f"bytes={left}-")]


def test_a_download_that_was_finished_but_not_renamed_asks_nobody(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert get(remote(server, "ranges"), tmp_path).read_bytes() == CONTENT
    assert server.requests == []


@pytest.mark.parametrize("left", [bytes(1000), bytes(len(CONTENT)), bytes(2 * len(CONTENT))])
def test_a_wrong_beginning_is_thrown_away(server, tmp_path, left):
    (tmp_path / "file.bin.part").write_bytes(left)
    assert get(remote(server, "ranges"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("ranges", None)


@pytest.mark.parametrize("bad", ["missing", "wrong", "long", "short"])
def test_the_next_server_is_asked(server, tmp_path, bad):
    assert get(remote(server, bad, "ranges"), tmp_path).read_bytes() == CONTENT
    assert [how for how, _ in server.requests] == [bad, "ranges"]


def test_a_server_that_gives_another_part_than_asked_is_not_believed(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    with pytest.raises(ConnectionError, match="asked for bytes from 1000, it answered 'bytes 1001"):
        get(remote(server, "shifted"), tmp_path)


def test_the_next_server_goes_on_where_the_first_broke_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TRIES", 1)
    assert get(remote(server, "breaks", "ranges"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("breaks", None), ("ranges", "bytes=300000-")]


def test_a_server_that_is_not_there(server, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
    found = remote(server, "ranges")
    found = found._replace(urls=(nobody, *found.urls))
    assert get(found, tmp_path).read_bytes() == CONTENT


def test_where_no_server_helps_the_error_says_what_each_answered(server, tmp_path):
    found = remote(server, "missing", "wrong", "short")
    with pytest.raises(ConnectionError) as caught:
        get(found, tmp_path)
    assert str(caught.value) == (
        f"cannot download file.bin. {server.base}/missing/file.bin: HTTP 404 Not Found; "
        f"{server.base}/wrong/file.bin: it has another SHA-256: it is not the published file; "
        f"{server.base}/short/file.bin: it ended after 0 of 700000 bytes. Try again later, put the "
        f"file into {tmp_path}, or use data.digits(), which needs no download"
    )
    assert not (tmp_path / "file.bin").exists()


def test_a_damaged_file_is_fetched_anew_and_refused_offline(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1] + b"x")
    text = (
        f"file.bin is not in {tmp_path}, and offline=True; load it once with a connection, or use "
        "data.digits(), which needs none"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(text)}$"):
        get(remote(server, "ranges"), tmp_path, offline=True)
    assert server.requests == []
    assert get(remote(server, "ranges"), tmp_path).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_used_is_named(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match=r"cannot keep file\.bin in .*below: .*; free space, or"):
        get(remote(server, "ranges"), tmp_path / "taken" / "below")


def test_a_full_disk_is_named_and_leaves_the_old_file(server, tmp_path, monkeypatch):
    (tmp_path / "file.bin").write_bytes(b"old")
    opened = Path.open

    @contextlib.contextmanager
    def full(path, mode):
        with opened(path, mode):
            yield mock.Mock(write=mock.Mock(side_effect=OSError(28, "No space left on device")))

    monkeypatch.setattr(
        Path, "open", lambda path, mode: (full if path.suffix == ".part" else opened)(path, mode)
    )
    with pytest.raises(OSError, match=r"cannot keep file\.bin in .*: No space left on device;"):
        get(remote(server, "ranges"), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"old"


def test_two_at_once_both_get_it(server, tmp_path):
    found = remote(server, "breaks", "ranges")
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(get(found, tmp_path).read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT] * 4
    assert len(server.requests) == 3  # the others waited


def test_the_bar_counts_bytes(server, tmp_path, capsys):
    pytest.importorskip("tqdm")
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:100_000])
    fetch(remote(server, "ranges"), tmp_path, substitute="")
    shown = capsys.readouterr().err
    assert "file.bin: 100%" in shown
    assert "700k/700k" in shown


# The sets


def publish(server, monkeypatch, files, name):
    """Put files on the server, and make it the place that a set comes from."""
    server.files = files
    remotes = {
        file: remote_for(f"{server.base}/ranges/{file}", content) for file, content in files.items()
    }
    single = name in ("_CIFAR10", "_TINY_SHAKESPEARE")
    monkeypatch.setattr(published, name, next(iter(remotes.values())) if single else remotes)


@pytest.mark.parametrize(
    ("load", "name"), [(data.mnist, "_MNIST"), (data.fashion_mnist, "_FASHION_MNIST")]
)
def test_mnist_and_fashion_mnist(server, monkeypatch, tmp_path, load, name):
    monkeypatch.setenv("TINYGRAD_EDU_HOME", str(tmp_path))
    files = small_mnist(np.random.default_rng(0))
    publish(server, monkeypatch, files, name)
    train, test = load(progress=False)
    assert [(t.shape, t.dtype) for t in train.tensors] == [((5, 1, 28, 28), "f4"), ((5,), "i8")]
    assert len(test) == 3
    raw = np.frombuffer(gzip.decompress(files["train-images-idx3-ubyte.gz"])[16:], "u1")
    np.testing.assert_allclose(train.tensors[0].data.ravel(), raw / 255, rtol=1e-6)
    labels = gzip.decompress(files["t10k-labels-idx1-ubyte.gz"])[8:]
    assert test.tensors[1].tolist() == [*labels]
    assert len(train.classes) == 10
    flat, _ = load(flat=True, offline=True)
    assert flat.tensors[0].shape == (5, 784)


def test_images_and_labels_must_belong_together(server, monkeypatch, tmp_path):
    files = small_mnist(np.random.default_rng(0))
    files["train-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.zeros(4, "u1")))
    publish(server, monkeypatch, files, "_MNIST")
    with pytest.raises(ValueError, match=r"images of shape \(5, 28, 28\) and labels of shape \(4,"):
        data.mnist(folder=tmp_path, progress=False)


def test_cifar10(server, monkeypatch, tmp_path):
    files, archive = small_cifar(np.random.default_rng(0))
    publish(server, monkeypatch, {"cifar-10-binary.tar.gz": archive}, "_CIFAR10")
    train, test = data.cifar10(folder=tmp_path, progress=False)
    assert [(t.shape, t.dtype) for t in train.tensors] == [((10, 3, 32, 32), "f4"), ((10,), "i8")]
    assert len(test) == 2
    third = np.frombuffer(files["cifar-10-batches-bin/data_batch_2.bin"], "u1").reshape(2, 3073)
    assert train.tensors[1].tolist()[2:4] == third[:, 0].tolist()
    red = third[0, 1:1025].reshape(32, 32) / 255
    np.testing.assert_allclose(train.tensors[0].data[2, 0], red, rtol=1e-6)
    there = {p.name for p in (tmp_path / "cifar-10-batches-bin").iterdir()}
    assert there == {*published._CIFAR10_TRAIN, *published._CIFAR10_TEST}
    monkeypatch.setattr(tarfile, "open", None)  # it is not unpacked again
    assert len(data.cifar10(folder=tmp_path, offline=True)[0]) == 10


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"without": ["cifar-10-batches-bin/data_batch_3.bin"]}, "data_batch_3.bin' not found"),
        ({"member": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}}, "absolute path"),
        ({"member": {"type": tarfile.CHRTYPE}}, "is a special file"),
    ],
)
def test_a_foreign_archive_is_not_unpacked(server, monkeypatch, tmp_path, changes, text):
    _, archive = small_cifar(np.random.default_rng(0), **changes)
    publish(server, monkeypatch, {"cifar-10-binary.tar.gz": archive}, "_CIFAR10")
    with pytest.raises(ValueError, match=re.escape(text)):
        data.cifar10(folder=tmp_path, progress=False)
    assert visible(tmp_path) == ["cifar-10-binary.tar.gz"]


def test_a_cut_archive_is_not_unpacked(server, monkeypatch, tmp_path):
    _, archive = small_cifar(np.random.default_rng(0))
    publish(server, monkeypatch, {"cifar-10-binary.tar.gz": archive[:-2000]}, "_CIFAR10")
    with pytest.raises(ValueError, match="cannot unpack"):
        data.cifar10(folder=tmp_path, progress=False)


def test_tiny_shakespeare(server, monkeypatch, tmp_path):
    publish(server, monkeypatch, {"input.txt": b"First Citizen:\nSpeak."}, "_TINY_SHAKESPEARE")
    assert data.tiny_shakespeare(folder=tmp_path, progress=False) == "First Citizen:\nSpeak."


@pytest.mark.parametrize(
    ("load", "substitute"),
    [
        (data.mnist, "data.digits()"),
        (data.fashion_mnist, "data.digits()"),
        (data.cifar10, "data.digits('writer')"),
        (data.tiny_shakespeare, "data.python_manual()"),
    ],
)
def test_offline_the_substitute_is_named(load, substitute, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=re.escape(f"or use {substitute}, which needs none")
    ):
        load(folder=tmp_path, offline=True)


def test_what_is_published_has_the_form_of_what_is_published():
    several = [*published._MNIST.values(), *published._FASHION_MNIST.values()]
    for found in (*several, published._CIFAR10, published._TINY_SHAKESPEARE):
        assert re.fullmatch("[0-9a-f]{64}", found.sha256)
        assert found.size > 1000
        assert len(found.urls) >= 2
        assert all(re.match(r"https?://[a-z.0-9-]+/", url) for url in found.urls)


# Formats


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_of_every_kind(tmp_path, dtype, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    code = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[dtype]
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path = write(tmp_path / "a.idx", pack(bytes([0, 0, code, 3]) + sizes + array.tobytes()))
    read = data.read_idx(path)
    assert read.tolist() == array.tolist()
    assert read.dtype == array.dtype.newbyteorder("=")


GOOD = idx(np.arange(6, dtype="u1").reshape(2, 3))
HUGE = bytes([0, 0, 8, 3]) + bytes([255]) * 12
BROKEN = {
    "empty": (b"", "it is no IDX file; it starts with b''"),
    "text": (b"hello world", "it is no IDX file; it starts with b'hell'"),
    "unknown type": (bytes([0, 0, 7, 1]), "it is no IDX file"),
    "header": (GOOD[:7], "it is cut off inside its header of 12 bytes"),
    "short": (GOOD[:-1], "its header announces (2, 3), 6 bytes, and 5 are there"),
    "long": (GOOD + b"x", "its header announces (2, 3), 6 bytes, and more are there"),
    "huge": (HUGE, "and 0 are there"),
    "cut gzip": (gzip.compress(GOOD)[:-9], "Compressed file ended"),
    "bad gzip": (gzip.compress(GOOD)[:-8] + bytes(8), "CRC check failed"),
    "only gzip": (b"\x1f\x8b", ""),
    "bomb": (gzip.compress(GOOD + bytes(10**7)), "and more are there"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_idx_file_is_refused(tmp_path, what):
    content, text = BROKEN[what]
    path = write(tmp_path / "file.idx", content)
    with pytest.raises(
        ValueError, match=re.escape(f"cannot read '{path}': ") + ".*" + re.escape(text)
    ):
        data.read_idx(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "it has 0 bytes, and records of CIFAR-10 have 3073 each"),
        (bytes(3072), "it has 3072 bytes"),
        (bytes([10]) + bytes(3072), "label 10 is not from 0 to 9"),
    ],
)
def test_a_broken_cifar_file_is_refused(tmp_path, content, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        data.read_cifar10(write(tmp_path / "batch.bin", content))
