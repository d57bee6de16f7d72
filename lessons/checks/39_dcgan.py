"""The exercises of lesson 39."""

import math

import numpy as np

from tinygrad_edu import Tensor, ops
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _chance(score):
    return 1 / (1 + math.exp(-score))


def _critic(real, made, label, fault=""):
    on = label if fault != "turned" else 1 - label
    on_real = on * ops.softplus(-real) + (1 - on) * ops.softplus(real)
    on_made = ops.softplus(made)
    if fault == "both":
        on_made = label * ops.softplus(made) + (1 - label) * ops.softplus(-made)
    if fault == "sharp":
        on_real = ops.softplus(-real)
    if fault == "fooled":
        on_made = ops.softplus(-made)
    if fault == "raw":
        return 0.5 * (made.mean() - real.mean())
    half = 1.0 if fault == "twice" else 0.5
    return half * (on_real.mean() + on_made.mean())


def _faulty(name):
    return lambda *args: _critic(*args, fault=name)


class CriticLoss(Exercise):
    id = "39.critic_loss"
    answer = "critic_loss"
    hints = (
        "Two halves, one for each kind of picture; the first has two parts, weighted by `label` "
        "and by the rest.",
        "$-\\ln\\sigma(s)$ is `ops.softplus(-s)`; $-\\ln(1 - \\sigma(s))$ is `ops.softplus(s)`.",
        "`on_real = label * ops.softplus(-real_scores) + (1 - label) * ops.softplus(real_scores)`; "
        "half its mean and half the mean of `ops.softplus(made_scores)`.",
    )
    wrong = (
        Wrong(
            "made_smoothed_too",
            _faulty("both"),
            "You smoothed the label of made pictures as well. One side only: otherwise the critic "
            "praises made pictures a little.",
        ),
        Wrong(
            "not_smoothed",
            _faulty("sharp"),
            "The label is not used: real pictures count as 1, and the critic may become too sure.",
        ),
        Wrong(
            "made_are_real",
            _faulty("fooled"),
            "You ask the critic to call made pictures real; that is the generator's wish.",
        ),
        Wrong(
            "label_turned",
            _faulty("turned"),
            "The label and the rest are swapped: $\\ell$ belongs to $\\ln\\sigma(s)$.",
        ),
        Wrong("no_halves", _faulty("twice"), "The two halves count one half each."),
        Wrong(
            "scores_themselves",
            _faulty("raw"),
            "You took the mean scores themselves, not the logarithms of their chances.",
        ),
    )

    def given(self):
        return {"ops": ops}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.uniform(0.7, 0.95)) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        return random.normal(1, 2, (5, 1)), random.normal(-1, 2, (7, 1))

    def outcome(self, answer, case):
        real, made = map(Tensor, self._draw(case))
        return answer(real, made, case[1]).item()

    def judge(self, case, outcome):
        real, made = self._draw(case)
        label = case[1]
        first = [
            label * math.log(_chance(s)) + (1 - label) * math.log(1 - _chance(s))
            for s in real.ravel()
        ]
        second = [math.log(1 - _chance(s)) for s in made.ravel()]
        right = -sum(first) / len(first) / 2 - sum(second) / len(second) / 2
        if not math.isclose(outcome, right, rel_tol=1e-9):
            return f"With label {label:.2f} the loss is {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"5 real and 7 made scores with label {case[1]:.2f}"


