"""The exercises of lesson 32."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _forward(W, U, b, xs, h, carry=True, tanh=np.tanh, first=True):
    hs = [h]
    for x in xs:
        hs.append(tanh(W @ (hs[-1] if carry else h) + U @ x + b))
    return hs if first else hs[1:]


def _numbers(seed, steps):
    """W, U, b, the inputs, h_0, and what reaches each state directly."""
    random = np.random.default_rng(seed)
    W, U = random.normal(size=(3, 3)) * 0.7, random.normal(size=(3, 2))
    b, h = 0.3 * random.normal(size=(2, 3))
    xs, gs = random.normal(size=(steps, 2)), random.normal(size=(steps, 3))
    return W, U, b, list(xs), h, list(gs)


class Forward(Exercise):
    id = "32.forward"
    answer = "forward"
    hints = (
        "Begin with the list `[h]`. Every step reads the last state in the list and adds the next.",
        "The last state is `hs[-1]`; the next one is tanh of W times it, plus U times x, plus b.",
        "`hs = [h]`, then for every x: `hs.append(np.tanh(W @ hs[-1] + U @ x + b))`.",
    )
    wrong = (
        Wrong(
            "forgets_at_every_step",
            lambda W, U, b, xs, h: _forward(W, U, b, xs, h, carry=False),
            "Every step starts from h_0 again. It should go on from the state before it.",
        ),
        Wrong(
            "no_tanh",
            lambda W, U, b, xs, h: _forward(W, U, b, xs, h, tanh=lambda z: z),
            "The tanh is missing.",
        ),
        Wrong(
            "matrix_turned",
            lambda W, U, b, xs, h: _forward(W.T, U, b, xs, h),
            "Your W is transposed. Forward it is W h; transposed it comes on the way back.",
        ),
        Wrong(
            "without_the_bias",
            lambda W, U, b, xs, h: _forward(W, U, 0 * b, xs, h),
            "The bias b is missing.",
        ),
        Wrong(
            "without_the_first_state",
            lambda W, U, b, xs, h: _forward(W, U, b, xs, h, first=False),
            "h_0 is missing from your list: it is the first of the T + 1 states.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(2, 5)) for _ in range(6)]

    def outcome(self, answer, case):
        *parts, _ = _numbers(*case)
        return [np.asarray(h).tolist() for h in answer(*parts)]

    def judge(self, case, outcome):
        W, U, b, xs, h, _ = _numbers(*case)
        right = [h.tolist()]
        for x in xs:
            inside = [
                math.fsum([*(W[i] * right[-1]), *(U[i] * x), b[i]]) for i in range(len(right[-1]))
            ]
            right.append([math.tanh(z) for z in inside])
        if len(outcome) != len(right):
            return f"For {len(xs)} inputs there are {len(right)} states; you have {len(outcome)}."
        for t, (mine, theirs) in enumerate(zip(outcome, right, strict=True)):
            if not np.allclose(mine, theirs):
                return f"h_{t} should be {np.round(theirs, 3)}, and is {np.round(mine, 3)}."
        return None

    def describe(self, case):
        return f"{case[1]} steps"


def _backward(W, hs, gs, carry=True, turn=True, direct=True, slope=1, seen=0, last=False):
    total, delta = np.zeros_like(W), np.zeros(len(W))
    for t in reversed(range(len(gs))):
        sent = (W.T if turn else W) @ delta if carry else 0
        here = gs[t] if direct or t == len(gs) - 1 else 0
        delta = (here + sent) * (1 - hs[t + slope] ** 2)
        part = np.outer(delta, hs[t + seen])
        total = part if last else total + part
    return total


class Backward(Exercise):
    id = "32.backward"
    answer = "backward"
    hints = (
        "Walk t from the last step to the first. Keep one delta, which starts as zeros.",
        "`gs[t]` belongs to the state `hs[t + 1]`, which was made from `hs[t]`.",
        "In `for t in reversed(range(len(gs))):` first `delta = (gs[t] + W.T @ delta) * "
        "(1 - hs[t + 1] ** 2)`, then add `np.outer(delta, hs[t])` to the total.",
    )
    wrong = (
        Wrong(
            "stops_at_every_step",
            lambda W, hs, gs: _backward(W, hs, gs, carry=False),
            "Nothing comes back from the later steps: that is a truncation after one step. Add "
            "W^T times the delta of the step after.",
        ),
        Wrong(
            "not_turned",
            lambda W, hs, gs: _backward(W, hs, gs, turn=False),
            "On the way back the matrix is transposed: W^T, not W.",
        ),
        Wrong(
            "last_answer_only",
            lambda W, hs, gs: _backward(W, hs, gs, direct=False),
            "You use g of the last step only. Every state has an answer of its own, and its g_t.",
        ),
        Wrong(
            "slope_of_the_state_before",
            lambda W, hs, gs: _backward(W, hs, gs, slope=0),
            "The slope is that of the tanh that made h_t: 1 - h_t^2, with `hs[t + 1]` where `gs` "
            "counts from 0.",
        ),
        Wrong(
            "own_state",
            lambda W, hs, gs: _backward(W, hs, gs, seen=1),
            "W multiplied the state before, h_(t-1), so its gradient has that one in it, not h_t.",
        ),
        Wrong(
            "does_not_add_up",
            lambda W, hs, gs: _backward(W, hs, gs, last=True),
            "You keep one step's part. The same W was used in every step: its gradient is the sum.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.randint(3, 5)) for _ in range(4)]

    def outcome(self, answer, case):
        W, U, b, xs, h, gs = _numbers(*case)
        return np.asarray(answer(W.copy(), _forward(W, U, b, xs, h), [g.copy() for g in gs]))

    def judge(self, case, outcome):
        W, U, b, xs, h, gs = _numbers(*case)

        def loss(W):
            return sum(g @ h for g, h in zip(gs, _forward(W, U, b, xs, h)[1:], strict=True))

        right = np.zeros_like(W)
        for place in np.ndindex(W.shape):
            step = np.zeros_like(W)
            step[place] = 1e-6
            right[place] = (loss(W + step) - loss(W - step)) / 2e-6
        if outcome.shape != right.shape:
            return f"The gradient of W has shape {right.shape}; yours has {outcome.shape}."
        if not np.allclose(outcome, right, rtol=1e-5, atol=1e-7):
            place = np.unravel_index(np.abs(outcome - right).argmax(), right.shape)
            found = f"{right[place]:.5f}, and yours is {outcome[place]:.5f}"
            return f"By small steps the gradient of W[{place[0]}, {place[1]}] is {found}."
        return None

    def describe(self, case):
        return f"{case[1]} steps"


def _length(gradients):
    return np.sqrt(sum((g * g).sum() for g in gradients))


class Clip(Exercise):
    id = "32.clip"
    answer = "clip"
    hints = (
        "One length for all of them: add up the squares of all numbers in all gradients, and take "
        "the root.",
        "The factor is `limit / length`, but never more than 1.",
        "`length = np.sqrt(sum((g * g).sum() for g in gradients))`, then each g times "
        "`min(1.0, limit / length)`.",
    )
    wrong = (
        Wrong(
            "each_by_itself",
            lambda gradients, limit: [g * min(1.0, limit / _length([g])) for g in gradients],
            "You scale every gradient by its own length, which changes the direction of the step. "
            "All get the same factor.",
        ),
        Wrong(
            "every_number_by_itself",
            lambda gradients, limit: [np.clip(g, -limit, limit) for g in gradients],
            "You cut single numbers. That too is used, but it changes the direction; here the "
            "length of all together is limited.",
        ),
        Wrong(
            "always_to_the_limit",
            lambda gradients, limit: [g * limit / _length(gradients) for g in gradients],
            "Short gradients grow to the limit in your function. Those below it stay as they are.",
        ),
        Wrong(
            "sum_of_lengths",
            lambda gradients, limit: [
                g * min(1.0, limit / sum(_length([x]) for x in gradients)) for g in gradients
            ],
            "You add up the lengths of the gradients. The length of all is the root of the sum of "
            "all squares.",
        ),
        Wrong(
            "without_the_root",
            lambda gradients, limit: [
                g * min(1.0, limit / _length(gradients) ** 2) for g in gradients
            ],
            "The root is missing: you divide by the squared length.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), limit) for limit in (0.5, 1.5, 2.5, 100.0)]

    def outcome(self, answer, case):
        return np.concatenate([np.ravel(g) for g in answer(self._gradients(case[0]), case[1])])

    def judge(self, case, outcome):
        flat = [float(x) for g in self._gradients(case[0]) for x in g.ravel()]
        length = math.hypot(*flat)
        right = np.array(flat) * (case[1] / length if length > case[1] else 1.0)
        if outcome.shape != right.shape:
            return f"There are {len(right)} numbers in all; you return {outcome.size}."
        if not np.allclose(outcome, right):
            return (
                f"The length of all is {length:.4g}, the limit {case[1]:g}; yours comes out with "
                f"length {math.hypot(*outcome):.4g}, and the first number is {outcome[0]:.4g} "
                f"instead of {right[0]:.4g}."
            )
        return None

    def describe(self, case):
        return f"two gradients, limit {case[1]}"

    def _gradients(self, seed):
        random = np.random.default_rng(seed)
        return [2 + random.random((2, 3)), 5 + random.random(4)]


class Taught(Exercise):
    id = "32.taught"
    answer = "taught"
    hints = (
        "Number the answers of a piece 0 to k - 1. Where does the input stand that answer i asks "
        "for?",
        "At i - lag. It is in the piece if that is not below 0.",
        "The answers lag, ..., k - 1: that is k - lag of them, or none if the lag is longer.",
    )
    wrong = (
        Wrong(
            "below_none",
            lambda k, lag: k - lag,
            "For pieces shorter than the lag you count fewer than none.",
        ),
        Wrong(
            "one_too_many",
            lambda k, lag: max(0, k - lag + 1),
            "One too many: with k equal to the lag, the last answer asks for the input just before "
            "the piece.",
        ),
        Wrong(
            "all_or_nothing",
            lambda k, lag: k if k > lag else 0,
            "Not all answers of a longer piece: the first ones ask for inputs of the piece before.",
        ),
        Wrong(
            "those_before",
            lambda k, lag: min(k, lag),
            "You count the answers whose input lies before the piece. The others are asked for.",
        ),
    )

    def cases(self, rng):
        lag = rng.randint(4, 12)
        yield [(2, lag), (lag, lag), (lag + 1, lag), (lag + rng.randint(2, 9), lag)]

    def outcome(self, answer, case):
        return int(answer(*case))

    def judge(self, case, outcome):
        k, lag = case
        right = sum(1 for asked in range(k) for given in range(k) if asked - given == lag)
        if outcome != right:
            return f"With k = {k} and lag {lag} it is {right}, not {outcome}."
        return None

    def describe(self, case):
        return f"k = {case[0]}, lag {case[1]}"
