"""Tensors, state dicts and whole training states in one file: safetensors, never pickle.

A safetensors file is a JSON header and plain numbers, so that reading one runs nothing.  The arrays
stand there under dotted names, where PyTorch and others find them; what is not an array (the shape
of the nesting, numbers, strings) goes as JSON into the header's metadata, with a checksum.

>>> from tinygrad_edu import load, nn, save
>>> layer = nn.Linear(2, 1)
>>> save(layer.state_dict(), "layer.safetensors")
>>> layer.load_state_dict(load("layer.safetensors"))
Differences(missing_keys=[], unexpected_keys=[])
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor

Arrays = dict[str, Any]
Name = str | os.PathLike[str]

_OURS = "tinygrad_edu"  # the key of our JSON in a file's metadata
_VERSION = 1
_DTYPES = {"BOOL": numpy.dtype("?")} | {
    f"{kind}{8 * size}": numpy.dtype(f"<{kind.lower()}{size}")
    for kind, sizes in {"I": (1, 2, 4, 8), "U": (1, 2, 4, 8), "F": (2, 4, 8)}.items()
    for size in sizes
}


def save(obj: Any, path: Name) -> None:
    """Write `obj` to a file that `load` reads, whole or not at all.

    obj : a Tensor, an array, a number, a string, a bool, None, or lists, tuples and dicts (with
        keys that are strings or whole numbers) of these: a ``state_dict`` of a module, optimiser or
        schedule, or any nesting of them.
    path : where to; what is there is replaced once the new file is complete and on the disk.

    Arrays keep their dtype, float16 included; those of a GPU come back on the CPU.  NumPy's single
    numbers become Python's.  A module's state dict has PyTorch's names, so that
    ``safetensors.torch.load_file`` reads it too.

    Raises TypeError for anything else inside `obj`, naming its place; OSError if the file cannot be
    written (the disk is full, the folder is missing or not yours), and what was at `path` is there
    still; ImportError, with the command, without the package safetensors.

    >>> from tinygrad_edu import Tensor, load, save
    >>> save({"weights": Tensor([1.0, 2.0]), "epoch": 3}, "state.safetensors")
    >>> load("state.safetensors")["epoch"]
    3
    """
    arrays: Arrays = {}
    try:
        tree = _encoded(obj, "", arrays)
    except RecursionError:
        raise ValueError(f"cannot save '{path}': the object is nested too deeply") from None
    about = {"version": _VERSION, "tree": tree, "sha256": _checksum(tree, arrays)}
    raw = _safetensors("safetensors.numpy").save(arrays, metadata={_OURS: json.dumps(about)})
    target = Path(os.path.realpath(path))  # a link stays one
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())  # on the disk, and not only on the way, before it gets its name
        os.replace(temporary, target)
    except OSError as error:
        there = "the file there is as it was" if target.exists() else "no file was written"
        raise OSError(f"cannot save '{path}': {error.strerror}; {there}") from error
    finally:  # also where the user interrupts
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the new name too; some systems cannot flush a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path: Name) -> Any:
    """What `save` wrote to a file, or the tensors, by name, of another program's safetensors file.

    bfloat16, which NumPy does not have, becomes float32, without loss; float8 and complex numbers
    are refused.  Tensors are on the CPU and do not require gradients.

    Raises ValueError, naming the file and what is wrong with it, for one that is cut off, altered
    (our files carry a checksum; those of others can only be checked for form) or no safetensors
    file; OSError if it cannot be read; ImportError, with the command, without safetensors.

    >>> from tinygrad_edu import load
    >>> with open("notes.txt", "w") as file:
    ...     _ = file.write("not a model")
    >>> load("notes.txt")
    Traceback (most recent call last):
    ValueError: cannot load 'notes.txt': it is not a safetensors file
    """
    try:
        arrays, metadata = _read(Path(path).read_bytes())
        return _assembled(arrays, metadata)
    except ValueError as error:
        raise ValueError(f"cannot load '{path}': {error}") from error


def _safetensors(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            'files need the package safetensors: pip install "tinygrad_edu[train]"'
        ) from error


# The object as a tree for JSON, its arrays set aside


def _encoded(x: Any, where: str, arrays: Arrays) -> Any:
    """`x` for JSON: each array is put into `arrays`, and its name there stands in its place."""
    if isinstance(x, numpy.generic):
        x = x.item()
    elif hasattr(x, "__cuda_array_interface__"):  # of an optimiser on a GPU
        x = x.get()
    if x is None or isinstance(x, bool | int | float | str):
        return x
    if isinstance(x, Tensor | numpy.ndarray):
        name = where or "data"
        while name in arrays or name == "__metadata__":
            name += "_"
        arrays[name] = _plain(x.numpy() if isinstance(x, Tensor) else x, where)
        return {"tensor" if isinstance(x, Tensor) else "array": name}
    below = f"{where}." if where else ""
    if isinstance(x, list | tuple):
        items = [_encoded(y, f"{below}{i}", arrays) for i, y in enumerate(x)]
        return items if isinstance(x, list) else {"tuple": items}
    if isinstance(x, Mapping) and all(type(key) in (str, int) for key in x):
        return {"dict": [[key, _encoded(y, f"{below}{key}", arrays)] for key, y in x.items()]}
    what = "a dict whose keys are not all strings or whole numbers"
    raise TypeError(
        f"cannot save {where or 'this'}: it is {what if isinstance(x, Mapping) else type(x)}; "
        "save tensors, arrays, numbers, strings, and lists and dicts of them"
    )


def _plain(array: Any, where: str) -> Any:
    """`array` as the file has it: in C order, lowest byte first."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _DTYPES.values():
        raise TypeError(f"cannot save {where or 'this'}: the file has no place for {array.dtype}")
    return numpy.asarray(array, dtype=dtype, order="C")


