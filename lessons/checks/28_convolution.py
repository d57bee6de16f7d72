"""The exercises of lesson 28."""

import itertools
from collections import Counter

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _convolve(x, w, stride, padding, slip=None):
    """Windows by slicing; `slip` says what goes wrong."""
    if slip != "unpadded":
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    if slip == "turned":
        w = w[:, :, ::-1, ::-1]
    size = w.shape[-1]
    rows, columns = ((side - size) // stride + (slip != "one_short") for side in x.shape[2:])
    if slip == "square":
        columns = rows
    out = np.zeros((len(x), len(w), rows, columns))
    step = 1 if slip == "strideless" else stride
    for r, q in np.ndindex(rows, columns):
        window = x[:, :, r * step : r * step + size, q * step : q * step + size]
        if slip == "one_channel":
            out[:, :, r, q] = np.einsum("nij,kij->nk", window[:, 0], w[:, 0])
        elif slip == "overwritten":
            out[:, :, r, q] = window[:, :, -1, -1] @ w[:, :, -1, -1].T
        else:
            out[:, :, r, q] = np.einsum("ncij,kcij->nk", window, w)
    return out


def _slips(name):
    return lambda *given: _convolve(*given, slip=name)


class Convolve(Exercise):
    id = "28.convolve"
    answer = "convolve"
    hints = (
        "First pad. Then how many places are there along each axis? Make `out` of zeros, one "
        "number for each n, k, r and q, and fill it.",
        "`rows = (x.shape[2] - size) // stride + 1` after padding, `columns` likewise of "
        "`x.shape[3]`. The pixel under weight (i, j) of the window at (r, q) stands in row "
        "`r * stride + i` and column `q * stride + j`.",
        "In the six loops: `out[n, k, r, q] += (w[k, :, i, j] * x[n, :, r * stride + i, "
        "q * stride + j]).sum()`.",
    )
    wrong = (
        Wrong(
            "unpadded",
            _slips("unpadded"),
            "You leave out the padding: put `padding` zeros around each picture first.",
        ),
        Wrong(
            "strideless",
            _slips("strideless"),
            "The number of places is right, and you visit the first of them: the window at (r, q) "
            "begins in row `r * stride` and column `q * stride`.",
        ),
        Wrong(
            "turned",
            _slips("turned"),
            "You turn the kernel around, as mathematics does in a convolution. Here it is laid on "
            "as it is: w[k, c, i, j] meets row i and column j of the window.",
        ),
        Wrong(
            "one_short",
            _slips("one_short"),
            "The last place of each axis is missing: besides the steps that fit there is the first "
            "place, so add 1.",
        ),
        Wrong(
            "one_channel",
            _slips("one_channel"),
            "You look at the first channel alone: a kernel adds up what it sees in all of them.",
        ),
        Wrong(
            "overwritten",
            _slips("overwritten"),
            "What stands in `out` is the last weight's share: add up with `+=`.",
        ),
        Wrong(
            "square",
            _slips("square"),
            "You took as many columns as rows; pictures need not be square.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        def case(stride, padding):
            return rng.randrange(2**31), rng.choice([2, 3]), stride, padding

        yield [case(2, 1), *(case(rng.randint(1, 3), rng.randint(0, 2)) for _ in range(4))]

    def _drawn(self, case):
        seed, size, stride, padding = case
        random = np.random.default_rng(seed)
        height = size + 2 * stride  # at least three rows, and more columns
        x = random.normal(size=(2, 3, height, height + 2 * stride))
        return x, random.normal(size=(2, 3, size, size)), stride, padding

    def outcome(self, answer, case):
        x, w, stride, padding = self._drawn(case)
        return np.asarray(answer(x.copy(), w.copy(), stride, padding))

    def judge(self, case, outcome):
        x, w, stride, padding = self._drawn(case)
        edge = (padding, padding)
        padded = np.pad(x, ((0, 0), (0, 0), edge, edge))
        windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
        right = np.einsum("ncrqij,kcij->nkrq", windows[:, :, ::stride, ::stride], w)
        if outcome.shape != right.shape:
            return f"For {self.describe(case)} the shape is {right.shape}, not {outcome.shape}."
        if not np.allclose(outcome, right):
            place = tuple(int(i) for i in np.argwhere(~np.isclose(outcome, right))[0])
            return (
                f"For {self.describe(case)}, out{list(place)} is {right[place]:.6g}; yours is "
                f"{outcome[place]:.6g}."
            )
        return None

    def describe(self, case):
        x, w, stride, padding = self._drawn(case)
        return f"x of shape {x.shape}, w of shape {w.shape}, stride {stride}, padding {padding}"


class Order(Exercise):
    id = "28.order"
    answer = "order"
    hints = (
        "Two places that stood side by side should end up at any distance, and every pair at "
        "another one. What has no rule?",
        "Chance has none: `np.random.default_rng(0)` is a generator.",
        "`np.random.default_rng(0).permutation(n)` puts the numbers 0 to n - 1 in a random order.",
    )
    wrong = (
        Wrong(
            "as_it_was",
            np.arange,
            "Nothing is rearranged: these are the signals in order.",
        ),
        Wrong(
            "turned_around",
            lambda n: np.arange(n)[::-1],
            "Backwards neighbours are still neighbours: kernels turned around read it as well.",
        ),
        Wrong(
            "moved",
            lambda n: np.roll(np.arange(n), n // 2),
            "Moved along, neighbours are still neighbours, but for the one pair at the seam.",
        ),
        Wrong(
            "every_second",
            lambda n: np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)]),
            "First every second place, then the others: each half is still a signal in order, at "
            "half the resolution.",
        ),
        Wrong(
            "drawn_with_repeats",
            lambda n: np.random.default_rng(0).integers(0, n, n),
            "Some places come twice and others never, so that numbers are lost for both networks. "
            "A permutation has every place once.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randint(30, 60) for _ in range(3)]

    def outcome(self, answer, case):
        return [int(place) for place in answer(case)]

    def judge(self, case, outcome):
        if sorted(outcome) != list(range(case)):
            there = len({*outcome} & {*range(case)})
            return f"Of {case} places your order has {there}, and is {len(outcome)} long."
        back = sorted(range(case), key=outcome.__getitem__)  # where each place has gone
        for places, here, there in (
            (outcome, "your order", "the signal"),
            (back, "the signal", "your order"),
        ):
            distances = Counter(b - a for a, b in itertools.pairwise(places))
            distance, times = distances.most_common(1)[0]
            if times > case // 4:
                return (
                    f"Of {case - 1} pairs of neighbours in {here}, {times} have the same distance "
                    f"in {there}, {distance}."
                )
        return None

    def describe(self, case):
        return f"n = {case}"
