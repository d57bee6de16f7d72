"""The transformer and its parts: layers of attention and of two linear maps, each with a bypass.

Masks are those of `MultiheadAttention`: bool, where **True hides**, or numbers to add to scores.

Source: Vaswani et al. 2017, arXiv:1706.03762, section 3; with `norm_first`, Xiong et al. 2020,
arXiv:2002.04745.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.attention import KVCache, MultiheadAttention
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import LayerNorm

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """What both kinds of layers share: the two linear maps, and the bypasses."""

    norm_first: bool

    def _add_feed_forward(
        self, size: int, width: int, dropout: float, activation: Any, bias: bool, factory: Any
    ) -> None:
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(f"activation is {activation!r}, not 'relu', 'gelu' or a function")
            activation = _ACTIVATIONS[activation]
        self.activation = activation
        self.linear1 = Linear(size, width, bias=bias, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(width, size, bias=bias, **factory)

    def _add_norms(
        self, count: int, size: int, eps: float, dropout: float, bias: bool, factory: Any
    ) -> None:
        for n in range(1, count + 1):
            setattr(self, f"norm{n}", LayerNorm(size, eps=eps, bias=bias, **factory))
        for n in range(1, count + 1):
            setattr(self, f"dropout{n}", Dropout(dropout))

    def _bypassed(self, x: Tensor, n: int, block: Callable[[Tensor], Tensor]) -> Tensor:
        """x plus the block of x, with the n-th norm and dropout."""
        norm, dropout = getattr(self, f"norm{n}"), getattr(self, f"dropout{n}")
        if self.norm_first:
            return x + dropout(block(norm(x)))
        return norm(x + dropout(block(x)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then two linear maps, each added to what it was given.

        x = norm1(x + attention(x)),   x = norm2(x + linear2(activation(linear1(x))))

    or, with `norm_first`, x = x + attention(norm1(x)), x = x + linear2(...(norm2(x))).

    src : (T, N, d_model), or (N, T, d_model) with `batch_first`, or (T, d_model) -> the same.
    src_mask : (T, T) or (N * nhead, T, T).  src_key_padding_mask : (N, T).  **True hides**.
    is_causal : element i sees elements 0 to i.  cache : a `KVCache`, for a sequence that grows.
    dim_feedforward : the width between the linear maps.  dropout : in training, of the attention's
        weights and after each part.  activation : "relu", "gelu" or a function.
    self_attn : a `MultiheadAttention`.

    With `is_causal` it is the layer of a GPT, which has no other sequence to look at.

    >>> from tinygrad_edu import rand
    >>> TransformerEncoderLayer(8, nhead=2)(rand(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **factory
        )
        self._add_feed_forward(d_model, dim_feedforward, dropout, activation, bias, factory)
        self._add_norms(2, d_model, layer_norm_eps, dropout, bias, factory)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The sequence after the layer."""

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal, cache=cache
            )[0]

        return self._bypassed(self._bypassed(src, 1, attend), 2, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to another sequence, the memory, in between.

    tgt : (T, N, d_model), memory : (S, N, d_model), or with N first if `batch_first`, or both
        without N -> shaped as tgt.
    tgt_mask : (T, T), memory_mask : (T, S), or (N * nhead, T, T or S).
    tgt_key_padding_mask : (N, T), memory_key_padding_mask : (N, S).  In all, **True hides**.
    tgt_is_causal, memory_is_causal : element i sees elements 0 to i.
    cache : a `KVCache`, for a target that grows; the memory's keys and values are computed once.
    self_attn, multihead_attn : the `MultiheadAttention` to the target and to the memory.

    >>> from tinygrad_edu import rand
    >>> TransformerDecoderLayer(8, nhead=2)(rand(5, 3, 8), rand(7, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self.norm_first = norm_first
        self.self_attn, self.multihead_attn = (
            MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **factory)
            for _ in range(2)
        )
        self._add_feed_forward(d_model, dim_feedforward, dropout, activation, bias, factory)
        self._add_norms(3, d_model, layer_norm_eps, dropout, bias, factory)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The target after the layer."""

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal, cache=cache
            )[0]

        def look(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                False,
                memory_mask,
                is_causal=memory_is_causal,
                cache=cache,
            )[0]

        x = self._bypassed(self._bypassed(tgt, 1, attend), 2, look)
        return self._bypassed(x, 3, self._feed_forward)


class TransformerEncoder(Module):
    """`num_layers` copies of a layer, one after the other, then `norm` if there is one.

    Shapes are those of the layer: (batch, length, d_model) with ``batch_first``.
    src, masks, cache : as in `TransformerEncoderLayer`.  The copies start with equal weights, as
    PyTorch's do; `Transformer` draws them anew.

    >>> from tinygrad_edu import rand
    >>> TransformerEncoder(TransformerEncoderLayer(8, 2), num_layers=3)(rand(5, 2, 8)).shape
    (5, 2, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The sequence after all layers."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal), cache=cache)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """`num_layers` copies of a layer, one after the other, then `norm` if there is one.

    Shapes are those of the layer: (batch, length, d_model) with ``batch_first``.
    tgt, memory, masks, cache : as in `TransformerDecoderLayer`.

    >>> from tinygrad_edu import rand
    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2), num_layers=3)
    >>> decoder(rand(5, 2, 8), rand(7, 2, 8)).shape
    (5, 2, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList(copy.deepcopy(decoder_layer) for _ in range(num_layers))
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The target after all layers."""
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, bool(tgt_is_causal), memory_is_causal, cache=cache)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder, whose result is the memory of a decoder; each ends with a `LayerNorm`.

    src : (S, N, d_model), tgt : (T, N, d_model), or with N first if `batch_first`, or both without
        N -> shaped as tgt.  Masks as in the layers: **True hides**.
    All matrices are drawn as by `init.xavier_uniform_`.  PyTorch's custom_encoder and
    custom_decoder are absent: assign ``encoder`` or ``decoder``.

    >>> from tinygrad_edu import rand
    >>> model = Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> mask = Transformer.generate_square_subsequent_mask(5)
    >>> model(rand(7, 3, 8), rand(5, 3, 8), tgt_mask=mask).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        *,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        options: dict[str, Any] = {
            "dim_feedforward": dim_feedforward,
            "dropout": dropout,
            "activation": activation,
            "layer_norm_eps": layer_norm_eps,
            "batch_first": batch_first,
            "norm_first": norm_first,
            "bias": bias,
            **factory,
        }

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)

        self.encoder = TransformerEncoder(
            TransformerEncoderLayer(d_model, nhead, **options), num_encoder_layers, norm()
        )
        self.decoder = TransformerDecoder(
            TransformerDecoderLayer(d_model, nhead, **options), num_decoder_layers, norm()
        )
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The target after encoder and decoder."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: str | None = None, dtype: Any = None
    ) -> Tensor:
        """The numbers to add to scores so that element i sees elements 0 to i: 0 or -inf, (sz, sz).

        >>> Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        hidden = ~numpy.tri(sz, dtype=bool)
        return Tensor(numpy.where(hidden, -numpy.inf, 0.0), dtype=dtype or "float32", device=device)
