"""The exercises of lesson 18."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


class He(Exercise):
    id = "18.he"
    answer = "he"
    hints = (
        "Each layer multiplies the mean square by n times the variance, and ReLU halves it.",
        "n times the variance, halved, is to be 1: the variance is 2 / n. The standard deviation "
        "is its root.",
        "`return math.sqrt(2 / n)`",
    )
    wrong = (
        Wrong(
            "the_variance",
            lambda n: 2 / n,
            "That is the variance. The standard deviation was asked for, its root.",
        ),
        Wrong(
            "without_relu",
            lambda n: math.sqrt(1 / n),
            "That keeps the sums; ReLU then cuts half of the mean square away in every layer.",
        ),
        Wrong(
            "half_in_place_of_two",
            lambda n: math.sqrt(1 / (2 * n)),
            "ReLU halves, so the variance must be twice as large, not half as large.",
        ),
        Wrong(
            "one_over_n",
            lambda n: 1 / n,
            "The sum of n numbers grows like the root of n, not like n: their signs differ.",
        ),
        Wrong(
            "root_of_two_outside",
            lambda n: 2 / math.sqrt(n),
            "The 2 belongs under the root: ReLU halves the mean square, not the deviation.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield [rng.randint(5, 900) for _ in range(12)]

    def outcome(self, answer, case):
        return float(answer(case))

    def judge(self, case, outcome):
        # Half of n times the variance is what a layer multiplies the mean square by.
        factor = case * outcome**2 / 2
        if not close(factor, 1.0):
            return (
                f"With {case} inputs and your {outcome:.5g} a layer with ReLU multiplies the mean "
                f"square by {factor:.4g}; it should be 1."
            )
        return None

    def describe(self, case):
        return f"{case} inputs"


class Growth(Exercise):
    id = "18.growth"
    answer = "growth"
    hints = (
        "By how much does one layer multiply the mean square? So many layers: the power of it.",
        "One layer: n * variance / 2 for the mean square, so the root of that for the deviation.",
        "`return math.sqrt(n * variance / 2) ** layers`",
    )
    wrong = (
        Wrong(
            "mean_square",
            lambda n, variance, layers: (n * variance / 2) ** layers,
            "That is the factor of the mean square. The standard deviation is its root.",
        ),
        Wrong(
            "without_relu",
            lambda n, variance, layers: math.sqrt(n * variance) ** layers,
            "You left out ReLU, which halves the mean square in each layer.",
        ),
        Wrong(
            "times_layers",
            lambda n, variance, layers: math.sqrt(n * variance / 2) * layers,
            "You multiply by the number of layers. Each multiplies what the last one gave: it is a "
            "power.",
        ),
        Wrong(
            "halved_once",
            lambda n, variance, layers: math.sqrt(n * variance) ** layers / math.sqrt(2),
            "ReLU halves the mean square in every layer, not once.",
        ),
        Wrong(
            "halves_the_deviation",
            lambda n, variance, layers: (math.sqrt(n * variance) / 2) ** layers,
            "ReLU halves the mean square; the deviation is divided by the root of 2.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield [
            (rng.randint(10, 200), rng.uniform(0.005, 0.1), rng.randint(3, 30)) for _ in range(12)
        ]

    def outcome(self, answer, case):
        return float(answer(*case))

    def judge(self, case, outcome):
        n, variance, layers = case
        square = 1.0
        for _ in range(layers):
            square *= n * variance
            square /= 2
        right = math.sqrt(square)
        if not close(outcome / right, 1.0):
            return f"For {self.describe(case)} it is {right:.5g}; yours is {outcome:.5g}."
        return None

    def describe(self, case):
        return f"{case[0]} units, variance {case[1]:.4f}, {case[2]} layers"


class Same(Exercise):
    id = "18.same"
    answer = "same"
    hints = (
        "A unit's weights are one row. When do two units compute the same for every input?",
        "All rows must be equal, and not zero.",
        "`return np.ones((m, n))` will do, or any row repeated m times.",
    )
    wrong = (
        Wrong(
            "zeros",
            lambda n, m: np.zeros((m, n)),
            "All zeros: equal, but that was too easy. The array is to be something else.",
        ),
        Wrong(
            "transposed",
            lambda n, m: np.ones((n, m)),
            "The shape is (n, m). A layer's weights have a row for each of its m units: (m, n).",
        ),
        Wrong(
            "random",
            lambda n, m: np.random.default_rng(0).normal(size=(m, n)),
            "Random numbers: every unit computes something else. That is the cure, not the "
            "illness.",
        ),
        Wrong(
            "equal_columns",
            lambda n, m: np.repeat(np.arange(1.0, m + 1)[:, None], n, axis=1),
            "Within each row your numbers are equal, and the rows differ. It is the rows that are "
            "to be the same: each belongs to one unit.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randint(2, 6), rng.randint(7, 12), rng.randrange(2**31)) for _ in range(8)]

    def outcome(self, answer, case):
        weights = np.asarray(answer(*case[:2]), dtype=float)
        return {"shape": weights.shape, "weights": weights.tolist()}

    def judge(self, case, outcome):
        n, m, seed = case
        if tuple(outcome["shape"]) != (m, n):
            return f"For n = {n} and m = {m} the shape is {(m, n)}; yours is {outcome['shape']}."
        weights = np.array(outcome["weights"])
        if not weights.any():
            return "All your weights are 0."
        sums = weights @ np.random.default_rng(seed).normal(size=n)
        if not np.allclose(sums, sums[0], rtol=1e-9, atol=1e-12):
            return f"For one input the first two units add up to {sums[0]:.4f} and {sums[1]:.4f}."
        return None

    def describe(self, case):
        return f"n = {case[0]}, m = {case[1]}"
