"""The exercises of lesson 19."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


class _OfBatches:
    """What an exercise on a batch of a few rows has in common."""

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 6), rng.randint(2, 3)) for _ in range(8)]

    def _draw(self, case):
        """Two batches, (n, units), and a number above 0."""
        random = np.random.default_rng(case[0])
        shape = case[1:3]
        return random.normal(1, 2, shape), random.normal(0.5, 1, shape), random.uniform(0.1, 0.5)

    def describe(self, case):
        return f"a batch of {case[1]} rows and {case[2]} units"


def _unit(x, eps, axis=0, ddof=0, centre=True, root=np.sqrt):
    mean = x.mean(axis=axis, keepdims=True) if centre else 0.0
    return (x - mean) / root(x.var(axis=axis, keepdims=True, ddof=ddof) + eps)


class Normalise(_OfBatches, Exercise):
    id = "19.normalise"
    answer = "normalise"
    hints = (
        "Two steps: take the mean of each column away, divide by the root of variance plus eps.",
        "`x.mean(axis=0)` and `x.var(axis=0)` have one number for each column.",
        "`return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)`",
    )
    wrong = (
        Wrong(
            "over_the_units",
            lambda x, eps: _unit(x, eps, axis=1),
            "You normalise each row over its units: that is layer norm. Batch norm goes over the "
            "examples, axis 0.",
        ),
        Wrong(
            "over_everything",
            lambda x, eps: _unit(x, eps, axis=None),
            "You take one mean over the whole array. Each unit, a column, has a mean of its own.",
        ),
        Wrong(
            "n_minus_one",
            lambda x, eps: _unit(x, eps, ddof=1),
            "You divide by n - 1 in the variance. Here it is n: the result is to have variance 1.",
        ),
        Wrong(
            "no_root",
            lambda x, eps: _unit(x, eps, root=lambda v: v),
            "You divide by the variance. Take its root.",
        ),
        Wrong(
            "not_centred",
            lambda x, eps: _unit(x, eps, centre=False),
            "The mean is still there: take it away first.",
        ),
        Wrong(
            "eps_outside",
            lambda x, eps: (x - x.mean(axis=0)) / (x.std(axis=0) + eps),
            "Your eps is outside the root. Here it is added to the variance.",
        ),
    )

    def outcome(self, answer, case):
        x, _, eps = self._draw(case)
        return np.asarray(answer(x, eps), dtype=float)

    def judge(self, case, outcome):
        x, _, eps = self._draw(case)
        if outcome.shape != x.shape:
            return f"The result has the shape {outcome.shape}; x has {x.shape}."
        for column, found in zip(x.T, outcome.T, strict=True):
            mean = math.fsum(column) / len(column)
            variance = math.fsum((a - mean) ** 2 for a in column) / len(column)
            right = [(a - mean) / math.sqrt(variance + eps) for a in column]
            if not all(map(close, found, right)):
                return (
                    f"The column {column.round(3).tolist()} with eps = {eps:.3f} becomes "
                    f"{np.round(right, 4).tolist()}; yours is {found.round(4).tolist()}."
                )
        return None


def _vjp(g, x, eps, mean=True, spread=True, ddof=0, divide=True):
    s = np.sqrt(x.var(axis=0, ddof=ddof) + eps)
    unit = (x - x.mean(axis=0)) / s
    centred = g - g.mean(axis=0) if mean else g
    if spread:
        centred = centred - unit * (g * unit).mean(axis=0)
    return centred / s if divide else centred


def _product_of_means(g, x, eps):
    s = np.sqrt(x.var(axis=0) + eps)
    unit = (x - x.mean(axis=0)) / s
    return (g - g.mean(axis=0) - unit * g.mean(axis=0)) / s


class NormaliseVjp(_OfBatches, Exercise):
    id = "19.normalise_vjp"
    answer = "normalise_vjp"
    hints = (
        "First compute s and x-hat again, as in the forward exercise. Then the formula, term by "
        "term; every mean is over axis 0.",
        "With `unit` for x-hat, the last mean is `(g * unit).mean(axis=0)`, and it is multiplied "
        "by `unit` again.",
        "`return (g - g.mean(axis=0) - unit * (g * unit).mean(axis=0)) / s`",
    )
    wrong = (
        Wrong(
            "constants",
            lambda g, x, eps: _vjp(g, x, eps, mean=False, spread=False),
            "That is right if mean and variance were constants. They depend on x too.",
        ),
        Wrong(
            "without_the_mean",
            lambda g, x, eps: _vjp(g, x, eps, mean=False),
            "The way through the mean is missing: your gradients do not sum to 0.",
        ),
        Wrong(
            "without_the_variance",
            lambda g, x, eps: _vjp(g, x, eps, spread=False),
            "The way through the variance is missing: the term with x-hat.",
        ),
        Wrong(
            "biased_otherwise",
            lambda g, x, eps: _vjp(g, x, eps, ddof=1),
            "Your s comes from a variance divided by n - 1. Forward it was divided by n.",
        ),
        Wrong(
            "not_divided",
            lambda g, x, eps: _vjp(g, x, eps, divide=False),
            "The factor 1/s in front is missing.",
        ),
        Wrong(
            "mean_of_g_alone",
            _product_of_means,
            "In the last term you take the mean of g. It is the mean of the products, g times "
            "x-hat.",
        ),
    )

    def outcome(self, answer, case):
        x, g, eps = self._draw(case)
        return np.asarray(answer(g, x, eps), dtype=float)

    def judge(self, case, outcome):
        x, g, eps = self._draw(case)
        if outcome.shape != x.shape:
            return f"The result has the shape {outcome.shape}; x has {x.shape}."
        for place in np.ndindex(*x.shape):
            step = np.zeros_like(x)
            step[place] = 1e-5
            above, below = (float((g * _unit(x + d, eps)).sum()) for d in (step, -step))
            right = (above - below) / 2e-5
            if not close(outcome[place], right, 1e-6):
                return (
                    f"Row {place[0]}, unit {place[1]}: a small step to either side gives the slope "
                    f"{right:.6f}; yours is {outcome[place]:.6f} (a batch of {case[1]})."
                )
        return None


def _running(mean, var, x, momentum, keep=None, ddof=1):
    keep = 1 - momentum if keep is None else keep
    moved = keep * mean + momentum * x.mean(axis=0)
    return moved, keep * var + momentum * x.var(axis=0, ddof=ddof)


class Running(_OfBatches, Exercise):
    id = "19.running"
    answer = "running"
    hints = (
        "A part of the way: the old number plus momentum times the difference.",
        "The same for both; the batch's variance is `x.var(axis=0, ddof=1)`.",
        "`mean + momentum * (x.mean(axis=0) - mean)`, and `var + momentum * (x.var(axis=0, "
        "ddof=1) - var)`: return both.",
    )
    wrong = (
        Wrong(
            "the_other_way",
            lambda mean, var, x, momentum: _running(mean, var, x, 1 - momentum),
            "You keep a tenth of the old and take nine of the new. `momentum` is the part of the "
            "way that is gone, the small one.",
        ),
        Wrong(
            "divided_by_n",
            lambda mean, var, x, momentum: _running(mean, var, x, momentum, ddof=0),
            "Your variance is divided by n. What is kept is divided by n - 1: `ddof=1`.",
        ),
        Wrong(
            "forgotten",
            lambda mean, var, x, momentum: (mean, var),
            "Nothing moves: the statistics are still those of the beginning, and in use the layer "
            "would normalise with them.",
        ),
        Wrong(
            "only_this_batch",
            lambda mean, var, x, momentum: _running(mean, var, x, 1.0, keep=0.0),
            "You return this batch's statistics alone. The old ones are to fade, not to vanish.",
        ),
        Wrong(
            "a_sum",
            lambda mean, var, x, momentum: _running(mean, var, x, momentum, keep=1.0),
            "You add to the old numbers without taking a part of them away, so they only grow.",
        ),
    )

    def outcome(self, answer, case):
        x, start, momentum = self._draw(case)
        found = answer(start[0].copy(), start[1] ** 2 + 1, x, momentum)
        return [np.asarray(part, dtype=float).tolist() for part in found]

    def judge(self, case, outcome):
        x, start, momentum = self._draw(case)
        if len(outcome) != 2:
            return f"There are two to return, mean and variance; you return {len(outcome)}."
        for i, column in enumerate(x.T):
            mean = math.fsum(column) / case[1]
            variance = math.fsum((a - mean) ** 2 for a in column) / (case[1] - 1)
            old = start[0][i], start[1][i] ** 2 + 1
            for name, found, a, b in zip(
                ("mean", "variance"), outcome, old, (mean, variance), strict=True
            ):
                right = a * (1 - momentum) + b * momentum
                if np.shape(found) != (case[2],) or not close(found[i], right):
                    return (
                        f"Unit {i}: from {a:.4f}, with {b:.4f} in the batch and momentum "
                        f"{momentum:.3f}, the {name} becomes {right:.4f}; yours is "
                        f"{np.round(found, 4).tolist()} for all units."
                    )
        return None


def _mirrored(row, n):
    batch = np.zeros((n, len(row)))
    batch[0], batch[1] = row, -row
    return batch


class Hidden(Exercise):
    id = "19.hidden"
    answer = "hidden"
    hints = (
        "The first row becomes 0 if it is just the mean of its batch.",
        "The simplest batch with that mean has the same row n times.",
        "`return np.tile(row, (n, 1))`",
    )
    wrong = (
        Wrong(
            "among_zeros",
            lambda row, n: np.vstack([row, np.zeros((n - 1, len(row)))]),
            "Among zeros the row stands out all the more: its difference to the mean is large.",
        ),
        Wrong(
            "mirrored",
            _mirrored,
            "The mean of your batch is 0. It is to be the row itself.",
        ),
        Wrong(
            "one_row",
            lambda row, n: np.array([row]),
            "A batch of one: the layer refuses it in training. n rows were asked for.",
        ),
        Wrong(
            "first_row_changed",
            lambda row, n: np.zeros((n, len(row))),
            "Your first row is 0 already before. It is to be `row`.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [([rng.uniform(1, 4) for _ in range(3)], rng.randint(4, 8)) for _ in range(8)]

    def outcome(self, answer, case):
        return np.asarray(answer(np.array(case[0]), case[1]), dtype=float)

    def judge(self, case, outcome):
        row, n = case
        if outcome.shape != (n, 3):
            return f"The batch should have the shape {(n, 3)}; yours has {outcome.shape}."
        if not np.allclose(outcome[0], row):
            return f"The first row should be {np.round(row, 3).tolist()}; it is {outcome[0]}."
        left = _unit(outcome, 1e-5)[0]
        if not np.allclose(left, 0, atol=1e-9):
            return f"Batch norm leaves {left.round(3).tolist()} of the first row."
        return None

    def describe(self, case):
        return f"a batch of {case[1]} rows"
