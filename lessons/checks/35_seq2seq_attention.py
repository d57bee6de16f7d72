"""The exercises of lesson 35."""

import itertools
import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _attention(h, memory, real, fault=""):
    scores = h @ memory.T
    if fault == "scaled":
        scores = scores / math.sqrt(h.shape[1])
    if fault == "zero":
        scores = np.where(real, scores, 0.0)
    elif fault not in ("late", "none"):
        scores = np.where(real, scores, -np.inf)
    axis = 0 if fault == "axis" else 1
    with np.errstate(invalid="ignore"):
        e = np.exp(scores - scores.max(axis=axis, keepdims=True))
        w = e / e.sum(axis=axis, keepdims=True)
    if fault == "late":
        w = np.where(real, w, 0.0)
    return w @ memory, w


def _faulty(name):
    return lambda *args: _attention(*args, fault=name)


class Attention(Exercise):
    id = "35.attention"
    answer = "attention"
    hints = (
        "Three steps: all scores in one product, a softmax in each row, and the weighted means in "
        "another product.",
        "`h @ memory.T` is $(T, S)$. `np.where(real, ..., -np.inf)` hides what is not there.",
        "`e = np.exp(scores - scores.max(axis=1, keepdims=True))`, `w = e / e.sum(axis=1, "
        "keepdims=True)`, `return w @ memory, w`.",
    )
    wrong = (
        Wrong(
            "no_mask",
            _faulty("none"),
            "Places that only fill up the row get a share. Give them the score minus infinity.",
        ),
        Wrong(
            "mask_after_softmax",
            _faulty("late"),
            "You set weights to 0 after the softmax: those that are left do not add up to 1. Hide "
            "the scores before it.",
        ),
        Wrong(
            "score_zero",
            _faulty("zero"),
            "A score of 0 is no small score: $e^0$ is 1. Hide with minus infinity.",
        ),
        Wrong(
            "other_axis",
            _faulty("axis"),
            "Your softmax runs over what is written. The weights of each row, over what was read, "
            "add up to 1.",
        ),
        Wrong(
            "scaled",
            _faulty("scaled"),
            "You divided the scores by the root of the size; the formula here does not.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        sizes = random.integers(3, 6, size=2)
        real = np.arange(sizes[1]) < sizes[1] - 1
        return random.normal(size=(sizes[0], 3)), random.normal(size=(sizes[1], 3)), real

    def outcome(self, answer, case):
        seen, w = answer(*self._draw(case))
        return {"seen": np.asarray(seen, dtype=float), "weights": np.asarray(w, dtype=float)}

    def judge(self, case, outcome):
        h, memory, real = self._draw(case)
        if outcome["weights"].shape != (len(h), len(memory)):
            return f"The weights have shape {outcome['weights'].shape}."
        for t, state in enumerate(h):
            says = [
                math.exp(state @ m) if there else 0.0 for m, there in zip(memory, real, strict=True)
            ]
            right = [e / sum(says) for e in says]
            if not all(map(close, outcome["weights"][t], right)):
                return (
                    f"Row {t} of the weights should be {np.round(right, 4).tolist()}; yours is "
                    f"{np.round(outcome['weights'][t], 4).tolist()}."
                )
            seen = [sum(w * m[i] for w, m in zip(right, memory, strict=True)) for i in range(3)]
            if outcome["seen"].shape != h.shape or not all(map(close, outcome["seen"][t], seen)):
                return f"What is seen in row {t} should be {np.round(seen, 4).tolist()}."
        return None

    def describe(self, case):
        h, memory, _ = self._draw(case)
        return f"h {h.shape} and memory {memory.shape}, of which the last is not there"


def _beam(next_chances, width, length, fault=""):
    best = [(0.0, ())]
    for _ in range(length):
        longer = []
        for total, tokens in best:
            for token, chance in enumerate(next_chances(tokens)):
                gain = chance if fault == "plain" else math.log(chance)
                longer.append((gain if fault == "forgets" else total + gain, (*tokens, token)))
        keep = 1 if fault == "greedy" else width
        best = sorted(longer, reverse=fault != "worst")[:keep]
    return best[0][1]


def _wrong_beam(name):
    return lambda *args: _beam(*args, fault=name)


class Beam(Exercise):
    id = "35.beam"
    answer = "beam"
    hints = (
        "Keep a list of pairs, the sum so far and the tokens so far; at the start it has one, 0 "
        "and the empty tuple.",
        "At each step make all pairs that are one token longer, `(total + np.log(chance), "
        "(*tokens, token))`, and keep the `width` largest.",
        "`best = sorted(longer, reverse=True)[:width]` in each step; at the end "
        "`return best[0][1]`.",
    )
    wrong = (
        Wrong(
            "greedy",
            _wrong_beam("greedy"),
            "You keep one beginning at each step; keep `width` of them.",
        ),
        Wrong(
            "adds_chances",
            _wrong_beam("plain"),
            "You add chances. The chance of a line is their product; add their logarithms.",
        ),
        Wrong(
            "last_token_only",
            _wrong_beam("forgets"),
            "You compare beginnings by their last token alone; add what they had before.",
        ),
        Wrong(
            "worst_first",
            _wrong_beam("worst"),
            "You keep the least likely beginnings: sort with `reverse=True`.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), width) for width in (1, 2, 2, 27, 27, 27)]

    def _chances(self, seed):
        """A table for three tokens, with a first choice that misleads."""
        random = np.random.default_rng(seed)
        table = {
            tokens: random.dirichlet([0.5] * 3).clip(0.01).tolist()
            for size in range(4)
            for tokens in itertools.product(range(3), repeat=size)
        }
        table[()] = [0.5, 0.45, 0.05]
        table[(0,)], table[(0, 0)] = [0.34, 0.33, 0.33], [0.2, 0.6, 0.2]  # where greed goes
        table[(1,)], table[(1, 1)] = [0.06, 0.9, 0.04], [0.5, 0.3, 0.2]  # the best
        table[(2,)] = table[(2, 0)] = [0.98, 0.01, 0.01]  # the largest sum, but a small product
        return table

    def outcome(self, answer, case):
        table = self._chances(case[0])
        return [int(token) for token in answer(lambda tokens: table[tuple(tokens)], case[1], 3)]

    def judge(self, case, outcome):
        table, (_, width) = self._chances(case[0]), case
        lines = [*itertools.product(range(3), repeat=3)]
        if tuple(outcome) not in lines:
            return f"{outcome} is not a line of 3 tokens."

        def chance(tokens):
            return math.prod(table[tokens[:i]][token] for i, token in enumerate(tokens))

        kept = [()]
        for _ in range(3):
            kept = [(*tokens, token) for tokens in kept for token in range(3)]
            kept = sorted(kept, key=chance, reverse=True)[:width]
        if not math.isclose(chance(tuple(outcome)), chance(kept[0])):
            return (
                f"With width {width} the best line is {kept[0]}, of chance {chance(kept[0]):.4f}; "
                f"yours is {tuple(outcome)}, of chance {chance(tuple(outcome)):.4f}."
            )
        return None

    def describe(self, case):
        return f"three tokens, width {case[1]}"
