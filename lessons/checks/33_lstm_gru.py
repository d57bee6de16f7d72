"""The exercises of lesson 33."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def _lstm(x, h, c, W, U, b, order="ifgo", forget="multiply", squash=True, new=np.tanh, old=False):
    parts = dict(zip(order, np.split(W @ h + U @ x + b, 4), strict=True))
    i, f, o = (_sigmoid(parts[name]) for name in "ifo")
    kept = {"multiply": f * c, "leave": c, "close": (1 - i) * c}[forget]
    after = kept + i * new(parts["g"])
    seen = c if old else after
    return o * (np.tanh(seen) if squash else seen), after


def _inputs(seed, gates, size=3):
    random = np.random.default_rng(seed)
    x, h, c = random.normal(size=2), random.normal(size=size), 1 + random.random(size)
    W, U = random.normal(size=(gates * size, size)), random.normal(size=(gates * size, 2))
    b, d = random.normal(size=(2, gates * size))
    return x, h, c, W, U, b, d


def _sums(W, h, U, x, *biases):
    """W h + U x + the biases, one number at a time."""
    return [
        math.fsum([*(W[row] * h), *(U[row] * x), *(bias[row] for bias in biases)])
        for row in range(len(W))
    ]


def _chance(z):
    return 1 / (1 + math.exp(-z))


def _difference(outcome, right, names):
    """What is wrong with arrays that have names; None if nothing is."""
    if len(outcome) != len(right):
        return f"{len(right)} arrays are to be returned, {' and '.join(names)}; not {len(outcome)}."
    for mine, theirs, name in zip(outcome, right, names, strict=True):
        if np.shape(mine) != np.shape(theirs) or not np.allclose(mine, theirs):
            return f"{name} should be {np.round(theirs, 3)}, and is {np.round(mine, 3)}."
    return None


class LSTMStep(Exercise):
    id = "33.lstm_step"
    answer = "lstm_step"
    hints = (
        "First the four sums at once, W h + U x + b; then cut them into four.",
        "i, f and o go through the sigmoid, g through tanh; then the two formulas for c' and h'.",
        "`i, f, g, o = np.split(W @ h + U @ x + b, 4)`, then `c = sigmoid(f) * c + sigmoid(i) * "
        "np.tanh(g)`; return `sigmoid(o) * np.tanh(c), c`.",
    )
    wrong = (
        Wrong(
            "another_order",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, order="ifog"),
            "You read the gates as i, f, o, g. The order of the rows is i, f, g, o.",
        ),
        Wrong(
            "never_forgets",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, forget="leave"),
            "The forget gate is missing: c' = f c + i g.",
        ),
        Wrong(
            "one_gate_for_both",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, forget="close"),
            "You keep 1 - i of the cell, as a GRU does. An LSTM has a forget gate of its own.",
        ),
        Wrong(
            "shows_the_cell_as_it_is",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, squash=False),
            "The cell goes through tanh before the output gate: h' = o tanh(c').",
        ),
        Wrong(
            "sigmoid_for_the_new",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, new=_sigmoid),
            "g is no gate: it goes through tanh, so that it can also be negative.",
        ),
        Wrong(
            "shows_the_old_cell",
            lambda x, h, c, W, U, b: _lstm(x, h, c, W, U, b, old=True),
            "h' shows the new cell c', not the one before the step.",
        ),
    )

    def given(self):
        return {"np": np, "sigmoid": _sigmoid}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(5)]

    def outcome(self, answer, case):
        *parts, _ = _inputs(case, 4)
        return [np.asarray(a).tolist() for a in answer(*parts)]

    def judge(self, case, outcome):
        x, h, c, W, U, b, _ = _inputs(case, 4)
        sums, size, states, cells = _sums(W, h, U, x, b), len(h), [], []
        for k in range(size):
            i, f, o = (_chance(sums[k + gate * size]) for gate in (0, 1, 3))
            cells.append(f * c[k] + i * math.tanh(sums[k + 2 * size]))
            states.append(o * math.tanh(cells[-1]))
        return _difference(outcome, [states, cells], ["h'", "c'"])

    def describe(self, case):
        return "two inputs, three units"


def _gru(x, h, W, U, b, d, order="rzn", turned=False, reset="product", gate=1):
    read = dict(zip(order, np.split(U @ x + b, 3), strict=True))
    kept = dict(zip(order, np.split(W @ h + d, 3), strict=True))
    r, z = (_sigmoid(read[name] + kept[name]) for name in "rz")
    size, place = len(h), order.index("n")
    rows = slice(place * size, (place + 1) * size)
    seen = {
        "product": r * kept["n"],
        "none": kept["n"],
        "state": W[rows] @ (r * h) + d[rows],
    }[reset]
    n = np.tanh(read["n"] + seen)
    return (z * n + (1 - z) * h if turned else (1 - z) * n + z * h), (r, z)[gate]


class GRUStep(Exercise):
    id = "33.gru_step"
    answer = "gru_step"
    hints = (
        "Cut `U @ x + b` and `W @ h + d` into three each: r needs the first parts, z the second "
        "parts, n the third.",
        "r and z are the sigmoid of the sum of their two parts. In n, r multiplies the third part "
        "of `W @ h + d`, bias and all.",
        "`n = np.tanh(read[2] + r * kept[2])`, and the result is `(1 - z) * n + z * h, z`.",
    )
    wrong = (
        Wrong(
            "another_order",
            lambda *parts: _gru(*parts, order="zrn"),
            "You read the gates as z, r, n. The order of the rows is r, z, n.",
        ),
        Wrong(
            "keeps_what_it_should_replace",
            lambda *parts: _gru(*parts, turned=True),
            "You have z and 1 - z the wrong way round: z is the share that is kept.",
        ),
        Wrong(
            "no_reset",
            lambda *parts: _gru(*parts, reset="none"),
            "The reset gate is missing in n.",
        ),
        Wrong(
            "reset_before_the_matrix",
            lambda *parts: _gru(*parts, reset="state"),
            "You multiply the state with r before the matrix. So did the first paper; here, as in "
            "PyTorch, r multiplies the product, bias and all.",
        ),
        Wrong(
            "the_other_gate",
            lambda *parts: _gru(*parts, gate=0),
            "The state is right, but the second result should be z, and is r.",
        ),
    )

    def given(self):
        return {"np": np, "sigmoid": _sigmoid}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(5)]

    def outcome(self, answer, case):
        x, h, _, W, U, b, d = _inputs(case, 3)
        return [np.asarray(a).tolist() for a in answer(x, h, W, U, b, d)]

    def judge(self, case, outcome):
        x, h, _, W, U, b, d = _inputs(case, 3)
        both, size, states, gates = _sums(W, h, U, x, b, d), len(h), [], []
        read, kept = _sums(0 * W, h, U, x, b), _sums(W, h, 0 * U, x, d)
        for k in range(size):
            r, z = _chance(both[k]), _chance(both[k + size])
            n = math.tanh(read[k + 2 * size] + r * kept[k + 2 * size])
            states.append(n + z * (h[k] - n))
            gates.append(z)
        return _difference(outcome, [states, gates], ["h'", "z"])

    def describe(self, case):
        return "two inputs, three units"


class ForgetBias(Exercise):
    id = "33.forget_bias"
    answer = "forget_bias"
    hints = (
        "The gate s multiplies `steps` times, and s to that power is to be `share`.",
        "s is the root: `share ** (1 / steps)`. Then b from s, by the formula.",
        "`gate = share ** (1 / steps)`, then `np.log(gate / (1 - gate))`.",
    )
    wrong = (
        Wrong(
            "one_step_only",
            lambda steps, share: np.log(share / (1 - share)),
            "With this bias `share` is left after one step. The gate multiplies at every step.",
        ),
        Wrong(
            "the_gate_itself",
            lambda steps, share: share ** (1 / steps),
            "That is the gate, not the bias: the bias goes through the sigmoid first.",
        ),
        Wrong(
            "divided_by_the_steps",
            lambda steps, share: np.log((1 - share / steps) / (share / steps)),
            "Steps multiply, they do not add: you need a root, not a division.",
        ),
        Wrong(
            "upside_down",
            lambda steps, share: np.log(1 / share ** (1 / steps) - 1),
            "The fraction is upside down, so the gate is nearly closed: it is s over 1 - s.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randint(2, 200), rng.uniform(0.2, 0.9)) for _ in range(6)]

    def outcome(self, answer, case):
        return float(answer(*case))

    def judge(self, case, outcome):
        steps, share = case
        left = 1.0
        for _ in range(steps):
            left *= _chance(min(max(outcome, -700.0), 700.0))
        if not math.isclose(left, share, rel_tol=1e-6):
            return f"After {steps} steps {left:.3g} is left, not {share:.3g}."
        return None

    def describe(self, case):
        return f"{case[0]} steps, {case[1]:.3g} left"
