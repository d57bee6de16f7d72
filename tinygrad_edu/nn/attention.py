"""Attention of several heads, and the cache that makes generating one element at a time cheap.

What a bool mask says, as in PyTorch: in the modules here and in `transformer`, True **hides** a key
(or a padded element); in `functional.scaled_dot_product_attention`, True lets a query see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.adapter import given
from tinygrad_edu.nn.linear import Linear, empty_parameter
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.position import RotaryPositionalEncoding


class KVCache:
    """The keys and values that the attention modules of a model have computed so far.

    Of each module, both of shape (batch, heads, length, size of a head).

    Pass one cache to every call while a sequence grows: each call then takes the new elements
    alone, and gives what a call with all of them would give for these.  ``len(cache)`` is the
    number of elements seen, where positional encodings go on counting.  In attention of a sequence
    to another, keys and values are computed at the first call and kept.  Wrap generation in
    `no_grad`: what is kept would hold on to the graph.  PyTorch's modules have no cache.

    >>> from tinygrad_edu import nn, no_grad, rand
    >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    >>> x, cache = rand(1, 3, 8), KVCache()
    >>> with no_grad():
    ...     whole = layer(x, is_causal=True)
    ...     steps = [layer(x[:, t : t + 1], is_causal=True, cache=cache) for t in range(3)]
    >>> len(cache), bool(abs(steps[2].data - whole.data[:, 2:]).max() < 1e-5)
    (3, True)
    """

    def __init__(self) -> None:
        self._grown: dict[Module, tuple[Tensor, Tensor]] = {}
        self._fixed: dict[Module, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return max((keys.shape[-2] for keys, _ in self._grown.values()), default=0)

    def past(self, module: Module) -> int:
        """How many elements the module has seen in attention of a sequence to itself."""
        return self._grown[module][0].shape[-2] if module in self._grown else 0

    def extend(self, module: Module, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All of the module's keys and values, (..., S, size), with these at the end."""
        if module in self._grown:
            earlier, theirs = self._grown[module]
            keys = ops.concat(earlier, keys, axis=-2)
            values = ops.concat(theirs, values, axis=-2)
        self._grown[module] = keys, values
        return keys, values

    def keep(
        self, module: Module, make: Callable[[], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """The module's keys and values, made at the first call."""
        if module not in self._fixed:
            self._fixed[module] = make()
        return self._fixed[module]


class MultiheadAttention(Module):
    """Attention of `num_heads` heads, each in a space of embed_dim / num_heads of its own.

        head_i = softmax(q_i k_iᵀ / sqrt(size)) v_i,   out = [head_1 ... head_h] W_oᵀ + b_o

    where q_i, k_i, v_i are the i-th parts of query W_qᵀ + b_q, key W_kᵀ + b_k, value W_vᵀ + b_v.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2 (matrices transposed here).

    query : (L, N, embed_dim), key : (S, N, kdim), value : (S, N, vdim), or with N first if
        `batch_first`, or all without N.
    key_padding_mask : (N, S); bool, **True hides a key**, or numbers to add to its scores.
    attn_mask : (L, S) or (N * num_heads, L, S); bool, **True hides a key from a query** (in
        `functional.scaled_dot_product_attention` True shows it), or numbers to add to the scores.
    is_causal : query i sees keys 0 to i (in PyTorch it only says that `attn_mask` does that).
    Returns the output, shaped as `query`, and, with `need_weights`, the weights, (N, L, S): their
        mean over the heads, or (N, num_heads, L, S) without `average_attn_weights`.  A query that
        sees no key has weights 0 (PyTorch: nan).
    cache : a `KVCache`.  rotary : an attribute, None; assign a `RotaryPositionalEncoding` of size
        embed_dim / num_heads to have it turn queries and keys.

    in_proj_weight : (3 embed_dim, embed_dim), W_q, W_k and W_v; if kdim or vdim differ from
        embed_dim, q_proj_weight, k_proj_weight, v_proj_weight instead; drawn as by
        `init.xavier_uniform_`.  in_proj_bias : (3 embed_dim,), 0.  out_proj : a `Linear`.
    dropout : of the weights, in training.  PyTorch's add_bias_kv and add_zero_attn are absent.

    >>> from tinygrad_edu import rand
    >>> x = rand(5, 2, 8)
    >>> out, weights = MultiheadAttention(8, num_heads=2)(x, x, x)
    >>> out.shape, weights.shape
    ((5, 2, 8), (2, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} does not divide into {num_heads} heads")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first
        factory = {"device": device, "dtype": dtype}
        self.in_proj_weight = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = empty_parameter(3 * embed_dim, embed_dim, **factory)
        else:
            self.q_proj_weight = empty_parameter(embed_dim, embed_dim, **factory)
            self.k_proj_weight = empty_parameter(embed_dim, self.kdim, **factory)
            self.v_proj_weight = empty_parameter(embed_dim, self.vdim, **factory)
        self.in_proj_bias = empty_parameter(3 * embed_dim, **factory) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, **factory)
        self.rotary: RotaryPositionalEncoding | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew; biases are 0."""
        for parameter in self.parameters(recurse=False):
            if parameter is self.in_proj_bias:
                init.zeros_(parameter)
            else:
                init.xavier_uniform_(parameter)
        self.out_proj.reset_parameters()
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """The output and, if they are needed, the weights."""
        batched, itself = query.ndim == 3, query is key
        past = cache.past(self) if cache is not None and itself else 0
        q = self._heads(query, 0)
        if self.rotary is not None:
            q = self.rotary(q, past)

        def keys_and_values() -> tuple[Tensor, Tensor]:
            k = self._heads(key, 1)
            return k if self.rotary is None else self.rotary(k, past), self._heads(value, 2)

        if cache is None:
            k, v = keys_and_values()
        elif itself:
            k, v = cache.extend(self, *keys_and_values())
        else:
            k, v = cache.keep(self, keys_and_values)
        if past and is_causal:  # the first query is number `past`
            hidden = ~numpy.tri(q.shape[-2], k.shape[-2], past, dtype=bool)
            mask = self._mask(q, Tensor(hidden, device=q.device), attn_mask, key_padding_mask)
        else:
            mask = self._mask(q, attn_mask, key_padding_mask)
        # Not the one operation of both products: it would compute the weights again going back.
        weights = ops.attention_weights(q, k, *given(mask), causal=is_causal and not past)
        weights = F.dropout(weights, self.dropout, self.training)
        heads = ops.matmul(weights, v)  # (N, heads, L, size)
        axes = (0, 2, 1, 3) if self.batch_first or not batched else (2, 0, 1, 3)
        out = self.out_proj(ops.transpose(heads, axes=axes).reshape(*query.shape))
        if not need_weights:
            return out, None
        weights = ops.mean(weights, axis=1) if average_attn_weights else weights
        return out, weights if batched else weights[0]

    def _heads(self, x: Tensor, which: int) -> Tensor:
        """Queries, keys or values of all heads, (N, heads, length, size)."""
        part = slice(which * self.embed_dim, (which + 1) * self.embed_dim)
        weight: Tensor
        if self.in_proj_weight is None:
            weight = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[which]
        else:
            weight = self.in_proj_weight[part]
        if x.ndim not in (2, 3) or x.shape[-1] != weight.shape[1]:
            order = "(N, length, size)" if self.batch_first else "(length, N, size)"
            raise ValueError(
                f"this MultiheadAttention takes its {('query', 'key', 'value')[which]} as {order}, "
                f"or (length, size), with size {weight.shape[1]}, not shape {x.shape}"
            )
        out = F.linear(x, weight, None if self.in_proj_bias is None else self.in_proj_bias[part])
        lead = x.shape[:-1] if x.ndim == 3 else (1, *x.shape[:-1])
        axes = (0, 2, 1, 3) if self.batch_first or x.ndim == 2 else (1, 2, 0, 3)
        return ops.transpose(out.reshape(*lead, self.num_heads, self.head_dim), axes=axes)

    def _mask(self, q: Tensor, *masks: Tensor | None) -> Tensor | None:
        """The masks as one for `ops.attention_weights`: bool, True to see, or numbers to add.

        The last is over keys alone, the others over queries and keys.
        """
        batch = q.shape[0]
        present = []
        for n, mask in enumerate(masks):
            if mask is None:
                continue
            if n == len(masks) - 1:  # (N, S) -> (N, 1, 1, S)
                mask = mask.reshape(batch, 1, 1, mask.shape[-1])
            elif mask.ndim == 3:
                mask = mask.reshape(batch, self.num_heads, *mask.shape[1:])
            present.append(mask)
        if not present:
            return None
        if all(mask.dtype.kind == "b" for mask in present):
            hidden = present[0]
            for mask in present[1:]:
                hidden = ops.maximum(hidden, mask)  # or, of bools
            return ops.equal(hidden, ops.zeros_like(hidden))  # not
        total: Any = 0.0
        for mask in present:
            if mask.dtype.kind == "b":
                mask = ops.where(mask, ops.zeros_like(q[0, 0, 0, 0]) - math.inf, 0.0)
            total = mask + total
        return total
