"""The exercises of lesson 17."""

import math

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _rate(t, peak, warm, total, first=1, angle=math.pi, after=True, whole=False):
    """The right rate, or one with a mistake."""
    if t < warm:
        return peak * (t + first) / warm
    done = (t - warm) / (total - warm) if after else t / total
    return peak / (1 if whole else 2) * (1 + math.cos(angle * done))


class Rate(Exercise):
    id = "17.rate"
    answer = "rate"
    hints = (
        "Two cases: before step `warm` a straight line, from there on the cosine.",
        "The line is `peak * (t + 1) / warm`. The cosine's angle is pi times the share of the way "
        "from `warm` to `total`: `(t - warm) / (total - warm)`.",
        "After the line, `return peak / 2 * (1 + math.cos(math.pi * (t - warm) / (total - warm)))`",
    )
    wrong = (
        Wrong(
            "from_zero",
            lambda *given: _rate(*given, first=0),
            "Your first step has the rate 0, so nothing moves in it. The warm-up is (t + 1) / w.",
        ),
        Wrong(
            "whole_wave",
            lambda *given: _rate(*given, angle=2 * math.pi),
            "Your cosine goes through a whole wave and comes up again. It is to go half of one, "
            "to the angle pi.",
        ),
        Wrong(
            "no_restart",
            lambda *given: _rate(*given, after=False),
            "Your cosine counts from step 0, so the rate drops when the warm-up ends. It starts at "
            "step w: (t - w) / (T - w).",
        ),
        Wrong(
            "not_halved",
            lambda *given: _rate(*given, whole=True),
            "1 + cos goes from 2 to 0: your rate is twice the peak. Halve it.",
        ),
        Wrong(
            "degrees",
            lambda *given: _rate(*given, angle=180.0),
            "You give the angle in degrees. `math.cos` takes it in radians: half a turn is pi.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        found = []
        for _ in range(8):
            warm, peak = rng.randint(2, 6), rng.uniform(0.05, 2.0)
            total = warm + rng.randint(6, 20)
            found += [(t, peak, warm, total) for t in (0, rng.randint(warm + 1, total - 1), total)]
        yield found

    def outcome(self, answer, case):
        return float(answer(*case))

    def judge(self, case, outcome):
        t, peak, warm, total = case
        # Half of 1 + cos is the square of the cosine of half the angle.
        quarter = math.pi / 2 * (t - warm) / (total - warm)
        right = peak / warm * (t + 1) if t < warm else peak * math.cos(quarter) ** 2
        if not close(outcome, right):
            return f"With {self.describe(case)} the rate is {right:.6f}; yours is {outcome:.6f}."
        return None

    def describe(self, case):
        return f"t = {case[0]}, peak = {case[1]:.3f}, warm = {case[2]}, total = {case[3]}"


class LogUniform(Exercise):
    id = "17.log_uniform"
    answer = "log_uniform"
    hints = (
        "u = 0 must give `low`, u = 1 must give `high`, and u = 0.5 their geometric mean.",
        "From low to high one multiplies by high / low; for a part u of the way, by its power u.",
        "`return low * (high / low) ** u`",
    )
    wrong = (
        Wrong(
            "even",
            lambda u, low, high: low + (high - low) * u,
            "That is even in the number itself: nine tenths of your draws lie in the last factor "
            "of ten. The logarithm is to be even.",
        ),
        Wrong(
            "stays_a_logarithm",
            lambda u, low, high: math.log(low) + u * math.log(high / low),
            "That is the logarithm. Take `math.exp` of it.",
        ),
        Wrong(
            "bases_mixed",
            lambda u, low, high: 10 ** (math.log(low) + u * math.log(high / low)),
            "You take the natural logarithm and then a power of 10. Use one base for both.",
        ),
        Wrong(
            "from_the_top",
            lambda u, low, high: high * (low / high) ** u,
            "Your 0 gives the highest number and your 1 the lowest. It should be the other way "
            "round.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield [
            (rng.uniform(0.05, 0.45), 10 ** rng.uniform(-5, -2), 10 ** rng.uniform(-1, 1))
            for _ in range(10)
        ]

    def outcome(self, answer, case):
        return float(answer(*case))

    def judge(self, case, outcome):
        u, low, high = case
        right = math.exp(math.log(low) * (1 - u) + math.log(high) * u)
        if not close(outcome / right, 1.0):
            return f"For {self.describe(case)} it is {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"u = {case[0]:.3f} from {case[1]:.2g} to {case[2]:.2g}"


def _by(name, pick=max):
    return lambda tried: pick(tried, key=lambda entry: entry[name])["setting"]


class Choose(Exercise):
    id = "17.choose"
    answer = "choose"
    hints = (
        "Which of the three accuracies may you look at while you are still choosing, and was not "
        "trained on?",
        'The entry with the highest "validation"; `max` takes a `key`.',
        '`return max(tried, key=lambda entry: entry["validation"])["setting"]`',
    )
    wrong = (
        Wrong(
            "by_test",
            _by("test"),
            "You choose by the test set. Then its accuracy is no longer that on unseen data: it is "
            "the largest of many.",
        ),
        Wrong(
            "by_train",
            _by("train"),
            "You choose by the training set. What fits it best has perhaps learnt it by heart.",
        ),
        Wrong(
            "lowest",
            _by("validation", min),
            "You take the lowest. These are accuracies, not losses: the highest is best.",
        ),
        Wrong(
            "the_accuracy",
            lambda tried: max(entry["validation"] for entry in tried),
            'You return the accuracy. The setting was asked for: the entry\'s "setting".',
        ),
    )

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(5, 12)) for _ in range(10)]

    def _draw(self, case):
        """Settings in random order, with a different best and worst one for each accuracy."""
        import random

        rng = random.Random(case[0])
        ranks = {name: rng.sample(range(case[1]), case[1]) for name in ("train", "validation")}
        top = ranks["validation"].index(case[1] - 1)
        ranks["train"][top], ranks["train"][top - 1] = 0, case[1]
        ranks["test"] = [-rank for rank in ranks["validation"]]
        ranks["test"][top - 2] = case[1]
        return [
            {"setting": {"lr": 0.01 * (i + 1)}, **{k: 60.0 + v[i] for k, v in ranks.items()}}
            for i in range(case[1])
        ]

    def outcome(self, answer, case):
        return answer(self._draw(case))

    def judge(self, case, outcome):
        tried = sorted(self._draw(case), key=lambda entry: entry["validation"])
        if outcome != tried[-1]["setting"]:
            return (
                f"Of {case[1]} settings {tried[-1]['setting']} has the highest validation "
                f"accuracy, {tried[-1]['validation']}; you return {outcome}."
            )
        return None

    def describe(self, case):
        return f"{case[1]} settings"


class Averaging(Exercise):
    id = "17.averaging"
    answer = "averaging"
    hints = (
        "In the first step x must become y_0 itself, from 0. What is the rate?",
        "In the second x must become (y_0 + y_1) / 2, half-way from y_0 to y_1. In the third a "
        "third of the way.",
        "`return 1 / (t + 1)`",
    )
    wrong = (
        Wrong(
            "half",
            lambda t: 0.5,
            "A constant rate: the last measurement counts half, the one before a quarter, and so "
            "on. In a mean all count alike.",
        ),
        Wrong(
            "one_late",
            lambda t: 1 / (t + 2),
            "Your first rate is 1/2, so x = 0, where you started, counts as a measurement. It is "
            "to be forgotten in the first step.",
        ),
        Wrong(
            "root",
            lambda t: 1 / math.sqrt(t + 1),
            "With the root the rate falls too slowly: late measurements count more than early "
            "ones.",
        ),
        Wrong(
            "halving",
            lambda t: 0.5**t,
            "Halving falls too fast: late measurements hardly count.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield [[rng.uniform(1, 9) for _ in range(6)] for _ in range(6)]

    def outcome(self, answer, case):
        x, path = 0.0, []
        for t, y in enumerate(case):
            x = x - float(answer(t)) * (x - y)
            path.append(x)
        return path

    def judge(self, case, outcome):
        for t, x in enumerate(outcome):
            mean = math.fsum(case[: t + 1]) / (t + 1)
            if not close(x, mean):
                return f"After {t + 1} measurements their mean is {mean:.4f}; your x is {x:.4f}."
        return None

    def describe(self, case):
        return f"{len(case)} measurements"
