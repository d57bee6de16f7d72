"""The exercises of lesson 12."""

import math

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _thirds(a, d):
    return a, a + (d - a) / 3, a + 2 * (d - a) / 3, d


def _narrow(f, a, b, c, d, first=True, swapped=False, again=True):
    """The right rules, or some with a mistake."""
    if first and f(a) < min(f(b), f(c), f(d)):
        return a, (a + b) / 2, (a + c) / 2, (a + d) / 2
    if (f(b) < f(c)) != swapped:
        d = c
    else:
        a = b
    return _thirds(a, d) if again else (a, b, c, d)


def _halves_to_zero(f, a, b, c, d):
    if f(a) < min(f(b), f(c), f(d)):
        return a, b / 2, c / 2, d / 2
    return _narrow(f, a, b, c, d)


class Narrow(Exercise):
    id = "12.narrow"
    answer = "narrow"
    hints = (
        "Write the three rules one after the other, with `if`. The first returns at once; the "
        "other two change one end and then put b and c in place.",
        "Half-way from b to a is `(a + b) / 2`. For the thirds: `a + (d - a) / 3` and `a + 2 * (d "
        "- a) / 3`, with the new a or d.",
        "`if f(a) < min(f(b), f(c), f(d)): return a, (a + b) / 2, (a + c) / 2, (a + d) / 2`. Then "
        "`if f(b) < f(c): d = c`, `else: a = b`, and return a, the two thirds, d.",
    )
    wrong = (
        Wrong(
            "no_first_rule",
            lambda f, *points: _narrow(f, *points, first=False),
            "The first rule is missing: when f(a) is the lowest, the minimum is nearer to a than b "
            "is, and all three other points have to come closer.",
        ),
        Wrong(
            "wrong_end",
            lambda f, *points: _narrow(f, *points, swapped=True),
            "You throw away the end that holds the minimum. If f(b) < f(c), it lies left of c, so "
            "it is d that moves.",
        ),
        Wrong(
            "no_thirds",
            lambda f, *points: _narrow(f, *points, again=False),
            "After moving an end, b and c have to be put at a third and two thirds of the new "
            "bracket; yours are where they were.",
        ),
        Wrong(
            "towards_zero",
            _halves_to_zero,
            "You halve b, c and d, which is half-way to 0. Half-way to a is `(a + b) / 2`; the two "
            "are the same only while a is 0.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.uniform(-0.2, 1.2), rng.uniform(0.0, 0.4), rng.uniform(0.5, 1.0))
            for _ in range(40)
        ]

    def outcome(self, answer, case):
        low, a, d = case
        points, seen = (a, a + 0.33 * (d - a), a + 0.66 * (d - a), d), []
        for _ in range(4):
            points = tuple(map(float, answer(lambda p: (p - low) ** 2, *points)))
            seen.append(list(points))
        return seen

    def judge(self, case, outcome):
        low, a, d = case
        points = (a, a + 0.33 * (d - a), a + 0.66 * (d - a), d)
        for i, found in enumerate(outcome, 1):
            points = _narrow(lambda p: (p - low) ** 2, *points)
            if len(found) != 4 or not all(map(close, found, points)):
                return (
                    f"After {i} rounds, for a minimum at {low:.3f}, the points should be "
                    f"{[round(p, 4) for p in points]}; yours are {[round(p, 4) for p in found]}."
                )
        return None

    def describe(self, case):
        return f"a valley at {case[0]:.3f} and a bracket from {case[1]:.2f} to {case[2]:.2f}"


def _halving(enough, factor=0.5, bound=60):
    def answer(f, f0, slope):
        t = 1.0
        for _ in range(bound):
            if enough(f(t), f0, t, slope):
                break
            t *= factor
        return t

    return answer


def _one_too_many(f, f0, slope):
    return _halving(_armijo)(f, f0, slope) / 2


def _armijo(y, f0, t, slope):
    return y <= f0 + 0.3 * t * slope


class Backtrack(Exercise):
    id = "12.backtrack"
    answer = "backtrack"
    hints = (
        "Start with `t = 1.0`, and halve it while the condition does *not* hold.",
        "The condition holds if `f(t) <= f0 + 0.3 * t * slope`. The slope is negative, so the "
        "right side is below f0.",
        "`while f(t) > f0 + 0.3 * t * slope: t = t / 2`, and then `return t`.",
    )
    wrong = (
        Wrong(
            "any_decrease",
            _halving(lambda y, f0, t, slope: y < f0),
            "You accept any decrease. Armijo asks for a part, 0.3, of what the slope promises: "
            "`f0 + 0.3 * t * slope`.",
        ),
        Wrong(
            "without_length",
            _halving(lambda y, f0, t, slope: y <= f0 + 0.3 * slope),
            "You ask every step for the same gain, 0.3 times the slope. A step of length t "
            "promises t times the slope: multiply by t.",
        ),
        Wrong(
            "all_of_it",
            _halving(lambda y, f0, t, slope: y <= f0 + t * slope),
            "You ask for all that the slope promises. A curve that bends upwards never gives that, "
            "so the step shrinks to nothing. Ask for 0.3 of it.",
        ),
        Wrong(
            "sign",
            _halving(lambda y, f0, t, slope: y <= f0 - 0.3 * t * slope),
            "The slope is negative already. With another minus you allow the loss to grow.",
        ),
        Wrong(
            "one_too_many",
            _one_too_many,
            "You halve once more than needed: return the length that fulfilled the condition.",
        ),
        Wrong(
            "tenths",
            _halving(_armijo, factor=0.1),
            "You divide by ten each time; the lengths to try are 1, 0.5, 0.25 and so on.",
        ),
    )

    def cases(self, rng):
        # Of three kinds: where a decrease is too little, at many lengths, and where 1 is right.
        yield [(2 ** rng.uniform(-6, 1), rng.uniform(0.2, 2.0)) for _ in range(40)]

    def _parts(self, case):
        low, bend = case
        return (lambda t: bend * (t - low) ** 2), bend * low**2, -2 * bend * low

    def outcome(self, answer, case):
        return float(answer(*self._parts(case)))

    def judge(self, case, outcome):
        f, f0, slope = self._parts(case)
        right = next(t for t in (0.5**k for k in range(60)) if _armijo(f(t), f0, t, slope))
        if not close(outcome, right):
            return (
                f"For {self.describe(case)} the length should be {right:g}; yours is {outcome:g}."
            )
        return None

    def describe(self, case):
        return f"a parabola with its lowest point at {case[0]:.4f}"


class Shrinking(Exercise):
    id = "12.shrinking"
    answer = "shrinking"
    hints = (
        "The steps have to become short so fast that all of them together lead only part of the "
        "way.",
        "Halve the length each time: 1/2 + 1/4 + 1/8 + ... never exceeds 1.",
        "`return 0.1 * 0.5**k`",
    )
    wrong = (
        Wrong(
            "constant",
            lambda k: 0.1,
            "With equal lengths it arrives: each step takes away a fifth of what is left.",
        ),
        Wrong(
            "too_slowly",
            lambda k: 0.45 / (k + 1),
            "Your lengths shrink, but too slowly: 1 + 1/2 + 1/3 + ... grows without bound, and so "
            "x gets near 0.",
        ),
        Wrong(
            "no_step",
            lambda k: 0.0,
            "With length 0 nothing falls. Every step has to lower the loss.",
        ),
        Wrong(
            "too_long",
            lambda k: 1.1,
            "These steps jump across the valley to a higher place: the loss grows.",
        ),
    )

    def cases(self, rng):
        yield [30]

    def outcome(self, answer, case):
        x, falls = 1.0, []
        for k in range(case):
            new = x - float(answer(k)) * 2 * x
            falls.append(new * new < x * x)
            x = new
        return {
            "falls": all(falls),
            "first rise": falls.index(False) if False in falls else -1,
            "x": x,
        }

    def judge(self, case, outcome):
        if not outcome["falls"]:
            return f"In step {outcome['first rise']} the loss does not fall."
        if not outcome["x"] > 0.5 or math.isnan(outcome["x"]):
            return f"After {case} steps x is {outcome['x']:.3g}; it was to stay above 0.5."
        return None

    def describe(self, case):
        return f"{case} steps"
