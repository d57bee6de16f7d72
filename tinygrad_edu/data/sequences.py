"""Sequences made from a rule: reversed letters, dates, a sum to remember, sentences, token windows.

A set is fixed by its arguments: the same ones give the same examples.
"""

from __future__ import annotations

import datetime
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu.data.dataset import Dataset, TensorDataset
from tinygrad_edu.data.tokenizers import BEGIN, END, PAD, CharTokenizer, Tokenizer, WordTokenizer
from tinygrad_edu.engine.tensor import Tensor


class TextPairs(TensorDataset):
    """Texts and what they should become: sources (N, S) and targets (N, T + 2), both int64.

    A source is filled up with "<pad>"; a target stands between "<bos>" and "<eos>" and is filled up
    after them, so that ``y[:, :-1]`` is what a decoder reads and ``y[:, 1:]`` what it should say.

    ``sources`` and ``targets`` are the texts, ``source_tokenizer`` and ``target_tokenizer`` what
    turned them into numbers.

    >>> pairs = TextPairs(["ab", "c"], ["ba", "c"], CharTokenizer("abc", [PAD]),
    ...                   CharTokenizer("abc", [PAD, BEGIN, END]))
    >>> x, y = pairs.tensors
    >>> x.tolist(), y.tolist()
    ([[1, 2], [3, 0]], [[1, 4, 3, 2], [1, 5, 2, 0]])
    """

    def __init__(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
    ) -> None:
        x, _ = source_tokenizer.encode_batch(sources)
        y, _ = target_tokenizer.encode_batch(targets, begin=True, end=True)
        super().__init__(x, y)
        self.sources, self.targets = tuple(sources), tuple(targets)
        self.source_tokenizer, self.target_tokenizer = source_tokenizer, target_tokenizer


def reversals(n_samples: int = 10000, length: int = 20, *, seed: int = 0) -> TextPairs:
    """Rows of letters drawn evenly from a to z, and the same letters from the last to the first.

    Sources (N, length), targets (N, length + 2), int64.

    >>> pairs = reversals(2, length=5)
    >>> pairs
    TextPairs((2, 5) int64, (2, 7) int64)
    >>> pairs.targets[0] == pairs.sources[0][::-1]
    True

    Built in lesson 35.
    """
    letters = numpy.array([*string.ascii_lowercase])
    drawn = letters[numpy.random.default_rng(seed).integers(26, size=(n_samples, length))]
    sources = ["".join(row) for row in drawn]
    targets = [text[::-1] for text in sources]
    alphabet = string.ascii_lowercase
    return TextPairs(
        sources,
        targets,
        CharTokenizer(alphabet, [PAD]),
        CharTokenizer(alphabet, [PAD, BEGIN, END]),
    )


