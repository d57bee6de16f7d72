"""The exercises of lesson 13."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close, slopes
from tinygrad_edu.optim.line_search import bracket_search


def _left(phi, x, y):
    return phi[0] + phi[1] * x - y


class Gradient(Exercise):
    id = "13.gradient"
    answer = "gradient"
    hints = (
        "First compute r, one number per point: prediction minus y.",
        "The slope for phi_0 is the sum of 2 r; for phi_1 each term has another factor, x.",
        "`r = phi[0] + phi[1] * x - y`, then `np.array([np.sum(2 * r), np.sum(2 * r * x)])`.",
    )
    wrong = (
        Wrong(
            "without_two",
            lambda phi, x, y: np.array([_left(phi, x, y).sum(), (_left(phi, x, y) * x).sum()]),
            "Both are half of what they should be: the slope of a square is twice what is squared.",
        ),
        Wrong(
            "without_x",
            lambda phi, x, y: np.array([2 * _left(phi, x, y).sum()] * 2),
            "The slope for phi_1 lacks its x: phi_1 was multiplied by x, so a change of it counts "
            "x times.",
        ),
        Wrong(
            "mean",
            lambda phi, x, y: np.array(
                [2 * _left(phi, x, y).mean(), 2 * (_left(phi, x, y) * x).mean()]
            ),
            "These are means over the points. The loss is a sum, and so is its gradient.",
        ),
        Wrong(
            "y_minus_prediction",
            lambda phi, x, y: np.array(
                [-2 * _left(phi, x, y).sum(), -2 * (_left(phi, x, y) * x).sum()]
            ),
            "The signs are turned around: r is the prediction minus y. In the loss the order does "
            "not matter, in its slope it does.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 9)) for _ in range(20)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        return random.normal(size=2), random.uniform(0.5, 2, case[1]), random.normal(size=case[1])

    def outcome(self, answer, case):
        return [float(s) for s in answer(*self._draw(case))]

    def judge(self, case, outcome):
        phi, x, y = self._draw(case)

        def total(a, b):
            return sum((a + b * u - v) ** 2 for u, v in zip(x, y, strict=True))

        right = slopes(total, list(phi))
        if len(outcome) != 2:
            return f"There are two slopes; you return {len(outcome)} numbers."
        for i, (found, expected) in enumerate(zip(outcome, right, strict=True)):
            if not close(found, expected, 1e-6):
                return (
                    f"The slope for phi_{i} is {found:.6g}; small steps to either side give "
                    f"{expected:.6g} ({case[1]} points)."
                )
        return None

    def describe(self, case):
        return f"{case[1]} points"


def _step(f, g, phi, sign=-1.0, unit=False, fixed=None):
    direction = sign * g(phi)
    if unit:
        direction = direction / np.linalg.norm(direction)
    t = fixed or bracket_search(
        lambda t: f(phi + t * direction), max_dist=0.1, thresh=1e-5, max_iter=15
    )
    return phi + t * direction


def _in_place(f, g, phi):
    phi += _step(f, g, phi) - phi
    return phi


def _length_only(f, g, phi):
    direction = -g(phi)
    return bracket_search(lambda t: f(phi + t * direction), max_dist=0.1, thresh=1e-5, max_iter=15)


class Step(Exercise):
    id = "13.step"
    answer = "step"
    hints = (
        "Which way? Against the gradient: `direction = -g(phi)`. How far? As far as "
        "`bracket_search` says.",
        "`h` is a function of the length: `lambda t: f(phi + t * direction)`.",
        "`t = bracket_search(lambda t: f(phi + t * direction), max_dist=0.1, thresh=1e-5, "
        "max_iter=15)`, and then `return phi + t * direction`.",
    )
    wrong = (
        Wrong(
            "uphill",
            lambda f, g, phi: _step(f, g, phi, sign=1.0),
            "You look along the gradient, which is uphill, so the search finds length 0, or "
            "nearly. Use the opposite direction.",
        ),
        Wrong(
            "no_search",
            lambda f, g, phi: _step(f, g, phi, fixed=0.1),
            "You always go the longest way, 0.1. Let `bracket_search` find the length.",
        ),
        Wrong(
            "unit_length",
            lambda f, g, phi: _step(f, g, phi, unit=True),
            "You divided the gradient by its length first. Here a step is t times the gradient "
            "itself.",
        ),
        Wrong(
            "changes_phi",
            _in_place,
            "The step is right, and you changed the array `phi` that was given. Return a new one.",
        ),
        Wrong(
            "length_only",
            _length_only,
            "You return the length of the step. The new phi was asked for.",
        ),
    )

    def given(self):
        return {"np": np, "bracket_search": bracket_search}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(8)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        bends, low = random.uniform(2, 40, 2), random.normal(size=2)

        def f(p):
            return float(np.sum(bends * (p - low) ** 2) / 2)

        return f, lambda p: bends * (p - low), low + random.uniform(1, 2, 2)

    def outcome(self, answer, case):
        f, g, phi = self._draw(case)
        kept = phi.copy()
        new = np.asarray(answer(f, g, phi), dtype=float)
        return {"new": new, "phi is as it was": bool((phi == kept).all())}

    def judge(self, case, outcome):
        f, g, phi = self._draw(case)
        if not outcome["phi is as it was"]:
            return "Your function changed `phi` itself."
        right = _step(f, g, phi)
        if outcome["new"].shape != (2,) or not np.allclose(outcome["new"], right, atol=1e-9):
            return (
                f"From {phi.round(3).tolist()} the step should lead to {right.round(4).tolist()}; "
                f"yours gives {outcome['new'].round(4).tolist()}."
            )
        return None

    def describe(self, case):
        return "a valley with two sides"


class Bounce(Exercise):
    id = "13.bounce"
    answer = "bounce"
    hints = (
        "After one step x is (1 - t k) x. It is to be -x.",
        "So 1 - t k = -1. Solve for t.",
        "`return 2 / k`",
    )
    wrong = (
        Wrong(
            "arrives",
            lambda k: 1 / k,
            "With 1/k the factor 1 - t k is 0: it arrives in one step.",
        ),
        Wrong(
            "explodes",
            lambda k: 3 / k,
            "With 3/k the factor is -2: every jump is twice as far as the last.",
        ),
        Wrong(
            "stays",
            lambda k: 0.0,
            "With length 0 nothing moves: x is to change its sign.",
        ),
        Wrong(
            "upside_down",
            lambda k: k / 2,
            "The stronger the bend, the shorter the step must be: k stands below the line.",
        ),
    )

    def cases(self, rng):
        yield [(rng.uniform(2.5, 20), rng.uniform(0.5, 2)) for _ in range(10)]

    def outcome(self, answer, case):
        k, x = case
        path = [x]
        for _ in range(4):
            path.append(path[-1] - float(answer(k)) * k * path[-1])
        return path

    def judge(self, case, outcome):
        k, x = case
        for i, place in enumerate(outcome):
            if not close(place, x * (-1) ** i, 1e-9):
                return (
                    f"For k = {k:.3f}, from x = {x:.3f}: after {i} steps x is {place:.4g}; it "
                    f"should be {x * (-1) ** i:.4g}."
                )
        return None

    def describe(self, case):
        return f"k = {case[0]:.3f}"
