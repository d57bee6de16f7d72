"""`ElementwiseKernel` of the double: the very C++ that a card would run, compiled for this machine.

Kernels that have been made are compiled together, when the first of them is called.
"""

import ctypes
import math
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

_HEAD = """
#include <cmath>
#include <cstddef>
using namespace std;

template <typename T, int N>
struct Raw {  // what CuPy hands over for a parameter that is "raw"
    char* data;
    ptrdiff_t strides[N];
    T& operator[](const ptrdiff_t (&at)[N]) const {
        char* place = data;
        for (int axis = 0; axis < N; ++axis) place += at[axis] * strides[axis];
        return *reinterpret_cast<T*>(place);
    }
};
"""
_TYPES = {
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "int32": "int",
    "int64": "long long",
}

_waiting: dict[str, int] = {}  # the text of a function that is not compiled yet -> its number
_compiled: dict[str, object] = {}
_folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


class ElementwiseKernel:
    """As CuPy's: operands, results and a body in C++, for every element."""

    def __init__(self, in_params, out_params, operation, name="kernel"):
        assert not hasattr(math, name)  # CUDA has a function of this name already
        self.given, self.made = _parameters(in_params), _parameters(out_params)
        self.text = _function(self.given, self.made, operation)
        if self.text not in _compiled:
            _waiting.setdefault(self.text, len(_compiled) + len(_waiting))

    def __call__(self, hosts, outs):
        """Run on arrays of the host; `outs` are filled."""
        for (_, dtype, _, raw), x in zip(self.given + self.made, (*hosts, *outs), strict=True):
            if isinstance(x, np.ndarray) and x.dtype != dtype:
                raise TypeError(f"Type is mismatched. {x.dtype} {dtype}")
            assert not raw or x.ndim == 3  # what Raw in _function is made for
        shape = self.shape(hosts, outs)
        scratch = [np.empty(shape, out.dtype) for out in outs]
        kept, values = [], [ctypes.c_longlong(int(np.prod(shape)))]
        for (_, dtype, _, raw), x in zip(self.given, hosts, strict=True):
            if raw:
                values += [ctypes.c_void_p(x.ctypes.data), *map(ctypes.c_longlong, x.strides)]
            elif dtype == "int64":
                values.append(ctypes.c_longlong(int(x)))  # may lie in an array without axes
            else:
                kept.append(np.ascontiguousarray(np.broadcast_to(x, shape)))
                values.append(ctypes.c_void_p(kept[-1].ctypes.data))
        values += [ctypes.c_void_p(out.ctypes.data) for out in scratch]
        _load(self.text)(*values)
        for out, found in zip(outs, scratch, strict=True):
            out[...] = found

    def shape(self, hosts, outs=()):
        """The shape of the results."""
        arrays = [
            x.shape
            for (_, dtype, _, raw), x in zip(self.given, hosts, strict=True)
            if not raw and dtype != "int64"
        ]
        return np.broadcast_shapes(*arrays, *(out.shape for out in outs))


def _parameters(text):
    """(name, dtype, type in C++, whether it is raw) of each."""
    found = []
    for part in text.split(","):
        *raw, dtype, name = part.split()
        found.append((name, dtype, _TYPES[dtype], raw == ["raw"]))
    return found


def _function(given, made, body):
    """A function that runs the body for each element; N stands for its number."""
    heads, loads, stores = ["long long _n"], [], []
    for name, dtype, kind, raw in given:
        if raw:
            heads += [f"char* _{name}", *(f"long long _{name}_{k}" for k in range(3))]
            strides = ", ".join(f"_{name}_{k}" for k in range(3))
            loads.append(f"const Raw<{kind}, 3> {name}{{_{name}, {{{strides}}}}};")
        elif dtype == "int64":
            heads.append(f"{kind} {name}")
        else:
            heads.append(f"const {kind}* _{name}")
            loads.append(f"const {kind} {name} = _{name}[i];")
    for name, _, kind, _ in made:
        heads.append(f"{kind}* _{name}")
        loads.append(f"{kind}& {name} = _{name}[i];")
    lines = "\n".join([*loads, body, *stores])
    return (
        f'extern "C" void kernel_N({", ".join(heads)}) {{\n'
        f"for (ptrdiff_t i = 0; i < _n; ++i) {{\n{lines}\n}}\n}}\n"
    )


def _load(text):
    """The function of a text, compiled with all others that wait."""
    if text not in _compiled:
        compiler = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
        if compiler is None:
            pytest.skip("no C++ compiler: the kernels of a GPU were not run")
        number = len(_compiled)
        source = pathlib.Path(_folder.name, f"kernels_{number}.cpp")
        library = source.with_suffix(".so")
        parts = [body.replace("kernel_N", f"kernel_{k}") for body, k in _waiting.items()]
        source.write_text(_HEAD + "\n".join(parts))
        options = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off"]
        subprocess.run([compiler, *options, "-o", library, source], check=True)
        loaded = ctypes.CDLL(str(library))
        for body, k in _waiting.items():
            _compiled[body] = getattr(loaded, f"kernel_{k}")
            _compiled[body].restype = None
        _waiting.clear()
    return _compiled[text]
