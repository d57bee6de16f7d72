"""From text to whole numbers and back: by characters, by words, by pieces learned from the text."""

from __future__ import annotations

import collections
import functools
import heapq
import itertools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy

from tinygrad_edu.data.cache import whole_file
from tinygrad_edu.engine.tensor import Tensor

T = TypeVar("T", bound="Tokenizer")

PAD, BEGIN, END, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"


class Vocabulary:
    """Tokens that have a number each, from 0.

    Parameters
    ----------
    tokens : different strings; their places are their numbers.

    ``tokens`` is the tuple of them.  Where it has "<unk>", tokens that are not in the vocabulary
    get its number.

    >>> vocabulary = Vocabulary(["<unk>", "the", "cat"])
    >>> vocabulary["cat"], vocabulary["dog"], vocabulary.tokens[1], len(vocabulary)
    (2, 0, 'the', 3)
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = tuple(tokens)
        self._numbers = {token: i for i, token in enumerate(self.tokens)}
        if not all(isinstance(token, str) for token in self.tokens):
            raise TypeError("Vocabulary: tokens must be strings")
        if len(self._numbers) < len(self.tokens):
            count = collections.Counter(self.tokens)
            raise ValueError(f"Vocabulary: token {count.most_common(1)[0][0]!r} is there twice")

    @classmethod
    def count(
        cls,
        tokens: Iterable[str],
        specials: Sequence[str] = (),
        min_freq: int = 1,
        max_size: int | None = None,
    ) -> Vocabulary:
        """The vocabulary of a text: `specials`, then its tokens, the most frequent first.

        Tokens seen equally often are in alphabetical order; those seen fewer than `min_freq` times
        are left out, and the last ones where there would be more than `max_size` entries.

        >>> Vocabulary.count("a b b c".split(), ["<unk>"], max_size=3).tokens
        ('<unk>', 'b', 'a')
        """
        counts = collections.Counter(tokens)
        kept = [token for token, n in counts.items() if n >= min_freq and token not in specials]
        kept.sort(key=lambda token: (-counts[token], token))
        return cls([*specials, *kept][:max_size])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._numbers

    def __getitem__(self, token: str) -> int:
        """The number of a token; KeyError for one that is not there, unless "<unk>" is."""
        number = self._numbers.get(token, self._numbers.get(UNKNOWN))
        if number is None:
            raise KeyError(f"token {token!r} is not in the vocabulary of {len(self)}")
        return number

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"


class Tokenizer:
    """Base of the tokenizers: text to whole numbers and back, saving and loading.

    ``vocabulary`` holds the tokens; a tokenizer of your own says how a text is cut up in
    `tokenize`, and how tokens become a text in `join`.

    >>> issubclass(CharTokenizer, Tokenizer)
    True
    """

    vocabulary: Vocabulary
    specials: tuple[str, ...]

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""
        raise NotImplementedError(f"{type(self).__name__} has no tokenize")

    def join(self, tokens: list[str]) -> str:
        """The text that tokens make."""
        raise NotImplementedError(f"{type(self).__name__} has no join")

    def __len__(self) -> int:
        """The number of different tokens."""
        return len(self.vocabulary)

    def encode(self, text: str, *, begin: bool = False, end: bool = False) -> list[int]:
        """The numbers of a text's tokens, with those of "<bos>" and "<eos>" around them if asked.

        Raises ValueError for a token that the vocabulary lacks, and has no "<unk>" for.
        """
        try:
            numbers = [self.vocabulary[token] for token in self.tokenize(text)]
            before = [self.vocabulary[BEGIN]] if begin else []
            return [*before, *numbers, *([self.vocabulary[END]] if end else [])]
        except KeyError as error:
            raise ValueError(
                f"{type(self).__name__}: {error.args[0]}; make it from a text that has the token, "
                f"or with {UNKNOWN!r} among its specials"
            ) from error

    def decode(self, numbers: Any) -> str:
        """The text of some tokens, given by number: (length,), a list, an array or a Tensor.

        Special tokens are left out, but for "<unk>".  Raises IndexError for a number out of range.
        """
        tokens = []
        for number in numpy.asarray(numbers).tolist():
            if not 0 <= number < len(self):
                raise IndexError(f"{type(self).__name__}: token {number} of {len(self)}")
            tokens.append(self.vocabulary.tokens[number])
        left_out = {token for token in self.specials if token != UNKNOWN}
        return self.join([token for token in tokens if token not in left_out])

    def encode_batch(
        self, texts: Sequence[str], *, begin: bool = False, end: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Several texts as one tensor, the shorter ones filled up with "<pad>", and their lengths.

        Returns (batch, longest) and (batch,), both int64.  Raises ValueError without "<pad>".
        """
        if PAD not in self.vocabulary:
            raise ValueError(
                f"{type(self).__name__}: texts of different lengths need {PAD!r} among the specials"
            )
        rows = [self.encode(text, begin=begin, end=end) for text in texts]
        lengths = numpy.array([len(row) for row in rows], dtype=numpy.int64)
        padded = numpy.full((len(rows), max(lengths, default=0)), self.vocabulary[PAD])
        for place, row in zip(padded, rows, strict=True):
            place[: len(row)] = row
        return Tensor(padded), Tensor(lengths)

    # Saving and loading

    def _state(self) -> dict[str, Any]:
        """What `_restored` needs beside the tokens."""
        return {}

    @classmethod
    def _restored(cls: type[T], state: Mapping[str, Any]) -> T:
        """A tokenizer made from what `_state` gave."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer to a file, as JSON; `load` reads it."""
        state = {"tokenizer": type(self).__name__, "specials": [*self.specials], **self._state()}
        with whole_file(Path(path)) as file:
            file.write(json.dumps(state).encode())

    @classmethod
    def load(cls: type[T], path: str | os.PathLike[str]) -> T:
        """The tokenizer in a file that `save` wrote; ValueError for any other file."""
        try:
            state = json.loads(Path(path).read_bytes())
            if state["tokenizer"] != cls.__name__:
                raise ValueError(f"it holds a {state['tokenizer']!r:.40}")
            return cls._restored(state)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is no saved {cls.__name__}: {error!r:.200}") from error


