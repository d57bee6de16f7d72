"""The exercises of lesson 37."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _split(x, size):
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // size, size, width // size, size)


def _in_order(*axes):
    """Patches with the axes of (N, C, row, i, column, j) in another order."""

    def answer(x, size):
        rows, columns = x.shape[2] // size, x.shape[3] // size
        return _split(x, size).transpose(axes).reshape(len(x), rows * columns, -1)

    return answer


def _strips(x, size):
    patches = x.shape[2] * x.shape[3] // size**2
    return x.reshape(len(x), patches, -1)


def _left_out(x, size):
    return _in_order(0, 2, 4, 1, 3, 5)(x[:, :1], size)


class Patchify(Exercise):
    id = "37.patchify"
    answer = "patchify"
    hints = (
        "Split H into (H // size, size) and W into (W // size, size). Of the six axes that there "
        "are now, which say which patch, and which say where in it?",
        "After `x.reshape(n, channels, rows, size, columns, size)` the axes are n, c, row of "
        "patches, row within, column of patches, column within. Those of the patches must come "
        "right after n, then c, then those within.",
        "`.transpose(0, 2, 4, 1, 3, 5)`, and then `.reshape(n, rows * columns, -1)`.",
    )
    wrong = (
        Wrong(
            "strips",
            _strips,
            "A reshape alone cuts the numbers in the order in which they lie in memory: strips of "
            "rows, not squares. Split the axes, move them, and only then join.",
        ),
        Wrong(
            "columns_first",
            _in_order(0, 4, 2, 1, 3, 5),
            "The patches are right and come column after column; row after row was asked for.",
        ),
        Wrong(
            "turned",
            _in_order(0, 2, 4, 1, 5, 3),
            "The patches are in order, and each of them is mirrored at its diagonal: within a "
            "patch, too, row comes before column.",
        ),
        Wrong(
            "channels_last",
            _in_order(0, 2, 4, 3, 5, 1),
            "Within a patch you have the channels of a pixel side by side. All of the first "
            "channel, then all of the second, was asked for.",
        ),
        Wrong(
            "one_channel",
            _left_out,
            "Only the first channel is there.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        def case():
            rows = rng.randint(2, 4)
            return rng.randrange(2**31), rng.choice([2, 3]), rows, rows + rng.randint(1, 2)

        yield [case() for _ in range(4)]

    def _drawn(self, case):
        seed, size, rows, columns = case
        return np.random.default_rng(seed).normal(size=(2, 3, rows * size, columns * size)), size

    def outcome(self, answer, case):
        x, size = self._drawn(case)
        return np.asarray(answer(x, size))

    def judge(self, case, outcome):
        x, size = self._drawn(case)
        _, _, rows, columns = case
        if outcome.shape != (2, rows * columns, 3 * size**2):
            right = (2, rows * columns, 3 * size**2)
            return f"For {self.describe(case)} the shape is {right}, not {outcome.shape}."
        for n, r, q in np.ndindex(2, rows, columns):
            patch = x[n, :, r * size : (r + 1) * size, q * size : (q + 1) * size].ravel()
            found = outcome[n, r * columns + q]
            if not np.array_equal(found, patch):
                return (
                    f"For {self.describe(case)}, the patch in row {r} and column {q} begins with "
                    f"{patch[:3].round(3).tolist()}; yours begins with "
                    f"{found[:3].round(3).tolist()}."
                )
        return None

    def describe(self, case):
        x, size = self._drawn(case)
        return f"x of shape {x.shape} in patches of {size} by {size}"


def _patches(x):
    """The 16 patches of 2 by 2, each a tuple of its numbers, sorted."""
    squares = [x[i : i + 2, j : j + 2].ravel() for i in range(0, 8, 2) for j in range(0, 8, 2)]
    return sorted(tuple(square.tolist()) for square in squares)


class Twin(Exercise):
    id = "37.twin"
    answer = "twin"
    hints = (
        "Every patch is treated alike, and the mean does not care about order. What may you do to "
        "the patches?",
        "Exchange some of them, each as a whole: two corners, or the upper and the lower half.",
        "`np.concatenate([x[4:], x[:4]])` puts the lower half, two rows of patches, on top.",
    )
    wrong = (
        Wrong(
            "the_same",
            lambda x: x.copy(),
            "That is the same picture. Another one was asked for.",
        ),
        Wrong(
            "mirrored",
            lambda x: x[:, ::-1].copy(),
            "Mirroring changes places within each patch too, and these numbers have an order.",
        ),
        Wrong(
            "moved_by_one",
            lambda x: np.roll(x, 1, axis=1),
            "Moved by one pixel, the cuts go through other places: there are other patches now. "
            "Moved by two it would do.",
        ),
        Wrong(
            "turned",
            lambda x: x.T.copy(),
            "Exchanging rows and columns does so within each patch as well.",
        ),
        Wrong(
            "sorted",
            lambda x: np.sort(x.ravel()).reshape(8, 8),
            "You moved single pixels. Whole patches may move; each must stay as it is inside.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def outcome(self, answer, case):
        return np.asarray(answer(np.random.default_rng(case).random((8, 8))))

    def judge(self, case, outcome):
        x = np.random.default_rng(case).random((8, 8))
        if outcome.shape != (8, 8):
            return f"The shape is (8, 8), not {outcome.shape}."
        if np.array_equal(outcome, x):
            return "No pixel differs."
        here, there = _patches(x), _patches(outcome)
        if here != there:
            return f"Of the 16 patches of the picture {len({*here} & {*there})} are in yours."
        return None

    def describe(self, case):
        return "a picture of random numbers"
