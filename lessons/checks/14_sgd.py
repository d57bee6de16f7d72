"""The exercises of lesson 14."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close, slopes


def _neighbours(draws, n, size):
    start = draws.randint(n - size + 1)
    return np.arange(start, start + size)


class Sample(Exercise):
    id = "14.sample"
    answer = "sample"
    hints = (
        "Think of cards: shuffle all n, and take the first `size` from the top.",
        "`draws.permutation(n)` is the shuffled pack.",
        "`return draws.permutation(n)[:size]`",
    )
    wrong = (
        Wrong(
            "put_back",
            lambda draws, n, size: draws.randint(0, n, size),
            "An example may come twice in your batch. Draw without putting back.",
        ),
        Wrong(
            "always_the_first",
            lambda draws, n, size: np.arange(size),
            "These are always the first examples. The others would never be used.",
        ),
        Wrong(
            "own_generator",
            lambda draws, n, size: np.random.RandomState(1).permutation(n)[:size],
            "Every batch is the same, since you begin a new generator in each call. Draw from "
            "`draws`, which goes on from call to call.",
        ),
        Wrong(
            "neighbours",
            _neighbours,
            "Your batches are neighbours in the data, one after the other. Any `size` different "
            "examples should be able to meet.",
        ),
        Wrong(
            "all_of_them",
            lambda draws, n, size: draws.permutation(n),
            "You return all n numbers in a random order; only `size` were asked for.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(10, 14), rng.randint(4, 6)) for _ in range(4)]

    def outcome(self, answer, case):
        seed, n, size = case
        draws = np.random.RandomState(seed)
        batches = [[int(i) for i in answer(draws, n, size)] for _ in range(200)]
        return {
            "sizes": sorted({len(batch) for batch in batches}),
            "twice": any(len(set(batch)) < len(batch) for batch in batches),
            "batches": min(len({tuple(batch) for batch in batches}), 50),
            "first": batches[0] == list(range(size)),
            "neighbours": all((np.diff(sorted(batch)) == 1).all() for batch in batches),
            "seen": sorted({i for batch in batches for i in batch}),
        }

    def judge(self, case, outcome):
        _, n, size = case
        if outcome["sizes"] != [size]:
            return f"A batch should have {size} numbers; yours have {outcome['sizes']}."
        if outcome["twice"]:
            return "In one of 200 batches a number occurs twice."
        if outcome["seen"] != list(range(n)):
            return f"In 200 batches of {size} from {n}, these occur: {outcome['seen']}."
        if outcome["batches"] < 50 or outcome["neighbours"]:
            return "The batches are too much alike."
        return None

    def describe(self, case):
        return f"{case[2]} of {case[1]}"


def _in_place(slopes, phi, x, y, batch, lr):
    phi -= lr * slopes(phi, x[batch], y[batch])
    return phi


class Step(Exercise):
    id = "14.step"
    answer = "step"
    hints = (
        "The slopes are wanted for the examples of the batch only: `x[batch]`, `y[batch]`.",
        "Go against them, `lr` times as far.",
        "`return phi - lr * slopes(phi, x[batch], y[batch])`",
    )
    wrong = (
        Wrong(
            "all_the_data",
            lambda slopes, phi, x, y, batch, lr: phi - lr * slopes(phi, x, y),
            "You use all the data, whatever the batch: that is gradient descent.",
        ),
        Wrong(
            "uphill",
            lambda slopes, phi, x, y, batch, lr: phi + lr * slopes(phi, x[batch], y[batch]),
            "You go along the gradient, uphill. The step has a minus sign.",
        ),
        Wrong(
            "mean",
            lambda slopes, phi, x, y, batch, lr: (
                phi - lr * slopes(phi, x[batch], y[batch]) / len(batch)
            ),
            "You divide by the size of the batch. Here the loss of a batch is a sum.",
        ),
        Wrong(
            "first_ones",
            lambda slopes, phi, x, y, batch, lr: (
                phi - lr * slopes(phi, x[: len(batch)], y[: len(batch)])
            ),
            "You take as many examples as the batch has, from the front. Take those it names.",
        ),
        Wrong(
            "x_without_y",
            lambda slopes, phi, x, y, batch, lr: phi - lr * slopes(phi, x[batch], y[: len(batch)]),
            "Your x and y belong to different examples: `batch` chooses both.",
        ),
        Wrong(
            "changes_phi",
            _in_place,
            "The step is right, and you changed the array `phi` that was given. Return a new one.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(2, 5), rng.uniform(0.01, 0.5)) for _ in range(10)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        x, y = random.normal(size=(2, 9))
        return random.normal(size=2), x, y, 1 + random.permutation(8)[: case[1]]

    def outcome(self, answer, case):
        phi, x, y, batch = self._draw(case)
        kept = phi.copy()

        def gradient(phi, x, y):
            r = phi[0] + phi[1] * x - y
            return np.array([np.sum(2 * r), np.sum(2 * r * x)])

        new = [float(p) for p in answer(gradient, phi, x, y, batch, case[2])]
        return {"new": new, "phi is as it was": bool((phi == kept).all())}

    def judge(self, case, outcome):
        phi, x, y, batch = self._draw(case)
        if not outcome["phi is as it was"]:
            return "Your function changed `phi` itself."

        def total(a, b):
            return sum((a + b * x[i] - y[i]) ** 2 for i in batch)

        right = [p - case[2] * s for p, s in zip(phi, slopes(total, list(phi)), strict=True)]
        if not all(close(a, b, 1e-6) for a, b in zip(outcome["new"], right, strict=False)):
            return (
                f"From {phi.round(3).tolist()}, with the batch {batch.tolist()} and lr = "
                f"{case[2]:.3f}, the step should lead to {np.round(right, 4).tolist()}; yours "
                f"gives {np.round(outcome['new'], 4).tolist()}."
            )
        return None

    def describe(self, case):
        return f"a batch of {case[1]} from 9"


class Misleading(Exercise):
    id = "14.misleading"
    answer = "misleading"
    hints = (
        "The gradient of all examples together is the sum of the rows.",
        "A small step -g changes the whole loss by -g times that sum (a dot product). It rises if "
        "the dot product is negative.",
        "`together = each.sum(axis=0)`, then `np.flatnonzero(each @ together < 0)`.",
    )
    wrong = (
        Wrong(
            "those_that_help",
            lambda each: np.flatnonzero(each @ each.sum(axis=0) > 0),
            "These are the ones that help. The loss changes by minus the dot product, so it rises "
            "where that product is negative.",
        ),
        Wrong(
            "first_number",
            lambda each: np.flatnonzero(each[:, 0] * each[:, 0].sum() < 0),
            "You look at the first of the parameters only. What is lost in one may be gained in "
            "another: the dot product adds them up.",
        ),
        Wrong(
            "any_number",
            lambda each: np.flatnonzero((each * each.sum(axis=0) < 0).any(axis=1)),
            "You name an example as soon as one of its parameters goes the wrong way. The dot "
            "product adds up what all of them do.",
        ),
        Wrong(
            "true_or_false",
            lambda each: each @ each.sum(axis=0) < 0,
            "You return True or False for every example. Their numbers were asked for: "
            "`np.flatnonzero`.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(12, 20)) for _ in range(10)]

    def _draw(self, case):
        return np.random.default_rng(case[0]).normal(size=(case[1], 3)) + 0.2

    def outcome(self, answer, case):
        return [int(i) for i in answer(self._draw(case))]

    def judge(self, case, outcome):
        # The example's loss is |phi - c|^2 / 2 with c = -gradient, at phi = 0.
        each = self._draw(case)

        def whole(phi):
            return sum(float((phi + g) @ (phi + g)) / 2 for g in each)

        right = [i for i, g in enumerate(each) if whole(-1e-6 * g) > whole(0 * g)]
        if sorted(outcome) != right:
            return f"Of {len(each)} examples {right} raise the loss; you name {outcome}."
        return None

    def describe(self, case):
        return f"{case[1]} examples"
