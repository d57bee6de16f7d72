"""Value: one Python float that remembers how it was computed.

>>> from tinygrad_edu import Value
>>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
>>> c = a * b + a**2
>>> c.backward()
>>> a.grad, b.grad
(1.0, 2.0)
"""

from __future__ import annotations

import numbers
from typing import Any, ClassVar

from tinygrad_edu.engine.operators import Operators
from tinygrad_edu.node import NO_OPTIONS, Node, check_bool, current_mode, refuse_read
from tinygrad_edu.ops.registry import Op


class Value(Operators):
    """A number in a graph.

    Parameters
    ----------
    data : a real number; kept as a Python float.
    name : a label for pictures and messages.

    Every operation on values makes a new Value; ``backward()`` fills ``.grad`` of all of them.
    ``.grad`` reads 0.0 until a gradient has arrived.

    >>> x = Value(3.0, name="x")
    >>> y = x * x
    >>> y.backward()
    >>> y.data, x.grad
    (9.0, 6.0)
    """

    __slots__ = ()
    holds: ClassVar[type] = float

    def __init__(self, data: float, *, name: str | None = None) -> None:
        self._begin(_number(data), True, name)

    @classmethod
    def _operand(cls, x: Any, op: Op, beside: Node) -> Value:
        if x.__class__ is float or x.__class__ is int:  # the usual ones, first
            return cls._constant(float(x))
        if isinstance(x, numbers.Real) or (
            getattr(x, "shape", None) == () and not isinstance(x, Node)
        ):
            return cls._constant(float(x))
        op.check_kinds((x, beside))
        raise TypeError(f"{op.name} of a Value takes numbers and Values, not {type(x).__name__}")

    @classmethod
    def _constant(cls, data: float) -> Value:
        out = object.__new__(Value)
        out._data = data
        out._grad = out._work = out._note = out._call = out.op = None
        out.options = NO_OPTIONS
        out.requires_grad = False
        tape = current_mode().tape
        if tape is not None:
            tape.leaf(out)
        return out

    @classmethod
    def _hold(cls, data: Any) -> float:
        return float(data)

    def _seed(self, gradient: Any) -> float:
        return 1.0 if gradient is None else _number(gradient)

    @staticmethod
    def _has_nan(data: float) -> bool:
        return data != data

    @property
    def data(self) -> float:
        """The number.  Assigning makes graphs recorded before refuse to run backward."""
        if current_mode().tape is not None:
            refuse_read(self)
        return self._data

    @data.setter
    def data(self, data: float) -> None:
        if current_mode().tape is not None:
            refuse_read(self)
        self._data = _number(data)

    @property
    def grad(self) -> float:
        """The gradient that has arrived; 0.0 before any (see `has_grad`)."""
        return 0.0 if self._grad is None else self._grad

    @grad.setter
    def grad(self, grad: float | None) -> None:
        self._grad = None if grad is None else _number(grad)

    @property
    def shape(self) -> tuple[int, ...]:
        """Always ()."""
        return ()

    def item(self) -> float:
        """The number."""
        refuse_read(self)
        return self._data

    def __bool__(self) -> bool:
        refuse_read(self)
        check_bool(1)
        return bool(self._data)

    def __float__(self) -> float:
        refuse_read(self)
        return self._data

    def __repr__(self) -> str:
        label = f", name={self.name!r}" if self.name else ""
        return f"Value({self._data:.6g}, grad={self.grad:.6g}{label})"


Value.engine = Value


def _number(x: Any) -> float:
    if isinstance(x, Node) or not hasattr(x, "__float__"):
        raise TypeError(f"a Value holds one real number, not {type(x).__name__}")
    return float(x)
