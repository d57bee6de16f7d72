"""The exercises of lesson 23."""

import itertools
import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _all(points):
    return np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))


def _pairs(points):
    return _all(points)[np.triu_indices(len(points), 1)]


def _per_axis(points):
    found = np.abs(points[:, None] - points)[np.triu_indices(len(points), 1)]
    return found.max() / found.min()


class Spread(Exercise):
    id = "23.spread"
    answer = "spread"
    hints = (
        "A distance needs two different points. Go through them one by one, and compare each with "
        "those after it.",
        "`np.sqrt(np.sum((points[i + 1:] - points[i]) ** 2, axis=1))` are the distances of point i "
        "to all later ones.",
        "Keep `largest = max(largest, found.max())` and `smallest = min(smallest, found.min())` in "
        "a loop over i, and return `largest / smallest`.",
    )
    wrong = (
        Wrong(
            "with_itself",
            lambda points: float(np.float64(_all(points).max()) / np.float64(_all(points).min())),
            "The distance of a point to itself, 0, is among yours, so you divide by 0. Compare "
            "different points only.",
        ),
        Wrong(
            "squared",
            lambda points: _pairs(points).max() ** 2 / _pairs(points).min() ** 2,
            "These are squared distances. Take the square root.",
        ),
        Wrong(
            "upside_down",
            lambda points: _pairs(points).min() / _pairs(points).max(),
            "That is the smallest over the largest; the other way round was asked for.",
        ),
        Wrong(
            "from_the_origin",
            lambda points: (
                np.linalg.norm(points, axis=1).max() / np.linalg.norm(points, axis=1).min()
            ),
            "You measured how far points are from 0. Distances between points were asked for.",
        ),
        Wrong(
            "one_axis",
            _per_axis,
            "You took differences of single coordinates. A distance joins all coordinates: sum "
            "their squares along axis 1.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(4, 9), rng.randint(2, 6)) for _ in range(15)]

    def _draw(self, case):
        return np.random.default_rng(case[0]).normal(size=case[1:])

    def outcome(self, answer, case):
        with np.errstate(all="ignore"):
            return float(answer(self._draw(case)))

    def judge(self, case, outcome):
        points = self._draw(case).tolist()
        found = [math.dist(u, v) for u, v in itertools.combinations(points, 2)]
        right = max(found) / min(found)
        if not close(outcome, right):
            return f"For {self.describe(case)} it should be {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"{case[1]} points in {case[2]} dimensions"


class Volume(Exercise):
    id = "23.volume"
    answer = "volume"
    hints = (
        "Put the radius into the formula. The diameter is 1, so what is r?",
        "r is 0.5, so r^d is `0.5**d`. The rest is `math.pi ** (d / 2) / math.gamma(d / 2 + 1)`.",
        "`return math.pi ** (d / 2) / math.gamma(d / 2 + 1) * 0.5**d`",
    )
    wrong = (
        Wrong(
            "radius_one",
            lambda d: math.pi ** (d / 2) / math.gamma(d / 2 + 1),
            "This is the ball of radius 1. The one asked for has the diameter 1: its radius is a "
            "half.",
        ),
        Wrong(
            "gamma_without_one",
            lambda d: math.pi ** (d / 2) / math.gamma(d / 2) * 0.5**d,
            "Gamma stands at d/2 + 1. (Gamma is the factorial of one less than its argument.)",
        ),
        Wrong(
            "whole_powers",
            lambda d: math.pi ** (d // 2) / math.gamma(d / 2 + 1) * 0.5**d,
            "Your power of pi is rounded down for odd d: `//` divides without a rest. Use `/`.",
        ),
        Wrong(
            "half_once",
            lambda d: math.pi ** (d / 2) / math.gamma(d / 2 + 1) * 0.5,
            "The radius counts once per dimension: `0.5**d`.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield list(range(1, 25))

    def outcome(self, answer, case):
        return float(answer(case))

    def judge(self, case, outcome):
        right = 1.0 if case % 2 else math.pi / 4  # V_d = V_(d-2) * 2 pi r^2 / d, from V_1 or V_2
        for d in range(4 - case % 2, case + 1, 2):
            right *= 2 * math.pi * 0.25 / d
        if not close(outcome / right, 1.0):
            return f"In {case} dimensions it should be {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"d = {case}"


class Dimension(Exercise):
    id = "23.dimension"
    answer = "dimension"
    hints = (
        "The inner ball has 0.99 to the power d of the volume. When is that less than a half?",
        "Try some d, or take logarithms: d > ln(0.5) / ln(0.99).",
        "ln(0.5) / ln(0.99) is 68.97, and d is a whole number above it.",
    )
    wrong = (
        Wrong(
            "by_proportion",
            50,
            "That is the guess by proportion. At 50 dimensions the shell holds 39.5 %: each "
            "further dimension takes a hundredth of what is *left*, which gets less.",
        ),
        Wrong(
            "one_too_few",
            68,
            "At 68 the shell holds 49.5 %, just not half yet.",
        ),
        Wrong(
            "too_many",
            70,
            "At 70 it is more than half, and at one dimension less it was already.",
        ),
        Wrong(
            "as_a_fraction",
            68.97,
            "That is where it is exactly half. A dimension is a whole number: the next one.",
        ),
    )

    def unstarted(self, answer):
        return "Put a number in place of the question mark." if answer == "?" else None

    def cases(self, rng):
        yield [0.99]

    def outcome(self, answer, case):
        d = float(answer)
        return {
            "the shell holds more than half": 1 - case**d > 0.5,
            "one dimension less would not do": 1 - case ** (d - 1) <= 0.5,
            "it is a whole number": d == int(d),
            "given": d,
        }

    def judge(self, case, outcome):
        for what, holds in outcome.items():
            if holds is False:
                return f"Not so: {what}."
        return None

    def describe(self, case):
        return "your dimension"