class GeneratorLoss(Exercise):
    id = "39.generator_loss"
    answer = "generator_loss"
    hints = (
        "It has one part: the generator wants every made picture to be called real.",
        "$-\\ln\\sigma(s)$ is `ops.softplus(-s)`.",
        "`return ops.softplus(-made_scores).mean()`",
    )
    wrong = (
        Wrong(
            "saturated",
            lambda s: -ops.softplus(s).mean(),
            "This is $\\ln(1 - D)$: it goes the right way, but its slope is nearly 0 where the "
            "critic sees through everything.",
        ),
        Wrong(
            "the_critics",
            lambda s: ops.softplus(s).mean(),
            "This is the critic's loss on made pictures; the generator would help it.",
        ),
        Wrong(
            "sum",
            lambda s: ops.softplus(-s).sum(),
            "You added up; take the mean, or a larger batch means a longer step.",
        ),
        Wrong(
            "sign",
            lambda s: -ops.softplus(-s).mean(),
            "The sign is wrong: this grows as the pictures improve.",
        ),
    )

    def given(self):
        return {"ops": ops}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(4)]

    def _draw(self, case):
        return np.random.default_rng(case).normal(-1, 2, (6, 1))

    def outcome(self, answer, case):
        scores = Tensor(self._draw(case), requires_grad=True)
        loss = answer(scores)
        loss.backward()
        return {"loss": loss.item(), "slopes": scores.grad}

    def judge(self, case, outcome):
        scores = self._draw(case).ravel()
        right = -sum(math.log(_chance(s)) for s in scores) / len(scores)
        if not math.isclose(outcome["loss"], right, rel_tol=1e-9):
            return f"The loss is {right:.6g}; yours is {outcome['loss']:.6g}."
        slopes = [-(1 - _chance(s)) / len(scores) for s in scores]
        if not np.allclose(outcome["slopes"].ravel(), slopes, rtol=1e-9):
            return "The loss is right, but its gradient is not."
        return None

    def describe(self, case):
        return "6 made scores"


def _frechet(a, b, fault=""):
    size = a.shape[1]
    c1, c2 = (np.cov(x.T) + 1e-6 * np.eye(size) for x in (a, b))
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ c2 @ root).clip(0)
    cross = (inner if fault == "no_root" else np.sqrt(inner)).sum()
    gap = a.mean(axis=0) - b.mean(axis=0)
    far = np.sqrt(gap @ gap) if fault == "length" else gap @ gap
    if fault == "means":
        return far
    if fault == "spreads":
        far = 0.0
    return far + np.trace(c1) + np.trace(c2) - (1 if fault == "once" else 2) * cross


def _wrong_distance(name):
    return lambda a, b: _frechet(a, b, name)


class Frechet(Exercise):
    id = "39.frechet"
    answer = "frechet"
    hints = (
        "Means, covariances, then the root: `np.linalg.eigh(c1)` gives values and vectors, and the "
        "root of $C_1$ has the same vectors and the roots of the values.",
        "`root = vectors * np.sqrt(values.clip(0)) @ vectors.T`; the eigenvalues of "
        "`root @ c2 @ root` come from `np.linalg.eigvalsh`.",
        "`cross = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()`; then "
        "`gap @ gap + np.trace(c1) + np.trace(c2) - 2 * cross`.",
    )
    wrong = (
        Wrong(
            "means_only",
            _wrong_distance("means"),
            "You compare the means alone: many copies of the mean picture would be perfect.",
        ),
        Wrong(
            "spreads_only",
            _wrong_distance("spreads"),
            "The distance of the means is missing.",
        ),
        Wrong(
            "no_root",
            _wrong_distance("no_root"),
            "The trace needs the roots of the eigenvalues; you added up the eigenvalues.",
        ),
        Wrong(
            "not_twice",
            _wrong_distance("once"),
            "The root counts twice: otherwise a cloud is not at distance 0 from itself.",
        ),
        Wrong(
            "length_not_squared",
            _wrong_distance("length"),
            "The distance of the means comes squared.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        return (
            random.normal(size=(40, 3)) @ random.normal(size=(3, 3)),
            random.normal(size=(50, 3)) @ random.normal(size=(3, 3)) + random.normal(size=3),
        )

    def outcome(self, answer, case):
        return float(answer(*self._draw(case)))

    def judge(self, case, outcome):
        a, b = self._draw(case)
        c1, c2 = (np.cov(x.T) + 1e-6 * np.eye(3) for x in (a, b))
        roots = np.sqrt(np.linalg.eigvals(c1 @ c2).real)  # of the product itself
        means = sum((x - y) ** 2 for x, y in zip(a.mean(axis=0), b.mean(axis=0), strict=True))
        right = means + sum(np.diag(c1)) + sum(np.diag(c2)) - 2 * sum(roots)
        if not math.isclose(outcome, right, rel_tol=1e-7):
            return f"For two clouds it is {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return "features (40, 3) and (50, 3)"
