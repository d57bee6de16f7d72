"""The exercises of lesson 31."""

import collections
import math

import numpy as np

from tinygrad_edu import data
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _summed(g, words, size):
    out = np.zeros((size, g.shape[1]))
    np.add.at(out, words, g)
    return out


def _last_wins(g, words, size):
    out = np.zeros((size, g.shape[1]))
    out[words] += g
    return out


def _first_wins(g, words, size):
    out = np.zeros((size, g.shape[1]))
    out[words[::-1]] = g[::-1]
    return out


class TableGradient(Exercise):
    id = "31.table_gradient"
    answer = "table_gradient"
    hints = (
        "Begin with zeros, one row for each row of the table. Then go through `g` and `words` side "
        "by side.",
        "Row i of `g` belongs to the word `words[i]`: add it to that row of the zeros.",
        "`out = np.zeros((size, g.shape[1]))`, then in a loop over `zip(g, words)`: "
        "`out[word] += row`.",
    )
    wrong = (
        Wrong(
            "last_one_wins",
            _last_wins,
            "`out[words] += g` reads all rows, adds, and writes them all back: of a word that "
            "occurs twice only the last gradient stays. Add in a loop, or with `np.add.at`.",
        ),
        Wrong(
            "first_one_wins",
            _first_wins,
            "Of a word that occurs twice only its first gradient is there. They add up.",
        ),
        Wrong(
            "mean_over_uses",
            lambda g, words, size: (
                _summed(g, words, size) / np.maximum(np.bincount(words, minlength=size), 1)[:, None]
            ),
            "You take the mean over a word's uses. A row used twice moves the result twice as "
            "much: the gradients add up.",
        ),
        Wrong(
            "only_rows_that_were_used",
            lambda g, words, size: _summed(g, words, size)[np.unique(words)],
            "Rows of words that did not occur are missing. The table's gradient has the table's "
            "shape; those rows are 0.",
        ),
        Wrong(
            "looked_up_again",
            lambda g, words, size: g[words % len(g)],
            "You take rows of `g` by the numbers of the words. The numbers say where a row of `g` "
            "goes, not where it comes from.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(6, 9), rng.randint(1, 3)) for _ in range(5)]

    def outcome(self, answer, case):
        g, words, size = self._parts(case)
        return np.asarray(answer(g.copy(), words.copy(), size))

    def judge(self, case, outcome):
        g, words, size = self._parts(case)
        right = np.zeros((size, g.shape[1]))
        for column in range(g.shape[1]):
            for row in range(size):
                right[row, column] = math.fsum(g[words == row, column])
        if outcome.shape != right.shape:
            return f"The table has shape {right.shape}; your gradient has {outcome.shape}."
        if not np.allclose(outcome, right):
            row = int(np.abs(outcome - right).max(axis=1).argmax())
            return f"Row {row} should be {right[row].round(3)}, and is {outcome[row].round(3)}."
        return None

    def describe(self, case):
        _, words, size = self._parts(case)
        return f"words {words.tolist()}, size {size}"

    def _parts(self, case):
        seed, size, width = case
        random = np.random.default_rng(seed)
        words = random.permutation([*random.integers(0, size - 1, 4), 1, 1, 1, 2])
        return random.normal(size=(len(words), width)), words, size


def _pairs(sentence, window, before=True, itself=False, wrap=False, stop=0):
    return [
        (word, sentence[max(j, -len(sentence))])
        for i, word in enumerate(sentence)
        for j in range(i - window if before else i, i + window + 1 - stop)
        if (j != i or itself) and j < len(sentence) and (j >= 0 or wrap)
    ]


class Pairs(Exercise):
    id = "31.pairs"
    answer = "pairs"
    hints = (
        "Two loops: over the place i of a word, and over the places j around it.",
        "j goes from `i - window` to `i + window`, but not below 0, not past the end, and never "
        "to i itself.",
        "`for i, word in enumerate(sentence):` and `for j in range(max(0, i - window), "
        "min(len(sentence), i + window + 1)):`; where `j != i`, collect `(word, sentence[j])`.",
    )
    wrong = (
        Wrong(
            "counts_itself",
            lambda sentence, window: _pairs(sentence, window, itself=True),
            "Every word is its own neighbour in your list. Leave out j = i.",
        ),
        Wrong(
            "to_the_right_only",
            lambda sentence, window: _pairs(sentence, window, before=False),
            "You look to the right only. Neighbours stand on both sides.",
        ),
        Wrong(
            "one_place_short",
            lambda sentence, window: _pairs(sentence, window, stop=1),
            "On the right the window is one place short: `range` stops before its end, so the end "
            "is `i + window + 1`.",
        ),
        Wrong(
            "round_the_corner",
            lambda sentence, window: _pairs(sentence, window, wrap=True),
            "At the start of a sentence you take words from its end: to Python, `sentence[-1]` is "
            "the last word. Begin at `max(0, i - window)`.",
        ),
    )

    def cases(self, rng):
        for window in (1, 2, 3):
            lengths = [rng.randint(4, 8) for _ in range(3)]
            yield [(rng.sample("abcdefghij", n), window) for n in lengths]

    def outcome(self, answer, case):
        sentence, window = case
        return sorted(tuple(pair) for pair in answer([*sentence], window))

    def judge(self, case, outcome):
        sentence, window = case
        place = {word: i for i, word in enumerate(sentence)}
        right = sorted(
            (a, b) for a in sentence for b in sentence if 0 < abs(place[a] - place[b]) <= window
        )
        if outcome != right:
            have, want = collections.Counter(outcome), collections.Counter(right)
            more, less = [*(have - want)], [*(want - have)]
            about = f"{less[0]} is missing" if less else f"{more[0]} should not be there"
            return f"In {' '.join(sentence)}, window {window}: {about}."
        return None

    def describe(self, case):
        return f"the sentence {' '.join(case[0])}, window {case[1]}"


def _plus(z):
    return np.logaddexp(0, z)


def _naive(u, v, noise):
    with np.errstate(over="ignore"):
        return np.log(1 + np.exp(-(v @ u))) + np.log(1 + np.exp(noise @ u)).sum()


class Loss(Exercise):
    id = "31.loss"
    answer = "loss"
    hints = (
        "The scores are `v @ u`, a number, and `noise @ u`, a number for each drawn word.",
        "Both parts are ln(1 + e^z): for the neighbour z is minus its score, for the drawn words "
        "it is their score.",
        "`np.logaddexp(0, -(v @ u)) + np.logaddexp(0, noise @ u).sum()`.",
    )
    wrong = (
        Wrong(
            "signs_the_other_way",
            lambda u, v, noise: _plus(v @ u) + _plus(-(noise @ u)).sum(),
            "The signs are the wrong way round: this loss falls when the neighbour's score falls.",
        ),
        Wrong(
            "all_are_neighbours",
            lambda u, v, noise: _plus(-(v @ u)) + _plus(-(noise @ u)).sum(),
            "You count the drawn words as neighbours too. Their scores come without the minus.",
        ),
        Wrong(
            "mean_of_the_drawn",
            lambda u, v, noise: _plus(-(v @ u)) + _plus(noise @ u).mean(),
            "You take the mean over the drawn words; the formula has their sum.",
        ),
        Wrong(
            "one_among_all",
            lambda u, v, noise: np.logaddexp.reduce([v @ u, *(noise @ u)]) - v @ u,
            "That is the cross-entropy of a choice among all of them. Here every word gets a yes "
            "or no of its own.",
        ),
        Wrong(
            "overflows",
            _naive,
            "With a large score e^z is too large for a number, and the loss becomes infinite. "
            "`np.logaddexp(0, z)` gives ln(1 + e^z) without it.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(2, 5), 1.0) for _ in range(4)]
        yield [(rng.randrange(2**31), 3, 60.0)]

    def outcome(self, answer, case):
        return float(answer(*self._parts(case)))

    def judge(self, case, outcome):
        u, v, noise = self._parts(case)
        z = [-math.fsum(v * u), *(math.fsum(n * u) for n in noise)]
        right = math.fsum(max(x, 0.0) + math.log1p(math.exp(-abs(x))) for x in z)
        if not math.isclose(outcome, right, rel_tol=1e-9):
            return f"With {len(noise)} drawn words the loss is {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"{case[1]} drawn words, vectors of length about {2 * case[2]:g}"

    def _parts(self, case):
        seed, drawn, scale = case
        random = np.random.default_rng(seed)
        u, v = scale * random.normal(size=(2, 4))
        noise = scale * random.normal(size=(drawn, 4))
        if scale > 1:
            noise[0] = u  # the score of a vector with itself is large for certain
        return u, v, noise


def _kinds_found(texts, kinds):
    """The share of words whose most similar word, by counts of neighbours, is of their kind."""
    number = {word: i for i, word in enumerate(sorted({w for t in texts for w in t.split()}))}
    left, right = [], []
    for text in texts:
        row = [number[word] for word in text.split()]
        for far in (1, 2):
            left += row[:-far]
            right += row[far:]
    count = np.zeros((len(number), len(number)))
    np.add.at(count, (left, right), 1.0)
    count += count.T
    count /= np.sqrt(np.maximum(count.sum(axis=0), 1.0))  # frequent neighbours say less
    known = [word for word in kinds if word in number]
    rows = count[[number[word] for word in known]]
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    near = (rows @ rows.T - 2 * np.eye(len(rows))).argmax(axis=1)
    return float(np.mean([kinds[known[i]] == kinds[known[j]] for i, j in enumerate(near)]))


class Spoil(Exercise):
    id = "31.spoil"
    answer = "spoil"
    hints = (
        "What tells a kind is which words stand near one another. Which change keeps the words, "
        "and breaks up who stands near whom?",
        "Deal the words of all sentences out anew, like cards.",
        "Put all words into one list, mix it with `permutation`, and cut it into sentences of the "
        "lengths that `texts` had.",
    )
    wrong = (
        Wrong(
            "as_they_were",
            lambda texts: texts,
            "These are the sentences as they were.",
        ),
        Wrong(
            "read_backwards",
            lambda texts: [" ".join(reversed(text.split())) for text in texts],
            "Read backwards, every word keeps its neighbours: the window looks to both sides.",
        ),
        Wrong(
            "sentences_in_another_order",
            lambda texts: texts[1:] + texts[:1],
            "The sentences come in another order, but neighbours are counted inside a sentence, "
            "and there nothing has changed.",
        ),
        Wrong(
            "one_word_only",
            lambda texts: [" ".join("the" for _ in text.split()) for text in texts],
            "All words but one are gone. Every word is to come as often as before.",
        ),
        Wrong(
            "inside_their_sentences",
            lambda texts: [" ".join(sorted(text.split())) for text in texts],
            "The words stay in their sentences, and who is in a sentence together tells enough. "
            "Let words change sentences.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        sentences = data.sentences(1500, seed=case)
        texts = [str(text) for text in answer([*sentences.texts])]
        words = collections.Counter(word for text in texts for word in text.split())
        before = collections.Counter(word for text in sentences.texts for word in text.split())
        lengths = [len(text.split()) for text in texts]
        same = words == before
        return {
            "same words": same,
            "same lengths": lengths == [len(text.split()) for text in sentences.texts],
            "beginning": texts[:3],
            "found": _kinds_found(texts, sentences.kinds) if same else None,
        }

    def judge(self, case, outcome):
        if not outcome["same words"]:
            return "Not every word comes as often as before."
        if outcome["found"] > 0.5:
            return f"{outcome['found']:.0%} of the words are still nearest to one of their kind."
        if not outcome["same lengths"]:
            return "The sentences are not as long as before, each in its place."
        return None

    def describe(self, case):
        return "1,500 sentences"
