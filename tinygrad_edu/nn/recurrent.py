"""Recurrent layers, RNN, GRU and LSTM, and their cells, which take one step.

A layer multiplies the inputs of all steps in one product; the steps themselves are one operation
(`ops.rnn`, `ops.gru`, `ops.lstm`), whose docstring has the equations.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.creation import zeros
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import empty_parameter
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.utils.rnn import PackedSequence

States = tuple[Tensor, ...]  # h, or h and c


class _Kind(Module):
    """What a layer and its cell share: parameters, and the steps of one layer."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    hidden_size: int

    def _weights(self, suffix: str) -> tuple[Any, ...]:
        """weight_ih, weight_hh, bias_ih, bias_hh of one layer and direction; None for no bias."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(getattr(self, name + suffix, None) for name in names)

    def _add_weights(self, suffix: str, width: int, bias: bool, device: Any, dtype: Any) -> None:
        rows, size = self.gates * self.hidden_size, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, size)}
        if bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, empty_parameter(*shape, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Draw everything evenly from +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(max(self.hidden_size, 1))
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound)

    def _as_tuple(self, hx: Any) -> States:
        """h, or h and c, as the caller gives them."""
        if self.states == 1:
            return (hx,)
        if not isinstance(hx, tuple | list) or len(hx) != 2:
            raise TypeError(f"{type(self).__name__} takes its first states as a pair (h, c)")
        return tuple(hx)

    def _as_given(self, states: Sequence[Tensor]) -> Any:
        return states[0] if self.states == 1 else tuple(states)

    def _steps(self, x: Tensor, first: States, weights: tuple[Any, ...]) -> States:
        """Every state, (T, N, H), of inputs (T, N, size) and first states (N, H)."""
        raise NotImplementedError


class _RNNKind(_Kind):
    gates = 1
    nonlinearity: str

    def _steps(self, x: Tensor, first: States, weights: tuple[Any, ...]) -> States:
        input_weight, weight, *biases = weights
        x = F.linear(x, input_weight, _total(*biases))
        return (ops.rnn(x, *first, weight, nonlinearity=self.nonlinearity),)

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is {nonlinearity!r}, not 'tanh' or 'relu'")
        self.nonlinearity = nonlinearity


class _GRUKind(_Kind):
    gates = 3

    def _steps(self, x: Tensor, first: States, weights: tuple[Any, ...]) -> States:
        input_weight, weight, input_bias, bias = weights
        x = F.linear(x, input_weight, input_bias)
        return (ops.gru(x, *first, weight, *(() if bias is None else (bias,))),)


class _LSTMKind(_Kind):
    gates = 4
    states = 2

    def _steps(self, x: Tensor, first: States, weights: tuple[Any, ...]) -> States:
        input_weight, weight, *biases = weights
        out = ops.lstm(F.linear(x, input_weight, _total(*biases)), *first, weight)
        return out[0], out[1]


def _total(input_bias: Tensor | None, bias: Tensor | None) -> Tensor | None:
    return None if input_bias is None or bias is None else input_bias + bias


# Layers


class _Layers(_Kind):
    """The layers, directions and batch orders of RNN, GRU and LSTM."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(
                f"hidden_size and num_layers must be 1 or more, not {hidden_size} and {num_layers}"
            )
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"dropout drops with a probability between 0 and 1, not {dropout}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and there is one: it does nothing",
                stacklevel=2,
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional
        for layer in range(num_layers):
            width = hidden_size * (1 + bidirectional) if layer else input_size
            for suffix in self._suffixes(layer):
                self._add_weights(suffix, width, bias, device, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        """The ends of the parameters' names, for each direction."""
        forward = f"_l{layer}"
        return (forward, forward + "_reverse") if self.bidirectional else (forward,)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The last layer's states at every step, and every layer's states after its last step."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        batched = input.ndim == 3
        x = self._in_order(input, batched)
        out, final = self._through(x, self._first(x, hx, batched), None)
        if not batched:
            return ops.squeeze(out, axis=1), self._as_given([state[:, 0] for state in final])
        return self._swapped(out), self._as_given(final)

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """`forward` of a packed batch: padded, run past the padding, packed again."""
        places, lengths = input.places(), input.lengths()
        shape = (len(input.batch_sizes), len(lengths), *input.data.shape[1:])
        x = ops.put_add(input.data, index=places, shape=shape)
        first = self._first(self._checked(x), hx, True)
        if input.sorted_indices is not None:
            first = [state[:, input.sorted_indices] for state in first]
        out, final = self._through(x, first, lengths)
        if input.unsorted_indices is not None:
            final = [state[:, input.unsorted_indices] for state in final]
        return input._replace(data=out[places]), self._as_given(final)

    def _through(self, x: Tensor, first: list[Tensor], lengths: Any) -> tuple[Tensor, list[Tensor]]:
        """All layers on x, (T, N, size): the states (T, N, directions H), and the final ones.

        lengths : (N,), where the sequences end; None if all do at T.
        """
        last: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outs = []
            for backwards, suffix in enumerate(self._suffixes(layer)):
                here = tuple(state[len(last)] for state in first)
                turned = _turned(x, lengths) if backwards else x
                states = self._steps(turned, here, self._weights(suffix))
                last.append(tuple(_last(state, lengths) for state in states))
                outs.append(_turned(states[0], lengths) if backwards else states[0])
            x = outs[0] if len(outs) == 1 else ops.concat(*outs, axis=-1)
        return x, [ops.stack(*states) for states in zip(*last, strict=True)]

    def _in_order(self, input: Tensor, batched: bool) -> Tensor:
        """The input as (T, N, size)."""
        self._checked(input)
        return self._swapped(input) if batched else ops.expand_dims(input, axis=1)

    def _checked(self, input: Tensor) -> Tensor:
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size or not input.size:
            order = "(N, T, size)" if self.batch_first else "(T, N, size)"
            raise ValueError(
                f"{type(self).__name__} takes {order}, or (T, size) for one sequence, with size "
                f"{self.input_size} and nothing empty, not shape {input.shape}"
            )
        return input

    def _swapped(self, x: Tensor) -> Tensor:
        """From the caller's order of steps and batch to ours, or back."""
        return ops.swapaxes(x, axis1=0, axis2=1) if self.batch_first else x

    def _first(self, x: Tensor, hx: Any, batched: bool) -> list[Tensor]:
        """The first states, each (layers times directions, N, H); zeros if none are given."""
        count = self.num_layers * (1 + self.bidirectional)
        shape = (count, x.shape[1], self.hidden_size)
        if hx is None:
            weight = self._weights("_l0")[0]
            return [zeros(*shape, dtype=weight.dtype, device=weight.device)] * self.states
        given = []
        for state in self._as_tuple(hx):
            wanted = shape if batched else (count, self.hidden_size)
            if state.shape != wanted:
                raise ValueError(
                    f"a first state of this {type(self).__name__} has shape {state.shape}, not "
                    f"{wanted}"
                )
            given.append(state if batched else ops.expand_dims(state, axis=1))
        return given

    def extra_repr(self) -> str:
        """The sizes, and the options that are not the defaults."""
        options = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
        }
        changed = [f"{name}={x}" for name, (x, default) in options.items() if x != default]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


