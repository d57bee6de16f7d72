"""RMSprop: a step size per parameter, from a running average of its squared gradients."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.namespaces.arrays import Array, Arrays
from tinygrad_edu.optim.optimizer import Group, Optimizer, Params, descent


class RMSprop(Optimizer):
    r"""RMSprop: each element's step divided by the root of the average of its squared gradients.

    ::

        v  = alpha * v + (1 - alpha) * g**2           v: square_avg
        d  = g / (sqrt(v) + eps)
        x -= lr * d
                                                      centered: the variance in place of v
        a  = alpha * a + (1 - alpha) * g              a: grad_avg
        d  = g / (sqrt(v - a**2) + eps)
                                                      momentum: the sum of the steps
        b  = momentum * b + d                         b: momentum_buffer
        x -= lr * b

    Parameters
    ----------
    params : Tensors of any shapes or Values, or groups of them.
    lr : step size, at least 0.
    alpha : how much of the averages is kept from step to step, in [0, 1).
    eps : keeps the quotient finite.
    weight_decay : adds ``weight_decay * x`` to the gradient.
    momentum : how much of `b` is kept from step to step, at least 0.
    centered : divide by the estimated standard deviation.
    maximize : climb instead of descending.
    fused : whether an array is updated by one loop in machine code, made of this formula by numba
        (PyTorch's RMSprop has no such option).

    Raises ValueError for an option out of range.

    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered
    and momentum from Graves, "Generating sequences with recurrent neural networks", 2013, eq. 38-41
    (his n is our v, his g our a, his aleph our alpha; his eps is under the root).

    >>> from tinygrad_edu import Value
    >>> w = Value(3.0)
    >>> optimizer = RMSprop([w], lr=0.5, alpha=0.75)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.0

    Built in lesson 16.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._at_least_zero(group, "lr", "eps", "weight_decay", "momentum")
        self._below_one(group, "alpha", 1)

    def _state_names(self, group: Group) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] else ()
        return ("step", "square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _update(self, xp: Arrays, x: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        g = descent(x, g, group)
        alpha, v = group["alpha"], state["square_avg"]
        v *= alpha
        v += (1 - alpha) * g * g
        spread = v
        if group["centered"]:
            a = state["grad_avg"]
            a += (1 - alpha) * (g - a)
            spread = v - a * a
        d = g / (xp.sqrt(spread) + group["eps"])
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += d
            d = b
        x -= group["lr"] * d