def _decoded(tree: Any, arrays: Arrays) -> Any:
    """The object that `_encoded` made `tree` of; takes its arrays out of `arrays`."""
    if isinstance(tree, list):
        return [_decoded(x, arrays) for x in tree]
    if not isinstance(tree, dict):
        return tree
    [(kind, content)] = tree.items()
    if kind == "dict":
        return {key: _decoded(x, arrays) for key, x in content}
    if kind == "tuple":
        return tuple(_decoded(content, arrays))
    if kind not in ("tensor", "array"):
        raise ValueError(f"no kind {kind!r:.20}")
    array = arrays.pop(content)
    return Tensor._constant(array) if kind == "tensor" else array


def _checksum(tree: Any, arrays: Arrays) -> str:
    found = hashlib.sha256(json.dumps(tree).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.data if array.size else b"")
    return found.hexdigest()


# Reading what may be anything


def _read(raw: bytes) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the metadata of a file's bytes; ValueError with what is wrong with them."""
    if raw[:2] in (b"PK", b"\x80\x02"):
        raise ValueError(
            "it is a pickle, as torch.save writes, and opening a pickle can run anything; in "
            "PyTorch, write safetensors.torch.save_file(model.state_dict(), path)"
        )
    size = int.from_bytes(raw[:8], "little")
    if raw[8:9] != b"{":
        raise ValueError("it is not a safetensors file")
    if len(raw) < 8 + size:
        raise ValueError(f"it is cut off: {len(raw)} bytes, and the header alone has {8 + size}")
    library = _safetensors("safetensors")
    try:
        header = json.loads(raw[8 : 8 + size], object_pairs_hook=_once)
        entries = library.deserialize(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is damaged: {error}") from error
    except library.SafetensorError as error:
        text = str(error).rpartition("header: ")[2]
        if "not fully covered" in text:  # the header itself is sound
            ends = [x["data_offsets"][1] for name, x in header.items() if name != "__metadata__"]
            text = f"{max(ends, default=0)} bytes of numbers announced, {len(raw) - 8 - size} there"
        raise ValueError(f"it is cut off or damaged: {text}") from error
    return {name: _array(name, entry) for name, entry in entries}, header.get("__metadata__", {})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return found


def _array(name: str, entry: Mapping[str, Any]) -> Any:
    kind, shape = entry["dtype"], entry["shape"]
    data = entry["data"]  # a bytearray, which nobody else has
    if kind == "BF16":  # the upper half of a float32
        whole = numpy.frombuffer(data, "<u2").astype("<u4") << 16
        return whole.view("<f4").reshape(shape)
    if kind not in _DTYPES:
        raise ValueError(
            f"{name!r:.60} holds {kind} numbers, for which NumPy has no type; write it as F32"
        )
    return numpy.frombuffer(data, _DTYPES[kind]).reshape(shape)


def _assembled(arrays: Arrays, metadata: Mapping[str, str]) -> Any:
    if _OURS not in metadata:
        return {name: Tensor._constant(array) for name, array in arrays.items()}
    try:
        about = json.loads(metadata[_OURS])
        version, tree, checksum = about["version"], about["tree"], about["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("what it says of its own structure is damaged") from error
    if version != _VERSION:
        raise ValueError(
            f"it is written in form {version!r:.20} of tinygrad_edu's files, and this version "
            f"reads form {_VERSION}"
        )
    if checksum != _checksum(tree, arrays):
        raise ValueError("it was altered: its contents do not fit its checksum")
    try:
        return _decoded(tree, arrays)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("what it says of its own structure is damaged") from error
