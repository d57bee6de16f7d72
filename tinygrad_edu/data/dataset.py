"""What can be trained on: examples that have a number each, from 0 to the length."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu.data.collate import default_collate
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.ops.random import generator_or_default


class Dataset:
    """Base of data sets: define ``__len__`` and ``__getitem__(index)``, which gives one example.

    An example of shapes (...), (...) has a place in a batch of shapes (batch, ...), (batch, ...).

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return float(index), float(index**2)
    >>> Squares()[3]
    (3.0, 9.0)
    >>> x, y = Squares().batch([1, 2])
    >>> y.tolist()
    [1.0, 4.0]
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__(self)")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(self, index)")

    def batch(self, indices: Any) -> Any:
        """Several examples as one batch, by `default_collate`; overridden where that is slow.

        indices : (batch,) whole numbers.
        """
        return default_collate([self[int(i)] for i in indices])


class TensorDataset(Dataset):
    """Tensors of equal length: example i is the tuple of their entries i.

    Parameters
    ----------
    tensors : Tensors or arrays of shapes (N, ...), (N, ...), ...
    transform : applied to the first of them whenever examples are read, a batch at a time, such as
        one of `tinygrad_edu.data.transforms`; it takes and gives a Tensor (batch, ...).
    classes : the names of the classes that the last tensor numbers, if it does.

    A whole batch is read at once, with one index per tensor.  What is read is copied, without
    history.

    Raises ValueError if there are no tensors, one has no axis, or the lengths differ.

    >>> points = TensorDataset(Tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), numpy.array([0, 1, 0]))
    >>> len(points)
    3
    >>> x, y = points[1]
    >>> x.tolist(), y.item()
    ([2.0, 3.0], 1)
    """

    def __init__(
        self,
        *tensors: Any,
        transform: Callable[[Tensor], Tensor] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        self.transform = transform
        self.classes = tuple(classes)
        if not self.tensors:
            raise ValueError("TensorDataset got no tensors")
        shapes = [t.shape for t in self.tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(
                f"TensorDataset: the first axis numbers the examples, and the shapes are "
                f"{', '.join(map(str, shapes))}; their first sizes must be equal"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        return tuple([part[0] for part in self.batch([index])])

    def batch(self, indices: Any) -> tuple[Tensor, ...]:
        """The examples at `indices`, (batch,) whole numbers: one tensor (batch, ...) of each."""
        parts = [Tensor._constant(t._data.take(indices, 0)) for t in self.tensors]
        if self.transform is not None:
            parts[0] = self.transform(parts[0])
        return tuple(parts)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{t.shape} {t.dtype}" for t in self.tensors)
        return f"{type(self).__name__}({shapes})"


class Subset(Dataset):
    """Some examples of another data set, in the order of `indices`, (n,) whole numbers.

    Raises TypeError for indices that are no whole numbers, IndexError for one out of range.

    >>> data = TensorDataset(Tensor([10.0, 11.0, 12.0]))
    >>> [x.item() for x, in Subset(data, [2, 0])]
    [12.0, 10.0]
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        chosen = numpy.asarray(indices if hasattr(indices, "__array__") else [*indices])
        if chosen.dtype.kind not in "iu" and chosen.size:
            raise TypeError(
                f"Subset takes the numbers of examples, not {chosen.dtype}; of a mask they are "
                "numpy.flatnonzero(mask)"
            )
        if chosen.ndim != 1:
            raise ValueError(f"Subset takes one row of numbers, not shape {chosen.shape}")
        outside = chosen[(chosen < -len(dataset)) | (chosen >= len(dataset))]
        if outside.size:
            raise IndexError(f"Subset: example {outside[0]} of {len(dataset)}")
        self.dataset = dataset
        self.indices = chosen.astype(numpy.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: Any) -> Any:
        """The examples at `indices` of this subset, read as the whole data set reads them."""
        return read(self.dataset, self.indices[indices])


def read(dataset: Any, indices: Any) -> Any:
    """A batch of any data set: a `Dataset`, or what has a length and gives examples by number.

    >>> read(["a", "b", "c"], [0, 2])
    ['a', 'c']
    """
    if isinstance(dataset, Dataset):
        return dataset.batch(indices)
    return default_collate([dataset[int(i)] for i in indices])


def random_split(
    dataset: Any, lengths: Sequence[float], generator: numpy.random.Generator | None = None
) -> list[Subset]:
    """Subsets that share no example, chosen at random.

    lengths : how many examples each gets, together all; or fractions that add up to 1, where what
        rounding down leaves over goes to the first ones, one each.
    generator : without one it is the one that `manual_seed` seeds.

    Raises ValueError if the lengths do not add up.

    >>> data = TensorDataset(Tensor([0.0, 1.0, 2.0, 3.0, 4.0]))
    >>> train, test = random_split(data, [0.7, 0.3], generator=numpy.random.default_rng(0))
    >>> len(train), len(test)
    (4, 1)
    """
    n = len(dataset)
    if any(not isinstance(x, numbers.Real) or x < 0 for x in lengths):
        raise ValueError(f"random_split: lengths must be numbers of at least 0, not {lengths!r}")
    if all(isinstance(x, numbers.Integral) for x in lengths):
        sizes = [int(x) for x in lengths]
    elif math.isclose(sum(lengths), 1.0):
        sizes = [math.floor(n * x) for x in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = []
    if sum(sizes) != n or not sizes:
        raise ValueError(
            f"random_split: the lengths add up to {sum(lengths)}; whole numbers must add up to "
            f"{n}, the number of examples, and fractions to 1"
        )
    order = generator_or_default(generator).permutation(n)
    ends = numpy.cumsum(sizes)
    return [Subset(dataset, order[end - k : end]) for k, end in zip(sizes, ends, strict=True)]
