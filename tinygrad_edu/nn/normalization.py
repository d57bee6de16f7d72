"""Layers that bring their input to mean 0 and variance 1: over the batch, a layer, or groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import empty_parameter
from tinygrad_edu.nn.module import Module, Parameter
from tinygrad_edu.node import assign


class _Normalised(Module):
    """What the layers here share: a weight of ones and a bias of zeros, or neither."""

    weight: Parameter | None
    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], weight: bool, bias: bool, factory: Any) -> None:
        self.weight = empty_parameter(*shape, **factory) if weight else None
        self.bias = empty_parameter(*shape, **factory) if weight and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones and zeros again."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _BatchNorm(_Normalised):
    """Batch normalisation over all axes but the second, with running statistics for evaluation."""

    dims: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        factory = {"device": device, "dtype": dtype}
        self._make((num_features,), affine, bias, factory)
        if track_running_stats:
            zero = empty_parameter(num_features, **factory).data
            self.register_buffer("running_mean", Tensor(zero, device=device))
            self.register_buffer("running_var", Tensor(zero + 1, device=device))
            self.register_buffer("num_batches_tracked", Tensor(0, dtype="int64", device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def forward(self, input: Tensor) -> Tensor:
        """The input normalised: by the batch in training, by the running statistics otherwise."""
        if input.ndim not in self.dims or input.shape[1] != self.num_features:
            ways = " or ".join(map(str, self.dims))
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) needs an input of {ways} axes with "
                f"{self.num_features} channels, (N, {self.num_features}, ...), not {input.shape}"
            )
        momentum: Any = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked + 1
            assign(self.num_batches_tracked, count)
            if self.momentum is None:  # the mean over all batches so far
                momentum = 1.0 / count.astype(input.dtype)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L): mean 0 and variance 1 per channel, then affine.

    momentum : how far each batch moves the running statistics; None takes the mean of all batches.
    affine : whether there is a weight (C,) and, with `bias`, a bias (C,).
    track_running_stats : without them the batch's own statistics are used in evaluation too.
    State: weight, bias, running_mean, running_var, num_batches_tracked.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.

    >>> layer = BatchNorm1d(1, eps=0.0)
    >>> layer(Tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    >>> round(layer.running_mean.item(), 4)
    0.2
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W): mean 0 and variance 1 per channel, then affine.

    Options, state and source as for `BatchNorm1d`.

    >>> from tinygrad_edu import rand
    >>> BatchNorm2d(3)(rand(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    dims = (4,)


class LayerNorm(_Normalised):
    """Mean 0 and variance 1 over the last axes of each example, then affine: (..., *shape) -> same.

    normalized_shape : the sizes of those axes, or the size of the last one.
    Source: Ba et al. 2016, arXiv:1607.06450, equation 4.

    >>> LayerNorm(2, eps=0.0)(Tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        factory = {"device": device, "dtype": dtype}
        self._make(self.normalized_shape, elementwise_affine, bias, factory)

    def forward(self, input: Tensor) -> Tensor:
        """The input normalised."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Normalised):
    """The input over its root mean square, over the last axes, times a weight: (...) -> (...).

    normalized_shape : the sizes of those axes, or the size of the last one.
    eps : added to the mean square; the smallest step above 1 of the dtype by default.
    Source: Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.

    >>> RMSNorm(2)(Tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        factory = {"device": device, "dtype": dtype}
        self._make(self.normalized_shape, elementwise_affine, False, factory)

    def forward(self, input: Tensor) -> Tensor:
        """The input normalised."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Normalised):
    """Mean 0 and variance 1 over each group of channels of each example, then affine.

    (N, C, ...) -> the same, with C = num_channels a multiple of num_groups.
    Source: Wu and He 2018, arXiv:1803.08494, equation 7.

    >>> GroupNorm(1, 2, eps=0.0)(Tensor([[[1.0], [3.0]]])).tolist()
    [[[-1.0], [1.0]]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"{num_channels} channels do not divide into {num_groups} groups")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._make((num_channels,), affine, bias, {"device": device, "dtype": dtype})

    def forward(self, input: Tensor) -> Tensor:
        """The input normalised."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
