"""The exercises of lesson 07."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _differences(f, inputs, g):
    """The gradient of sum(g * f(inputs)) for the first input, by central differences."""
    first, *rest = inputs
    slopes = np.zeros(first.shape)
    for place in np.ndindex(first.shape):
        step = np.zeros(first.shape)
        step[place] = 1e-5
        change = f(first + step, *rest) - f(first - step, *rest)
        slopes[place] = np.sum(g * change) / 2e-5
    return slopes


def _complaint(what, found, right, case):
    """What is wrong with a gradient: its shape, or the element that is furthest off."""
    if found.shape != right.shape:
        return f"{what}: the gradient has the shape {found.shape}, its matrix {right.shape}."
    if not np.allclose(found, right, rtol=1e-6, atol=1e-8):
        worst = np.unravel_index(np.abs(found - right).argmax(), right.shape)
        return (
            f"{what}: the element {tuple(map(int, worst))} is {found[worst]:.6g}, and a small step "
            f"to either side gives {right[worst]:.6g} ({case})."
        )
    return None


class Product(Exercise):
    id = "07.product"
    answer = "product_rule"
    hints = (
        "Write the shapes: g is (n, m), a is (n, k), b is (k, m). The gradient of a must be "
        "(n, k): which of the three can you multiply to get that, and which must be turned around?",
        "For a: (n, m) times (m, k), so b turned around. For b: (k, n) times (n, m).",
        "`return g @ b.T, a.T @ g`",
    )
    wrong = (
        Wrong(
            "element_by_element",
            lambda g, a, b: (g.sum() * np.ones(a.shape), g.sum() * np.ones(b.shape)),
            "You treated every element alike. An element of a meets one row of b only: its slope "
            "depends on where it stands.",
        ),
        Wrong(
            "not_turned",
            lambda g, a, b: (g @ b, a @ g),
            "The sizes do not meet. The sum runs over the last index of both g and b, so b is "
            "transposed and comes after g; in the same way a is transposed and comes before g.",
        ),
        Wrong(
            "exchanged",
            lambda g, a, b: (a.T @ g, g @ b.T),
            "Both formulas are right, and they stand in the wrong places: the gradient of a comes "
            "first.",
        ),
        Wrong(
            "without_g",
            lambda g, a, b: (np.ones(g.shape) @ b.T, a.T @ np.ones(g.shape)),
            "These are the gradients for a g of ones: right if the final result is the plain sum, "
            "and for nothing else. Put g in place of the ones.",
        ),
        Wrong(
            "only_the_slopes",
            lambda g, a, b: (b.T, a.T),
            "These are the matrices that were multiplied by, turned around. The g that arrived "
            "is missing: each answer is a product with it.",
        ),
        Wrong(
            "turned_result",
            lambda g, a, b: (b @ g.T, g.T @ a),
            "These are the right gradients turned on their side: the shape of the first is (k, n), "
            "and a is (n, k).",
        ),
    )

    def cases(self, rng):
        different = [tuple(rng.sample(range(2, 7), 3)) for _ in range(6)]
        yield [(rng.randrange(2**31), sizes) for sizes in different]

    def _draw(self, case):
        random, (n, k, m) = np.random.default_rng(case[0]), case[1]
        return [random.normal(size=shape) for shape in [(n, m), (n, k), (k, m)]]

    def outcome(self, answer, case):
        first, second = answer(*self._draw(case))
        return [np.asarray(first), np.asarray(second)]

    def judge(self, case, outcome):
        g, a, b = self._draw(case)
        right = [
            _differences(lambda a, b: a @ b, (a, b), g),
            _differences(lambda b, a: a @ b, (b, a), g),
        ]
        for what, found, expected in zip("ab", outcome, right, strict=True):
            complaint = _complaint(what, found, expected, self.describe(case))
            if complaint:
                return complaint
        return None

    def describe(self, case):
        return "n, k, m = {}, {}, {}".format(*case[1])


def _softmax(x):
    return np.exp(x) / np.exp(x).sum()


_FORWARDS = {
    "transpose": lambda a: a.T,
    "softmax": _softmax,
    "column_sums": lambda a: a.sum(axis=0),
    "trace": np.trace,
    "quadratic": lambda x, a: x @ a @ x,
    "logsumexp": lambda x: np.log(np.exp(x).sum()),
}
_RIGHT = {
    "transpose": lambda g, a: g.T,
    "softmax": lambda g, x: _softmax(x) * (g - (g * _softmax(x)).sum()),
    "column_sums": lambda g, a: np.broadcast_to(g, a.shape),
    "trace": lambda g, a: g * np.eye(len(a)),
    "quadratic": lambda g, x, a: g * (a + a.T) @ x,
    "logsumexp": lambda g, x: g * _softmax(x),
}


class Rules(Exercise):
    id = "07.rules"
    answer = "rules"
    hints = (
        "For each entry write one element of the result and ask where an element of the input "
        "occurs in it. For `column_sums`: a[i, j] occurs in the sum of column j only, with the "
        "slope 1.",
        "`column_sums`: row i of the gradient is g, for every i; `np.broadcast_to(g, a.shape)` "
        "repeats it. `trace`: slope 1 on the diagonal, 0 elsewhere. `logsumexp`: the slope for x_j "
        "is exp(x_j) over the sum, which is softmax.",
        "`quadratic`: x stands on the left and on the right. The left one has the slope `a @ x`, "
        "the right one `a.T @ x`; add both, and multiply by g. `softmax`: `s * (g - (g * s).sum())`"
        " with `s = np.exp(x) / np.exp(x).sum()`.",
    )
    wrong = (
        Wrong(
            "softmax_without_neighbours",
            {**_RIGHT, "softmax": lambda g, x: g * _softmax(x) * (1 - _softmax(x))},
            "Your softmax looks at each element alone: s (1 - s) is its slope for its own x. But "
            "raising one x lowers all the other results, and those parts have to be added.",
        ),
        Wrong(
            "quadratic_as_a_square",
            {**_RIGHT, "quadratic": lambda g, x, a: g * 2 * a @ x},
            "Your quadratic has 2 a x, which is right only where a is symmetric. x stands on both "
            "sides: the left one gives a x, the right one a^T x.",
        ),
        Wrong(
            "quadratic_once",
            {**_RIGHT, "quadratic": lambda g, x, a: g * a @ x},
            "Your quadratic counts one of the two places where x stands. Add the other: a^T x.",
        ),
        Wrong(
            "trace_without_g",
            {**_RIGHT, "trace": lambda g, a: np.eye(len(a))},
            "Your trace gives the plain slopes. Multiply by g, which says how much the final "
            "result changes per change of the trace.",
        ),
        Wrong(
            "the_input_again",
            {**_RIGHT, "transpose": lambda g, a: a.T},
            "Your transpose turns the input around. A gradient is made of g: it is g that has to "
            "be brought back to the shape of the input.",
        ),
        Wrong(
            "trace_of_ones",
            {**_RIGHT, "trace": lambda g, a: g * np.ones(a.shape)},
            "Your trace gives every element a slope. Only those on the diagonal are added up.",
        ),
        Wrong(
            "rows_for_columns",
            {**_RIGHT, "column_sums": lambda g, a: g[: len(a), None] * np.ones(a.shape)},
            "Your column_sums hands g out along the wrong axis: a[i, j] belongs to column j, so it "
            "gets g[j].",
        ),
        Wrong(
            "transpose_kept",
            {**_RIGHT, "transpose": lambda g, a: np.reshape(g, a.shape)},
            "Your transpose brings g to the right shape without moving its elements to their "
            "places. `reshape` reads row by row; `.T` turns around.",
        ),
    )

    def given(self):
        return {"np": np}

    def unstarted(self, answer):
        missing = [name for name in _FORWARDS if name not in answer]
        return f"There is no entry yet for {', '.join(missing)}." if missing else None

    def cases(self, rng):
        yield [(name, rng.randrange(2**31), rng.randint(3, 4)) for name in _FORWARDS for _ in "12"]

    def _draw(self, case):
        """g and the inputs of a case."""
        name, seed, n = case
        random = np.random.default_rng(seed)
        shapes = {"transpose": [(n, n + 2)], "column_sums": [(n, n + 2)], "trace": [(n, n)]}
        shapes["quadratic"] = [(n,), (n, n)]
        inputs = [random.normal(size=shape) for shape in shapes.get(name, [(n,)])]
        return random.normal(size=np.shape(_FORWARDS[name](*inputs))), inputs

    def outcome(self, answer, case):
        g, inputs = self._draw(case)
        return np.asarray(answer[case[0]](g, *inputs))

    def judge(self, case, outcome):
        g, inputs = self._draw(case)
        right = _differences(_FORWARDS[case[0]], inputs, g)
        return _complaint(case[0], outcome, right, f"inputs of shape {inputs[0].shape}")

    def describe(self, case):
        return f"{case[0]}, size {case[2]}"


class Sizes(Exercise):
    id = "07.sizes"
    answer = "sizes"
    hints = (
        "The wrong formula multiplies g of shape (n, m) by b of shape (k, m). For which sizes is "
        "that possible at all?",
        "m must equal k. The product is then (n, m), which is the shape of a.",
        "Any three sizes with k = m, as long as both are larger than 1: (2, 3, 3), for instance.",
    )
    wrong = (
        Wrong(
            "all_different",
            (2, 3, 4),
            "The sizes are all different, and so the wrong formula cannot even be computed. That "
            "makes them good for tests; here two of them have to be equal.",
        ),
        Wrong(
            "the_other_two",
            (3, 3, 2),
            "Here n and k are equal. The wrong formula multiplies (n, m) by (k, m): the sizes that "
            "meet are m and k.",
        ),
        Wrong(
            "only_one_number",
            (3, 1, 1),
            "The shapes fit, and the formula is right: a matrix of one number is its own "
            "transpose.",
        ),
    )

    def unstarted(self, answer):
        return "Put three whole numbers in place of the question marks." if "?" in answer else None

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        n, k, m = (int(size) for size in answer)
        random = np.random.default_rng(case)
        g, b = random.normal(size=(n, m)), random.normal(size=(k, m))
        fits = m == k
        return {
            "the shapes fit": fits,
            "the numbers are wrong": fits and not np.allclose(g @ b, g @ b.T),
            "n = k": n == k,
        }

    def judge(self, case, outcome):
        for what in ("the shapes fit", "the numbers are wrong"):
            if not outcome[what]:
                return f"With these sizes it is not so that {what}."
        return None

    def describe(self, case):
        return "your sizes"
