"""A stand-in for CuPy on machines without a GPU: NumPy behind arrays that refuse what CuPy refuses.

An array of the double never becomes a NumPy array by itself, and never mixes with one: both raise
TypeError, as CuPy does.  What passes with it copies nothing to the host behind the user's back.
"""

import sys
import types

import numpy as np


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array "on the device"."""

    __array_priority__ = 100.0

    def __init__(self, host):
        self._host = host

    def get(self):
        """A copy on the host, asked for."""
        return np.array(self._host)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use .get()")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        more = {} if out is None else {"out": on_host(out)}
        found = getattr(ufunc, method)(*map(on_host, inputs), **on_host(options), **more)
        if out is not None:
            return out[0]
        return on_device(found)

    def __array_function__(self, function, kinds, args, options):
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._host, name)
        return wrapped(found) if callable(found) else on_device(found)

    def __getitem__(self, index):
        return on_device(self._host[places(index)])

    def __setitem__(self, index, value):
        self._host[places(index)] = on_host(value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return map(on_device, self._host)

    def __float__(self):
        return float(self._host)

    def __int__(self):
        return int(self._host)

    def __index__(self):
        return self._host.__index__()

    def __bool__(self):
        return bool(self._host)

    def __repr__(self):
        return f"device {self._host!r}"

    __hash__ = None

    @property
    def base(self):
        """Of whom it is a view."""
        return None if self._host.base is None else ndarray(self._host.base)

    @property
    def device(self):
        """CuPy's name of the card."""
        return "<CUDA Device 0>"


def on_host(x):
    """What NumPy computes with; arrays of the host are refused."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: an array of the host")
    if isinstance(x, tuple | list):
        return type(x)(map(on_host, x))
    if isinstance(x, dict):
        return {key: on_host(value) for key, value in x.items()}
    return x


def places(index):
    """An index; arrays of the host may stand in it, as in CuPy."""
    if isinstance(index, tuple):
        return tuple(map(places, index))
    return index._host if isinstance(index, ndarray) else index


def on_device(x):
    """What NumPy gave, as arrays of the device; single numbers too, as CuPy's are 0-d arrays."""
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    if isinstance(x, tuple | list):
        return type(x)(map(on_device, x))
    return x


def wrapped(function):
    """A function of NumPy over arrays of the device."""

    def call(*args, **options):
        out = options.get("out")
        found = function(*map(on_host, args), **on_host(options))
        return out if out is not None else on_device(found)

    return call


class Module(types.ModuleType):
    """The module `cupy`."""

    ndarray = ndarray

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(np, name)
        if isinstance(found, np.ufunc):
            made = wrapped(found)
            made.at = lambda x, index, y: found.at(on_host(x), places(index), on_host(y))
            return made
        if isinstance(found, type) or not callable(found):  # dtypes, pi, newaxis
            return found
        return wrapped(found)


def install(monkeypatch):
    """Make `import cupy` give the double, and take every trace of it away afterwards."""
    module = Module("cupy")

    def asarray(x, dtype=None):
        return ndarray(np.asarray(x._host if isinstance(x, ndarray) else x, dtype))

    def array(x, dtype=None, copy=True):
        return ndarray(np.array(x._host if isinstance(x, ndarray) else x, dtype))

    module.asarray, module.array = asarray, array
    module.lib = types.SimpleNamespace(
        stride_tricks=types.SimpleNamespace(as_strided=wrapped(np.lib.stride_tricks.as_strided))
    )
    module.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 0),
        Stream=types.SimpleNamespace(null=types.SimpleNamespace(synchronize=lambda: None)),
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module