def _turned(x: Tensor, lengths: Any) -> Tensor:
    """Every sequence of x, (T, N, ...), from its end to its start; padding stays where it is."""
    if lengths is None:
        return ops.flip(x, axis=0)
    at = numpy.arange(x.shape[0])[:, None]
    return x[numpy.where(at < lengths, lengths - 1 - at, at), numpy.arange(len(lengths))]


def _last(x: Tensor, lengths: Any) -> Tensor:
    """The last element of every sequence of x, (T, N, ...) -> (N, ...)."""
    return x[-1] if lengths is None else x[lengths - 1, numpy.arange(len(lengths))]


class RNN(_RNNKind, _Layers):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or with relu, over sequences.

    input : (T, N, input_size), or (N, T, input_size) with `batch_first`, or (T, input_size) for one
        sequence, or a `utils.rnn.PackedSequence` for sequences of unequal length.
    hx : h_0, (layers * directions, N, hidden_size), a layer's directions next to each other; 0 by
        default.
    Returns the last layer's states at every step, (T, N, directions * hidden_size) in the order of
    the input or packed, and h_T of every layer and direction, shaped as `hx`.

    num_layers : every layer takes the states of the one before.  dropout : in training, between
        layers, with this probability.  bidirectional : further weights read each sequence from its
        end; their states follow the others along the last axis.
    weight_ih_l0 : (hidden_size, input_size), weight_hh_l0 : (hidden_size, hidden_size),
        bias_ih_l0 and bias_hh_l0 : (hidden_size,); so on for l1 ..., and with ``_reverse`` for
        the direction from the end.  All drawn evenly from +-1/sqrt(hidden_size).
    Source: Elman 1990, Finding structure in time, Cognitive Science 14.

    >>> from tinygrad_edu import zeros
    >>> out, h = RNN(3, 5, num_layers=2)(zeros(7, 4, 3))
    >>> out.shape, h.shape
    ((7, 4, 5), (2, 4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self._set_nonlinearity(nonlinearity)


class GRU(_GRUKind, _Layers):
    """Gated recurrent units over sequences.

    With the parts r, z, n of a = W_ih x_t + b_ih and of b = W_hh h_(t-1) + b_hh:

        r = sigmoid(a_r + b_r),  z = sigmoid(a_z + b_z),  n = tanh(a_n + r b_n)
        h_t = (1 - z) n + z h_(t-1)

    input : (T, N, input_size), or (N, T, input_size) with `batch_first`, or (T, input_size) for one
        sequence, or a `utils.rnn.PackedSequence` for sequences of unequal length.
    hx : h_0, (layers * directions, N, hidden_size), a layer's directions next to each other; 0 by
        default.
    Returns the last layer's states at every step, (T, N, directions * hidden_size) in the order of
    the input or packed, and h_T of every layer and direction, shaped as `hx`.

    num_layers : every layer takes the states of the one before.  dropout : in training, between
        layers, with this probability.  bidirectional : further weights read each sequence from its
        end; their states follow the others along the last axis.
    weight_ih_l0 : (3 hidden_size, input_size), weight_hh_l0 : (3 hidden_size, hidden_size),
        bias_ih_l0 and bias_hh_l0 : (3 hidden_size,); so on for l1 ..., and with ``_reverse`` for
        the direction from the end.  All drawn evenly from +-1/sqrt(hidden_size).
    Source: Cho et al. 2014, arXiv:1406.1078, equations 5 to 8.  As in PyTorch, r multiplies W_hh h,
    where the paper multiplies h with it first.

    >>> from tinygrad_edu import zeros
    >>> out, h = GRU(3, 5, bidirectional=True, batch_first=True)(zeros(4, 7, 3))
    >>> out.shape, h.shape
    ((4, 7, 10), (2, 4, 5))
    """


class LSTM(_LSTMKind, _Layers):
    """Long short-term memory over sequences.

    With the parts i, f, g, o of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh:

        c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
        h_t = sigmoid(o) tanh(c_t)

    input : (T, N, input_size), or (N, T, input_size) with `batch_first`, or (T, input_size) for one
        sequence, or a `utils.rnn.PackedSequence` for sequences of unequal length.
    hx : (h_0, c_0), each (layers * directions, N, hidden_size), a layer's directions next to each
        other; 0 by default.
    Returns the last layer's states at every step, (T, N, directions * hidden_size) in the order of
    the input or packed, and (h_T, c_T) of every layer and direction, shaped as `hx`.

    num_layers : every layer takes the states of the one before.  dropout : in training, between
        layers, with this probability.  bidirectional : further weights read each sequence from its
        end; their states follow the others along the last axis.
    weight_ih_l0 : (4 hidden_size, input_size), weight_hh_l0 : (4 hidden_size, hidden_size),
        bias_ih_l0 and bias_hh_l0 : (4 hidden_size,); so on for l1 ..., and with ``_reverse`` for
        the direction from the end.  All drawn evenly from +-1/sqrt(hidden_size).
    Source: Hochreiter and Schmidhuber 1997, Neural Computation 9, with the forget gate of Gers et
    al. 2000, Neural Computation 12.  Their cell state s_c is c here.

    >>> from tinygrad_edu import zeros
    >>> out, (h, c) = LSTM(3, 5)(zeros(7, 4, 3))
    >>> out.shape, h.shape, c.shape
    ((7, 4, 5), (1, 4, 5), (1, 4, 5))
    """


# Cells


class _Cell(_Kind):
    """One step of one layer."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._add_weights("", input_size, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """The state after the step."""
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__} takes (N, {self.input_size}) or ({self.input_size},), not "
                f"shape {input.shape}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            weight = self.weight_ih  # type: ignore[attr-defined]
            first = (zeros(*shape, dtype=weight.dtype, device=weight.device),) * self.states
        else:
            first = self._as_tuple(hx)
        if any(state.shape != shape for state in first):
            raise ValueError(f"hx must have shape {shape}, not {[s.shape for s in first]}")
        rows = tuple(state.reshape(-1, self.hidden_size) for state in first)
        states = self._steps(input.reshape(1, -1, self.input_size), rows, self._weights(""))
        return self._as_given([state.reshape(*shape) for state in states])

    def extra_repr(self) -> str:
        """The sizes, and the options that are not the defaults."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_RNNKind, _Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu: one step of `RNN`.

    input : (N, input_size) or (input_size,); hx : h, (N, hidden_size) or (hidden_size,), 0 by
    default; returns h', shaped as h.
    weight_ih : (hidden_size, input_size), weight_hh : (hidden_size, hidden_size), bias_ih and
        bias_hh : (hidden_size,); all drawn evenly from +-1/sqrt(hidden_size).

    >>> RNNCell(3, 5)(Tensor([1.0, 2.0, 3.0])).shape
    (5,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self._set_nonlinearity(nonlinearity)

    def extra_repr(self) -> str:
        """The sizes, and the options that are not the defaults."""
        kind = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + kind


class GRUCell(_GRUKind, _Cell):
    """One step of `GRU`.

    input : (N, input_size) or (input_size,); hx : h, (N, hidden_size) or (hidden_size,), 0 by
    default; returns the next h, shaped as h.
    weight_ih : (3 hidden_size, input_size), weight_hh : (3 hidden_size, hidden_size), bias_ih and
        bias_hh : (3 hidden_size,); all drawn evenly from +-1/sqrt(hidden_size).

    >>> GRUCell(3, 5)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 5)
    """


class LSTMCell(_LSTMKind, _Cell):
    """One step of `LSTM`.

    input : (N, input_size) or (input_size,); hx : (h, c), each (N, hidden_size) or (hidden_size,),
    0 by default; returns the next (h, c), shaped as these.
    weight_ih : (4 hidden_size, input_size), weight_hh : (4 hidden_size, hidden_size), bias_ih and
        bias_hh : (4 hidden_size,); all drawn evenly from +-1/sqrt(hidden_size).

    >>> h, c = LSTMCell(3, 5)(Tensor([[1.0, 2.0, 3.0]]))
    >>> h.shape, c.shape
    ((1, 5), (1, 5))
    """
