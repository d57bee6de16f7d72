"""Results: what came of the runs of a sweep, by place in the grid and by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import Array


class Results:
    """What a sweep's runs returned, in the order of the grid and then of the seeds.

    Iterating gives ``(point, seed, result)`` for every run.  Of results that are numbers, or dicts
    of numbers or of lists of equal length, the methods make arrays: of shape (lengths of the grid's
    lists, number of seeds, shape of a result).

    >>> found = Results((2,), [{"x": 1}, {"x": 2}], [0, 1], [1.0, 3.0, 5.0, 5.0])
    >>> found.values().tolist(), found.mean().tolist()
    ([[1.0, 3.0], [5.0, 5.0]], [2.0, 5.0])
    >>> found
             x    result         ±
             1         2         1
             2         5         0
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        points: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
        results: Sequence[Any],
    ) -> None:
        self.shape, self.points, self.seeds = shape, [*points], [*seeds]
        self._results = [*results]

    def __len__(self) -> int:
        """The number of runs."""
        return len(self._results)

    def __iter__(self) -> Iterator[tuple[dict[str, Any], int, Any]]:
        every = ((point, seed) for point in self.points for seed in self.seeds)
        for (point, seed), result in zip(every, self._results, strict=True):
            yield dict(point), seed, result

    def values(self, name: str | None = None) -> Array:
        """The results as one array; `name` is an entry of results that are dicts.

        Raises KeyError if a result has no such entry, or needs one to be named.
        """
        if name is None and isinstance(self._results[0], dict):
            raise KeyError(f"each result has {', '.join(self._results[0])}: name one of them")
        if name is not None:
            for point, seed, result in self:
                if not isinstance(result, dict) or name not in result:
                    raise KeyError(f"the result of {point}, seed {seed} has no {name!r}: {result}")
        chosen = self._results if name is None else [result[name] for result in self._results]
        array = numpy.array(chosen)
        return array.reshape(*self.shape, len(self.seeds), *array.shape[1:])

    def mean(self, name: str | None = None) -> Array:
        """The means over the seeds: the shape of `values` without the axis of the seeds."""
        return self.values(name).mean(axis=len(self.shape))

    def std(self, name: str | None = None) -> Array:
        """The standard deviations over the seeds (of n seeds, divided by n)."""
        return self.values(name).std(axis=len(self.shape))

    def __repr__(self) -> str:
        first = self._results[0]
        shown = first if isinstance(first, dict) else {None: first}
        names = [name for name, value in shown.items() if isinstance(value, float | int)]
        columns = list(self.points[0])
        lines = [[*columns, *(x for name in names for x in (name or "result", "±"))]]
        numbers = [part(name).ravel() for name in names for part in (self.mean, self.std)]
        for i, point in enumerate(self.points):
            lines.append(
                [*(str(point[c]) for c in columns), *(f"{array[i]:.4g}" for array in numbers)]
            )
        widths = [max(10, *(len(line[j]) + 2 for line in lines)) for j in range(len(lines[0]))]
        return "\n".join(
            "".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
            for line in lines
        )
