"""Text to numbers and back: round trips, what is learned, files that are anything else."""

import collections
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor
from tinygrad_edu.data import (
    BytePairTokenizer,
    CharTokenizer,
    Tokenizer,
    Vocabulary,
    WordTokenizer,
    python_manual,
)

quick = settings(max_examples=50, deadline=None, derandomize=True, database=None)
SPECIALS = ["<pad>", "<bos>", "<eos>"]
TEXT = python_manual()[:20000]
PIECES = BytePairTokenizer(TEXT, vocab_size=400, specials=SPECIALS)


# Vocabulary


def test_a_vocabulary_counts_and_sorts():
    words = [*"bacbad"]
    vocabulary = Vocabulary.count(words, ["<unk>", "d"], min_freq=1)
    assert vocabulary.tokens == ("<unk>", "d", "a", "b", "c")
    assert Vocabulary.count(words, min_freq=2).tokens == ("a", "b")
    assert Vocabulary.count(words, ["<unk>"], max_size=2).tokens == ("<unk>", "a")
    assert "a" in vocabulary
    assert "z" not in vocabulary
    assert vocabulary["z"] == 0


# Round trips


@quick
@given(st.text(alphabet=TEXT[:2000], max_size=50))
def test_characters_come_back(text):
    tokenizer = CharTokenizer(TEXT, SPECIALS)
    assert tokenizer.decode(tokenizer.encode(text, begin=True, end=True)) == text


@quick
@given(st.text(max_size=60) | st.text(alphabet=" \n\tab'\u00e9\U0001f600\ud800", max_size=30))
def test_every_text_comes_back_from_its_pieces(text):
    assert PIECES.decode(PIECES.encode(text, begin=True, end=True)) == text
    assert "".join(PIECES.tokenize(text)).encode("latin-1") == text.encode("utf-8", "surrogatepass")


@quick
@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=20))
def test_any_numbers_give_some_text(numbers):
    assert isinstance(PIECES.decode(np.array(numbers, dtype=int)), str)


def test_words_and_marks_are_kept_and_unknown_words_are_named():
    tokenizer = WordTokenizer("It's raining; the sky is grey. The sea too!", lowercase=True)
    assert tokenizer.tokenize("It's  The\nsea!") == ["it's", "the", "sea", "!"]
    assert tokenizer.decode(tokenizer.encode("The sea is blue.")) == "the sea is <unk> ."
    assert tokenizer.vocabulary.tokens[:2] == ("<unk>", "the")
    assert len(WordTokenizer(TEXT, max_size=50)) == 50


# What is learned


def slow_merges(text, count):
    """The same pairs, found by counting everything anew in every round."""
    words = collections.Counter(re.findall(r" ?\w+| ?[^\w\s]+|\s+(?!\S)|\s+", text))
    cut = {word: [*word.encode().decode("latin-1")] for word in words}
    merges = []
    for _ in range(count):
        pairs = collections.Counter()
        for word, pieces in cut.items():
            for pair in itertools.pairwise(pieces):
                pairs[pair] += words[word]
        pair = min(pairs, key=lambda p: (-pairs[p], p), default=None)
        if pairs[pair] < 2:
            break
        merges.append(pair)
        for word, pieces in cut.items():
            i, out = 0, []
            while i < len(pieces):
                joins = tuple(pieces[i : i + 2]) == pair
                out.append("".join(pair) if joins else pieces[i])
                i += 2 if joins else 1
            cut[word] = out
    return merges, cut


@pytest.mark.parametrize(
    "text", [TEXT[:3000], "aaaa aaa aa a abab abababa bcbcb", "\u5317\u4eac " * 5]
)
def test_pairs_are_learned_in_the_order_of_their_frequency(text):
    expected, cut = slow_merges(text, 10)
    tokenizer = BytePairTokenizer(text, vocab_size=266)
    assert tokenizer.merges == expected
    for word, pieces in cut.items():
        assert tokenizer.tokenize(word) == pieces


def test_sizes_are_kept_to_and_pieces_grow_longer():
    assert len(PIECES) == 400
    sizes = [len(BytePairTokenizer(TEXT, n).encode(TEXT)) for n in (256, 300, 500)]
    assert sizes[0] == len(TEXT.encode()) > sizes[1] > sizes[2]
    assert len(BytePairTokenizer("abc", 1000)) == 256  # no pair occurs twice


