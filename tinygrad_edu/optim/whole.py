"""Optimisers that treat all parameters as one vector, and look at several points in one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import Array, namespace_of
from tinygrad_edu.node import current_mode
from tinygrad_edu.optim.optimizer import Optimizer, numbers_of


class WholeOptimizer(Optimizer):
    """Base class of `GradientDescent` and `LBFGS`: one group, and a closure in each step."""

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take the only group; ValueError for a second one."""
        if self.param_groups:
            raise ValueError(
                f"{self._name} goes the same way in all parameters, so it takes one group only"
            )
        super().add_param_group(param_group)

    @property
    def _params(self) -> list[Any]:
        return self.param_groups[0]["params"]

    def _need(self, closure: Callable[[], Any] | None) -> Callable[[], Any]:
        if current_mode().capture is not None:
            raise RuntimeError(
                f"{self._name} decides on the host where to go next, which a repetition would not; "
                "use SGD or Adam, or leave the optimiser's step out of what is recorded"
            )
        if closure is None:
            raise TypeError(
                f"{self._name}.step needs a closure, since it looks at several points: a function "
                "that calls zero_grad() and backward() and returns the loss"
            )
        return closure

    def _where(self) -> Array:
        """The parameters as one new vector."""
        return _vector([numbers_of(p) for p in self._params])

    def _slope(self) -> Array:
        """Their gradients, 0 where there is none, as one new vector."""
        return _vector(
            [
                numbers_of(p, gradient=True) if p.has_grad else 0 * numbers_of(p)
                for p in self._params
            ]
        )

    def _go(self, x: Array) -> None:
        """Give the parameters the values of a vector that nothing else will change."""
        start = 0
        for p in self._params:
            size = int(numpy.prod(p.shape))
            p.data = x[start : start + size].reshape(p.shape)
            start += size


def _vector(arrays: list[Array]) -> Array:
    xp = namespace_of(arrays[0])
    return xp.concat(*[xp.asarray(a).reshape(-1) for a in arrays])
