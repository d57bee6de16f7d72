"""Layers that change the size of what they are given: padding and upsampling.  No parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module


class Upsample(Module):
    """The input at another size: (N, C, L) or (N, C, H, W) -> the same with new last sizes.

    Options as for `functional.interpolate`.

    >>> Upsample(scale_factor=2)(Tensor([[[1.0, 3.0]]])).tolist()
    [[[1.0, 1.0, 3.0, 3.0]]]
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        if isinstance(scale_factor, Sequence):
            scale_factor = tuple(float(factor) for factor in scale_factor)
        elif scale_factor is not None:
            scale_factor = float(scale_factor)
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def forward(self, input: Tensor) -> Tensor:
        """The input resized."""
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        """The options."""
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class _Pad(Module):
    """Elements added around the last axes; ``axes`` is their number."""

    axes: ClassVar[int]
    mode: ClassVar[str]
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(padding, int):
            padding = (padding,) * (2 * self.axes)
        if len(padding) != 2 * self.axes:
            raise ValueError(
                f"{type(self).__name__} takes one number or {2 * self.axes}, before and after each "
                f"axis, the last axis first; not {len(padding)}"
            )
        self.padding = tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        """The input with new elements around it."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class ConstantPad1d(_Pad):
    """`value` around the last axis: (..., L) -> (..., before + L + after).

    padding : (before, after), or one number for both.

    >>> ConstantPad1d((1, 2), 7.0)(Tensor([[1.0]])).tolist()
    [[7.0, 1.0, 7.0, 7.0]]
    """

    axes, mode = 1, "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """`value` around the last two axes.

    padding : (left, right, top, bottom), or one number for all.
    """

    axes = 2


class ZeroPad1d(_Pad):
    """Zeros around the last axis.  padding : (before, after), or one number for both."""

    axes, mode = 1, "constant"


class ZeroPad2d(ZeroPad1d):
    """Zeros around the last two axes.

    padding : (left, right, top, bottom), or one number for all.

    >>> ZeroPad2d((1, 0, 0, 1))(Tensor([[[[5.0]]]])).tolist()
    [[[[0.0, 5.0], [0.0, 0.0]]]]
    """

    axes = 2


class ReflectionPad1d(_Pad):
    """The input mirrored at its first and last element, which are not repeated: (N, C, L).

    padding : (before, after), or one number for both; less than L.

    >>> ReflectionPad1d(1)(Tensor([[[1.0, 2.0, 3.0]]])).tolist()
    [[[2.0, 1.0, 2.0, 3.0, 2.0]]]
    """

    axes, mode = 1, "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """The input mirrored at its edges, which are not repeated: (N, C, H, W).

    padding : (left, right, top, bottom), or one number for all.
    """

    axes = 2


class ReplicationPad1d(_Pad):
    """The first and the last element repeated: (N, C, L).

    padding : (before, after), or one number for both.

    >>> ReplicationPad1d((2, 0))(Tensor([[[1.0, 2.0]]])).tolist()
    [[[1.0, 1.0, 1.0, 2.0]]]
    """

    axes, mode = 1, "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """The elements at the edges repeated: (N, C, H, W).

    padding : (left, right, top, bottom), or one number for all.
    """

    axes = 2
