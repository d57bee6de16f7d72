"""The exercises of lesson 03."""

import math

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close, slope, torch_gradient

_FORWARDS = {"sin": math.sin, "exp": math.exp, "cos": math.cos}


def _entries(*rules):
    """Entries with these rules for sin, exp and cos."""
    return [(*pair, rule) for pair, rule in zip(_FORWARDS.items(), rules, strict=True)]


def _sin(g, out, x):
    return (g * math.cos(x),)


def _exp(g, out, x):
    return (g * out,)


def _cos(g, out, x):
    return (-g * math.sin(x),)


class Entries(Exercise):
    id = "03.entries"
    answer = "entries"
    hints = (
        "Look at the two lines that registered add and multiply: name, forward, rule. Yours have "
        "one input, so the lambdas take `(g, out, x)` and the tuples have one answer.",
        "The answer is g times the slope: for sin the slope at x is `math.cos(x)`.",
        '`("sin", math.sin, lambda g, out, x: (g * math.cos(x),))` is the first entry. For exp the '
        "slope is `out`; for cos it is `-math.sin(x)`.",
    )
    wrong = (
        Wrong(
            "sign_of_cos",
            _entries(_sin, _exp, lambda g, out, x: (g * math.sin(x),)),
            "This is exactly what you get if the rule of cos has lost its minus: cos falls where "
            "sin is positive.",
        ),
        Wrong(
            "without_g",
            _entries(
                lambda g, out, x: (math.cos(x),),
                lambda g, out, x: (out,),
                lambda g, out, x: (-math.sin(x),),
            ),
            "These are the plain slopes: right for g = 1 and for no other g. Multiply by g, which "
            "says how many times as much the final result changes as out does.",
        ),
        Wrong(
            "exp_as_a_power",
            _entries(_sin, lambda g, out, x: (g * x * math.exp(x - 1),), _cos),
            "You treated exp as a power of x. In e^x the x is the exponent: the slope is e^x "
            "itself, which is out.",
        ),
        Wrong(
            "integrals",
            _entries(
                lambda g, out, x: (-g * math.cos(x),), _exp, lambda g, out, x: (g * math.sin(x),)
            ),
            "The rules of sin and cos have their signs exchanged; you may have integrated. The "
            "slope of sin is cos, the slope of cos is -sin.",
        ),
        Wrong(
            "no_tuple",
            _entries(
                lambda g, out, x: g * math.cos(x),
                lambda g, out, x: g * out,
                lambda g, out, x: -g * math.sin(x),
            ),
            "The rules return a number, not a tuple with one number. The comma makes the tuple: "
            "`(g * math.cos(x),)`.",
        ),
    )

    def given(self):
        return {"math": math}

    def unstarted(self, answer):
        missing = [name for name in _FORWARDS if name not in [entry[0] for entry in answer]]
        return f"There is no entry yet for {', '.join(missing)}." if missing else None

    def cases(self, rng):
        yield [
            (name, rng.uniform(-3, 3), rng.choice([-2.0, 0.5, 3.0]))
            for name in _FORWARDS
            for _ in range(100)
        ]

    def outcome(self, answer, case):
        name, x, g = case
        forward, rule = next(rest for first, *rest in answer if first == name)
        (part,) = rule(g, _FORWARDS[name](x), x)
        return [float(forward(x)), float(part)]

    def judge(self, case, outcome):
        name, x, g = case
        forward, part = outcome
        right = _FORWARDS[name]
        if not close(forward, right(x)):
            return f"{name}({x:.3f}) should be {right(x):.6g}; your forward gives {forward:.6g}."
        stepped = g * slope(right, x)
        if not close(part, stepped, 1e-6):
            return (
                f"The rule of {name} at x = {x:.3f} with g = {g}: a small step to either side "
                f"gives {stepped:.6g}, your rule {part:.6g}."
            )
        theirs = torch_gradient(lambda v: g * getattr(v, name)(), [x])
        if theirs is not None and not close(part, theirs[0]):
            return f"PyTorch gives {theirs[0]:.9g} for {name} at {x:.3f}; your rule {part:.9g}."
        return None

    def describe(self, case):
        return f"{case[0]} at x = {case[1]:.3f} with g = {case[2]}"


class Fool(Exercise):
    id = "03.fool"
    answer = "fool"
    hints = (
        "What does the right rule of sin give at x = 0? The slope there is cos(0) = 1, so the "
        "answer is g.",
        "You need any formula that equals g at x = 0 and something else elsewhere.",
        "Start from the right answer at 0, which is `(g,)`, and spoil it with something that is 0 "
        "at x = 0, such as x itself.",
    )
    wrong = (
        Wrong(
            "right_everywhere",
            _sin,
            "This is the right rule of sin. It passes the careless check, and every other check "
            "too: the task is to be wrong away from 0.",
        ),
        Wrong(
            "caught_with_other_g",
            lambda g, out, x: (1.0,),
            "This is right at x = 0 for g = 1 only. The careless check tries other values of g as "
            "well; your rule has to use g.",
        ),
        Wrong(
            "caught_at_zero",
            lambda g, out, x: (g * out,),
            "The careless check catches this one: at x = 0 the right answer is g, because "
            "cos(0) = 1.",
        ),
    )

    def cases(self, rng):
        yield [[(rng.uniform(-3, 3), rng.uniform(1.5, 3)) for _ in range(20)]]

    def outcome(self, answer, case):
        def agrees(g, x):
            (part,) = answer(g, math.sin(x), x)
            return close(float(part), g * math.cos(x))

        return {
            "at 0 with g = 1": agrees(1.0, 0.0),
            "at 0 with any g": all(agrees(g, 0.0) for _, g in case),
            "elsewhere": all(agrees(g, x) for x, g in case),
        }

    def judge(self, case, outcome):
        if outcome["at 0 with any g"] and not outcome["elsewhere"]:
            return None
        said = ", ".join(
            f"{key}: {'right' if is_right else 'wrong'}" for key, is_right in outcome.items()
        )
        return f"Wanted: right at 0, wrong elsewhere. Yours is {said}."

    def describe(self, case):
        return "x = 0"
