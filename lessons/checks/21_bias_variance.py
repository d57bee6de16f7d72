"""The exercises of lesson 21."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _swapped_axes(curves, true):
    middle = curves.mean(axis=1, keepdims=True)
    return np.mean((middle - true) ** 2), np.mean((curves - middle) ** 2)


def _of_the_bias(curves, true):
    middle = curves.mean(axis=0)
    return np.mean((middle - true) ** 2), np.mean((curves - true) ** 2)


def _terms(curves, true):
    middle = curves.mean(axis=0)
    return np.mean((middle - true) ** 2), np.mean((curves - middle) ** 2)


class Terms(Exercise):
    id = "21.terms"
    answer = "terms"
    hints = (
        "First the mean of all fits at each place: an array with one number per place.",
        "That is `middle = curves.mean(axis=0)`. The bias compares it with `true`, the variance "
        "compares the fits with it; both are squared and averaged.",
        "`return np.mean((middle - true) ** 2), np.mean((curves - middle) ** 2)`",
    )
    wrong = (
        Wrong(
            "over_the_places",
            _swapped_axes,
            "You average each fit over the places. The mean that counts is over the fits, at each "
            "place: axis 0.",
        ),
        Wrong(
            "whole_error",
            _of_the_bias,
            "Your second number is the whole error, bias and variance together: it compares the "
            "fits with the truth, not with their own mean.",
        ),
        Wrong(
            "not_squared",
            lambda curves, true: (np.mean(curves.mean(axis=0) - true), _terms(curves, true)[1]),
            "Your bias is not squared, so that it cancels where the fits are above and below.",
        ),
        Wrong(
            "averaged_first",
            lambda curves, true: (np.mean(curves.mean(axis=0) - true) ** 2, np.var(curves)),
            "You average over the places before you square. Square at each place, then average.",
        ),
        Wrong(
            "spread_not_variance",
            lambda curves, true: (_terms(curves, true)[0], np.mean(curves.std(axis=0))),
            "Your second number is the mean standard deviation; the variance is its square, taken "
            "at each place.",
        ),
        Wrong(
            "swapped",
            lambda curves, true: _terms(curves, true)[::-1],
            "You return the variance first. The bias was asked for first.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 8), rng.randint(2, 9)) for _ in range(10)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        true = random.normal(size=case[2])
        return true + 0.4 + random.normal(size=(case[1], case[2])), true

    def outcome(self, answer, case):
        return [float(number) for number in answer(*self._draw(case))]

    def judge(self, case, outcome):
        curves, true = self._draw(case)
        fits, places = curves.shape
        middle = [sum(curves[i, j] for i in range(fits)) / fits for j in range(places)]
        bias = sum((middle[j] - true[j]) ** 2 for j in range(places)) / places
        around = [(curves[i, j] - middle[j]) ** 2 for i in range(fits) for j in range(places)]
        right = (bias, sum(around) / len(around))
        if len(outcome) != 2 or not all(map(close, outcome, right)):
            return (
                f"For {self.describe(case)} the squared bias is {right[0]:.4f} and the variance "
                f"{right[1]:.4f}; yours are {', '.join(f'{x:.4f}' for x in outcome)}."
            )
        return None

    def describe(self, case):
        return f"{case[1]} fits at {case[2]} places"


def _measured(curves, true, noise, random, shape=None, add=True):
    shape = curves.shape if shape is None else shape(curves)
    fresh = (true if add else 0) + noise * random.normal(size=shape)
    return np.mean((curves - fresh) ** 2)


class Measured(Exercise):
    id = "21.measured"
    answer = "measured"
    hints = (
        "The new examples have the shape of `curves`: one for each fit and each place.",
        "`true + noise * random.normal(size=curves.shape)` are the new examples.",
        "With those as `fresh`: `return np.mean((curves - fresh) ** 2)`",
    )
    wrong = (
        Wrong(
            "no_noise",
            lambda curves, true, noise, random: np.mean((curves - true) ** 2),
            "You compare with the true curve, which nobody has. New examples have noise.",
        ),
        Wrong(
            "variance_for_deviation",
            lambda curves, true, noise, random: _measured(curves, true, noise**2, random),
            "Your noise is too small: `noise` is its standard deviation, and its variance is the "
            "square.",
        ),
        Wrong(
            "one_set_for_all",
            lambda *given: _measured(*given, shape=lambda curves: curves.shape[1]),
            "All your fits are compared with the same new examples: draw one for each fit and "
            "each place, of the shape of `curves`.",
        ),
        Wrong(
            "one_draw_per_fit",
            lambda *given: _measured(*given, shape=lambda curves: (len(curves), 1)),
            "You draw one number for each fit and use it at all places. Each place has its own.",
        ),
        Wrong(
            "not_squared",
            lambda curves, true, noise, random: np.mean(
                np.abs(curves - true - noise * random.normal(size=curves.shape))
            ),
            "You average the sizes of the differences, not their squares.",
        ),
        Wrong(
            "noise_alone",
            lambda *given: _measured(*given, add=False),
            "Your new examples are noise alone: add the true curve.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.uniform(0.5, 2)) for _ in range(6)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        true = random.normal(size=40) + 2
        return true + 0.3 + random.normal(size=(50, 40)), true

    def outcome(self, answer, case):
        curves, true = self._draw(case)
        return float(answer(curves, true, case[1], np.random.RandomState(case[0])))

    def judge(self, case, outcome):
        curves, true = self._draw(case)
        drawn = np.random.RandomState(case[0]).normal(size=(50, 40))
        total = 0.0
        for i in range(50):
            for j in range(40):
                total += (curves[i, j] - (true[j] + case[1] * drawn[i, j])) ** 2
        if not close(outcome, total / 2000):
            return f"With {self.describe(case)} it is {total / 2000:.4f}; yours is {outcome:.4f}."
        return None

    def describe(self, case):
        return f"noise {case[1]:.2f}, 50 fits and 40 places"
