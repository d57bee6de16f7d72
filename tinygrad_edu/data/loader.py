"""DataLoader: a data set in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy

from tinygrad_edu.data.dataset import read
from tinygrad_edu.engine.device import placed
from tinygrad_edu.ops.random import generator_or_default

Generator = numpy.random.Generator


class DataLoader:
    """A data set in batches: every ``for batch in loader`` goes through it once.

    Of examples of shape (...) come batches of shape (batch, ...).

    Parameters
    ----------
    dataset : a `Dataset`, or what has a length and gives examples by number.
    batch_size : examples in a batch; the last one may have fewer.
    shuffle : whether every pass has a new order, drawn from `generator`.
    sampler : the numbers of the examples in order, iterated anew in every pass.
    batch_sampler : lists of numbers, one per batch; instead of the four options about batches.
    collate_fn : makes a batch of a list of examples, instead of the data set's `batch`.
    drop_last : whether a last batch that is not full is left out.
    generator : a `numpy.random.Generator`; without one the loader seeds its own, once, from the
        one that `manual_seed` seeds.

    The names are PyTorch's.  Batches are made in this process, when they are asked for; inside
    ``with device("cuda")`` their tensors come on the card.

    Raises ValueError for options that exclude each other and a batch size below 1, TypeError for a
    generator of another kind.

    >>> from tinygrad_edu import Tensor
    >>> from tinygrad_edu.data import TensorDataset
    >>> data = TensorDataset(Tensor([[0.0], [1.0], [2.0]]), numpy.array([0, 1, 2]))
    >>> for x, y in DataLoader(data, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [[0.0], [1.0]] [0, 1]
    [[2.0]] [2]

    Built in lesson 10.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Iterable[int]] | None = None,
        *,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler decides what is in a batch; leave out batch_size, "
                "shuffle, sampler and drop_last"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler decides the order; leave out shuffle")
        if not isinstance(batch_size, int | numpy.integer) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is {batch_size!r}; it must be at least 1")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(
                f"DataLoader: generator is a {type(generator).__name__}; it must be a "
                "numpy.random.Generator, such as numpy.random.default_rng(0)"
            )
        if shuffle and generator is None:
            generator = numpy.random.default_rng(generator_or_default().integers(2**63))
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator
        self._position: int | None = None  # batches given in this pass; None between passes
        self._order: Any = None  # this pass's numbers, those of a batch_sampler in lists
        self._drawn_from: Any = None  # the generator's state before it drew them
        self._resumes = False  # whether the next pass is the one begun

    def __len__(self) -> int:
        """The number of batches in a pass."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        return self._count(self.dataset if self.sampler is None else self.sampler)

    def _count(self, order: Any) -> int:
        """How many batches an order makes."""
        n = len(order)
        if self.batch_sampler is not None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not self._resumes:
            self._order, self._drawn_from = self._draw()
            self._position = 0
        self._resumes = False
        order, size, collate = self._order, self.batch_size, self.collate_fn
        for position in range(self._position or 0, self._count(order)):
            if self.batch_sampler is None:
                indices = order[position * size : position * size + size]
            else:
                indices = order[position]
            self._position = position + 1
            if collate is None:
                yield placed(read(self.dataset, indices))
            else:
                yield placed(collate([self.dataset[int(i)] for i in indices]))
        self._position = self._order = self._drawn_from = None

    def _draw(self) -> tuple[Any, Any]:
        """The numbers of a new pass, and the state the generator had before it drew them."""
        if self.batch_sampler is not None:
            return [[int(i) for i in batch] for batch in self.batch_sampler], None
        if self.sampler is not None:
            return numpy.array([int(i) for i in self.sampler], dtype=numpy.int64), None
        if self.generator is None or not self.shuffle:
            return numpy.arange(len(self.dataset)), None
        before = self.generator.bit_generator.state
        return self.generator.permutation(len(self.dataset)), before

    # Saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: enough to go on, in another process, with exactly the same batches.

        Made of dicts, lists, whole numbers, strings and None, so that JSON holds it.  It includes
        the generators of this loader, its samplers and its data set's transforms, not the one that
        `manual_seed` seeds.
        """
        return {
            "examples": len(self.dataset),
            "batch_size": self.batch_size,
            "position": self._position,
            "order": _plain([*self._order]) if self._samples and self._order is not None else None,
            "drawn_from": _plain(self._drawn_from),
            "generators": [_plain(g.bit_generator.state) for g in _generators(self)],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where a loader like this one was when `state_dict` was called.

        The next pass gives the batches that were left of the pass begun; the one after is new.

        Raises ValueError, and changes nothing, for a state of another data set, batch size or kind
        of loader.
        """
        mine = self.state_dict()
        missing = sorted(mine.keys() - state_dict.keys())
        if missing:
            raise ValueError(f"DataLoader: the saved state has no {missing[0]!r}")
        for name in ("examples", "batch_size"):
            if mine[name] != state_dict[name]:
                raise ValueError(
                    f"DataLoader: {name} is {mine[name]}, in the saved state {state_dict[name]}"
                )
        generators, saved = _generators(self), state_dict["generators"]
        if len(generators) != len(saved):
            raise ValueError(
                f"DataLoader: {len(generators)} generators belong to this loader, {len(saved)} to "
                "the saved state; give it the same shuffle, sampler and transform"
            )
        order, position, before = (state_dict[key] for key in ("order", "position", "drawn_from"))
        if position is not None and (order is None) is self._samples:
            raise ValueError("DataLoader: one of this loader and the saved state has a sampler")
        try:
            if position is not None and order is None:
                if before is not None and self.generator is not None:
                    self.generator.bit_generator.state = before
                order, _ = self._draw()
            if position is not None and position not in range(self._count(order) + 1):
                raise ValueError(f"batch {position!r} of {self._count(order)}")
            for generator, state in zip(generators, saved, strict=True):
                generator.bit_generator.state = state
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            for generator, state in zip(generators, mine["generators"], strict=True):
                generator.bit_generator.state = state
            raise ValueError(f"DataLoader: the saved state does not fit: {error}") from error
        self._position, self._order, self._drawn_from = position, order, before
        self._resumes = position is not None

    @property
    def _samples(self) -> bool:
        return self.sampler is not None or self.batch_sampler is not None


def _plain(state: Any) -> Any:
    """A generator's state, or an order, in lists and Python's numbers."""
    if isinstance(state, Mapping):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, list):
        return [_plain(x) for x in state]
    return state.tolist() if isinstance(state, numpy.ndarray | numpy.generic) else state


def _generators(*things: Any) -> list[Generator]:
    """The generators of some things and of what they hold, each once, in an order that repeats."""
    found: list[Generator] = []
    waiting = [*things]
    while waiting:
        thing = waiting.pop(0)
        generator = getattr(thing, "generator", None)
        if isinstance(generator, Generator) and all(generator is not g for g in found):
            found.append(generator)
        for name in ("dataset", "sampler", "batch_sampler", "transform", "transforms", "datasets"):
            held = getattr(thing, name, None)
            waiting += held if isinstance(held, list | tuple) else [] if held is None else [held]
    return found
