"""The exercises of lesson 38."""

import numpy as np

from tinygrad_edu import Tensor, ops
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _pca(x, k, centre=True, rows=slice(None), transpose=False, scaled=False):
    mean = x.mean(axis=0)
    _, s, v = np.linalg.svd(x - mean if centre else x, full_matrices=False)
    directions = (v[rows][:k] * (s[:k, None] if scaled else 1.0)).T
    return mean, directions.T if transpose else directions


class Pca(Exercise):
    id = "38.pca"
    answer = "pca"
    hints = (
        "First the mean of each column, then the decomposition of the data without it.",
        "`np.linalg.svd(x - mean, full_matrices=False)` returns three things; the last is $(d, d)$ "
        "or $(n, d)$, with a direction in each row.",
        "`return mean, np.linalg.svd(x - mean, full_matrices=False)[2][:k].T`",
    )
    wrong = (
        Wrong(
            "not_centred",
            lambda x, k: _pca(x, k, centre=False),
            "The mean was not taken away before the decomposition: the first direction points at "
            "the mean.",
        ),
        Wrong(
            "least_first",
            lambda x, k: _pca(x, k, rows=slice(None, None, -1)),
            "You took the last rows, in which the data spread least.",
        ),
        Wrong(
            "rows_for_columns",
            lambda x, k: _pca(x, k, transpose=True),
            "The directions should stand in columns, $(d, k)$: transpose.",
        ),
        Wrong(
            "stretched",
            lambda x, k: _pca(x, k, scaled=True),
            "The directions have to have length 1; you multiplied them by their spread.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randrange(2, 4)) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        return random.normal(size=(30, 6)) * [5, 3, 2, 1, 0.5, 0.2] @ random.normal(
            size=(6, 6)
        ) + 4 * random.normal(size=6)

    def outcome(self, answer, case):
        mean, v = answer(self._draw(case), case[1])
        v = np.asarray(v, dtype=float)
        return {"mean": np.asarray(mean, dtype=float), "shape": v.shape, "product": v @ v.T}

    def judge(self, case, outcome):
        x, k = self._draw(case), case[1]
        if outcome["mean"].shape != (6,) or not np.allclose(outcome["mean"], x.sum(axis=0) / 30):
            return "The first result is not the mean of each column."
        if outcome["shape"] != (6, k):
            return f"For k = {k} and d = 6 the directions have shape {outcome['shape']}."
        spread = (x - outcome["mean"]).T @ (x - outcome["mean"])
        most = np.linalg.eigvalsh(spread)[::-1]
        if not np.isclose(np.trace(outcome["product"]), k):
            return f"The squared lengths add up to {np.trace(outcome['product']):.4g}, not to {k}."
        kept = np.trace(outcome["product"] @ spread) / most.sum()
        best = most[:k].sum() / most.sum()
        if not np.isclose(kept, best):
            return f"Your {k} directions hold {kept:.2%} of the spread; the best hold {best:.2%}."
        return None

    def describe(self, case):
        return f"data (30, 6) with k = {case[1]}"


def _kl(mean, log_var, square=True, half=True, one=True, sign=1.0, deviation=False, axis=1):
    spread = ops.exp(0.5 * log_var) if deviation else ops.exp(log_var)
    total = (mean * mean if square else mean) + spread - (1.0 if one else 0.0) - sign * log_var
    out = (0.5 if half else 1.0) * total
    return out.sum(axis=1) if axis == 1 else out.mean(axis=1)


class Kl(Exercise):
    id = "38.kl"
    answer = "kl"
    hints = (
        "Only one part needs work: $\\sigma^2$ from its logarithm. The rest stands in the formula.",
        "`ops.exp(log_var)` is $\\sigma^2$; `log_var` is $\\ln\\sigma^2$. Add up along axis 1.",
        "`return 0.5 * (mean * mean + ops.exp(log_var) - 1.0 - log_var).sum(axis=1)`",
    )
    wrong = (
        Wrong("no_half", lambda m, v: _kl(m, v, half=False), "The factor one half is missing."),
        Wrong(
            "deviation",
            lambda m, v: _kl(m, v, deviation=True),
            "You added $\\sigma$; the formula has $\\sigma^2$, the exponential of `log_var`.",
        ),
        Wrong(
            "sign_of_the_logarithm",
            lambda m, v: _kl(m, v, sign=-1.0),
            "The logarithm is subtracted: small clouds have to be dear, or all shrink to points.",
        ),
        Wrong(
            "no_one",
            lambda m, v: _kl(m, v, one=False),
            "Nothing was subtracted for the 1: a cloud that is right must cost 0.",
        ),
        Wrong(
            "mean_not_squared",
            lambda m, v: _kl(m, v, square=False),
            "The mean comes squared: it costs as much to the left as to the right.",
        ),
        Wrong(
            "mean_over_numbers",
            lambda m, v: _kl(m, v, axis=0),
            "You took the mean over the numbers of a code; their divergences add up.",
        ),
    )

    def given(self):
        return {"ops": ops}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        return random.uniform(0.5, 2.0, (4, 2)), random.uniform(-1.5, 1.5, (4, 2))

    def outcome(self, answer, case):
        mean, log_var = self._draw(case)
        return answer(Tensor(mean), Tensor(log_var)).numpy()

    def judge(self, case, outcome):
        mean, log_var = self._draw(case)
        if outcome.shape != (4,):
            return f"For 4 codes of 2 numbers the result has shape {outcome.shape}, not (4,)."
        for i in range(4):
            right = sum(self._measured(*pair) for pair in zip(mean[i], log_var[i], strict=True))
            if abs(outcome[i] - right) > 1e-6:
                return (
                    f"For means {mean[i].round(3).tolist()} and log variances "
                    f"{log_var[i].round(3).tolist()} it is {right:.4f}; yours is {outcome[i]:.4f}."
                )
        return None

    def _measured(self, mean, log_var):
        """The expectation as an integral, by small steps."""
        deviation = np.exp(0.5 * log_var)
        c = mean + deviation * np.linspace(-12, 12, 4001)
        density = np.exp(-0.5 * ((c - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
        gap = -0.5 * ((c - mean) / deviation) ** 2 - np.log(deviation) + 0.5 * c**2
        return float((density * gap).sum() * (c[1] - c[0]))

    def describe(self, case):
        return "4 codes of 2 numbers"
