"""L-BFGS: Newton's method with the curvature guessed from the last steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_edu.namespaces.arrays import Array
from tinygrad_edu.optim.line_search import Point, strong_wolfe
from tinygrad_edu.optim.optimizer import Group, Loss, Params, _like, numbers_of
from tinygrad_edu.optim.whole import WholeOptimizer


class LBFGS(WholeOptimizer):
    """Limited-memory BFGS: downhill by the inverse Hessian that the last steps suggest.

    One call of `step` makes up to `max_iter` iterations.  Each goes ``x += t * d``, with d from the
    last `history_size` pairs of steps s and changes of the gradient y, see `direction`, and t from
    a line search.

    Parameters
    ----------
    params : Tensors of any shapes or Values, one group.
    lr : the step length, or the one the line search tries first; in the first iteration it is
        divided by the sum of absolute gradients, if that is above 1.
    max_iter, max_eval : iterations, and evaluations of the loss, per call of `step`; `max_eval`
        defaults to ``max_iter * 5 // 4``.
    tolerance_grad : stop when no element of the gradient is larger.
    tolerance_change : stop when neither loss nor parameters change by more.
    history_size : how many pairs are remembered; each costs two vectors as large as the parameters.
    line_search_fn : "strong_wolfe", or None for steps of length `lr`.

    Raises ValueError for an option out of range.

    Source: Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989;
    Nocedal and Wright, "Numerical optimization", 2006, algorithm 7.5.

    >>> from tinygrad_edu import Value
    >>> x, y = Value(-1.2), Value(1.0)
    >>> optimizer = LBFGS([x, y], max_iter=100, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x) ** 2 + 100 * (y - x * x) ** 2
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> round(x.data, 4), round(y.data, 4)
    (1.0, 1.0)

    Built in lesson 13.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._at_least_zero(group, "lr", "max_iter", "max_eval", "tolerance_grad")
        self._at_least_zero(group, "tolerance_change", "history_size")
        if group["line_search_fn"] not in ("strong_wolfe", None):
            raise ValueError(
                f"LBFGS: line_search_fn is {group['line_search_fn']!r}; it must be 'strong_wolfe' "
                "or None"
            )

    def step(self, closure: Callable[[], Loss] | None = None) -> Loss:
        """Make up to `max_iter` iterations.

        closure : forgets the gradients, computes the loss and its gradients, and returns the loss.
        Returns what `closure` returned first: the loss before the step.
        """
        evaluate: Any = self._need(closure)
        group = self.param_groups[0]
        lr, tolerance_change = group["lr"], group["tolerance_change"]
        state = self.state.setdefault(self._params[0], {"func_evals": 0, "n_iter": 0})

        first: Any = evaluate()
        state["func_evals"] += 1
        evaluations, loss, g = 1, float(first), self._slope()
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(g) <= group["tolerance_grad"]:
                break
            if state["n_iter"] == 0:
                d = -g
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
                t = min(1.0, 1.0 / float(abs(g).sum())) * lr
            else:
                self._remember(state, g, group["history_size"])
                d = direction(g, state["old_stps"], state["old_dirs"], state["ro"], state["H_diag"])
                t = lr
            state["n_iter"] += 1
            state.update(d=d, t=t, prev_flat_grad=g, prev_loss=loss)
            slope = float(g @ d)
            if slope > -tolerance_change:
                break

            x = self._where()

            def along(t: float, x: Array = x, d: Array = d) -> Point:
                self._go(x + t * d)
                loss = float(evaluate())
                g = self._slope()
                return Point(t, loss, g, float(g @ d))

            looked = 0
            if group["line_search_fn"] == "strong_wolfe":
                point, looked = strong_wolfe(
                    along,
                    Point(0.0, loss, g, slope),
                    t,
                    size=_largest(d),
                    max_ls=group["max_eval"] - evaluations,
                )
                t, loss, g = point.t, point.f, point.g
                self._go(x + t * d)
            elif iteration < group["max_iter"]:
                _, loss, g, _ = along(t)
                looked = 1
            else:  # the loss at the last point is for the next call to find out
                self._go(x + t * d)
            state["t"] = t
            evaluations += looked
            state["func_evals"] += looked
            still = _largest(d) * abs(t) <= tolerance_change
            if evaluations >= group["max_eval"] or still:
                break
            if abs(loss - state["prev_loss"]) < tolerance_change:
                break
        return first

    def _remember(self, state: dict[str, Any], g: Array, history_size: int) -> None:
        """Add the last step, and how the gradient changed over it, to the history."""
        y, s = g - state["prev_flat_grad"], state["t"] * state["d"]
        ys = float(y @ s)
        if ys > 1e-10:  # otherwise the curvature along s is not positive: no use for a minimum
            state["old_dirs"].append(y)
            state["old_stps"].append(s)
            state["ro"].append(1.0 / ys)
            for history in (state["old_dirs"], state["old_stps"], state["ro"]):
                del history[: max(len(history) - history_size, 0)]
            state["H_diag"] = ys / float(y @ y)

    def _loaded_state(
        self, number: int, p: Any, saved: Mapping[str, Any], group: Group
    ) -> dict[str, Any]:
        x = self._where().astype(numbers_of(p).dtype)
        state: dict[str, Any] = {}
        for name, value in saved.items():
            if name in ("func_evals", "n_iter"):
                state[name] = int(value)
            elif name in ("t", "H_diag", "prev_loss"):
                state[name] = float(value)
            elif name == "ro":
                state[name] = [float(v) for v in value]
            elif name in ("d", "prev_flat_grad"):
                state[name] = self._loaded_vector(name, value, x)
            elif name in ("old_dirs", "old_stps"):
                state[name] = [self._loaded_vector(name, v, x) for v in value]
        missing = {"func_evals", "n_iter"} - state.keys()
        if missing:
            raise ValueError(f"LBFGS: the saved state has no {min(missing)!r}")
        return state

    def _loaded_vector(self, name: str, value: Any, x: Array) -> Array:
        vector = _like(value, x)
        if vector.shape != x.shape:
            raise ValueError(
                f"LBFGS: the saved {name!r} has shape {vector.shape}, the parameters together "
                f"{x.shape}"
            )
        return vector


def direction(
    g: Array, steps: list[Array], changes: list[Array], ro: list[float], scale: float
) -> Array:
    """Minus the gradient times the inverse Hessian that fits the steps made.

    For each pair s, y in `steps` and `changes`, ``H @ y`` is s; in directions not yet seen H is
    `scale`.  Two passes over the pairs do it without ever forming H.

    g : the gradient; ro : 1 / (y @ s) for each pair.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithm 7.4 (their q is our -q).

    >>> import numpy
    >>> g, s, y = numpy.array([[2.0, 2.0], [1.0, 0.0], [4.0, 0.0]])
    >>> direction(g, [s], [y], [1 / (y @ s)], 1.0).tolist()
    [-0.5, -2.0]

    Built in lesson 13.
    """
    q = -g
    shares = []
    for s, y, r in zip(reversed(steps), reversed(changes), reversed(ro), strict=True):
        a = r * float(s @ q)
        q = q - a * y
        shares.append(a)
    d = scale * q
    for s, y, r, a in zip(steps, changes, ro, reversed(shares), strict=True):
        d = d + s * (a - r * float(y @ d))
    return d


def _largest(vector: Array) -> float:
    """The largest absolute element."""
    return float(abs(vector).max())
