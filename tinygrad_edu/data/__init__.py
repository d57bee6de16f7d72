"""Data: sets of examples, and the loader that gives them out in batches.

>>> import numpy
>>> from tinygrad_edu import data
>>> squares = data.TensorDataset(numpy.arange(6.0), numpy.arange(6.0) ** 2)
>>> train, test = data.random_split(squares, [4, 2], generator=numpy.random.default_rng(0))
>>> loader = data.DataLoader(train, batch_size=2, shuffle=True)
>>> [x.shape for x, y in loader]
[(2,), (2,)]
"""

from tinygrad_edu.data import transforms
from tinygrad_edu.data.collate import default_collate
from tinygrad_edu.data.dataset import Dataset, Subset, TensorDataset, random_split
from tinygrad_edu.data.formats import read_cifar10, read_idx
from tinygrad_edu.data.loader import DataLoader
from tinygrad_edu.data.mnist_1d import mnist1d, mnist1d_steps, mnist1d_templates
from tinygrad_edu.data.published import cifar10, fashion_mnist, mnist, tiny_shakespeare
from tinygrad_edu.data.sequences import (
    Sentences,
    TextPairs,
    TokenWindows,
    adding_problem,
    dates,
    reversals,
    sentences,
)
from tinygrad_edu.data.tables import (
    breast_cancer,
    circles,
    diabetes,
    digits,
    iris,
    moons,
    photo,
    wine,
)
from tinygrad_edu.data.texts import place_names, python_manual
from tinygrad_edu.data.tokenizers import (
    BytePairTokenizer,
    CharTokenizer,
    Tokenizer,
    Vocabulary,
    WordTokenizer,
)
from tinygrad_edu.nn.utils.rnn import pad_sequence

__all__ = [
    "BytePairTokenizer",
    "CharTokenizer",
    "DataLoader",
    "Dataset",
    "Sentences",
    "Subset",
    "TensorDataset",
    "TextPairs",
    "TokenWindows",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "adding_problem",
    "breast_cancer",
    "cifar10",
    "circles",
    "dates",
    "default_collate",
    "diabetes",
    "digits",
    "fashion_mnist",
    "iris",
    "mnist",
    "mnist1d",
    "mnist1d_steps",
    "mnist1d_templates",
    "moons",
    "pad_sequence",
    "photo",
    "place_names",
    "python_manual",
    "random_split",
    "read_cifar10",
    "read_idx",
    "reversals",
    "sentences",
    "tiny_shakespeare",
    "transforms",
    "wine",
]
