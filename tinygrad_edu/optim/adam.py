"""Adam and AdamW: running averages of the gradient and of its square."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tinygrad_edu.namespaces.arrays import Array, Arrays
from tinygrad_edu.optim.optimizer import Group, Optimizer, Params, descent


class Adam(Optimizer):
    r"""Adam: momentum, with each element's step divided by the root of its mean squared gradient.

    ::

        m  = beta1 * m + (1 - beta1) * g              m: exp_avg
        v  = beta2 * v + (1 - beta2) * g**2           v: exp_avg_sq
        x -= lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

    Both averages start at 0; the divisions by ``1 - beta**t``, at step `t`, undo that bias.

    Parameters
    ----------
    params : Tensors of any shapes or Values, or groups of them.
    lr : step size, at least 0.
    betas : how much of each average is kept from step to step, both in [0, 1).
    eps : keeps the quotient finite.
    weight_decay : adds ``weight_decay * x`` to the gradient.
    amsgrad : divide by the largest `v` so far (max_exp_avg_sq).
    maximize : climb instead of descending.
    fused : whether an array is updated by one loop in machine code, made of this formula by numba.
    decoupled_weight_decay : shrink the parameter itself instead, as `AdamW` does.

    Raises ValueError for an option out of range.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1 (their
    theta is our x, their alpha our lr), computed in the order given at the end of their section 2;
    amsgrad: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018, algorithm 2.

    >>> from tinygrad_edu import Value
    >>> w = Value(3.0)
    >>> optimizer = Adam([w], lr=0.5)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.5

    Built in lesson 16.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._at_least_zero(group, "lr", "eps", "weight_decay")
        self._below_one(group, "betas", 2)

    def _state_names(self, group: Group) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return ("step", "exp_avg", "exp_avg_sq", *largest)

    def _factors(self, group: Group, step: int) -> Group:
        # Numerator and denominator both times sqrt(1 - beta2**t): fewer passes over the arrays.
        beta1, beta2 = group["betas"]
        root = sqrt(1 - beta2**step)
        return {
            "rate": group["lr"] * root / (1 - beta1**step),
            "eps": group["eps"] * root,
            "kept": 1 - group["lr"] * group["weight_decay"],
        }

    def _update(self, xp: Arrays, x: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        m, v = state["exp_avg"], state["exp_avg_sq"]
        beta1, beta2 = group["betas"]
        if group["decoupled_weight_decay"]:
            x *= group["kept"]
            g = -g if group["maximize"] else g
        else:
            g = descent(x, g, group)
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            largest[...] = xp.maximum(largest, v)
            v = largest
        x -= group["rate"] * m / (xp.sqrt(v) + group["eps"])


class AdamW(Adam):
    r"""Adam whose weight decay shrinks the parameter itself, untouched by the division.

    ::

        x *= 1 - lr * weight_decay

    and then as `Adam` without weight decay.  Adam's own weight decay passes through the averages,
    so that elements with large gradients are decayed less.

    Parameters
    ----------
    params : Tensors of any shapes or Values, or groups of them.
    lr, betas, eps, amsgrad, maximize, fused : as in `Adam`.
    weight_decay : the fraction of ``lr * x`` taken away in each step, at least 0.

    Raises ValueError for an option out of range.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2 (their
    eta_t * lambda is our lr * weight_decay).

    >>> from tinygrad_edu import Value
    >>> w = Value(3.0)
    >>> optimizer = AdamW([w], lr=0.5, weight_decay=0.1)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.35

    Built in lesson 16.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            fused=fused,
            decoupled_weight_decay=True,
        )