class CharTokenizer(Tokenizer):
    """One token for each character.

    Parameters
    ----------
    text : its characters, each once and sorted, are the tokens after the specials.
    specials : tokens that stand for no text, such as "<pad>", "<bos>" and "<eos>".

    >>> letters = CharTokenizer("hello", specials=["<pad>"])
    >>> letters.encode("hole")
    [2, 4, 3, 1]
    >>> letters.decode([2, 1, 0])
    'he'
    """

    def __init__(self, text: Iterable[str], specials: Sequence[str] = ()) -> None:
        self.specials = tuple(specials)
        characters = sorted({character for part in text for character in part})
        self.vocabulary = Vocabulary([*self.specials, *characters])

    def tokenize(self, text: str) -> list[str]:
        """The characters."""
        return [*text]

    def join(self, tokens: list[str]) -> str:
        """The characters in a row."""
        return "".join(tokens)

    def _state(self) -> dict[str, Any]:
        return {"characters": "".join(self.vocabulary.tokens[len(self.specials) :])}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> CharTokenizer:
        return cls(state["characters"], _strings(state["specials"]))


class WordTokenizer(Tokenizer):
    """One token for each word and each punctuation mark; white space is not kept.

    Parameters
    ----------
    text : its words are the tokens after the specials, the most frequent first.
    specials : "<unk>" stands for words that are not known.
    lowercase : whether words are made small first.
    min_freq, max_size : as in `Vocabulary.count`.

    >>> words = WordTokenizer("The cat sat. The dog sat.", lowercase=True)
    >>> words.tokenize("The cat's mat.")
    ['the', "cat's", 'mat', '.']
    >>> words.decode(words.encode("the cat sat on the mat"))
    'the cat sat <unk> the <unk>'
    """

    def __init__(
        self,
        text: str,
        specials: Sequence[str] = (UNKNOWN,),
        *,
        lowercase: bool = False,
        min_freq: int = 1,
        max_size: int | None = None,
    ) -> None:
        self.specials = tuple(specials)
        self.lowercase = lowercase
        self.vocabulary = Vocabulary.count(self.tokenize(text), self.specials, min_freq, max_size)

    def tokenize(self, text: str) -> list[str]:
        """The words, with what an apostrophe joins to them, and the punctuation marks."""
        return re.findall(r"\w+(?:['\u2019]\w+)*|[^\w\s]", text.lower() if self.lowercase else text)

    def join(self, tokens: list[str]) -> str:
        """The tokens with one space between them."""
        return " ".join(tokens)

    def _state(self) -> dict[str, Any]:
        words = self.vocabulary.tokens[len(self.specials) :]
        return {"lowercase": self.lowercase, "words": [*words]}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> WordTokenizer:
        made = cls("", _strings(state["specials"]), lowercase=bool(state["lowercase"]))
        made.vocabulary = Vocabulary([*made.specials, *_strings(state["words"])])
        return made


