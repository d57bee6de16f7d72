"""The exercises of lesson 01."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _mistaken(w, x, t):
    return t * (w @ x) <= 0


def _planted(rng, size=40, features=3):
    """Inputs with a 1 at the end, their answers, and a bound on the mistakes of any order."""
    random = np.random.default_rng(rng.randrange(2**31))
    line = random.normal(size=features + 1)
    line /= np.linalg.norm(line)
    x = np.column_stack([random.uniform(-2, 2, (20 * size, features)), np.ones(20 * size)])
    gaps = x @ line
    kept = np.abs(gaps) > 0.3
    x, t = x[kept][:size], np.where(gaps[kept][:size] > 0, 1, -1)
    margin = (t * (x @ line)).min()
    return x, t, float((np.linalg.norm(x, axis=1).max() / margin) ** 2)


class Update(Exercise):
    id = "01.update"
    answer = "update"
    hints = (
        "First ask whether it was a mistake: `t` and `w @ x` then have different signs, or "
        "`w @ x` is 0.",
        "After a mistake the weights become `w + t * x`; otherwise they stay `w`.",
        "`if t * (w @ x) <= 0: return w + t * x`, and after it `return w`.",
    )
    wrong = (
        Wrong(
            "adds_always",
            lambda w, x, t: w + x if _mistaken(w, x, t) else w,
            "You add the input whatever the right answer is. When the answer should have been -1, "
            "the input has to be subtracted: `t * x` does both.",
        ),
        Wrong(
            "learns_from_everything",
            lambda w, x, t: w + t * x,
            "You change the weights for every input, also where the machine was right. The rule "
            "learns from mistakes only.",
        ),
        Wrong(
            "zero_is_right",
            lambda w, x, t: w + t * x if t * (w @ x) < 0 else w,
            "At the start all weights are 0, so `w @ x` is 0: neither answer, and so a mistake. "
            "With `<` in place of `<=` the machine never begins.",
        ),
        Wrong(
            "replaces",
            lambda w, x, t: t * x if _mistaken(w, x, t) else w,
            "You put `t * x` in the place of the weights. It is added to them, so that what was "
            "learned before is kept.",
        ),
        Wrong(
            "wrong_way",
            lambda w, x, t: w - t * x if _mistaken(w, x, t) else w,
            "Your weights move away from the right answer: after the update t times (w @ x) is "
            "smaller than before.",
        ),
        Wrong(
            "ignores_t",
            lambda w, x, t: w + t * x if w @ x <= 0 else w,
            "You take every answer of -1 for a mistake. It is one only where `t` is +1: multiply "
            "by `t` before you compare with 0.",
        ),
    )

    def cases(self, rng):
        yield [("one", self._draw(rng)) for _ in range(40)]
        yield [("train", _planted(rng)) for _ in range(5)]

    def _draw(self, rng):
        w = np.array([rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0]) for _ in range(3)])
        x = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), 1.0])
        return (w if rng.random() < 0.8 else 0 * w), x, rng.choice([-1, 1])

    def outcome(self, answer, case):
        what, given = case
        if what == "one":
            w, x, t = given
            kept = w.copy()
            out = np.asarray(answer(w, x, t), dtype=float)
            return {"weights": out, "w is as it was": bool((w == kept).all())}
        x, t, bound = given
        w, mistakes = np.zeros(x.shape[1]), 0
        while mistakes <= bound:
            before = mistakes
            for row, right in zip(x, t, strict=True):
                new = answer(w, row, right)
                mistakes += not np.array_equal(new, w)
                w = new
            if mistakes == before:
                break
        return {"mistakes": mistakes, "right": bool((t * (x @ w) > 0).all())}

    def judge(self, case, outcome):
        what, given = case
        if what == "one":
            w, x, t = given
            right = w + t * x if _mistaken(w, x, t) else w
            if not outcome["w is as it was"]:
                return "Your function changed `w` itself. Return a new array: `w + t * x`."
            if outcome["weights"].shape != right.shape or not np.allclose(
                outcome["weights"], right
            ):
                return (
                    f"With {self.describe(case)} the weights should become "
                    f"{right.round(3).tolist()}; yours are {outcome['weights'].round(3).tolist()}."
                )
            return None
        bound = given[2]
        if not outcome["right"] or outcome["mistakes"] > bound:
            return (
                f"On data with a hidden line your rule made {outcome['mistakes']} mistakes; "
                f"Novikoff's bound is {bound:.0f}."
            )
        return None

    def describe(self, case):
        what, given = case
        if what == "train":
            return f"{len(given[0])} inputs"
        w, x, t = given
        return f"w = {w.tolist()}, x = {x.round(3).tolist()} and t = {t}"


_CORNERS = [(0.0, 0.0, -1), (0.0, 1.0, 1), (1.0, 0.0, 1), (1.0, 1.0, -1)]


class Third(Exercise):
    id = "01.third"
    answer = "third"
    hints = (
        "What is special about the corner (1, 1)? A sum of the inputs treats it as more of the "
        "same; the number you add must single it out, or single out the corners that differ.",
        "Look for a number that is 0 at three corners and 1 at the fourth.",
        "The product `x1 * x2` is 1 only where both are 1.",
    )
    wrong = (
        Wrong(
            "sum",
            lambda x1, x2: x1 + x2,
            "At the corners this is x1 + x2, a sum the machine can already form with its weights. "
            "It brings nothing new, and the four inequalities still contradict each other.",
        ),
        Wrong(
            "difference",
            lambda x1, x2: x1 - x2,
            "The difference x1 - x2 is a weighted sum as well: the machine can already form it. A "
            "number that bends is needed.",
        ),
        Wrong(
            "one_input",
            lambda x1, x2: x1,
            "That is an input the machine already has.",
        ),
        Wrong(
            "constant",
            lambda x1, x2: 1.0,
            "A constant is a second bias. It moves the line and does not bend it.",
        ),
    )

    def cases(self, rng):
        yield [tuple(rng.sample(_CORNERS, 4)) for _ in range(4)]

    def outcome(self, answer, case):
        rows = [(np.array([a, b, float(answer(a, b)), 1.0]), t) for a, b, t in case]
        w = np.zeros(4)
        for _ in range(1000):
            wrong = [(x, t) for x, t in rows if _mistaken(w, x, t)]
            if not wrong:
                break
            for x, t in rows:
                if _mistaken(w, x, t):
                    w = w + t * x
        values = [float(answer(a, b)) for a, b, _ in _CORNERS]
        return {"learned": not wrong, "values": values}

    def judge(self, case, outcome):
        if outcome["learned"]:
            return None
        values = ", ".join(f"{v:g}" for v in outcome["values"])
        return (
            f"At the corners (0,0), (0,1), (1,0), (1,1) your number is {values}, and after 1,000 "
            "epochs the machine still makes mistakes."
        )

    def describe(self, case):
        return "the four corners"
