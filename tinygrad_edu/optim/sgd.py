"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.namespaces.arrays import Array, Arrays
from tinygrad_edu.optim.optimizer import Group, Optimizer, Params, descent


class SGD(Optimizer):
    r"""Stochastic gradient descent: a step against the gradient, or against its running sum.

    ::

        x -= lr * g                                   without momentum
        b  = momentum * b + (1 - dampening) * g       b: momentum_buffer, at first g
        x -= lr * b                                   momentum
        x -= lr * (g + momentum * b)                  nesterov

    Parameters
    ----------
    params : Tensors of any shapes or Values, or groups of them.
    lr : step size, at least 0.
    momentum : how much of `b` is kept from step to step, at least 0.
    dampening : how much less of each new gradient enters `b`; the first enters whole.
    weight_decay : adds ``weight_decay * x`` to the gradient.
    nesterov : look one step ahead; needs momentum and no dampening.
    maximize : climb instead of descending.
    fused : whether an array is updated by one loop in machine code, made of this formula by numba.

    Raises ValueError for an option out of range.

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, eq. 9
    (his alpha is our lr, his beta our momentum); Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013, eq. 1-4 (their v is -lr * b, their mu our
    momentum, their epsilon our lr).

    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.0]

    Built in lessons 14 and 15.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._at_least_zero(group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum above 0 and dampening 0, not momentum "
                f"{group['momentum']} and dampening {group['dampening']}"
            )

    def _state_names(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _initial(self, name: str, xp: Arrays, x: Array, g: Array, group: Group) -> Array:
        # So that the first step gives momentum * b + (1 - dampening) * g = g.
        return descent(x, g, group) * (group["dampening"] / group["momentum"])

    def _update(self, xp: Arrays, x: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        g = descent(x, g, group)
        momentum = group["momentum"]
        if momentum:
            b = state["momentum_buffer"]
            b *= momentum
            b += (1 - group["dampening"]) * g
            g = g + momentum * b if group["nesterov"] else b
        x -= group["lr"] * g