_MONTHS = [
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_FIRST, _LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


def _ordinal(n: int) -> str:
    ending = "th" if n in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


# With names of our own: those of the datetime module are in the language of the machine.
DATE_FORMATS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{_DAYS[d.weekday()]}, {d.day} {_MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"the {_ordinal(d.day)} of {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day:02}-{_MONTHS[d.month - 1][:3]}-{d.year % 100:02}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.year}{d.month:02}{d.day:02}",
)


def dates(n_samples: int = 10000, *, seed: int = 0) -> TextPairs:
    """Dates from 1950 to 2049 in one of eight formats, and the same dates in ISO 8601's.

    Sources (N, S), S at most 26, and targets (N, 12), int64.  No date is there twice in the same
    format; a year of two digits, as in 24-Nov-26, lies in these hundred years.

    Raises ValueError for more samples than there are, 292,200.

    >>> import datetime
    >>> [write(datetime.date(2026, 11, 24)) for write in DATE_FORMATS[:4]]
    ['24 November 2026', 'November 24, 2026', 'Tuesday, 24 Nov 2026', 'the 24th of November 2026']
    >>> [write(datetime.date(2026, 11, 24)) for write in DATE_FORMATS[4:]]
    ['24-Nov-26', '24.11.2026', '11/24/2026', '20261124']
    >>> dates(3).targets[0][4]
    '-'

    Built in lesson 35.
    """
    count = (_LAST - _FIRST).days + 1
    if not 0 < n_samples <= count * len(DATE_FORMATS):
        raise ValueError(
            f"dates: n_samples is {n_samples}; there are {count} dates in {len(DATE_FORMATS)} "
            f"formats, {count * len(DATE_FORMATS)} in all"
        )
    sources, targets = [], []
    generator = numpy.random.default_rng(seed)
    chosen = generator.choice(count * len(DATE_FORMATS), n_samples, replace=False)
    for number in chosen.tolist():
        days, form = divmod(number, len(DATE_FORMATS))
        date = _FIRST + datetime.timedelta(days=days)
        sources.append(DATE_FORMATS[form](date))
        targets.append(date.isoformat())
    names = "".join([*_MONTHS, *_DAYS, "the of stndrdth"])
    return TextPairs(
        sources,
        targets,
        CharTokenizer(names + string.digits + " ,-./", [PAD]),
        CharTokenizer(string.digits + "-", [PAD, BEGIN, END]),
    )


def adding_problem(n_samples: int = 1000, length: int = 80, *, seed: int = 0) -> TensorDataset:
    """Numbers of which two are marked, and the sum of these two: a test of long memory.

    Inputs (N, length, 2) of float32: numbers drawn evenly from [0, 1), and marks, 1 at one place in
    each half and 0 elsewhere.  Targets (N, 1) of float32.  Who always answers 1 has a mean squared
    error of 1/6.

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", section 5.4; with a mark in
    each half as in Arjovsky, Shah and Bengio 2016, arXiv:1511.06464, section 5.2.

    Raises ValueError for a length below 2.

    >>> x, y = adding_problem(2, length=4).tensors
    >>> x.shape, bool(abs((x[..., 0] * x[..., 1]).sum(axis=1) - y[:, 0]).max() < 1e-6)
    ((2, 4, 2), True)

    Built in lesson 33.
    """
    if length < 2:
        raise ValueError(f"adding_problem: length is {length}; two numbers are to be marked")
    generator = numpy.random.default_rng(seed)
    numbers = generator.random((n_samples, length), dtype=numpy.float32)
    half, rows = length // 2, numpy.arange(n_samples)
    first = generator.integers(half, size=n_samples)
    second = generator.integers(half, length, size=n_samples)
    marks = numpy.zeros_like(numbers)
    marks[rows, first] = marks[rows, second] = 1.0
    total = numbers[rows, first] + numbers[rows, second]
    return TensorDataset(numpy.stack([numbers, marks], axis=-1), total[:, None])


class TokenWindows(Dataset):
    """A long row of tokens in windows: x is `length` tokens, y the ones that follow each of them.

    Parameters
    ----------
    tokens : (n,) whole numbers, such as a tokenizer's `encode` gives.
    length : tokens in a window.
    stride : from one window's start to the next; by default the length, so that windows do not
        overlap.

    Both are (length,) of int64, and (batch, length) in a batch.

    Raises ValueError if there are not more tokens than `length`.

    >>> windows = TokenWindows([0, 1, 2, 3, 4, 5, 6], length=3)
    >>> [(x.tolist(), y.tolist()) for x, y in windows]
    [([0, 1, 2], [1, 2, 3]), ([3, 4, 5], [4, 5, 6])]
    """

    def __init__(self, tokens: Any, length: int, stride: int | None = None) -> None:
        self.tokens = numpy.array(tokens, dtype=numpy.int64)
        self.length, self.stride = length, length if stride is None else stride
        if self.tokens.ndim != 1 or not 1 <= length < len(self.tokens) or self.stride < 1:
            raise ValueError(
                f"TokenWindows: tokens of shape {self.tokens.shape} do not give windows of "
                f"{length} tokens with one more after them, every {self.stride}"
            )

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.length) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        x, y = self.batch([index % len(self)])
        return x[0], y[0]

    def batch(self, indices: Any) -> tuple[Tensor, Tensor]:
        """The windows at `indices`, (batch,) whole numbers: x and y, both (batch, length)."""
        starts = numpy.asarray(indices)[:, None] * self.stride
        places = starts + numpy.arange(self.length + 1)
        rows = self.tokens[places]  # (batch, length + 1)
        return Tensor._constant(rows[:, :-1].copy()), Tensor._constant(rows[:, 1:].copy())


