"""The exercises of lesson 22."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


class _Weights:
    """Weights for drawn features and targets; judged by what makes them the best."""

    def given(self):
        return {"np": np}

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        n, size, classes = case[1:4]
        shape = (n,) if classes is None else (n, classes)
        return random.normal(size=(n, size)), random.normal(size=shape)

    def outcome(self, answer, case):
        return np.asarray(answer(*self._draw(case), *case[4:]), dtype=float)

    def describe(self, case):
        return f"{case[1]} examples and {case[2]} features"


def _ridge(F, y, strength):
    return np.linalg.solve(F.T @ F + strength * np.eye(F.shape[1]), F.T @ y)


def _square_part(F, y):
    w = np.zeros((F.shape[1], *y.shape[1:]))
    w[: len(F)] = np.linalg.solve(F[:, : len(F)], y)
    return w


class Shortest(_Weights, Exercise):
    id = "22.shortest"
    answer = "shortest"
    hints = (
        "Two steps: solve the first equation for z, then make w from it.",
        "`F @ F.T` is the matrix of the first equation, of shape (n, n).",
        "`return F.T @ np.linalg.solve(F @ F.T, y)`",
    )
    wrong = (
        Wrong(
            "z_alone",
            lambda F, y: np.linalg.solve(F @ F.T, y),
            "You return z, one number for each example. The weights are made from it: w = F^T z.",
        ),
        Wrong(
            "not_solved",
            lambda F, y: F.T @ y,
            "You put y in the place of z. z is what the matrix F F^T turns into y: solve for it.",
        ),
        Wrong(
            "square_part",
            _square_part,
            "Your weights fit, and use only the first n features; they are not the shortest.",
        ),
        Wrong(
            "with_a_price",
            lambda F, y: _ridge(F, y, 1.0),
            "Your weights are shorter than any that fit: you added something to the matrix, and "
            "F w is not y.",
        ),
        Wrong(
            "multiplied",
            lambda F, y: F.T @ (F @ F.T @ y),
            "You multiply by F F^T where its equation has to be solved.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.randrange(2**31), n, n + rng.randint(2, 6), rng.choice([None, 3]))
            for n in (2, 3, 4, 5, 6)
        ]

    def judge(self, case, outcome):
        F, y = self._draw(case)
        if outcome.shape != (F.shape[1], *y.shape[1:]):
            return (
                f"For {self.describe(case)} there are {F.shape[1]} weights for each class; your "
                f"array has the shape {outcome.shape}."
            )
        missed = np.abs(F @ outcome - y).max()
        if missed > 1e-6:
            return f"With your weights F w differs from y by up to {missed:.3g}."
        # What is at right angles to all rows of F could be taken away from the weights.
        extra = np.linalg.norm(np.linalg.svd(F)[2][len(F) :] @ outcome)
        if extra > 1e-6:
            return f"Your weights fit; a part of length {extra:.3f} could be taken away from them."
        return None


class Ridge(_Weights, Exercise):
    id = "22.ridge"
    answer = "ridge"
    hints = (
        "Bring what has w in it to one side: (F^T F + lambda I) w = F^T y.",
        "I is the identity, `np.eye(F.shape[1])`: the price is on each weight by itself.",
        "`return np.linalg.solve(F.T @ F + strength * np.eye(F.shape[1]), F.T @ y)`",
    )
    wrong = (
        Wrong(
            "added_everywhere",
            lambda F, y, strength: np.linalg.solve(F.T @ F + strength, F.T @ y),
            "You add lambda to every number of the matrix; it belongs on the diagonal alone.",
        ),
        Wrong(
            "no_price",
            lambda F, y, strength: np.linalg.lstsq(F, y, rcond=None)[0],
            "lambda does nothing in yours.",
        ),
        Wrong(
            "per_example",
            lambda F, y, strength: _ridge(F, y, strength * len(F)),
            "Your price is n times too high: the sum of squares is not a mean here.",
        ),
        Wrong(
            "squared",
            lambda F, y, strength: _ridge(F, y, strength**2),
            "You squared lambda.",
        ),
        Wrong(
            "half",
            lambda F, y, strength: _ridge(F, y, strength / 2),
            "Your price is half of what it should be: both terms of the gradient have the factor "
            "2.",
        ),
        Wrong(
            "negative",
            lambda F, y, strength: _ridge(F, y, -strength),
            "Your lambda has the wrong sign: it rewards length.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.randrange(2**31), n, size, rng.choice([None, 3]), rng.uniform(0.3, 0.9))
            for n, size in ((6, 3), (8, 4), (3, 7), (4, 4))
        ]

    def judge(self, case, outcome):
        F, y = self._draw(case)
        strength = case[4]
        # The same minimum as one of plain least squares, with a row sqrt(lambda) for each weight.
        rows = np.vstack([F, np.sqrt(strength) * np.eye(F.shape[1])])
        right = np.linalg.lstsq(
            rows, np.concatenate([y, np.zeros((F.shape[1], *y.shape[1:]))]), rcond=None
        )[0]
        if outcome.shape != right.shape:
            return f"The weights have the shape {right.shape}; yours {outcome.shape}."
        off = np.abs(outcome - right).max()
        if off > 1e-8:
            return (
                f"For {self.describe(case)} and lambda {strength:.2f} the weights are off by up "
                f"to {off:.3g}."
            )
        return None