def test_no_piece_can_pass_for_a_special_token():
    text = "<pad> " * 50
    tokenizer = BytePairTokenizer(text, 300, ["<pad>"])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert 0 not in tokenizer.encode(text)
    for other in (CharTokenizer(text, ["<pad>"]), WordTokenizer(text, ["<pad>"])):
        assert 0 not in other.encode(text)


# Batches


def test_a_batch_is_filled_up_and_its_lengths_are_told():
    tokenizer = CharTokenizer("abc", SPECIALS)
    ids, lengths = tokenizer.encode_batch(["ab", "", "cab"], begin=True, end=True)
    assert ids.tolist() == [[1, 3, 4, 2, 0], [1, 2, 0, 0, 0], [1, 5, 3, 4, 2]]
    assert lengths.tolist() == [4, 2, 5]
    assert ids.dtype == lengths.dtype == np.int64
    assert [tokenizer.decode(row) for row in ids] == ["ab", "", "cab"]
    assert tokenizer.decode(Tensor(ids.data)[2]) == "cab"


# Files


@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer("caf\u00e9\U0001f600", SPECIALS),
        WordTokenizer("The caf\u00e9 the CAF\u00c9 the", lowercase=True, min_freq=1),
        PIECES,
    ],
)
def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = type(tokenizer).load(path)
    assert loaded.vocabulary.tokens == tokenizer.vocabulary.tokens
    assert loaded.specials == tokenizer.specials
    text = "caf\u00e9 caf\u00e9"[: 4 if isinstance(tokenizer, CharTokenizer) else None]
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.decode(loaded.encode(text)) == tokenizer.decode(tokenizer.encode(text))


def saved(**changes):
    return json.dumps(
        {"tokenizer": "BytePairTokenizer", "specials": [], "merges": [["a", "b"]], **changes}
    )


BROKEN = {
    "text": "hello",
    "cut off": saved()[:-5],
    "a list": "[]",
    "deep": "[" * 100_000,
    "another kind": saved(tokenizer="CharTokenizer"),
    "merges of nothing": saved(merges=[["a", "zz"]]),
    "merges of numbers": saved(merges=[[1, 2]]),
    "three": saved(merges=[["a", "b", "c"]]),
    "no list": saved(merges=7),
    "lists in lists": saved(merges=[[["a"], ["b"]]]),
    "specials": saved(specials="abc"),
    "numbers as specials": saved(specials=[1]),
    "a special twice": saved(specials=["x", "x"]),
    "beyond bytes": saved(merges=[["\u0394", "b"]]),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_of_another_kind_is_refused(what, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(BROKEN[what])
    with pytest.raises(ValueError, match=r"tokenizer\.json is no saved BytePairTokenizer: "):
        BytePairTokenizer.load(path)
    with pytest.raises(ValueError, match="is no saved WordTokenizer"):
        WordTokenizer.load(path)


def test_a_good_file_is_not_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(saved())
    assert BytePairTokenizer.load(path).tokenize("abc") == ["ab", "c"]


# Errors

ERRORS = {
    "unknown character": (
        lambda: CharTokenizer("ab").encode("abc"),
        ValueError(
            "CharTokenizer: token 'c' is not in the vocabulary of 2; make it from a text that has "
            "the token, or with '<unk>' among its specials"
        ),
    ),
    "no begin": (
        lambda: CharTokenizer("ab").encode("a", begin=True),
        ValueError(
            "CharTokenizer: token '<bos>' is not in the vocabulary of 2; make it from a text that "
            "has the token, or with '<unk>' among its specials"
        ),
    ),
    "number": (
        lambda: CharTokenizer("ab").decode([0, 2]),
        IndexError("CharTokenizer: token 2 of 2"),
    ),
    "negative number": (
        lambda: CharTokenizer("ab").decode([-1]),
        IndexError("CharTokenizer: token -1 of 2"),
    ),
    "no padding": (
        lambda: CharTokenizer("ab").encode_batch(["a"]),
        ValueError("CharTokenizer: texts of different lengths need '<pad>' among the specials"),
    ),
    "too small": (
        lambda: BytePairTokenizer("ab", 256, ["<pad>"]),
        ValueError("BytePairTokenizer: vocab_size is 256; the 256 bytes and 1 specials take 257"),
    ),
    "twice": (
        lambda: Vocabulary(["a", "b", "a"]),
        ValueError("Vocabulary: token 'a' is there twice"),
    ),
    "no strings": (lambda: Vocabulary([1]), TypeError("Vocabulary: tokens must be strings")),
    "base": (lambda: Tokenizer().tokenize("a"), NotImplementedError("Tokenizer has no tokenize")),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()
