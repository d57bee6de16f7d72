"""The exercises of lesson 20."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _in_place(x, k):
    x[:] = np.roll(x, k)
    return x


class Shift(Exercise):
    id = "20.shift"
    answer = "shift"
    hints = (
        "The last k numbers come to the front, in their order.",
        "`np.roll` does it; or `np.concatenate` of two slices, and look at k = 0.",
        "`return np.roll(x, k)`",
    )
    wrong = (
        Wrong(
            "to_the_left",
            lambda x, k: np.roll(x, -k),
            "You shift to the left: the first k went to the end. The last k are to come to the "
            "front.",
        ),
        Wrong(
            "zeros_enter",
            lambda x, k: np.concatenate([np.zeros(k), x[: len(x) - k]]),
            "What leaves at the end is lost, and zeros enter. It should come in again at the "
            "front.",
        ),
        Wrong(
            "one_too_many",
            lambda x, k: np.roll(x, k + 1),
            "You shift by one place too many: shifting by 0 changes nothing.",
        ),
        Wrong(
            "turned_round",
            lambda x, k: np.concatenate([x[len(x) - k :][::-1], x[: len(x) - k]]),
            "The last k come to the front in reverse. They keep their order.",
        ),
        Wrong(
            "in_place",
            _in_place,
            "The result is right, and you changed `x` itself. Return a new array.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        found = []
        for i in range(8):
            n = rng.randint(5, 9)
            k = 0 if i == 0 else rng.randint(2, n - 2)
            found.append(([rng.uniform(1, 5) for _ in range(n)], k))
        yield found

    def outcome(self, answer, case):
        x = np.array(case[0])
        found = np.asarray(answer(x, case[1]), dtype=float).tolist()
        return {"shifted": found, "x is as it was": x.tolist() == case[0]}

    def judge(self, case, outcome):
        x, k = case
        if not outcome["x is as it was"]:
            return "Your function changed the array that it was given."
        right = [x[(i - k) % len(x)] for i in range(len(x))]
        if outcome["shifted"] != right:
            return (
                f"{np.round(x, 2).tolist()} by {k} is {np.round(right, 2).tolist()}; yours is "
                f"{np.round(outcome['shifted'], 2).tolist()}."
            )
        return None

    def describe(self, case):
        return f"{len(case[0])} numbers, k = {case[1]}"


class Shear(Exercise):
    id = "20.shear"
    answer = "shear"
    hints = (
        "Make the line first: `np.linspace(-0.5, 0.5, len(x))` has a number for each place.",
        "Times the slope, and taken away from x.",
        "`return x - slope * np.linspace(-0.5, 0.5, len(x))`",
    )
    wrong = (
        Wrong(
            "added",
            lambda x, slope: x + slope * np.linspace(-0.5, 0.5, len(x)),
            "You add the line. It is taken away.",
        ),
        Wrong(
            "from_zero",
            lambda x, slope: x - slope * np.linspace(0, 1, len(x)),
            "Your line begins at 0, so the whole signal sinks. It goes from -1/2 to 1/2.",
        ),
        Wrong(
            "twice_as_steep",
            lambda x, slope: x - slope * np.linspace(-1, 1, len(x)),
            "Your line goes from -1 to 1, twice as steep: it goes from -1/2 to 1/2.",
        ),
        Wrong(
            "without_the_end",
            lambda x, slope: x - slope * (np.arange(len(x)) / len(x) - 0.5),
            "Your line does not reach 1/2: divide the place by n - 1, for there are n - 1 gaps "
            "between n places.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [
            ([rng.gauss(0, 1) for _ in range(rng.randint(4, 8))], rng.uniform(0.2, 0.8))
            for _ in range(8)
        ]

    def outcome(self, answer, case):
        return np.asarray(answer(np.array(case[0]), case[1]), dtype=float).tolist()

    def judge(self, case, outcome):
        x, slope = case
        right = [a - slope * (i / (len(x) - 1) - 0.5) for i, a in enumerate(x)]
        if len(outcome) != len(x) or not all(map(close, outcome, right)):
            return (
                f"{np.round(x, 3).tolist()} with slope {slope:.3f} becomes "
                f"{np.round(right, 3).tolist()}; yours is {np.round(outcome, 3).tolist()}."
            )
        return None

    def describe(self, case):
        return f"{len(case[0])} numbers, slope {case[1]:.3f}"


class Rewired(Exercise):
    id = "20.rewired"
    answer = "rewired"
    hints = (
        "Input number i of the new signal is x[p[i]]. Which column of w belongs to it?",
        "Column p[i] of the old weights becomes column i.",
        "`return w[:, p]`",
    )
    wrong = (
        Wrong(
            "back_again",
            lambda w, p: w[:, np.argsort(p)],
            "You put the columns back the other way. They go the same way as the signal: column i "
            "is the old column p[i].",
        ),
        Wrong(
            "unchanged",
            lambda w, p: w,
            "These are the old weights. Each number of the signal now meets the weight of another.",
        ),
        Wrong(
            "rows",
            lambda w, p: w[np.asarray(p) % len(w)],
            "You reorder the rows, which are the units. The columns belong to the signal.",
        ),
        Wrong(
            "reversed",
            lambda w, p: w[:, p[::-1]],
            "Your order is read from the end: column i is the old column p[i].",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        found = []
        for _ in range(6):
            p = rng.sample(range(7), 7)
            while sum(p[p[i]] == i for i in range(7)) > 3 or p == sorted(p):
                p = rng.sample(range(7), 7)
            found.append((p, rng.randrange(2**31)))
        yield found

    def _draw(self, case):
        random = np.random.default_rng(case[1])
        return random.normal(size=(3, 7)), random.normal(size=7)

    def outcome(self, answer, case):
        w, _ = self._draw(case)
        return np.asarray(answer(w, np.array(case[0])), dtype=float)

    def judge(self, case, outcome):
        w, x = self._draw(case)
        if outcome.shape != w.shape:
            return f"The shape should stay {w.shape}; yours is {outcome.shape}."
        mixed = [x[place] for place in case[0]]
        for unit, (old, new) in enumerate(zip(w, outcome, strict=True)):
            before = sum(a * b for a, b in zip(old, x, strict=True))
            after = sum(a * b for a, b in zip(new, mixed, strict=True))
            if not close(before, after):
                return f"Unit {unit} gave {before:.4f} for x, and gives {after:.4f} for x[p]."
        return None

    def describe(self, case):
        return f"the order {case[0]}"
