"""Tensor: an array that remembers how it was computed.

>>> from tinygrad_edu import Tensor
>>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> x = Tensor([1.0, -1.0])
>>> loss = ((w @ x) ** 2).sum()
>>> loss.backward()
>>> w.grad.tolist()
[[-2.0, 2.0], [-2.0, 2.0]]
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.operators import Operators
from tinygrad_edu.namespaces.arrays import NAMESPACES, NUMPY, Array, cupy_arrays, namespace_of
from tinygrad_edu.node import (
    Node,
    check_bool,
    current_mode,
    describe,
    no_grad,
    refuse_read,
    refuse_traced,
)
from tinygrad_edu.ops.registry import Op, lookup


class Tensor(Operators):
    """An array in a graph.  Names and semantics are NumPy 2's (`axis`, `keepdims`, `concat`).

    Parameters
    ----------
    data : a number, which has shape (), nested lists, an array or a Tensor; copied.
    dtype : Python numbers and lists become float32 (bools stay bool); arrays keep theirs.
    requires_grad : whether backward passes fill ``.grad``; floating dtypes only.
    device : "cpu", or "cuda" where CuPy is installed; see `tinygrad_edu.device` for whole blocks.
    name : a label for pictures and messages.

    ``.data`` and ``.grad`` are arrays; ``.grad`` is None until a gradient arrives.  Write through
    the tensor (``t[0] = 5``) or assign ``t.data``: a graph that used the old values then refuses to
    run backward.  (Writing into the array itself, ``t.data[0] = 5``, goes unseen.)

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = ()
    holds = numpy.ndarray

    def __init__(
        self,
        data: Any,
        *,
        dtype: Any = None,
        requires_grad: bool = False,
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        array = _to_array(data, dtype)
        mode = current_mode()
        if device is None and array.__class__ is numpy.ndarray and not isinstance(data, Tensor):
            device = mode.device
        if device is not None:
            array = namespace_of(array).to_device(array, device=device)
        if mode.tape is not None and isinstance(data, numpy.ndarray):
            there = device or "cpu"
            mode.tape.source(self, lambda: NUMPY.to_device(_to_array(data, dtype), device=there))
        if requires_grad:
            _check_floating(array)
        self._begin(array, bool(requires_grad), name)

    # How the engine reads and makes tensors

    @classmethod
    def _operand(cls, x: Any, op: Op, beside: Node) -> Tensor:
        if isinstance(x, Node):
            op.check_kinds((x, beside))
        if isinstance(x, numbers.Number | list | tuple | numpy.ndarray | numpy.generic):
            like = beside._data
            if isinstance(x, bool | int | float):  # takes the dtype of the tensor it meets
                keep = like.dtype.kind == "f" or not isinstance(x, float)
                dtype = like.dtype if keep and like.dtype.kind != "b" else None
                dtype = dtype if dtype is not None else _default_dtype(x)
                if like.__class__ is not numpy.ndarray:  # a launch, where the card is, not a copy
                    return cls._constant(namespace_of(like).library.full((), x, dtype))
                array = numpy.asarray(x, dtype=dtype)
            else:
                array = _to_array(x, None)
                tape = current_mode().tape
                if tape is not None and isinstance(x, numpy.ndarray):
                    device = beside.device  # type: ignore[attr-defined]
                    out = cls._constant(NUMPY.to_device(array, device=device))
                    tape.source(out, lambda: NUMPY.to_device(_to_array(x, None), device=device))
                    return out
            xp = namespace_of(like)
            return cls._constant(array if xp is NUMPY else xp.asarray(array))
        if x.__class__ in (type(beside._data),):
            return cls._constant(x)
        raise TypeError(
            f"{op.name} of a Tensor takes numbers, lists, arrays and Tensors, "
            f"not {type(x).__name__}"
        )

    @classmethod
    def _constant(cls, data: Array) -> Tensor:
        out = object.__new__(Tensor)
        out._begin(data if data.__class__ is numpy.ndarray else cls._hold(data), False, None)
        return out

    @classmethod
    def _refuse_devices(cls, op: Op, args: Sequence[Array]) -> NoReturn:
        devices = ", ".join(namespace_of(a).device for a in args)
        raise ValueError(
            f"{op.name} cannot mix devices ({devices}); move one operand: x.to('cuda')"
        )

    @classmethod
    def _hold(cls, data: Any) -> Array:
        """NumPy answers with a scalar where operands have no axes; a Tensor holds arrays only."""
        return numpy.asarray(data) if isinstance(data, (numpy.generic, bool, float)) else data

    @classmethod
    def _fit(cls, part: Any, like: Array) -> Any:
        """What a rule gave, in its operand's shape and dtype: broadcasting is undone here alone."""
        if isinstance(part, Node):
            if part.shape != like.shape:
                part = ops.sum_to(part, shape=like.shape)
            return part if part.dtype == like.dtype else ops.astype(part, dtype=like.dtype)
        if part.shape != like.shape:
            part = NAMESPACES[like.__class__].sum_to(part, like.shape)
        if part.dtype is not like.dtype:
            part = part.astype(like.dtype)
        return part if part.__class__ is cls.holds else cls._hold(part)

    def _seed(self, gradient: Any) -> Array:
        xp = namespace_of(self._data)
        if gradient is None:
            if self._data.size != 1:
                raise ValueError(
                    f"backward from {describe(self)}: only a single number has an obvious gradient "
                    "of 1; reduce it first (loss.mean()), or pass backward(gradient)"
                )
            if xp is not NUMPY:
                return xp.library.ones(self._data.shape, self._data.dtype)
            one = xp.asarray(1, dtype=self._data.dtype)
            return one.reshape(self._data.shape) if self._data.shape else one
        array = gradient._data if isinstance(gradient, Tensor) else gradient
        array = xp.asarray(array, dtype=self._data.dtype)
        if array.shape != self._data.shape:
            raise ValueError(
                f"backward from {describe(self)}: the gradient has shape {array.shape}; they must "
                "be equal"
            )
        return array

    def _zeros(self) -> Array:
        return namespace_of(self._data).zeros_like(self._data)

    @staticmethod
    def _has_nan(data: Array) -> bool:
        return bool((data != data).any())

    # Data, gradient, metadata

    @property
    def data(self) -> Array:
        """The array.  Assigning it (``t.data -= lr * t.grad`` too) counts as a change."""
        if current_mode().annotates:
            refuse_traced(self)
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        mode = current_mode()
        if mode.annotates:
            refuse_traced(self)
        held, capture = self._data, mode.capture
        if data is held and capture is None:  # after an update in place, such as t.data -= step
            self._data = data.view()  # the array object is the version that graphs compare
            return
        xp = namespace_of(held)
        array = data._data if isinstance(data, Tensor) else data
        array = (xp.library.array if capture is None else xp.asarray)(array, dtype=held.dtype)
        if array.shape != held.shape:
            raise ValueError(
                f"cannot assign data of shape {array.shape} to {describe(self)}; make a new Tensor"
            )
        if capture is None:
            self._data = array
        else:
            capture.write(self, array)

    @property
    def grad(self) -> Array | None:
        """The gradient that has arrived, an array of the same shape; None before any."""
        g = self._grad
        return g if g is None or g.__class__ is self.holds else self._hold(g)

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not None:
            grad = self._seed(grad)
        self._grad = grad

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> Any:
        """NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """Where the array lives: "cpu" or "cuda"."""
        return namespace_of(self._data).device

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return ops.matrix_transpose(self)

    # Conversion

    def detach(self) -> Tensor:
        """The same values with no history; later changes of either stay private."""
        with no_grad():
            return ops.astype(self, dtype=self._data.dtype)

    def numpy(self) -> Any:
        """A copy as a NumPy array, on the CPU."""
        refuse_read(self)
        return numpy.array(namespace_of(self._data).to_device(self._data, device="cpu"))

    def item(self) -> float | int | bool:
        """The only element, as a Python number."""
        refuse_read(self)
        if self._data.size != 1:
            raise ValueError(f"item() needs one element; {describe(self)} has {self._data.size}")
        return self._data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        refuse_read(self)
        return self._data.tolist()

    def to(self, device: str) -> Tensor:
        """The tensor on "cpu" or "cuda"; itself if it is there already."""
        return self if device == self.device else ops.to_device(self, device=device)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Change whether gradients are recorded for this leaf; returns it."""
        if self.op is not None:
            raise RuntimeError(f"{describe(self)} is a result; requires_grad is a leaf's to change")
        if requires_grad:
            _check_floating(self._data)
        self.requires_grad = requires_grad
        return self

    # Operations

    __matmul__ = ops.matmul
    matmul = ops.matmul
    sum = ops.sum
    mean = ops.mean
    prod = ops.prod
    max = ops.max
    min = ops.min
    var = ops.var
    std = ops.std
    logsumexp = ops.logsumexp
    norm = ops.norm
    cumsum = ops.cumsum
    argmax = ops.argmax
    argmin = ops.argmin
    swapaxes = ops.swapaxes
    squeeze = ops.squeeze
    expand_dims = ops.expand_dims
    flip = ops.flip
    roll = ops.roll
    split = ops.split
    pad = ops.pad
    tril = ops.tril
    triu = ops.triu
    take = ops.take
    softmax = ops.softmax
    log_softmax = ops.log_softmax
    outer = ops.outer

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def astype(self, dtype: Any) -> Tensor:
        """The values in another dtype; differentiable between floating dtypes."""
        dtype = numpy.dtype(dtype)
        if dtype.kind == "f":
            return ops.astype(self, dtype=dtype)
        with no_grad():  # whole numbers carry no gradient
            return ops.astype(self, dtype=dtype)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
        return ops.reshape(self, shape=_flat(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order; reversed without arguments."""
        return ops.transpose(self, axes=_flat(axes) if axes and axes != (None,) else None)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """The elements repeated along new or size-1 axes."""
        return ops.broadcast_to(self, shape=_flat(shape))

    def flatten(self) -> Tensor:
        """All elements along one axis."""
        return ops.reshape(self, shape=(-1,))

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index=_plain_index(index))

    def _updated(self, op: Op, other: Any) -> Any:
        if self.requires_grad and self.op is None and current_mode().recording:
            raise RuntimeError(
                f"updating {describe(self)} in place would only rebind your variable to a new "
                "tensor; do it inside no_grad(), or write p.data -= step"
            )
        return super()._updated(op, other)

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.op is not None or (self.requires_grad and current_mode().recording):
            raise RuntimeError(
                f"cannot assign into {describe(self)}, which is part of a graph; use no_grad() for "
                "a leaf, or ops.where for a result"
            )
        if isinstance(value, Node) and value.requires_grad and current_mode().recording:
            raise RuntimeError(
                "assigning would lose the gradient of the value; build the tensor with ops.where, "
                "ops.concat or ops.put_add"
            )
        refuse_read(self)
        data = self._data.copy()  # a graph or a view may hold the old array: it keeps its values
        place = ops.getitem.fill({"index": _plain_index(index)})["index"]
        data[place] = value._data if isinstance(value, Tensor) else value
        self._data = data

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("a tensor without axes has no length")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        refuse_read(self)
        check_bool(self._data.size)
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise TypeError(f"a tensor of {self._data.dtype} is no index; use .astype(int)")
        return int(self.item())

    def __repr__(self) -> str:
        body = numpy.array2string(
            self.numpy(), separator=", ", precision=4, threshold=100, prefix="Tensor("
        )
        extras = [f"dtype={self.dtype}"] if self.dtype != numpy.float32 else []
        extras += [f"device={self.device!r}"] if self.device != "cpu" else []
        extras += ["requires_grad=True"] if self.requires_grad else []
        extras += [f"name={self.name!r}"] if self.name else []
        return f"Tensor({', '.join([body, *extras])})"

    # NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.requires_grad:
            raise RuntimeError(
                f"turning {describe(self)} into an array would lose its gradient; use "
                ".detach().numpy()"
            )
        return numpy.asarray(self.numpy(), dtype=dtype)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from tinygrad_edu.engine import array_api

        if api_version not in (None, *array_api.VERSIONS):
            raise ValueError(
                f"api_version is {api_version!r}, not one of {', '.join(array_api.VERSIONS)}"
            )
        return array_api

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError(
                f"handing over {describe(self)} would lose its gradient; hand over .data, which "
                "shares its memory, or .detach(), a copy"
            )
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = {"absolute": "abs", "true_divide": "divide"}.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or kwargs:
            raise TypeError(
                f"numpy.{ufunc.__name__} with {', '.join(kwargs) or method} does not work on a "
                f"Tensor; use ops.{name}, or .numpy() for the array"
            )
        return _registered(name, f"numpy.{ufunc.__name__}")(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = {"concatenate": "concat", "amax": "max", "amin": "min"}.get(
            func.__name__, func.__name__
        )
        operation = _registered(name, f"numpy.{func.__name__}")
        if args and isinstance(args[0], list | tuple) and operation.operands[0].startswith("*"):
            args = (*args[0], *args[1:])
        return operation(*args, **kwargs)


Tensor.engine = Tensor

# glibc returns freed memory to the system above a threshold, and a training step pays for it page
# by page.  Freeing one large block raises that threshold for good, to twice its size: steps with
# arrays of half a megabyte run up to twice as fast.  Elsewhere this does nothing.
numpy.empty(2**25 - 2**16, dtype=numpy.uint8)


def _registered(name: str, asked: str) -> Op:
    try:
        return lookup(name)
    except KeyError:
        raise TypeError(
            f"{asked} has no counterpart among the operations; use .numpy() for the array, or "
            "register an operation with @op"
        ) from None


def _default_dtype(x: Any) -> Any:
    return bool if isinstance(x, bool) else numpy.float32


def _to_array(data: Any, dtype: Any) -> Array:
    """A private array of an allowed dtype."""
    if isinstance(data, Tensor):
        refuse_read(data)
        data = data._data
    if isinstance(data, Node):
        raise TypeError("a Tensor is made from numbers; pass value.data, not the Value")
    if type(data).__module__.startswith("cupy"):
        return cupy_arrays().library.array(data, dtype=dtype)
    if isinstance(data, numpy.ndarray | numpy.generic):
        array = numpy.array(
            data, dtype=dtype, order="C"
        )  # a gradient has it too, and meets it fast
    else:
        try:
            array = numpy.array(_plain_lists(data))
        except ValueError as error:
            raise ValueError(
                f"nested lists of different lengths make no tensor: {error}"
            ) from error
        if dtype is None and array.dtype.kind in "iuf":
            dtype = numpy.float32
        if dtype is not None and array.dtype.kind in "iufb":
            array = array.astype(dtype)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"a Tensor holds real numbers or bools, not dtype {array.dtype}")
    return array


def _plain_lists(data: Any) -> Any:
    """Nested lists in which Tensors and Values have become their data."""
    if isinstance(data, list | tuple):
        return [_plain_lists(x) for x in data]
    if isinstance(data, Node):
        refuse_read(data)
        return data._data
    return data


def _check_floating(array: Array) -> None:
    if array.dtype.kind != "f":
        raise TypeError(
            f"requires_grad needs a floating dtype, not {array.dtype}: whole numbers have no "
            "derivative; use .astype('float32')"
        )


def _plain_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_plain_index(i) for i in index)
    if isinstance(index, list):
        return numpy.asarray(_plain_lists(index), dtype=None if index else int)
    return index  # a Tensor in it stands for its data; the operation sees to that


def _flat(shape: tuple[Any, ...]) -> tuple[int, ...]:
    if len(shape) == 1 and isinstance(shape[0], list | tuple):
        return tuple(shape[0])
    return shape
