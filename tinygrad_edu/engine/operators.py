"""What a node can do: the operators and methods that `Value` and `Tensor` share, written once."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.engine import backprop
from tinygrad_edu.node import Node, current_mode
from tinygrad_edu.ops.registry import Op


class Operators(Node):
    """Arithmetic, comparisons and one method per elementwise operation."""

    __slots__ = ()
    __hash__ = Node.__hash__
    data: Any

    __add__ = ops.add
    __sub__ = ops.subtract
    __mul__ = ops.multiply
    __truediv__ = ops.divide
    __pow__ = ops.power
    __neg__ = ops.negative
    __abs__ = ops.abs
    __gt__ = ops.greater
    __ge__ = ops.greater_equal
    __lt__ = ops.less
    __le__ = ops.less_equal

    def __eq__(self, other: object) -> Any:
        return ops.equal(self, other) if _is_operand(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return ops.not_equal(self, other) if _is_operand(other) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __rsub__(self, other: Any) -> Any:
        return ops.subtract(other, self)

    def __rmul__(self, other: Any) -> Any:
        return ops.multiply(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.divide(other, self)

    def __rpow__(self, other: Any) -> Any:
        return ops.power(other, self)

    def __pos__(self) -> Any:
        return self

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._updated(ops.add, other)

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._updated(ops.subtract, other)

    def __imul__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._updated(ops.multiply, other)

    def __itruediv__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._updated(ops.divide, other)

    def _updated(self, op: Op, other: Any) -> Any:
        """``p -= step``: a new node, except that inside no_grad() a leaf itself takes the value."""
        out = op(self, other)
        if self.op is not None or not self.requires_grad or current_mode().recording:
            return out
        self.data = out._data
        return self

    exp = ops.exp
    exp2 = ops.exp2
    expm1 = ops.expm1
    log = ops.log
    log2 = ops.log2
    log10 = ops.log10
    log1p = ops.log1p
    sqrt = ops.sqrt
    rsqrt = ops.rsqrt
    square = ops.square
    reciprocal = ops.reciprocal
    abs = ops.abs
    sign = ops.sign
    floor = ops.floor
    ceil = ops.ceil
    sin = ops.sin
    cos = ops.cos
    tan = ops.tan
    arcsin = ops.arcsin
    arccos = ops.arccos
    arctan = ops.arctan
    arctan2 = ops.arctan2
    sinh = ops.sinh
    cosh = ops.cosh
    tanh = ops.tanh
    sigmoid = ops.sigmoid
    relu = ops.relu
    leaky_relu = ops.leaky_relu
    elu = ops.elu
    selu = ops.selu
    celu = ops.celu
    gelu = ops.gelu
    silu = ops.silu
    mish = ops.mish
    softplus = ops.softplus
    logsigmoid = ops.logsigmoid
    hardtanh = ops.hardtanh
    relu6 = ops.relu6
    hardsigmoid = ops.hardsigmoid
    hardswish = ops.hardswish
    softsign = ops.softsign
    tanhshrink = ops.tanhshrink
    erf = ops.erf
    maximum = ops.maximum
    minimum = ops.minimum
    clip = ops.clip
    logaddexp = ops.logaddexp
    add = ops.add
    subtract = ops.subtract
    multiply = ops.multiply
    divide = ops.divide
    power = ops.power
    negative = ops.negative

    def backward(self, gradient: Any = None, *, free: bool = False) -> None:
        """Fill ``.grad`` of every node under this one.  See `engine.backprop.backward`."""
        backprop.backward(self, gradient, free=free)

    def register_hook(self, hook: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `hook` with this node's gradient in each backward pass; returns its remover."""
        return backprop.register_hook(self, hook)


def _is_operand(x: object) -> bool:
    """Whether x is something that numbers can be compared with; None and text are not."""
    return isinstance(x, Node | numbers.Number) or hasattr(x, "shape")
