"""The exercises of lesson 36."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _attend(x, w_q, w_k, w_v, heads, size=None, keep=0, axis=1, after=False, cut=None):
    """The right way, or one with something else about it."""
    hidden = np.triu(np.ones((len(x), len(x)), dtype=bool), 1 - keep)
    cut = cut or (lambda m: np.split(m, heads, axis=1))
    parts, out = [cut(x @ w) for w in (w_q, w_k, w_v)], []
    for q, k, v in zip(*parts, strict=True):
        scores = q @ k.T / math.sqrt(size or q.shape[1])
        if not after:
            scores = np.where(hidden, -np.inf, scores)
        weights = np.exp(scores - np.max(scores, axis=axis, keepdims=True, initial=-1e9))
        weights = weights / weights.sum(axis=axis, keepdims=True)
        out.append(np.where(hidden, 0.0, weights) @ v if after else weights @ v)
    return np.concatenate(out, axis=1)


def _sees_all(x, w_q, w_k, w_v, heads):
    return _attend(x, w_q, w_k, w_v, heads, keep=-len(x))


class Attend(Exercise):
    id = "36.attend"
    answer = "attend"
    hints = (
        "First the three products, then cut each into `heads` parts by columns, then do for every "
        "part what the formula says.",
        "`np.split(x @ w_q, heads, axis=1)` is the list of parts. `np.triu(np.ones((T, T)), 1)` is "
        "1 where the key comes after the query: there the score becomes `-np.inf`.",
        "For each part: `scores = np.where(later, -np.inf, q @ k.T / np.sqrt(q.shape[1]))`, a "
        "softmax along axis 1, then times `v`; at the end `np.concatenate(out, axis=1)`.",
    )
    wrong = (
        Wrong(
            "no_scale",
            lambda *a: _attend(*a, size=1),
            "The scores are not divided by the root of the head's size.",
        ),
        Wrong(
            "scale_of_the_whole",
            lambda x, *a: _attend(x, *a, size=x.shape[1]),
            "You divide by the root of $d$. A head has only $s = d / h$ columns, so divide by the "
            "root of that.",
        ),
        Wrong(
            "looks_ahead",
            _sees_all,
            "Letters see what comes after them: the mask is missing.",
        ),
        Wrong(
            "masked_after_softmax",
            lambda *a: _attend(*a, after=True),
            "You set weights to 0 after the softmax, so those that are left do not add up to 1. "
            "Hide the scores before it.",
        ),
        Wrong(
            "not_itself",
            lambda *a: _attend(*a, keep=1),
            "A letter does not see itself: the mask begins one place too early, and the first "
            "letter is left with nothing.",
        ),
        Wrong(
            "other_axis",
            lambda *a: _attend(*a, axis=0),
            "The softmax runs over the queries. A query's weights, a row, must add up to 1.",
        ),
        Wrong(
            "every_other_column",
            lambda x, a, b, c, heads: _attend(
                x, a, b, c, heads, cut=lambda m: [m[:, i::heads] for i in range(heads)]
            ),
            "Your heads take every so-manieth column. Each takes columns that stand together.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), heads) for heads in (2, 2, 4, 3)]

    def _draw(self, case):
        random, heads = np.random.default_rng(case[0]), case[1]
        size = heads * int(random.integers(2, 4))
        x = random.normal(size=(int(random.integers(3, 6)), size))
        return x, *(random.normal(size=(3, size, size)) / 2)

    def outcome(self, answer, case):
        x, *w = self._draw(case)
        return np.asarray(answer(x.copy(), *w, case[1]), dtype=float)

    def judge(self, case, outcome):
        x, *w = self._draw(case)
        if outcome.shape != x.shape:
            return f"For x of shape {x.shape} the result has shape {outcome.shape}."
        s = x.shape[1] // case[1]
        q, k, v = (x @ m for m in w)
        for t in range(len(x)):
            for column in range(x.shape[1]):
                part = slice(column // s * s, column // s * s + s)
                says = [math.exp(sum(q[t, part] * k[u, part]) / s**0.5) for u in range(t + 1)]
                right = sum(e * v[u, column] for u, e in enumerate(says)) / sum(says)
                if not close(outcome[t, column], right):
                    return (
                        f"With {case[1]} heads of size {s}, letter {t} gets {right:.6g} in column "
                        f"{column}; yours {outcome[t, column]:.6g}."
                    )
        return None

    def describe(self, case):
        return f"an x of shape {self._draw(case)[0].shape} with {case[1]} heads"


def _step(x, keys, values, w_q, w_k, w_v, fault=""):
    grown = (
        np.vstack([keys, x if fault == "raw" else x @ (w_q if fault == "query" else w_k)]),
        np.vstack([values, x if fault == "raw" else x @ w_v]),
    )
    seen = (keys, values) if fault == "late" and len(keys) else grown
    scores = seen[0] @ (x if fault == "no_query" else x @ w_q)
    scores = scores if fault == "no_scale" else scores / math.sqrt(len(x))
    weights = np.exp(scores - scores.max())
    out = weights / weights.sum() @ seen[1]
    return (out, keys, values) if fault == "forgets" else (out, *grown)


def _faulty(name):
    return lambda *args: _step(*args, fault=name)


class Step(Exercise):
    id = "36.step"
    answer = "step"
    hints = (
        "The new letter has a key and a value of its own, which go to the end of the others. Then "
        "its query asks all keys.",
        "`np.vstack([keys, x @ w_k])` is the grown keys. The scores are these times the query, "
        "divided by the root of `len(x)`.",
        "`scores = keys @ (x @ w_q) / np.sqrt(len(x))`; a softmax of them times the grown values; "
        "`return out, keys, values`.",
    )
    wrong = (
        Wrong(
            "does_not_grow",
            _faulty("forgets"),
            "You return the keys and values as they came: the next letter will not see this one.",
        ),
        Wrong(
            "not_itself",
            _faulty("late"),
            "The new letter does not see itself: put its key and value to the others first.",
        ),
        Wrong(
            "keeps_the_letter",
            _faulty("raw"),
            "You keep `x` itself. Keep what it is asked for and what it tells, `x @ w_k` and "
            "`x @ w_v`.",
        ),
        Wrong(
            "keeps_the_query",
            _faulty("query"),
            "You keep the query as the key: `keys` grow by `x @ w_k`.",
        ),
        Wrong(
            "asks_with_the_letter",
            _faulty("no_query"),
            "You compare the keys with `x`; compare them with its query, `x @ w_q`.",
        ),
        Wrong(
            "no_scale",
            _faulty("no_scale"),
            "The scores are not divided by the root of the size.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randrange(2, 5)) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        x = random.normal(size=(int(random.integers(3, 6)), case[1]))
        return x, *(random.normal(size=(3, case[1], case[1])))

    def outcome(self, answer, case):
        x, *w = self._draw(case)
        keys = values = np.zeros((0, case[1]))
        found = []
        for row in x:
            out, keys, values = answer(row.copy(), keys.copy(), values.copy(), *w)
            found.append(np.asarray(out, dtype=float))
        return {"found": np.array(found), "keys": np.shape(keys), "values": np.shape(values)}

    def judge(self, case, outcome):
        x, *w = self._draw(case)
        right = _attend(x, *w, 1)
        for t, (one, other) in enumerate(zip(right, outcome["found"], strict=True)):
            if np.shape(other) != np.shape(one) or not np.allclose(one, other, rtol=1e-9):
                return (
                    f"Letter {t} of {len(x)} gets {np.round(one, 5).tolist()} from a full pass, "
                    f"and {np.round(other, 5).tolist()} from your steps."
                )
        for name in ("keys", "values"):
            if outcome[name] != x.shape:
                return f"After {len(x)} letters {name} have shape {outcome[name]}, not {x.shape}."
        return None

    def describe(self, case):
        return f"letters of size {case[1]}, one after the other"
