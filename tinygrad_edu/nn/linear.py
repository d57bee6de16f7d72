"""Layers with weights that multiply: Linear, Bilinear, Embedding; Identity and Flatten beside."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.engine.creation import zeros
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module, Parameter


def empty_parameter(*shape: int, device: str | None = None, dtype: Any = None) -> Parameter:
    """A Parameter of zeros, to be filled by `init`; float32 unless a dtype is given."""
    return Parameter(zeros(*shape, dtype=dtype or "float32"), device=device)


class Identity(Module):
    """Its input, (...) -> (...): it takes the place of a layer that is left out.

    >>> Identity(54, unused=True)(Tensor([1.0])).tolist()
    [1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input


class Flatten(Module):
    """Axes `start_dim` to `end_dim` as one: (N, C, H, W) -> (N, C * H * W) by default.

    >>> from tinygrad_edu import zeros
    >>> Flatten()(zeros(2, 3, 4, 5)).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The same elements; an error if there are no such axes, or they are in another order."""
        shape, ndim = input.shape, input.ndim
        first, last = self.start_dim % max(ndim, 1), self.end_dim % max(ndim, 1)
        asked = (self.start_dim, self.end_dim)
        if first > last or not all(-ndim <= axis < ndim for axis in asked):
            raise ValueError(f"cannot flatten axes {asked[0]} to {asked[1]} of shape {shape}")
        middle = math.prod(shape[first : last + 1])
        return ops.reshape(input, shape=(*shape[:first], middle, *shape[last + 1 :]))

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Linear(Module):
    """input weightᵀ + bias: (..., in_features) -> (..., out_features).

    weight : (out_features, in_features), bias : (out_features,); both drawn evenly from
    +-1/sqrt(in_features).

    >>> layer = Linear(2, 1, bias=False)
    >>> _ = init.ones_(layer.weight)
    >>> layer(Tensor([[1.0, 2.0]])).tolist()
    [[3.0]]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty_parameter(out_features, in_features, device=device, dtype=dtype)
        self.bias = empty_parameter(out_features, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        uniform_by_fan_in(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """One output per row of the weight."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """input1 W_k input2 + bias_k: (..., in1_features), (..., in2_features) -> (..., out_features).

    weight : (out_features, in1_features, in2_features), bias : (out_features,); both drawn evenly
    from +-1/sqrt(in1_features).

    >>> Bilinear(2, 3, 4)(Tensor([1.0, 2.0]), Tensor([1.0, 2.0, 3.0])).shape
    (4,)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = empty_parameter(*shape, device=device, dtype=dtype)
        self.bias = empty_parameter(out_features, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1.0 / math.sqrt(max(self.in1_features, 1))
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """One bilinear form of the two inputs per output."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Embedding(Module):
    """A table of `num_embeddings` rows: indices (...) -> (..., embedding_dim).

    weight : standard normal; the row `padding_idx`, if given, is 0 and is not trained.

    >>> Embedding(10, 3)(Tensor([1, 2], dtype="int64")).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise IndexError(f"padding_idx {padding_idx} is not among {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = empty_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            rows = self.weight.data.copy()
            rows[self.padding_idx] = 0.0
            self.weight.data = rows

    def forward(self, input: Tensor) -> Tensor:
        """The rows that the indices name."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def uniform_by_fan_in(weight: Parameter, bias: Parameter | None) -> None:
    """Draw both evenly from +-1/sqrt(fan in): PyTorch's choice for linear and convolution layers.

    It writes it as `init.kaiming_uniform_` with the slope sqrt(5), which is the same.
    """
    bound = 1.0 / math.sqrt(max(init.fans(weight)[0], 1))
    for parameter in (weight, bias):
        if parameter is not None:
            init.uniform_(parameter, -bound, bound)
