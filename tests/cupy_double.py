"""A stand-in for CuPy on machines without a GPU: NumPy behind arrays that refuse what CuPy refuses.

An array of the double never becomes a NumPy array by itself, and never mixes with one: both raise
TypeError, as CuPy does.  What passes with it copies nothing to the host behind the user's back.

While a stream captures, nothing is computed, as on a card: launches are noted, results hold nan,
and what is there keeps its values, until the graph is launched.  Reading on the host, sending from
it and cuBLAS raise then, as with CuPy.
"""

import contextlib
import functools
import sys
import time
import types

import kernels_on_host
import numpy as np

BLAS = ("dot", "matmul", "einsum", "tensordot", "inner", "outer", "vdot")
READS = ("item", "tolist", "tobytes")


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array "on the device"."""

    __array_priority__ = 100.0

    def __init__(self, host):
        self._host = host

    def get(self):
        """A copy on the host, asked for."""
        refuse_waiting()
        return np.array(self._host)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use .get()")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        function = getattr(ufunc, method)
        return launch(function, inputs, options, None if out is None else out[0])

    def __array_function__(self, function, kinds, args, options):
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._host, name)
        if not callable(found):
            return on_device(found)

        def method(x, *args, **options):
            return getattr(x, name)(*args, **options)

        return functools.partial(wrapped(method, name), self)

    def __getitem__(self, index):
        refuse_index(index)
        return launch(lambda x: x[places(index)], (self,), {})

    def __setitem__(self, index, value):
        refuse_index(index)

        def put(x, y):
            x[places(index)] = y

        change(put, self, value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (ndarray(self._host[i, ...]) for i in range(len(self._host)))  # views, 0-d too

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __index__(self):
        return self.get().__index__()

    def __bool__(self):
        return bool(self.get())

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


def refuse_index(index):
    """While a stream captures: masks, whose places the host must count, and arrays it must send."""
    for part in index if isinstance(index, tuple) else (index,):
        mask = getattr(getattr(part, "dtype", None), "kind", "") == "b"
        if mask or isinstance(part, np.ndarray | list):
            refuse_waiting()


def on_device(x):
    """What NumPy gave, as arrays of the device; single numbers too, as CuPy's are 0-d arrays."""
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    if isinstance(x, tuple | list):
        return type(x)(map(on_device, x))
    return x


def wrapped(function, name=""):
    """A function of NumPy over arrays of the device."""

    def call(*args, **options):
        if capturing() is not None and name in BLAS:
            raise NotImplementedError("calling cuBLAS API during stream capture is unsupported")
        if name in READS:
            refuse_waiting()
        if name.startswith("empty"):  # memory, no launch
            return on_device(function(*map(on_host, args), **on_host(options)))
        out = options.pop("out", None)
        return launch(function, args, options, out)

    return call


@np.errstate(all="ignore")  # a card does not warn
def launch(function, args, options, out=None):
    """What a function gives; while a stream captures, an array for what it would give."""
    hosts, options = [on_host(x) for x in args], on_host(options)
    if out is not None:
        change(lambda into, *xs: function(*xs, out=into, **options), out, *args)
        return out
    found = on_device(function(*hosts, **options))
    if capturing() is not None:
        inputs = [x for x in hosts if isinstance(x, np.ndarray)]
        for place, made in enumerate(found if isinstance(found, tuple | list) else [found]):
            views = any(np.may_share_memory(made._host, x) for x in inputs)
            if isinstance(made, ndarray) and made._host.size and not views:

                def again(into=made._host, place=place):
                    new = function(*hosts, **options)
                    into[...] = new[place] if isinstance(new, tuple | list) else new

                capturing().append(again)
                if made._host.dtype.kind == "f":
                    made._host.fill(np.nan)
    return found


@np.errstate(all="ignore")
def change(function, target, *args):
    """Call a function that writes into `target`."""
    hosts = [on_host(x) for x in (target, *args)]
    if capturing() is None:
        function(*hosts)
    else:
        capturing().append(lambda: function(*hosts))


def scatter(function, x, index, y):
    """`ufunc.at`, of which CuPy has that of `add`, and atomic additions for these dtypes alone."""
    refuse_index(index)
    if function is not np.add or x.dtype.name not in ("int32", "float16", "float32", "float64"):
        raise TypeError(f"scatter_{function.__name__} does not support {x.dtype} as data type")
    change(lambda x, y: function.at(x, places(index), y), x, y)


