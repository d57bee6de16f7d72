"""The exercises of lesson 15."""

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _told(found, right, what):
    """What to say where a path leaves the right one; None where it does not."""
    for i, (place, expected) in enumerate(zip(found, right, strict=True), 1):
        if len(place) != len(expected) or not all(map(close, place, expected)):
            return (
                f"After {i} steps {what} should be {np.round(expected, 5).tolist()}; yours is "
                f"{np.round(place, 5).tolist()}."
            )
    return None


class Heavy(Exercise):
    id = "15.heavy"
    answer = "heavy"
    hints = (
        "Two lines: first the new sum b, then the new x with it.",
        "`b = beta * b + g`: the old sum fades, the new gradient comes whole.",
        "`b = beta * b + g`, and then `return x - lr * b, b`.",
    )
    wrong = (
        Wrong(
            "no_memory",
            lambda x, b, g, lr, beta: (x - lr * g, g),
            "You forget the old b: this is plain gradient descent.",
        ),
        Wrong(
            "step_with_the_old_sum",
            lambda x, b, g, lr, beta: (x - lr * b, beta * b + g),
            "You step with the old b, one gradient too late. First renew b, then step.",
        ),
        Wrong(
            "memory_not_kept",
            lambda x, b, g, lr, beta: (x - lr * (beta * b + g), b),
            "x is right, and the b you return is the old one. The new one belongs to the next "
            "step.",
        ),
        Wrong(
            "mean",
            lambda x, b, g, lr, beta: (
                x - lr * (beta * b + (1 - beta) * g),
                beta * b + (1 - beta) * g,
            ),
            "You took a mean: g times 1 - beta. Many papers do; here the gradient comes whole.",
        ),
        Wrong(
            "never_fades",
            lambda x, b, g, lr, beta: (x - lr * (b + g), b + g),
            "Your memory does not fade: multiply the old b by beta.",
        ),
        Wrong(
            "two_steps",
            lambda x, b, g, lr, beta: (x - lr * g - lr * (beta * b + g), beta * b + g),
            "The gradient acts twice: it is in b already.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.randrange(2**31), rng.uniform(0.05, 0.5), rng.uniform(0.3, 0.95)) for _ in range(8)
        ]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        return random.normal(size=3), random.normal(size=(6, 3))

    def outcome(self, answer, case):
        x, gradients = self._draw(case)
        b, path, sums = np.zeros(3), [], []
        for g in gradients:
            x, b = answer(x, b, g.copy(), case[1], case[2])
            path.append(np.asarray(x, dtype=float).tolist())
            sums.append(np.asarray(b, dtype=float).tolist())
        return {"x": path, "b": sums}

    def judge(self, case, outcome):
        # By the fading sum written out: step t holds every gradient s <= t, beta^(t - s) times.
        x, gradients = self._draw(case)
        right, sums = [], []
        for t in range(len(gradients)):
            b = sum(case[2] ** (t - s) * gradients[s] for s in range(t + 1))
            sums.append(b)
            x = x - case[1] * b
            right.append(x)
        return _told(outcome["x"], right, "x") or _told(outcome["b"], sums, "b")

    def describe(self, case):
        return f"lr = {case[1]:.3f}, beta = {case[2]:.3f}"


def _ahead(x, b, slopes, lr, beta, far=None, memory=True, from_there=False):
    """The right step, or one with a mistake."""
    there = x - lr * (beta if far is None else far) * b
    b = (beta * b if memory else 0) + slopes(there)
    return (there if from_there else x) - lr * b, b


class Ahead(Exercise):
    id = "15.ahead"
    answer = "ahead"
    hints = (
        "As the heavy ball, but the gradient is that of another place.",
        "The place ahead is `x - lr * beta * b`, with the old b.",
        "`b = beta * b + slopes(x - lr * beta * b)`, and then `return x - lr * b, b`.",
    )
    wrong = (
        Wrong(
            "at_x",
            lambda *given: _ahead(*given, far=0.0),
            "You take the gradient at x: that is the heavy ball. Take it at x - lr * beta * b.",
        ),
        Wrong(
            "too_far",
            lambda *given: _ahead(*given, far=1.0),
            "You look ahead by lr * b. Of the old b only beta times b will be taken.",
        ),
        Wrong(
            "backward",
            lambda x, b, slopes, lr, beta: _ahead(x, b, slopes, lr, beta, far=-beta),
            "You look behind: the step goes against b, so the place ahead has a minus sign.",
        ),
        Wrong(
            "from_there",
            lambda *given: _ahead(*given, from_there=True),
            "You also step from the place ahead, so the old b counts twice. Only the gradient is "
            "taken there; the step starts at x.",
        ),
        Wrong(
            "no_memory",
            lambda *given: _ahead(*given, memory=False),
            "The new b lacks its memory, beta times the old b.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.randrange(2**31), rng.uniform(0.05, 0.2), rng.uniform(0.3, 0.9)) for _ in range(8)
        ]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        bends = random.uniform(0.5, 4, 3)
        return random.normal(size=3), lambda place: bends * np.tanh(place)

    def outcome(self, answer, case):
        x, slopes = self._draw(case)
        b, path, sums = np.zeros(3), [], []
        for _ in range(6):
            x, b = answer(x, b, slopes, case[1], case[2])
            path.append(np.asarray(x, dtype=float).tolist())
            sums.append(np.asarray(b, dtype=float).tolist())
        return {"x": path, "b": sums}

    def judge(self, case, outcome):
        # By two places instead of a memory: x' = y - lr g(y), y' = x' + beta (x' - x).
        x, slopes = self._draw(case)
        y, right, sums = x, [], []
        for _ in range(6):
            new = y - case[1] * slopes(y)
            sums.append((x - new) / case[1])
            y, x = new + case[2] * (new - x), new
            right.append(x)
        return _told(outcome["x"], right, "x") or _told(outcome["b"], sums, "b")

    def describe(self, case):
        return f"lr = {case[1]:.3f}, beta = {case[2]:.3f}"


class Bounce(Exercise):
    id = "15.bounce"
    answer = "bounce"
    hints = (
        "Call the new sum b. The old one was -b, since it changes its sign. So b = -beta b + k x.",
        "That gives b = k x / (1 + beta). And x - lr b is to be -x.",
        "`return 2 * (1 + beta) / k`",
    )
    wrong = (
        Wrong(
            "without_memory",
            lambda k, beta: 2 / k,
            "That is the length for plain steps. The memory shortens steps that alternate, so "
            "they may be longer.",
        ),
        Wrong(
            "agreeing_gradients",
            lambda k, beta: 2 * (1 - beta) / k,
            "1 - beta belongs to gradients that agree. These alternate, so b is k x / (1 + beta).",
        ),
        Wrong(
            "upside_down",
            lambda k, beta: 2 / (k * (1 + beta)),
            "The memory divides b by 1 + beta; to make up for it the length is multiplied.",
        ),
        Wrong(
            "half",
            lambda k, beta: (1 + beta) / k,
            "With half the length x arrives at 0, and is to arrive at -x.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.uniform(0.5, 20), rng.uniform(0.2, 0.9), rng.uniform(0.5, 2)) for _ in range(10)
        ]

    def outcome(self, answer, case):
        k, beta, x = case
        lr, path = float(answer(k, beta)), [x]
        b = -k * x / (1 + beta)  # the sum of the step that led here
        for _ in range(4):
            b = beta * b + k * path[-1]
            path.append(path[-1] - lr * b)
        return path

    def judge(self, case, outcome):
        k, beta, x = case
        for i, place in enumerate(outcome):
            if not close(place, x * (-1) ** i):
                return (
                    f"For k = {k:.3f} and beta = {beta:.3f}, from x = {x:.3f}: after {i} steps x "
                    f"is {place:.4g}; it should be {x * (-1) ** i:.4g}."
                )
        return None

    def describe(self, case):
        return f"k = {case[0]:.3f}, beta = {case[1]:.3f}"