class BytePairTokenizer(Tokenizer):
    """Pieces of text learned from a text: a common word is one token, a rare one several.

    Starts from the 256 bytes, so that every text can be written, and joins the pair of neighbours
    that is most frequent inside words, again and again; among equally frequent pairs the first in
    alphabetical order.  ``decode(encode(text)) == text`` for every text.

    Parameters
    ----------
    text : what the pieces are learned from.
    vocab_size : tokens to end with, specials and bytes included; fewer if no pair is left that
        occurs twice.
    specials : tokens that stand for no text.

    ``merges`` is the list of pairs, in the order in which they were joined.  A token is shown with
    one character per byte, from "\\x00" to "\\xff".

    Source: Sennrich, Haddow and Birch 2016, arXiv:1508.07909, algorithm 1; over bytes, as in
    Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2.

    >>> pieces = BytePairTokenizer("low low low lower lowest", vocab_size=260)
    >>> pieces.merges
    [('l', 'o'), ('lo', 'w'), (' ', 'low'), (' low', 'e')]
    >>> pieces.tokenize("slow lowering")
    ['s', 'low', ' lowe', 'r', 'i', 'n', 'g']
    >>> pieces.decode(pieces.encode("snow in \u5317\u4eac")) == "snow in \u5317\u4eac"
    True
    """

    def __init__(self, text: str, vocab_size: int = 512, specials: Sequence[str] = ()) -> None:
        least = 256 + len(specials)
        if vocab_size < least:
            raise ValueError(
                f"BytePairTokenizer: vocab_size is {vocab_size}; the 256 bytes and "
                f"{len(specials)} specials take {least}"
            )
        self._set(_learned_merges(text, vocab_size - least, specials), specials)

    def _set(self, merges: list[tuple[str, str]], specials: Sequence[str]) -> None:
        self.specials = tuple(specials)
        self.merges = merges
        tokens = [*map(chr, range(256)), *(left + right for left, right in merges)]
        self.vocabulary = Vocabulary([*self.specials, *dict.fromkeys(tokens)])
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._pieces = functools.lru_cache(maxsize=65536)(self._split)

    def tokenize(self, text: str) -> list[str]:
        """The pieces, each as a string with one character per byte."""
        return [piece for word in _words(text) for piece in self._pieces(word)]

    def _split(self, word: str) -> list[str]:
        """A word cut into bytes, and joined again as the merges say, the earliest first."""
        pieces = [*word]
        while len(pieces) > 1:
            pair = min(
                itertools.pairwise(pieces), key=lambda p: self._ranks.get(p, len(self.merges))
            )
            if pair not in self._ranks:
                break
            pieces = _joined(pieces, pair)
        return pieces

    def join(self, tokens: list[str]) -> str:
        """The text of the bytes; what is no valid text becomes the replacement character."""
        data = b"".join(
            token.encode() if token in self.specials else token.encode("latin-1")
            for token in tokens
        )
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def _state(self) -> dict[str, Any]:
        return {"merges": [[*pair] for pair in self.merges]}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> BytePairTokenizer:
        known = {*map(chr, range(256))}
        merges = []
        for left, right in state["merges"]:
            if left not in known or right not in known:
                raise ValueError(f"it joins {left!r:.40} and {right!r:.40}, which are no tokens")
            known.add(left + right)
            merges.append((left, right))
        made = cls.__new__(cls)
        made._set(merges, _strings(state["specials"]))
        return made


def _strings(found: Any) -> list[str]:
    """`found`, if it is a list of strings."""
    if not isinstance(found, list) or not all(isinstance(x, str) for x in found):
        raise ValueError(f"{found!r:.40} is not a list of strings")
    return found


def _words(text: str) -> list[str]:
    """A text cut before its words, runs of punctuation and spaces; one character per byte."""
    found = re.findall(r" ?\w+| ?[^\w\s]+|\s+(?!\S)|\s+", text)
    return [
        w if w.isascii() else w.encode("utf-8", "surrogatepass").decode("latin-1") for w in found
    ]


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces, with every occurrence of a pair of neighbours joined, from left to right."""
    left, right = pair
    out: list[str] = []
    previous = ""  # the last piece, if it may still be joined to the next
    for piece in pieces:
        if previous == left and piece == right:
            out[-1] = left + right
            previous = ""
        else:
            out.append(piece)
            previous = piece
    return out


def _learned_merges(text: str, count: int, specials: Sequence[str]) -> list[tuple[str, str]]:
    """The `count` pairs joined in turn, each the most frequent one inside words.

    Only the words that hold a joined pair are counted anew; a heap has the most frequent pair
    first, and an entry whose count has changed since is passed over.
    """
    frequency = collections.Counter(_words(text))
    words = [[*word] for word in frequency]
    times = [*frequency.values()]
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    holders: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    for i, word in enumerate(words):
        for pair in itertools.pairwise(word):
            counts[pair] += times[i]
            holders[pair].add(i)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapq.heapify(heap)
    merges: list[tuple[str, str]] = []
    while heap and len(merges) < count:
        n, pair = heapq.heappop(heap)
        if -n != counts[pair] or n > -2 or "".join(pair) in specials:
            continue
        merges.append(pair)
        changed = set()
        for i in holders.pop(pair):
            for old in itertools.pairwise(words[i]):
                counts[old] -= times[i]
                changed.add(old)
            words[i] = _joined(words[i], pair)
            for new in itertools.pairwise(words[i]):
                counts[new] += times[i]
                holders[new].add(i)
                changed.add(new)
        for one in changed:
            heapq.heappush(heap, (-counts[one], one))
    return merges
