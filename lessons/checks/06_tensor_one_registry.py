"""The exercises of lesson 06."""

import numpy as np

from tinygrad_edu import Tensor
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _front(g, shape):
    """g without the axes that `shape` does not have."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


def _ones(g, shape):
    """g summed along the axes of size 1."""
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def _without_keepdims(g, shape):
    g = _front(g, shape)
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            g = g.sum(axis=axis)
    return g


def _from_the_back(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=-1)
    return _ones(g, shape)


def _mean(g, shape):
    lost = g.size / max(np.prod(shape), 1)
    return _ones(_front(g, shape), shape) / lost


def _first_copy(g, shape):
    while g.ndim > len(shape):
        g = g[0]
    for axis, size in enumerate(shape):
        if size == 1:
            g = np.take(g, [0], axis=axis)
    return g


class Unbroadcast(Exercise):
    id = "06.unbroadcast"
    answer = "unbroadcast"
    hints = (
        "First the axes that were missing: as long as g has more axes than `shape`, which axis of "
        "g is the one too many? Shapes are compared from the last axis.",
        "`while g.ndim > len(shape): g = g.sum(axis=0)`. Then look at each axis of `shape`: where "
        "its size is 1, sum g along that axis, and keep the axis.",
        "After the `while`: `for axis, size in enumerate(shape):`, in it `if size == 1: g = "
        "g.sum(axis=axis, keepdims=True)`, and at the end `return g`.",
    )
    wrong = (
        Wrong(
            "forgets_keepdims",
            _without_keepdims,
            "The numbers are right and the shape is not: an axis of size 1 is still an axis. Keep "
            "it with `keepdims=True`.",
        ),
        Wrong(
            "only_missing_axes",
            _front,
            "You summed over the axes that were missing. An axis of size 1 was stretched too, and "
            "has to be summed as well.",
        ),
        Wrong(
            "only_ones",
            lambda g, shape: _ones(g, (1,) * (g.ndim - len(shape)) + tuple(shape)),
            "You summed along the axes of size 1, the missing ones included, and kept those: the "
            "result has axes that `shape` does not have. Sum the missing ones without `keepdims`.",
        ),
        Wrong(
            "wrong_axis",
            _from_the_back,
            "You dropped axes from the back. Shapes are compared from the last axis, so the ones "
            "that were missing are at the front: sum over axis 0.",
        ),
        Wrong(
            "mean",
            _mean,
            "This is the mean over the copies. Each copy changes the result on its own account, so "
            "the parts are added, not averaged.",
        ),
        Wrong(
            "first_copy",
            _first_copy,
            "This is exactly what you get if you forget to sum over the broadcast axes and take "
            "the first copy only.",
        ),
    )

    def cases(self, rng):
        yield [self._draw(rng) for _ in range(60)]

    def _draw(self, rng):
        size = rng.randrange(2**31)
        full = tuple(rng.randint(2, 4) for _ in range(rng.randint(1, 4)))
        kept = full[rng.randint(0, len(full)) :]
        shape = tuple(1 if rng.random() < 0.4 else n for n in kept)
        return size, full, shape

    def outcome(self, answer, case):
        seed, full, shape = case
        g = np.random.default_rng(seed).uniform(0.5, 1.5, full)
        kept = g.copy()
        out = np.asarray(answer(g, shape))
        return {"result": out, "shape": out.shape, "g is as it was": bool((g == kept).all())}

    def judge(self, case, outcome):
        seed, full, shape = case
        if not outcome["g is as it was"]:
            return "Your function changed `g` itself."
        if outcome["shape"] != shape:
            return f"For {self.describe(case)} the result has the shape {outcome['shape']}."
        g = np.random.default_rng(seed).uniform(0.5, 1.5, full)
        # A way of its own: stretch an index for each element, and count what lands where.
        place = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), full)
        right = np.bincount(place.ravel(), g.ravel(), int(np.prod(shape))).reshape(shape)
        if not np.allclose(outcome["result"], right):
            worst = np.unravel_index(np.abs(outcome["result"] - right).argmax(), shape)
            return (
                f"For {self.describe(case)} the element {tuple(map(int, worst))} should be "
                f"{right[worst]:.6g}; yours is {outcome['result'][worst]:.6g}."
            )
        return None

    def describe(self, case):
        return f"g of shape {case[1]} and shape = {case[2]}"


class Mse(Exercise):
    id = "06.mse"
    answer = "mse"
    hints = (
        "`p - y` has the shapes `(n, 1)` and `(n,)`. Compare from the last axis: the 1 is "
        "stretched, and so is the axis that y lacks. The result is `(n, n)`.",
        "Bring both to the shape `(n,)` first: `p[:, 0]`.",
        "`((p[:, 0] - y) ** 2)` has one number for each prediction; take its `.mean()`.",
    )
    wrong = (
        Wrong(
            "every_pair",
            lambda p, y: ((p - y) ** 2).mean(),
            "This is the silent mistake itself: `p - y` has the shape (n, n), so every prediction "
            "is compared with every target, and not with its own.",
        ),
        Wrong(
            "sum",
            lambda p, y: ((p[:, 0] - y) ** 2).sum(),
            "Each prediction meets its own target, and you summed: the mean was asked for. With a "
            "sum the gradient grows with the number of points.",
        ),
        Wrong(
            "without_the_square",
            lambda p, y: (p[:, 0] - y).abs().mean(),
            "This is the mean of the absolute differences; the squares were asked for.",
        ),
        Wrong(
            "cut_from_the_graph",
            lambda p, y: Tensor(((p.data[:, 0] - y.data) ** 2).mean()),
            "The number is right, but it was computed from `.data`, so the graph ends there and no "
            "gradient can reach p. Compute with the tensors themselves.",
        ),
    )

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 8)) for _ in range(10)]

    def outcome(self, answer, case):
        p, y = self._draw(case)
        loss = answer(p, y)
        if not isinstance(loss, Tensor):
            loss = Tensor(loss)
        if loss.requires_grad:
            loss.backward()
        slope = np.zeros(p.shape) if p.grad is None else p.grad
        return [np.asarray(loss.data), slope]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        p = Tensor(random.normal(size=(case[1], 1)), requires_grad=True)
        return p, Tensor(random.normal(size=case[1]))

    def judge(self, case, outcome):
        p, y = self._draw(case)
        value, slope = outcome
        off = p.data - y.data[:, None]
        if value.shape != () or not np.isclose(value, np.mean(off**2)):
            return (
                f"For {case[1]} predictions the loss should be {np.mean(off**2):.6g}, one number; "
                f"yours is {np.round(value, 6).tolist()}."
            )
        if not np.allclose(slope, 2 * off / case[1]):
            return "The loss is right, and its gradient does not reach p."
        return None

    def describe(self, case):
        return f"p of shape ({case[1]}, 1) and y of shape ({case[1]},)"
