"""The exercises of lesson 02."""

import math

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close

# Functions whose third derivative keeps away from 0 between 0.5 and 1.5, so that the order shows.
_CURVES = {
    "exp": (math.exp, math.exp),
    "x**4": (lambda x: x**4, lambda x: 4 * x**3),
    "1/x": (lambda x: 1 / x, lambda x: -1 / x**2),
}
_HALVINGS = 4


class Central(Exercise):
    id = "02.central"
    answer = "central"
    hints = (
        "You need two values of the function: one at a step to the right of x, and one at a step "
        "to the left.",
        "Subtract the left value from the right one. How far apart are the two places? Divide by "
        "that.",
        "The places are `x + h` and `x - h`, so they are `2 * h` apart: the difference of the two "
        "values of `f`, over `(2 * h)`. Mind the brackets.",
    )
    wrong = (
        Wrong(
            "one_side",
            lambda f, x, h: (f(x + h) - f(x)) / h,
            "This is the step to one side. Its error falls like h, not like h squared: halving the "
            "step halves the error, where both sides would quarter it.",
        ),
        Wrong(
            "left_side",
            lambda f, x, h: (f(x) - f(x - h)) / h,
            "This is the step to the left side alone. Its error falls like h, not like h squared.",
        ),
        Wrong(
            "half_the_way",
            lambda f, x, h: (f(x + h) - f(x - h)) / h,
            "Your slopes are twice too large: from x - h to x + h it is a way of 2h, not of h.",
        ),
        Wrong(
            "no_brackets",
            lambda f, x, h: f(x + h) - f(x - h) / (2 * h),
            "Only the second value is divided: `/` comes before `-`. Put the whole difference in "
            "brackets, `(f(x + h) - f(x - h)) / (2 * h)`.",
        ),
        Wrong(
            "brackets",
            lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h,
            "This is exactly what you get from `/ 2 * h` without brackets: Python divides by 2 and "
            "then multiplies by h. Write `/ (2 * h)`.",
        ),
        Wrong(
            "backwards",
            lambda f, x, h: (f(x - h) - f(x + h)) / (2 * h),
            "The sign is turned around: a rising curve gets a negative slope. Subtract the left "
            "value from the right one.",
        ),
    )

    def cases(self, rng):
        yield [
            (name, rng.uniform(0.5, 1.5), rng.uniform(0.02, 0.04))
            for name in _CURVES
            for _ in range(10)
        ]

    def outcome(self, answer, case):
        name, x, h = case
        f, _ = _CURVES[name]
        return [float(answer(f, x, h / 2**i)) for i in range(_HALVINGS)]

    def judge(self, case, outcome):
        name, x, h = case
        right = _CURVES[name][1](x)
        if not close(outcome[-1], right, 0.05):
            return (
                f"The slope of {name} at {x:.4f} is {right:.5g}; with a step of "
                f"{h / 2 ** (_HALVINGS - 1):.4f} you get {outcome[-1]:.5g}."
            )
        misses = [abs(found - right) for found in outcome]
        if misses[-1] == 0:
            return f"The slope of {name} comes out without any error: that was no difference."
        order = math.log2(misses[0] / misses[-1]) / (_HALVINGS - 1)
        if abs(order - 2) > 0.1:
            return (
                f"For {name} at {x:.4f}, halving the step divides your error by "
                f"{2**order:.2f}; from both sides it would be 4."
            )
        return None

    def describe(self, case):
        return f"{case[0]} at x = {case[1]:.4f} with h = {case[2]:.4f}"


def _jump(x):
    return 1.0 if x else 0.0


class Kinked(Exercise):
    id = "02.kinked"
    answer = "kinked"
    hints = (
        "The central difference is 0 when f(h) and f(-h) are equal. Which curves look the same on "
        "both sides of 0?",
        "It has to rise to the right of 0 at once, with a slope such as 1, and so, being the same "
        "on both sides, it has to fall from the left down to 0.",
        "To the right of 0 it is x, to the left it is -x. Python has a function for that.",
    )
    wrong = (
        Wrong(
            "smooth",
            lambda x: x * x,
            "The central difference is 0 here, and rightly so: this curve is smooth, and flat at "
            "0. It must rise to the right of 0 at once.",
        ),
        Wrong(
            "a_line",
            lambda x: x,
            "This line has a slope at 0, and the central difference finds it: 1. The left side has "
            "to undo what the right side does.",
        ),
        Wrong(
            "upside_down",
            lambda x: -abs(x),
            "This has a corner, and the central difference is 0, but the corner points upward: "
            "to the right of 0 the curve has to rise.",
        ),
        Wrong(
            "half_a_corner",
            lambda x: max(x, 0.0),
            "This has a corner, but the central difference gives 0.5, the mean of the slopes 0 and "
            "1. For 0 the left side must fall as steeply as the right side rises.",
        ),
        Wrong(
            "a_jump",
            _jump,
            "This curve jumps at 0: over a short step its slope is enormous. It was to have no "
            "jump.",
        ),
        Wrong(
            "square_root",
            lambda x: math.sqrt(abs(x)),
            "Both sides agree, and there is a corner, but too sharp a one: the slope to the right "
            "grows without bound as the step shrinks. It must stay between a half and 2.",
        ),
    )

    def cases(self, rng):
        yield [10 ** rng.uniform(-6, -2) for _ in range(30)]

    def outcome(self, answer, case):
        left, here, right = float(answer(-case)), float(answer(0.0)), float(answer(case))
        return {"central": (right - left) / (2 * case), "right": (right - here) / case}

    def judge(self, case, outcome):
        if not close(outcome["central"], 0.0, 1e-6):
            return f"With h = {case:.2g} the central difference is {outcome['central']:.4g}, not 0."
        if not 0.49 <= outcome["right"] <= 2.01:
            return (
                f"To the right of 0, over a step of {case:.2g}, the slope is "
                f"{outcome['right']:.4g}, not between a half and 2."
            )
        return None

    def describe(self, case):
        return f"h = {case:.2g}"
