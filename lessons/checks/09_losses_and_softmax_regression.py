"""The exercises of lesson 09."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _loss(z, y, shift="row", mean=True, sign=1.0):
    """The right cross-entropy, or one with a mistake."""
    m = {
        "row": z.max(axis=1, keepdims=True),
        "all": np.full((len(z), 1), z.max()),
        "none": np.zeros((len(z), 1)),
    }[shift]
    with np.errstate(all="ignore"):
        log_sum = m[:, 0] + np.log(np.exp(z - m).sum(axis=1))
        losses = sign * (log_sum - z[np.arange(len(y)), y])
    return losses.mean() if mean else losses.sum()


def _each(z, y):
    m = z.max(axis=1)
    return m + np.log(np.exp(z - m[:, None]).sum(axis=1)) - z[np.arange(len(y)), y]


def _over_columns(z, y):
    m = z.max(axis=0, keepdims=True)
    logs = z - m - np.log(np.exp(z - m).sum(axis=0, keepdims=True))
    return -np.mean(logs[np.arange(len(y)), y])


def _over_everything(z, y):
    m = z.max(axis=1, keepdims=True)
    logs = z - m - np.log(np.exp(z - m).sum(axis=1, keepdims=True))
    return -np.mean(np.where(np.arange(z.shape[1]) == y[:, None], logs, 0.0))


def _columns_of_classes(z, y):
    m = z.max(axis=1, keepdims=True)
    logs = z - m - np.log(np.exp(z - m).sum(axis=1, keepdims=True))
    return -np.mean(logs[:, y])


class CrossEntropy(Exercise):
    id = "09.cross_entropy"
    answer = "cross_entropy"
    hints = (
        "For each row you need three things: its largest logit m, the logarithm of the sum of "
        "exp(z - m), and the logit of the right class.",
        "`m = z.max(axis=1, keepdims=True)` has the shape (N, 1), which can be subtracted from z. "
        "The log of the sum is `m[:, 0] + np.log(np.exp(z - m).sum(axis=1))`.",
        "Subtract `z[np.arange(len(y)), y]` from what hint 2 gives, and return `np.mean` of it.",
    )
    wrong = (
        Wrong(
            "no_shift",
            lambda z, y: _loss(z, y, shift="none"),
            "The formula is right, and it overflows: for logits above 709, exp gives inf, and the "
            "loss becomes inf or nan. Subtract the largest logit of each row first.",
        ),
        Wrong(
            "not_averaged",
            lambda z, y: _each(z, y),
            "You return the loss of each example. The mean over the examples was asked for.",
        ),
        Wrong(
            "shift_not_undone",
            lambda z, y: np.mean(_each(z, y) - z.max(axis=1)),
            "You subtracted the largest logit and did not add it again: the log of the sum is "
            "m + ln(sum of exp(z - m)).",
        ),
        Wrong(
            "one_shift_for_all",
            lambda z, y: _loss(z, y, shift="all"),
            "You subtract one maximum from all rows. In a row whose logits are much smaller every "
            "power then becomes 0, and the logarithm of 0 is -inf. Each row needs its own.",
        ),
        Wrong(
            "over_columns",
            _over_columns,
            "Your softmax runs down the columns: it makes the examples compete for a class. The "
            "classes of one example compete, which is axis 1.",
        ),
        Wrong(
            "mean_over_classes",
            _over_everything,
            "Your mean is over N times C numbers. There are N losses: divide by N.",
        ),
        Wrong(
            "sum",
            lambda z, y: _loss(z, y, mean=False),
            "You summed over the examples; the mean was asked for.",
        ),
        Wrong(
            "sign",
            lambda z, y: _loss(z, y, sign=-1.0),
            "The sign is turned around. A loss is minus the logarithm: 0 for certainty, and "
            "positive otherwise.",
        ),
        Wrong(
            "every_class_of_the_batch",
            _columns_of_classes,
            "`[:, y]` takes, for every example, the columns of all right classes of the batch. "
            "Pair each row with its own class: `[np.arange(len(y)), y]`.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 6), 2.0) for _ in range(10)]
        yield [(rng.randrange(2**31), rng.randint(3, 6), 2000.0) for _ in range(10)]

    def _draw(self, case):
        seed, rows, scale = case
        random = np.random.default_rng(seed)
        z = scale * random.normal(size=(rows, rows + 1))
        if scale > 100:
            z[0] += 5 * scale  # rows of very different size
            z[1] -= 5 * scale
        return z, random.integers(0, rows + 1, rows)

    def outcome(self, answer, case):
        with np.errstate(all="ignore"):
            return np.asarray(answer(*self._draw(case)), dtype=float)

    def judge(self, case, outcome):
        z, y = self._draw(case)
        losses = []
        for row, label in zip(z.tolist(), y.tolist(), strict=True):  # by `math`, example by example
            top = max(row)
            losses.append(top + math.log(sum(math.exp(x - top) for x in row)) - row[label])
        right = sum(losses) / len(losses)
        if outcome.shape:
            return f"One number was asked for; yours is an array of the shape {outcome.shape}."
        if not math.isclose(outcome, right, rel_tol=1e-9):
            return f"For {self.describe(case)} it should be {right:.6g}; yours is {outcome:.6g}."
        return None

    def describe(self, case):
        return f"{case[1]} rows of logits of the size {case[2]:g}"


class Factor(Exercise):
    id = "09.factor"
    answer = "factor"
    hints = (
        "What leaves the largest logit the largest? And what makes a wrong answer a confident one?",
        "A positive factor changes no order. The larger it is, the nearer the largest probability "
        "is to 1, and the more a wrong answer costs.",
        "Any large number will do: 20, for instance.",
    )
    wrong = (
        Wrong(
            "too_small",
            0.5,
            "A factor below 1 makes the machine less sure: it doubts its right answers too. The "
            "task is to make it too sure.",
        ),
        Wrong(
            "full_of_doubt",
            0.05,
            "The loss does double: right answers, given with doubt, cost as well. But this machine "
            "is less sure than before, and the task is to make it too sure.",
        ),
        Wrong(
            "not_enough",
            1.5,
            "The machine is surer now, but not by enough: the loss has not doubled. Take a larger "
            "factor.",
        ),
        Wrong(
            "negative",
            -20.0,
            "A negative factor turns the order around: the smallest logit becomes the largest, and "
            "the accuracy changes.",
        ),
        Wrong(
            "zero",
            0.0,
            "With 0 all classes are equally likely, and no answer is left: the accuracy changes.",
        ),
    )

    def unstarted(self, answer):
        return "With 1.0 nothing changes. Choose another factor." if answer == 1.0 else None

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        random = np.random.default_rng(case)
        y = random.integers(0, 5, 1000)
        z = 2.5 * (random.normal(size=(1000, 5)) + 2.5 * np.eye(5)[y])  # the log odds themselves
        scaled = float(answer) * z
        before, after = _loss(z, y), _loss(scaled, y)
        accuracy = np.mean(z.argmax(axis=1) == y), np.mean(scaled.argmax(axis=1) == y)
        return {
            "the accuracy stays the same": bool(accuracy[0] == accuracy[1]),
            "the machine is surer": float(answer) > 1,
            "the loss at least doubles": bool(after >= 2 * before),
            "an answer is left": bool(scaled.any()),
        }

    def judge(self, case, outcome):
        for what in list(outcome)[:3]:
            if not outcome[what]:
                return f"With this factor it is not so that {what}."
        return None

    def describe(self, case):
        return "a classifier of 5 classes"
