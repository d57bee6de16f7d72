"""The exercises of lesson 24."""

import itertools
import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _power(W, v, steps, scale=True, result=lambda W, v: np.linalg.norm(W @ v)):
    for _ in range(steps):
        v = W.T @ (W @ v)
        if scale:
            v = v / np.linalg.norm(v)
    return result(W, v)


class SpectralNorm(Exercise):
    id = "24.spectral_norm"
    answer = "spectral_norm"
    hints = (
        "A loop with two lines: multiply, then bring v back to length 1.",
        "`v = W.T @ (W @ v)`, then `v = v / np.linalg.norm(v)`.",
        "After the loop `return np.linalg.norm(W @ v)`.",
    )
    wrong = (
        Wrong(
            "not_scaled",
            lambda W, v, steps: _power(W, v, steps, scale=False),
            "Your v is not brought back to length 1, so it grows or shrinks from step to step.",
        ),
        Wrong(
            "squared",
            lambda W, v, steps: _power(
                W, v, steps, result=lambda W, v: np.linalg.norm(W.T @ W @ v)
            ),
            "You return the length of W^T W v, which is the square of what was asked for.",
        ),
        Wrong(
            "length_of_v",
            lambda W, v, steps: _power(W, v, steps, result=lambda W, v: np.linalg.norm(v)),
            "You return the length of v, which is 1. How long is W v?",
        ),
        Wrong(
            "all_numbers",
            lambda W, v, steps: np.linalg.norm(W),
            "That is the root of the sum of all squares (the Frobenius norm), which is larger: it "
            "adds up all directions.",
        ),
        Wrong(
            "one_step",
            lambda W, v, steps: _power(W, v, 1),
            "You take one step, whatever `steps` says.",
        ),
        Wrong(
            "a_step_too_many",
            lambda W, v, steps: _power(W, v, steps + 1),
            "You take one step too many.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [
            (rng.randrange(2**31), rng.randint(2, 5), rng.randint(2, 5), steps)
            for steps in (2, 3, 4, 60)
        ]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        # Directions at right angles, stretched by 3, 2, 1, ...: the steps settle in any case.
        left = np.linalg.qr(random.normal(size=(case[1], case[1])))[0]
        right = np.linalg.qr(random.normal(size=(case[2], case[2])))[0]
        stretch = np.zeros((case[1], case[2]))
        np.fill_diagonal(stretch, [3.0, 2.0, 1.0, 0.5, 0.2])
        return left @ stretch @ right, random.normal(size=case[2]), right

    def outcome(self, answer, case):
        W, v, _ = self._draw(case)
        return float(answer(W, v.copy(), case[3]))

    def judge(self, case, outcome):
        _, v, right = self._draw(case)
        # Along its own directions W only stretches, so the steps can be written down at once.
        parts, factors = right @ v, [3.0, 2.0, 1.0, 0.5, 0.2]
        known = min(case[1], case[2])
        after = [parts[k] * factors[k] ** (2 * case[3]) for k in range(known)]
        length = math.sqrt(sum(a * a for a in after))
        norm = math.sqrt(sum((factors[k] * after[k]) ** 2 for k in range(known))) / length
        if not close(outcome, norm, 1e-8):
            return f"After {self.describe(case)} it is {norm:.6f}; yours is {outcome:.6f}."
        return None

    def describe(self, case):
        return f"{case[3]} steps with a matrix of shape ({case[1]}, {case[2]})"


def _norms(weights):
    return [np.linalg.norm(W, 2) for W in weights]


class Bound(Exercise):
    id = "24.bound"
    answer = "lipschitz_bound"
    hints = (
        "One factor for each matrix; a relu has the factor 1.",
        "`np.linalg.norm(W, 2)` is the spectral norm of W, `np.prod` multiplies a list.",
        "`return np.prod([np.linalg.norm(W, 2) for W in weights])`",
    )
    wrong = (
        Wrong(
            "added",
            lambda weights: sum(_norms(weights)),
            "You add the norms up. What the first layer stretches the second stretches again: "
            "multiply.",
        ),
        Wrong(
            "the_largest",
            lambda weights: max(_norms(weights)),
            "You take the steepest layer alone. All of them stretch.",
        ),
        Wrong(
            "frobenius",
            lambda weights: np.prod([np.linalg.norm(W) for W in weights]),
            "You use the root of the sum of squares (what np.linalg.norm gives without the 2). It "
            "is a bound, and a worse one.",
        ),
        Wrong(
            "of_the_product",
            lambda weights: np.linalg.norm(np.linalg.multi_dot(weights[::-1]), 2),
            "You multiply the matrices first. That leaves out the relus, and with them it is no "
            "bound: they can keep apart what would cancel.",
        ),
        Wrong(
            "largest_number",
            lambda weights: np.prod([np.abs(W).max() for W in weights]),
            "You take the largest number of each matrix; many small ones stretch too.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(2, 4)) for _ in range(8)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        sizes = random.integers(2, 6, size=case[1] + 1)
        return [random.normal(size=(m, n)) for n, m in itertools.pairwise(sizes)]

    def outcome(self, answer, case):
        return float(answer(self._draw(case)))

    def judge(self, case, outcome):
        right = 1.0
        for W in self._draw(case):
            right *= math.sqrt(max(np.linalg.eigvalsh(W.T @ W)))
        if not close(outcome, right, 1e-8):
            return f"For {case[1]} layers the bound is {right:.4f}; yours is {outcome:.4f}."
        return None

    def describe(self, case):
        return f"{case[1]} layers"


class FarOff(Exercise):
    id = "24.far_off"
    answer = "far_off"
    hints = (
        "What the first layer makes large, the second should not look at.",
        "Two diagonal matrices are enough: one stretches the first axis, the other the second.",
        "`return np.diag([1.0, 0.0]), np.diag([0.0, 1.0])`",
    )
    wrong = (
        Wrong(
            "both_small",
            lambda: (0.05 * np.eye(2), 0.05 * np.eye(2)),
            "Your slopes are small because your matrices are, and so is the bound.",
        ),
        Wrong(
            "one_is_zero",
            lambda: (np.eye(2), np.zeros((2, 2))),
            "One of your layers is 0, so the bound is 0 too. Both need a norm.",
        ),
        Wrong(
            "they_meet",
            lambda: (np.eye(2), np.eye(2)),
            "In your network the worst cases of both layers meet, and the bound is reached.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        first, second = (np.asarray(W, dtype=float) for W in answer())
        limit = math.prod(_norms([first, second]))
        x = np.random.default_rng(case).normal(size=(2000, 2, first.shape[1]))
        y = np.maximum(x @ first.T, 0) @ second.T
        run = np.linalg.norm(x[:, 0] - x[:, 1], axis=1)
        slope = (np.linalg.norm(y[:, 0] - y[:, 1], axis=1) / run).max()
        return {
            "bound": "none" if limit == 0 else "low" if limit < 1 - 1e-9 else "enough",
            "steep": bool(slope > 0.01),
        }

    def judge(self, case, outcome):
        if outcome["bound"] != "enough":
            return "The bound of your network is below 1."
        return "Your network has slopes above 0.01." if outcome["steep"] else None

    def describe(self, case):
        return "your two matrices"
