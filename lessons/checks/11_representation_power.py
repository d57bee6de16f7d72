"""The exercises of lesson 11."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _slopes(xs, ys):
    return np.diff(ys) / np.diff(xs)


def _network(c, a, kinks, x):
    return c + np.maximum(x[:, None] - kinks, 0.0) @ a


class Fit(Exercise):
    id = "11.fit"
    answer = "fit"
    hints = (
        "Left of the first kink all relus are off, so f = c there, and f passes through the first "
        "point. What is c?",
        "The pieces have the slopes `np.diff(ys) / np.diff(xs)`. The first relu starts the first "
        "slope; each later one changes the slope to the next.",
        "With `slopes = np.diff(ys) / np.diff(xs)`, a is `slopes[0]` followed by "
        "`np.diff(slopes)`: `np.concatenate([slopes[:1], np.diff(slopes)])`. Return `ys[0], a`.",
    )
    wrong = (
        Wrong(
            "slopes_themselves",
            lambda xs, ys: (ys[0], _slopes(xs, ys)),
            "You give each relu the slope of its piece. But the ramps before it go on rising: it "
            "has to add only the change from the slope before.",
        ),
        Wrong(
            "rises_for_slopes",
            lambda xs, ys: (ys[0], np.diff(np.diff(ys), prepend=0.0)),
            "You used how far each piece rises, not its slope. Divide by how wide it is: "
            "`np.diff(xs)`.",
        ),
        Wrong(
            "starts_at_zero",
            lambda xs, ys: (0.0, np.diff(_slopes(xs, ys), prepend=0.0)),
            "The curve has the right form and the wrong height: c is the value before the first "
            "kink, which is `ys[0]`.",
        ),
        Wrong(
            "first_slope_missing",
            lambda xs, ys: (ys[0], np.append(np.diff(_slopes(xs, ys)), 0.0)),
            "The first relu has to start the first slope; you begin with the first change. So "
            "every change happens one kink too early.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(2, 8)) for _ in range(20)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        xs = np.cumsum(random.uniform(0.2, 1.0, case[1] + 1))
        return xs, random.normal(size=case[1] + 1)

    def outcome(self, answer, case):
        c, a = answer(*self._draw(case))
        return [float(c), np.asarray(a, dtype=float)]

    def judge(self, case, outcome):
        xs, ys = self._draw(case)
        c, a = outcome
        if a.shape != (len(xs) - 1,):
            return (
                f"For {len(xs)} points a needs {len(xs) - 1} entries; it has the shape {a.shape}."
            )
        places = np.linspace(xs[0], xs[-1], 50)
        miss = np.abs(_network(c, a, xs[:-1], places) - np.interp(places, xs, ys))
        if miss.max() > 1e-8:
            at = places[miss.argmax()]
            return (
                f"Through {len(xs)} points: at x = {at:.3f} the network is "
                f"{_network(c, a, xs[:-1], np.array([at]))[0]:.5g}, and the straight line between "
                f"the points {np.interp(at, xs, ys):.5g}."
            )
        return None

    def describe(self, case):
        return f"{case[1] + 1} points"


_STRIP = np.linspace(0.0, 1.0, 2**10 + 1)


def _pieces(y):
    """How many straight pieces a curve over the strip has."""
    bends = np.abs(np.diff(y, 2)) > 1e-9
    starts = bends & ~np.concatenate([[False], bends[:-1]])  # a kink between two places bends twice
    return 1 + int(starts.sum())


class Weak(Exercise):
    id = "11.weak"
    answer = "weak"
    hints = (
        "The second hat folds at its own kink. If the first hat never comes up to that kink, there "
        "is nothing to fold.",
        "Keep the kink at 0.5, and let the hat rise only to 0.5: with which slope?",
        "`np.maximum(x, 0) - 2 * np.maximum(x - 0.5, 0)`",
    )
    wrong = (
        Wrong(
            "a_strong_hat",
            lambda x: 2 * np.maximum(x, 0.0) - 4 * np.maximum(x - 0.5, 0.0),
            "This hat fills the strip: it folds at every layer, into 8 pieces after three. Make it "
            "lower.",
        ),
        Wrong(
            "a_slope",
            lambda x: np.maximum(x, 0.0),
            "This has one piece on the strip: it rises only, and is no hat.",
        ),
        Wrong(
            "a_plateau",
            lambda x: np.maximum(x, 0.0) - np.maximum(x - 0.5, 0.0),
            "After its kink this one is flat. A hat has to fall again: subtract more than was "
            "rising.",
        ),
        Wrong(
            "still_too_high",
            lambda x: 1.6 * np.maximum(x, 0.0) - 3.2 * np.maximum(x - 0.5, 0.0),
            "This hat rises above its own kink, so the next one folds it again. It must not reach "
            "the kink.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [0]

    def outcome(self, answer, case):
        counts, y = [], _STRIP
        for _ in range(3):
            y = np.asarray(answer(y), dtype=float)
            counts.append(_pieces(y))
        once = np.asarray(answer(_STRIP), dtype=float)
        steps = np.diff(once)
        return {
            "it is a hat, with a rising and a falling piece": bool(
                counts[0] == 2 and steps[0] > 1e-9 and steps[-1] < -1e-9
            ),
            "three in a row make two pieces": counts[2] == 2,
            "pieces": counts,
            "it fills the strip": bool(once.max() > 1 - 1e-9),
        }

    def judge(self, case, outcome):
        for what in (
            "it is a hat, with a rising and a falling piece",
            "three in a row make two pieces",
        ):
            if not outcome[what]:
                pieces = ", ".join(map(str, outcome["pieces"]))
                return (
                    f"It should be that {what}, and is not. After 1, 2 and 3 layers there are "
                    f"{pieces} pieces."
                )
        return None

    def describe(self, case):
        return "the strip from 0 to 1"