def refuse_waiting():
    """While a stream captures, the host cannot wait for a number."""
    if capturing() is not None:
        raise RuntimeError("the current stream is capturing, so synchronous API is not allowed")


def capturing():
    """The launches noted so far by the stream that captures; None if none does."""
    return Stream.current[-1].launches


class Stream:
    """A queue of launches, which runs them at once or captures them."""

    def __init__(self, non_blocking=False):
        self.non_blocking = non_blocking
        self.launches = None

    def __enter__(self):
        Stream.current.append(self)
        return self

    def __exit__(self, *error):
        Stream.current.pop()

    def begin_capture(self):
        """Note launches from now on."""
        assert self.non_blocking
        assert self.launches is None
        self.launches = []

    def end_capture(self):
        """The launches that were noted, as a graph."""
        noted, self.launches = self.launches, None
        return Graph(noted)

    def is_capturing(self):
        """Whether launches are noted."""
        return self.launches is not None

    def synchronize(self):
        """Nothing to wait for."""
        refuse_waiting()


class Graph:
    """Launches, to be run again and again."""

    def __init__(self, launches):
        self.launches = launches

    def launch(self):
        """Run them."""
        assert capturing() is None
        with np.errstate(all="ignore"):
            for run in self.launches:
                run()


Stream.null = Stream()
Stream.current = [Stream.null]


class Event:
    """A moment in a stream."""

    def record(self):
        """Now."""
        self.at = time.perf_counter()

    def synchronize(self):
        """It has passed."""


class MemoryPool:
    """Memory of its own."""

    def malloc(self, size):
        """Not called: the double's memory is NumPy's."""
        raise AssertionError(size)


class ElementwiseKernel(kernels_on_host.ElementwiseKernel):
    """A kernel over arrays of the device."""

    def __call__(self, *args):
        count = len(self.given)
        inputs, outs = [on_host(x) for x in args[:count]], args[count:]
        if not outs:
            (_, dtype, _, _) = self.made[0]
            outs = (ndarray(np.full(self.shape(inputs), -1, dtype)),)
        change(lambda *hosts: super(ElementwiseKernel, self).__call__(inputs, hosts), *outs)
        return outs[0]


class Module(types.ModuleType):
    """The module `cupy`."""

    ndarray = ndarray

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(np, name)
        if isinstance(found, np.ufunc):
            made = wrapped(found, name)
            made.at = functools.partial(scatter, found)
            return made
        if isinstance(found, type) or not callable(found):  # dtypes, pi, newaxis
            return found
        return wrapped(found, name)


def install(monkeypatch):
    """Make `import cupy` give the double, and take every trace of it away afterwards."""
    module = Module("cupy")

    def asarray(x, dtype=None):
        if isinstance(x, ndarray):
            return launch(np.asarray, (x,), {"dtype": dtype})
        refuse_waiting()
        return ndarray(np.asarray(x, dtype))

    def array(x, dtype=None, copy=True):
        if isinstance(x, ndarray):
            return launch(np.array, (x,), {"dtype": dtype})
        refuse_waiting()
        return ndarray(np.array(x, dtype))

    module.asarray, module.array = asarray, array
    module.ElementwiseKernel = ElementwiseKernel
    module.lib = types.SimpleNamespace(
        stride_tricks=types.SimpleNamespace(as_strided=wrapped(np.lib.stride_tricks.as_strided))
    )
    module.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
        Stream=Stream,
        Event=Event,
        MemoryPool=MemoryPool,
        get_current_stream=lambda: Stream.current[-1],
        get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at),
        using_allocator=lambda allocator: contextlib.nullcontext(),
    )
    settings = types.ModuleType("cupy._core._routines_linalg")
    kinds: dict[str, int] = {}
    settings.COMPUTE_TYPE_DEFAULT, settings.COMPUTE_TYPE_TF32 = 1, 4
    settings.get_compute_type = lambda dtype: kinds.get(dtype, 1)
    settings.set_compute_type = kinds.__setitem__
    core = types.ModuleType("cupy._core")
    core._routines_linalg = settings
    for name, part in (("", module), ("._core", core), ("._core._routines_linalg", settings)):
        monkeypatch.setitem(sys.modules, f"cupy{name}", part)
    return module