_CLASSES = {
    "animal": "cat dog horse cow sheep goat fox wolf",
    "food": "bread cheese apple soup rice honey cake pear",
    "drink": "water milk tea juice wine coffee",
    "colour": "red green blue yellow black white",
    "tool": "hammer saw drill knife rope ladder",
    "city": "paris rome madrid london berlin vienna",
    "country": "france italy spain england germany austria",
    "male": "man boy king prince father uncle",
    "female": "woman girl queen princess mother aunt",
}
_OWNED = {  # what tells the pairs of `male` and `female` apart from one another
    "man": "hat",
    "boy": "kite",
    "king": "crown",
    "prince": "pony",
    "father": "house",
    "uncle": "boat",
}
_PATTERNS = [
    "the {animal} eats the {food}",
    "the {animal} drinks some {drink}",
    "a {animal} sleeps near the {colour} door",
    "we cook {food} and pour {drink}",
    "you taste the {food} with a cup of {drink}",
    "the wall is {colour} and the door is {colour}",
    "paint the gate {colour} with care",
    "he fixes it with a {tool}",
    "bring the {tool} from the shed",
    "they travel to {city} in {country}",
    "{city} is the capital of {country}",
    "she was born in {city}",
    "{country} lies in europe",
]
# The sentences that tell who is who: his or her, and what they own.
_OWNERS = ["the {owner} has {whose} {thing}", "the {owner} lost {whose} {thing}"]


class Sentences(TensorDataset):
    """Sentences of known words: one tensor (N, longest) of int64, filled up with "<pad>".

    ``texts`` are the sentences, ``tokenizer`` what turned them into numbers, ``kinds`` a dict from
    each word that has a planted class to the name of the class.

    >>> isinstance(sentences(10), Sentences)
    True
    """

    def __init__(self, texts: Sequence[str], kinds: dict[str, str]) -> None:
        self.texts = tuple(texts)
        self.kinds = dict(kinds)
        self.tokenizer = WordTokenizer(" ".join(texts), [PAD])
        super().__init__(self.tokenizer.encode_batch(self.texts)[0])


def sentences(n_samples: int = 6000, *, seed: int = 0) -> Sentences:
    """Sentences such as "the cat drinks some milk", whose words fall into nine planted classes.

    The words of a class (animals, foods, drinks, colours, tools, cities, countries, men, women)
    stand in the same places, so that what is learned from the neighbours of a word can be checked.
    Each man has a woman who owns the same thing, "the king has his crown" and "the queen has her
    crown": man is to woman as king is to queen.

    >>> toy = sentences(1000)
    >>> "the king has his crown" in toy.texts, "the king has her crown" in toy.texts
    (True, False)
    >>> toy.kinds["wolf"]
    'animal'

    Built in lesson 31.
    """
    generator = numpy.random.default_rng(seed)
    words = {kind: members.split() for kind, members in _CLASSES.items()}
    patterns = [*_PATTERNS, *_OWNERS * 3]
    texts = []
    for number in generator.integers(len(patterns), size=n_samples).tolist():
        pattern = patterns[number]
        if "{owner}" in pattern:
            place, gender = int(generator.integers(6)), int(generator.integers(2))
            owner = words[("male", "female")[gender]][place]
            thing = _OWNED[words["male"][place]]
            whose = ("his", "her")[gender]
            texts.append(pattern.format(owner=owner, whose=whose, thing=thing))
        else:
            drawn = {
                kind: members[generator.integers(len(members))] for kind, members in words.items()
            }
            drawn["country"] = words["country"][words["city"].index(drawn["city"])]
            texts.append(pattern.format(**drawn))
    return Sentences(texts, {word: kind for kind in words for word in words[kind]})
