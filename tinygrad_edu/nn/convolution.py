"""Convolutions with weights: Conv1d and Conv2d, and their adjoints, ConvTranspose1d and 2d."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.adapter import Sizes, per_axis
from tinygrad_edu.nn.linear import empty_parameter, uniform_by_fan_in
from tinygrad_edu.nn.module import Module


class _Convolution(Module):
    """What the layers here share: the geometry, a weight with a kernel per channel, a bias."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Tensor]]
    transposed: ClassVar[bool] = False

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding_mode: str
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]

    def _make(
        self, channels: tuple[int, int], groups: int, bias: bool, factory: Any, **geometry: Any
    ) -> None:
        self.in_channels, self.out_channels = channels
        if groups < 1 or any(count % groups for count in channels):
            raise ValueError(
                f"{groups} groups do not divide {channels[0]} channels in and {channels[1]} out"
            )
        self.groups = groups
        for name, value in geometry.items():
            setattr(self, name, value if isinstance(value, str) else self._each(value, name))
        first, second = channels if self.transposed else channels[::-1]
        self.weight = empty_parameter(first, second // groups, *self.kernel_size, **factory)
        self.bias = empty_parameter(self.out_channels, **factory) if bias else None
        self.reset_parameters()

    def _each(self, value: Sizes, name: str) -> tuple[int, ...]:
        return per_axis(value, self.axes, name)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        uniform_by_fan_in(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        shown = [f"{self.in_channels}, {self.out_channels}"]
        shown += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        shown += [
            f"{name}={getattr(self, name)}"
            for name, number in usual.items()
            if getattr(self, name) != (number,) * self.axes
        ]
        shown += [f"groups={self.groups}"] * (self.groups != 1)
        shown += ["bias=False"] * (self.bias is None)
        shown += [f"padding_mode={self.padding_mode}"] * (self.padding_mode != "zeros")
        return ", ".join(shown)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        modes = ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"padding_mode is {padding_mode!r}, not one of {modes}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"padding is {padding!r}, not 'same', 'valid' or a number")
        self.padding_mode = padding_mode
        geometry = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        geometry |= {"dilation": dilation, "output_padding": 0}
        factory = {"device": device, "dtype": dtype}
        self._make((in_channels, out_channels), groups, bias, factory, **geometry)
        if padding == "same" and self.stride != (1,) * self.axes:
            raise ValueError(f"padding 'same' needs stride 1, not {self.stride}")

    def forward(self, input: Tensor) -> Tensor:
        """What each kernel sees of the input, at every place."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), mode=self.padding_mode), 0
        geometry = (self.stride, padding, self.dilation, self.groups)
        return self.function(input, self.weight, self.bias, *geometry)

    def _around(self) -> list[int]:
        """The padding as `functional.pad` takes it: before and after, the last axis first."""
        if isinstance(self.padding, tuple):
            return [side for side in reversed(self.padding) for _ in range(2)]
        spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        same = self.padding == "same"
        return [n for span in reversed(spans) for n in (span // 2 * same, (span + 1) // 2 * same)]


class Conv1d(_Conv):
    """Cross-correlation with learned kernels: (N, in_channels, L) -> (N, out_channels, L').

    weight : (out_channels, in_channels / groups, size), bias : (out_channels,); both drawn evenly
    from +-1/sqrt(in_channels / groups * size).
    stride, dilation, groups : as for `functional.conv1d`.
    padding : how many elements on both sides, "same" (with stride 1, L' = L) or "valid" (none).
    padding_mode : what they are: "zeros", "reflect", "replicate" or "circular".

    >>> from tinygrad_edu import zeros
    >>> Conv1d(3, 8, 5, padding="same")(zeros(2, 3, 20)).shape
    (2, 8, 20)
    """

    axes, function = 1, staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Cross-correlation with learned kernels: (N, in_channels, H, W) -> (N, out_channels, H', W').

    weight : (out_channels, in_channels / groups, kH, kW), bias : (out_channels,); both drawn evenly
    from +-1/sqrt(in_channels / groups * kH * kW).
    kernel_size, stride, padding, dilation : one number, or one per axis.  Options as for `Conv1d`.
    Source: LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition".

    >>> from tinygrad_edu import zeros
    >>> layer = Conv2d(1, 6, 5, padding=2)
    >>> layer
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    >>> layer(zeros(2, 1, 28, 28)).shape
    (2, 6, 28, 28)
    """

    axes, function = 2, staticmethod(F.conv2d)


class _ConvTranspose(_Convolution):
    transposed = True
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f"{type(self).__name__} pads with zeros, not with {padding_mode!r}")
        self.padding_mode = padding_mode
        geometry = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        geometry |= {"dilation": dilation, "output_padding": output_padding}
        factory = {"device": device, "dtype": dtype}
        self._make((in_channels, out_channels), groups, bias, factory, **geometry)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """A kernel, times the element, at the place of every element of the input.

        output_size : the last sizes of the result, where a stride leaves a choice; in place of
            output_padding.
        """
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        geometry = (self.stride, self.padding, extra, self.groups, self.dilation)
        return self.function(input, self.weight, self.bias, *geometry)

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        asked = self._each(tuple(output_size)[-self.axes :], "output_size")
        spatial = zip(
            *(input.shape[2:], self.stride, self.padding, self.dilation, self.kernel_size),
            strict=True,
        )
        least = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in spatial)
        extra = tuple(size - n for size, n in zip(asked, least, strict=True))
        if not all(0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
            most = tuple(n + step - 1 for n, step in zip(least, self.stride, strict=True))
            raise ValueError(
                f"output_size {asked} cannot be had of an input of shape {input.shape}: the sizes "
                f"are {least} to {most}"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of `Conv1d` for its input: (N, in_channels, L) -> (N, out_channels, L').

    L' = (L - 1) stride + dilation (size - 1) + 1 + output_padding - 2 padding.
    weight : (in_channels, out_channels / groups, size), bias : (out_channels,).
    Options as for `functional.conv_transpose1d`.

    >>> from tinygrad_edu import zeros
    >>> ConvTranspose1d(4, 2, kernel_size=2, stride=2)(zeros(1, 4, 10)).shape
    (1, 2, 20)
    """

    axes, function = 1, staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of `Conv2d` for its input: (N, in_channels, H, W) -> (N, out_channels, H', W').

    H' = (H - 1) stride + dilation (kH - 1) + 1 + output_padding - 2 padding, and W' likewise.
    weight : (in_channels, out_channels / groups, kH, kW), bias : (out_channels,).
    Options as for `functional.conv_transpose2d`.
    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.

    >>> from tinygrad_edu import zeros
    >>> layer = ConvTranspose2d(4, 2, kernel_size=3, stride=2, padding=1)
    >>> layer(zeros(1, 4, 7, 7)).shape, layer(zeros(1, 4, 7, 7), output_size=(14, 14)).shape
    ((1, 2, 13, 13), (1, 2, 14, 14))
    """

    axes, function = 2, staticmethod(F.conv_transpose2d)
