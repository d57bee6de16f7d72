"""Adagrad: a step size per parameter, which shrinks with the gradients seen."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.namespaces.arrays import Array, Arrays
from tinygrad_edu.optim.optimizer import Group, Optimizer, Params, descent


class Adagrad(Optimizer):
    r"""Adagrad: each element's step divided by the root of the sum of its squared gradients.

    ::

        s += g**2                                     s: sum
        x -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    params : Tensors of any shapes or Values, or groups of them.
    lr : step size, at least 0.
    lr_decay : how fast the step size falls with the number of steps `t`.
    weight_decay : adds ``weight_decay * x`` to the gradient.
    initial_accumulator_value : what `s` starts from.
    eps : keeps the quotient finite.
    maximize : climb instead of descending.
    fused : whether an array is updated by one loop in machine code, made of this formula by numba.

    Raises ValueError for an option out of range.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", 2011, section 1.1, with diagonal matrices (their eta is our lr, their
    diag(G_t) our s, their delta our eps).

    >>> from tinygrad_edu import Value
    >>> w = Value(3.0)
    >>> optimizer = Adagrad([w], lr=0.5)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)
    2.5

    Built in lesson 16.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._at_least_zero(
            group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"
        )

    def _state_names(self, group: Group) -> tuple[str, ...]:
        return ("step", "sum")

    def _initial(self, name: str, xp: Arrays, x: Array, g: Array, group: Group) -> Array:
        return xp.zeros_like(x) + group["initial_accumulator_value"]

    def _factors(self, group: Group, step: int) -> Group:
        return {"lr": group["lr"] / (1 + (step - 1) * group["lr_decay"])}

    def _update(self, xp: Arrays, x: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        g = descent(x, g, group)
        s = state["sum"]
        s += g * g
        x -= group["lr"] * g / (xp.sqrt(s) + group["eps"])
