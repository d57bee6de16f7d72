"""Gradient descent on the whole loss, each step as long as a line search finds best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.optim.line_search import armijo, bracket_search
from tinygrad_edu.optim.optimizer import Group, Loss, Params
from tinygrad_edu.optim.whole import WholeOptimizer


class GradientDescent(WholeOptimizer):
    """Steepest descent: ``x -= t * g``, with t from a line search along -g.

    Parameters
    ----------
    params : Tensors of any shapes or Values.
    lr : the step length tried first ("backtracking"), the longest looked at ("bracket"), or the
        step length itself (None).
    line_search_fn : "backtracking", see `armijo`; "bracket", see `bracket_search`; or None.
    c, rho : which part of the promised decrease is enough, and the factor between the lengths that
        are tried, both in (0, 1); for "backtracking".
    thresh : how close to the best length "bracket" comes.
    max_iter : how many lengths, or brackets, are tried at most; by default as in these functions.

    ``step_size`` is the length of the last step.

    Raises ValueError for an option out of range.

    Source: Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées",
    1847; Nocedal and Wright, "Numerical optimization", 2006, section 3.3 (their alpha is our t).

    >>> from tinygrad_edu import Value
    >>> w = Value(3.0)
    >>> optimizer = GradientDescent([w])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = w * w
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> w.data, optimizer.step_size
    (0.0, 0.5)

    Built in lesson 13.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        line_search_fn: str | None = "backtracking",
        *,
        c: float = 0.3,
        rho: float = 0.5,
        thresh: float = 1e-4,
        max_iter: int | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "line_search_fn": line_search_fn,
            "c": c,
            "rho": rho,
            "thresh": thresh,
            "max_iter": max_iter,
        }
        super().__init__(params, defaults)
        self.step_size = 0.0

    def _check(self, group: Group) -> None:
        self._at_least_zero(group, "lr", "thresh")
        for name in ("c", "rho"):
            if not 0 < group[name] < 1:
                raise ValueError(
                    f"{self._name}: {name} is {group[name]!r}; it must be between 0 and 1"
                )
        if group["line_search_fn"] not in ("backtracking", "bracket", None):
            raise ValueError(
                f"{self._name}: line_search_fn is {group['line_search_fn']!r}; it must be "
                "'backtracking', 'bracket' or None"
            )

    def step(self, closure: Callable[[], Loss] | None = None) -> Loss:
        """Go down once.

        closure : forgets the gradients, computes the loss and its gradients, and returns the loss;
            called once, and once more for each length that is tried.
        Returns what `closure` returned first: the loss before the step.
        """
        evaluate: Any = self._need(closure)
        loss: Any = evaluate()
        x, g = self._where(), self._slope()
        group = self.param_groups[0]

        def along(t: float) -> float:
            self._go(x - t * g)
            return float(evaluate())

        limit = {} if group["max_iter"] is None else {"max_iter": group["max_iter"]}
        t = group["lr"]
        if group["line_search_fn"] == "backtracking":
            slope = -float(g @ g)
            t = armijo(along, float(loss), slope, t=t, c=group["c"], rho=group["rho"], **limit)
        elif group["line_search_fn"] == "bracket":
            t = bracket_search(along, max_dist=t, thresh=group["thresh"], **limit)
        self._go(x - t * g)
        self.step_size = t
        return loss
