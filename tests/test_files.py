"""Files: what comes back is what was saved, and what is damaged or hostile changes nothing."""

import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, files, load, nn, optim, save
from tinygrad_edu.nn import functional as F

pytest.importorskip("safetensors")


def same(a, b):
    """Whether two nestings are equal, kinds, dtypes and bits included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Tensor):
        a, b = a.data, b.data
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return a == b or a != a


DTYPES = ["bool", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"]
NESTED = {
    "tensor": Tensor([[1.0, -0.0], [math.inf, math.nan]]),
    "whole": {0: Tensor(3.0, dtype="float64"), 7: [1, (2.5, None)], "": True},
    "empty": [{}, [], (), Tensor(np.zeros((0, 3)))],
    "numbers": [2**127 + 1, -1e-320, math.inf, math.nan, 0.1],
    "text": 'a "quoted" \\ \u0000 \ud800 line\n',
    "__metadata__": Tensor([1.0]),
    "a.b": Tensor([1.0]),
    "a": {"b": Tensor([2.0]), "b_": Tensor([3.0])},
}


@pytest.mark.parametrize(
    "x",
    [
        NESTED,
        Tensor([1.0, 2.0]),
        [Tensor([1.0])],
        1.5,
        None,
        *(np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES),
        np.array(5.0),
    ],
    ids=str,
)
def test_what_comes_back_is_what_was_saved(x, tmp_path):
    save(x, tmp_path / "x.safetensors")
    assert same(load(tmp_path / "x.safetensors"), x)
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_the_comparison_sees_a_difference():
    assert same(NESTED, NESTED)
    assert not same([Tensor([0.0])], [Tensor([-0.0])])
    assert not same([1], [1.0])
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_arrays_in_another_order_of_memory_or_bytes_keep_their_numbers(tmp_path):
    plain = np.arange(6.0).reshape(2, 3)
    save([plain.T, plain.astype(">f8"), plain[:, ::2], np.float32(1.5)], tmp_path / "x")
    found = load(tmp_path / "x")
    assert same(found, [plain.T.copy(), plain, plain[:, ::2].copy(), 1.5])
    assert all(array.flags.writeable for array in found[:3])


def test_an_array_of_a_gpu_is_fetched(tmp_path):
    class OnCard:
        @property
        def __cuda_array_interface__(self):
            return {}

        def get(self):
            return np.arange(3.0)

    save({"exp_avg": OnCard()}, tmp_path / "x")
    assert same(load(tmp_path / "x"), {"exp_avg": np.arange(3.0)})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"a": [1, {2}]}, r"cannot save a\.1: it is <class 'set'>"),
        ({"a": {1.5: 2}}, "cannot save a: it is a dict whose keys are not all strings"),
        (np.zeros(2, "complex64"), "cannot save this: the file has no place for complex64"),
        ({"a": np.array(["x"])}, "cannot save a: the file has no place for <U1"),
    ],
)
def test_what_has_no_place_in_a_file_is_named(x, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        save(x, tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_a_nesting_without_end_is_refused(tmp_path):
    x = []
    x.append(x)
    with pytest.raises(ValueError, match="nested too deeply"):
        save(x, tmp_path / "x")


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.mark.parametrize("kind", ["SGD", "Adam", "LBFGS"])
def test_training_goes_on_from_a_file_as_if_nothing_had_happened(kind, tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")

    def train(model, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = F.mse_loss(model(Tensor(x)), y[:, :2])
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)

    options = {"lr": 0.01, **({"momentum": 0.9} if kind == "SGD" else {})}
    first = network()
    optimizer = getattr(optim, kind)(first.parameters(), **options)
    train(first, optimizer, 3)
    save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state")
    train(first, optimizer, 3)

    second = network()
    optimizer = getattr(optim, kind)(second.parameters(), **options)
    state = load(tmp_path / "state")
    second.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    train(second, optimizer, 3)
    assert same(second.state_dict(), first.state_dict())


# Other programs' files


@pytest.mark.parity
def test_files_go_to_pytorch_and_come_from_it(tmp_path):
    torch = pytest.importorskip("torch")
    torch_files = pytest.importorskip("safetensors.torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    ).double()
    torch_files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours = network().double()
    ours.load_state_dict(load(tmp_path / "theirs.safetensors"))
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(
        ours(Tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6
    )
    save(ours.state_dict(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(torch_files.load_file(tmp_path / "ours.safetensors"))


@pytest.mark.parity
def test_bfloat16_becomes_float32_and_float8_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch_files = pytest.importorskip("safetensors.torch")
    x = torch.tensor([[1.0, -2.5, 3e38], [float("inf"), 0.0, 1e-40]])
    halves = {"b": x.bfloat16(), "h": x.half()}
    torch_files.save_file(halves, tmp_path / "x")
    found = load(tmp_path / "x")
    assert (found["b"].dtype, found["h"].dtype) == (np.float32, np.float16)
    for name, half in halves.items():
        assert found[name].tolist() == half.tolist()
    torch_files.save_file({"q": x.to(torch.float8_e5m2)}, tmp_path / "x")
    with pytest.raises(ValueError, match=r"x': 'q' holds F8_E5M2 numbers, for which NumPy has no"):
        load(tmp_path / "x")


@pytest.mark.parity
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_not_opened(zipped, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.ones(1)}, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"x': it is a pickle.*safetensors\.torch\.save_file"):
        load(tmp_path / "x")


# Damage


def parts(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def write(path, header, numbers, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text + numbers)


HOSTILE = {
    "a size beyond the file": lambda h, b: (h, b, 2**63),
    "no header": lambda h, b: (b"", b),
    "deep": lambda h, b: (b'{"a":' * 100_000, b),
    "not JSON": lambda h, b: (b"{nonsense}", b),
    "names that are lists": lambda h, b: (b'{"a": []}', b),
    "a name twice": lambda h, b: (json.dumps(h)[:-1].encode() + b', "weight": {}}', b),
    "a shape too large": lambda h, b: ({**h, "weight": {**h["weight"], "shape": [2**62, 8]}}, b),
    "a shape too small": lambda h, b: ({**h, "weight": {**h["weight"], "shape": [1]}}, b),
    "an end beyond": lambda h, b: ({**h, "weight": {**h["weight"], "data_offsets": [4, 2**60]}}, b),
    "an end before the start": lambda h, b: (
        {**h, "weight": {**h["weight"], "data_offsets": [28, 4]}},
        b,
    ),
    "a negative start": lambda h, b: ({**h, "weight": {**h["weight"], "data_offsets": [-1, 4]}}, b),
    "an overlap": lambda h, b: ({**h, "weight": {**h["weight"], "data_offsets": [0, 24]}}, b),
    "an unknown dtype": lambda h, b: ({**h, "weight": {**h["weight"], "dtype": "F31"}}, b),
    "metadata of numbers": lambda h, b: ({**h, "__metadata__": {"tinygrad_edu": 1}}, b),
    "bytes after the end": lambda h, b: (h, b + b"x"),
    "a bit turned": lambda h, b: (h, bytes([b[0] ^ 1]) + b[1:]),
    "a shape turned": lambda h, b: ({**h, "weight": {**h["weight"], "shape": [3, 2]}}, b),
    "an array less": lambda h, b: ({k: v for k, v in h.items() if k != "bias"}, b),
    "another form": lambda h, b: (ours(h, version=2), b),
    "structure: not JSON": lambda h, b: ({**h, "__metadata__": {"tinygrad_edu": "{"}}, b),
    "structure: deep": lambda h, b: ({**h, "__metadata__": {"tinygrad_edu": "[" * 100_000}}, b),
    "structure: a list": lambda h, b: ({**h, "__metadata__": {"tinygrad_edu": "[]"}}, b),
    "structure: huge number": lambda h, b: ({**h, "__metadata__": {"tinygrad_edu": "9" * 9999}}, b),
}
SIGNED = {  # whoever alters a file can compute its checksum anew
    "an array that is not there": {"tensor": "nothing"},
    "a name that is a list": {"tensor": []},
    "an unknown kind": {"set": []},
    "two kinds": {"tuple": [], "dict": []},
    "a key that is a list": {"dict": [[[], 1]]},
    "a pair of three": {"dict": [[1, 2, 3]]},
    "a tuple that is none": {"tuple": 5},
    "an array for two": [{"tensor": "bias"}, {"tensor": "bias"}],
}


def ours(header, **changes):
    about = {**json.loads(header["__metadata__"]["tinygrad_edu"]), **changes}
    return {**header, "__metadata__": {"tinygrad_edu": json.dumps(about)}}


@pytest.fixture
def saved(tmp_path):
    """A layer, and the path of its file."""
    layer = nn.Linear(3, 2)
    save(layer.state_dict(), tmp_path / "layer.safetensors")
    return layer, tmp_path / "layer.safetensors"


def refused(layer, path):
    """The reason for which a file is refused, the layer having stayed as it was."""
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"cannot load '.*layer\.safetensors': ") as caught:
        layer.load_state_dict(load(path))
    assert same(layer.state_dict(), before)
    return str(caught.value).partition("layer.safetensors': ")[2]


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_file_is_refused(case, saved):
    layer, path = saved
    header, numbers = parts(path)
    write(path, *HOSTILE[case](header, numbers))
    assert len(refused(layer, path)) < 400


@pytest.mark.parametrize("case", SIGNED)
def test_a_structure_that_fits_its_checksum_and_nothing_else_is_refused(case, saved):
    layer, path = saved
    header, numbers = parts(path)
    tree = SIGNED[case]
    arrays = {name: array.data for name, array in layer.state_dict().items()}
    write(path, ours(header, tree=tree, sha256=files._checksum(tree, arrays)), numbers)
    assert refused(layer, path) == "what it says of its own structure is damaged"


def test_a_file_cut_off_anywhere_is_refused(saved):
    layer, path = saved
    raw = path.read_bytes()
    for length in range(0, len(raw), 7):
        path.write_bytes(raw[:length])
        reason = refused(layer, path)
        assert ("it is cut off" if length > 8 else "not a safetensors file") in reason
    path.write_bytes(raw[:-3])
    assert refused(layer, path).endswith("32 bytes of numbers announced, 29 there")


def test_any_byte_altered_is_noticed(saved):
    _, path = saved
    raw = path.read_bytes()
    whole = load(path)
    for i in range(len(raw)):
        path.write_bytes(raw[:i] + bytes([raw[i] ^ 0x20]) + raw[i + 1 :])
        try:
            found = load(path)
        except ValueError:
            continue
        # What is left: our mark itself, without which the file is like those of other programs.
        assert same({name: found[name] for name in whole}, whole), f"byte {i}"


def test_a_file_of_something_else_leaves_the_module_as_it_was(saved):
    layer, path = saved
    before = layer.state_dict()
    save({"epoch": 3, "model": layer.state_dict()}, path)
    with pytest.raises(RuntimeError, match="missing: weight"):
        layer.load_state_dict(load(path))
    assert same(layer.state_dict(), before)


def test_a_missing_file_is_said_by_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


# Disks that are full, folders that are not ours

FULL = """
import resource, sys
from tinygrad_edu import save, zeros
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
save(zeros(1000), sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_keeps_the_old_file(there, tmp_path):
    path = tmp_path / "x.safetensors"
    if there:
        save(Tensor([1.0]), path)
    result = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False
    )
    last = result.stderr.splitlines()[-1]
    state = "the file there is as it was" if there else "no file was written"
    assert last == f"OSError: cannot save '{path}': File too large; {state}", result.stderr
    assert os.listdir(tmp_path) == (["x.safetensors"] if there else [])
    assert not there or same(load(path), Tensor([1.0]))


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_no_moment_of_failure_loses_the_old_file(moment, tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    save(Tensor([1.0]), path)

    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(OSError, match="No space left on device; the file there is as it was"):
        save(Tensor([2.0]), path)
    assert same(load(path), Tensor([1.0]))
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_an_interruption_while_saving_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    save(Tensor([1.0]), path)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(Tensor([2.0]), path)
    assert same(load(path), Tensor([1.0]))
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match=r"cannot save '.*missing.*No such file or directory; no fi"):
        save(Tensor([1.0]), tmp_path / "missing" / "x")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_a_folder_that_nobody_may_write_to_is_named():
    with pytest.raises(OSError, match=r"cannot save '/proc/x'"):
        save(Tensor([1.0]), "/proc/x")


def test_a_link_stays_one(tmp_path):
    save(Tensor([1.0]), tmp_path / "x")
    try:
        os.symlink(tmp_path / "x", tmp_path / "link")
    except OSError:
        pytest.skip("no links here")
    save(Tensor([2.0]), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert same(load(tmp_path / "x"), Tensor([2.0]))


def test_without_the_package_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[train\]"'):
        save(Tensor([1.0]), tmp_path / "x")
