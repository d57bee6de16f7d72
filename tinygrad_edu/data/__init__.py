"""Data: sets of examples, and the loader that gives them out in batches.

>>> import numpy
>>> from tinygrad_edu import data
>>> squares = data.TensorDataset(numpy.arange(6.0), numpy.arange(6.0) ** 2)
>>> train, test = data.random_split(squares, [4, 2], generator=numpy.random.default_rng(0))
>>> loader = data.DataLoader(train, batch_size=2, shuffle=True)
>>> [x.shape for x, y in loader]
[(2,), (2,)]
"""

from tinygrad_edu.data.collate import default_collate
from tinygrad_edu.data.dataset import Dataset, Subset, TensorDataset, random_split
from tinygrad_edu.data.loader import DataLoader
from tinygrad_edu.nn.utils.rnn import pad_sequence

__all__ = [
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "default_collate",
    "pad_sequence",
    "random_split",
]
