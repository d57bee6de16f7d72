"""Pooling as modules: each row is a name, a function of `functional`, and its options.

The defaults are PyTorch's, the documentation is the function's.  What follows PyTorch's
``return_indices`` is keyword-only.

>>> from tinygrad_edu import zeros
>>> from tinygrad_edu.nn import MaxPool2d
>>> MaxPool2d(2)(zeros(1, 6, 28, 28)).shape
(1, 6, 14, 14)
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.adapter import Sizes, per_axis
from tinygrad_edu.nn.applied import Applied


class _Pool(Applied):
    """Base of the pools: the stride is the size of the window unless it is given."""

    shown: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding")
    kernel_size: Sizes
    stride: Sizes | None

    def __post_init__(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size

    def extra_repr(self) -> str:
        """The geometry."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


@dataclass(eq=False, repr=False)
class MaxPool1d(_Pool, of=F.max_pool1d):
    shown = (*_Pool.shown, "dilation", "ceil_mode")
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    dilation: Sizes = 1
    _: KW_ONLY
    ceil_mode: bool = False


@dataclass(eq=False, repr=False)
class MaxPool2d(_Pool, of=F.max_pool2d):
    shown = MaxPool1d.shown
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    dilation: Sizes = 1
    _: KW_ONLY
    ceil_mode: bool = False


@dataclass(eq=False, repr=False)
class AvgPool1d(_Pool, of=F.avg_pool1d):
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.shown:  # PyTorch keeps, and prints, tuples here alone
            setattr(self, name, per_axis(getattr(self, name), 1, name))


@dataclass(eq=False, repr=False)
class AvgPool2d(_Pool, of=F.avg_pool2d):
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil_mode: bool = False
    count_include_pad: bool = True


class _Adaptive(Applied):
    """Base of the adaptive pools."""

    output_size: Sizes

    def extra_repr(self) -> str:
        """How many bins."""
        return f"output_size={self.output_size}"


@dataclass(eq=False, repr=False)
class AdaptiveAvgPool1d(_Adaptive, of=F.adaptive_avg_pool1d):
    output_size: Sizes


@dataclass(eq=False, repr=False)
class AdaptiveAvgPool2d(_Adaptive, of=F.adaptive_avg_pool2d):
    output_size: Sizes


@dataclass(eq=False, repr=False)
class AdaptiveMaxPool1d(_Adaptive, of=F.adaptive_max_pool1d):
    output_size: Sizes


@dataclass(eq=False, repr=False)
class AdaptiveMaxPool2d(_Adaptive, of=F.adaptive_max_pool2d):
    output_size: Sizes
