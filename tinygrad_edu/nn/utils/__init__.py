"""Helpers: clipping of gradients, all parameters as one vector.

`rnn` has those for sequences, `spectral` normalises a weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.utils import rnn as rnn
from tinygrad_edu.nn.utils.spectral import remove_spectral_norm as remove_spectral_norm
from tinygrad_edu.nn.utils.spectral import spectral_norm as spectral_norm
from tinygrad_edu.node import no_grad


def _with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    several = [parameters] if isinstance(parameters, Tensor) else [*parameters]
    return [p for p in several if p.grad is not None]


def get_total_norm(
    tensors: Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all numbers in the tensors together, of any shapes, as a tensor of shape ().

    >>> get_total_norm([Tensor([3.0]), Tensor([4.0])]).item()
    5.0
    """
    norms = [ops.norm(t.detach(), ord=norm_type) for t in tensors]
    total = ops.norm(ops.stack(*norms), ord=norm_type) if norms else Tensor(0.0)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"the norm of the gradients is {total.item()}, not a finite number")
    return total


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients so that their norm, taken together, is at most `max_norm`.

    parameters : Tensors of any shapes (...).

    Returns the norm before.  Source: Pascanu et al. 2013, arXiv:1211.5063, algorithm 1 (here the
    factor is max_norm / (norm + 1e-6), as in PyTorch).

    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> w.grad = [3.0, 4.0]
    >>> clip_grad_norm_([w], 1.0).item()
    5.0
    >>> [round(g, 3) for g in w.grad.tolist()]
    [0.6, 0.8]
    """
    found = _with_gradient(parameters)
    total = get_total_norm(
        [Tensor(p.grad, device=p.device) for p in found], norm_type, error_if_nonfinite
    )
    with no_grad():  # on its device, which the host need not wait for
        factor = ops.minimum(max_norm / (total + 1e-6), 1.0)
        for p in found:
            p.grad = factor * Tensor(p.grad, device=p.device)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value].

    parameters : Tensors of any shapes (...).

    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> w.grad = [3.0, -0.5]
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad.tolist()
    [1.0, -0.5]
    """
    for p in _with_gradient(parameters):
        p.grad = ops.clip(Tensor(p.grad, device=p.device), min=-clip_value, max=clip_value).data


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector (n,), in order; a gradient of it reaches them.

    >>> parameters_to_vector([Tensor([[1.0, 2.0]]), Tensor([3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    return ops.concat(*(p.reshape(-1) for p in parameters))


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector (n,), as `parameters_to_vector` makes it, into the parameters.

    Raises ValueError, and writes nothing, if it is of another size than they are together.

    >>> w = Tensor([[0.0, 0.0]])
    >>> vector_to_parameters(Tensor([1.0, 2.0]), [w])
    >>> w.tolist()
    [[1.0, 2.0]]
    """
    several = [*parameters]
    size = sum(p.size for p in several)
    if vec.shape != (size,):
        raise ValueError(f"the parameters take a vector of {size} numbers, not shape {vec.shape}")
    start = 0
    for p in several:
        p.data = vec.data[start : start + p.size].reshape(p.shape).copy()
        start += p.size
