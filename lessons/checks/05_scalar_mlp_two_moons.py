"""The exercises of lesson 05."""

import itertools
import random

from tinygrad_edu import Value
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close, slopes


def _step(parameters, loss, lr, forget=True, late=False, sign=1.0):
    """The right step, or one with a mistake."""
    if forget:
        for p in parameters:
            p.grad = None
    computed = loss()
    computed.backward()
    if late:
        for p in parameters:
            p.grad = None
    for p in parameters:
        p.data = p.data - sign * lr * p.grad
    return computed


def _rebinds(parameters, loss, lr):
    for p in parameters:
        p.grad = None
    computed = loss()
    computed.backward()
    for p in parameters:
        p = Value(p.data - lr * p.grad)  # a new value, which nobody keeps
    return computed


def _moves_first(parameters, loss, lr):
    for p in parameters:
        p.data = p.data - lr * p.grad
        p.grad = None
    computed = loss()
    computed.backward()
    return computed


def _returns_a_number(parameters, loss, lr):
    return _step(parameters, loss, lr).data


_STEPS = 5


class Step(Exercise):
    id = "05.step"
    answer = "step"
    hints = (
        "Gradients add up on leaves. When must the old ones be forgotten: before or after "
        "`backward()`? And when are the new ones there?",
        "The order: `p.grad = None` for all, `computed = loss()`, `computed.backward()`, and then "
        "the move for all.",
        "The move is `p.data = p.data - lr * p.grad`, in a loop over the parameters. At the end "
        "`return computed`.",
    )
    wrong = (
        Wrong(
            "never_forgets",
            lambda parameters, loss, lr: _step(parameters, loss, lr, forget=False),
            "The first step is right. From the second on your gradients still hold all earlier "
            "ones: set `p.grad = None` before the loss is computed.",
        ),
        Wrong(
            "uphill",
            lambda parameters, loss, lr: _step(parameters, loss, lr, sign=-1.0),
            "You step along the gradient, which is uphill. Subtract it.",
        ),
        Wrong(
            "forgets_too_late",
            lambda parameters, loss, lr: _step(parameters, loss, lr, late=True),
            "You forgot the gradients after `backward()` and before the move, so there is nothing "
            "left to move by.",
        ),
        Wrong(
            "moves_too_early",
            _moves_first,
            "You move before `backward()` has found the gradients of this loss.",
        ),
        Wrong(
            "new_names",
            _rebinds,
            "Nothing moves: `p = ...` gives a new value to the name p and leaves the parameter as "
            "it was. Change its number: `p.data = ...`.",
        ),
        Wrong(
            "a_number",
            _returns_a_number,
            "The step is right. You return the number of the loss; the Value itself was asked for.",
        ),
    )

    def cases(self, rng):
        yield [
            ([rng.uniform(-1, 1) for _ in range(3)], rng.uniform(0.5, 1.5), rng.uniform(0.02, 0.1))
            for _ in range(6)
        ]

    def outcome(self, answer, case):
        starts, x, lr = case
        parameters = [Value(s) for s in starts]
        returned, path, kept = [], [], []
        for _ in range(_STEPS):
            given = answer(parameters, lambda: _bowl(x, *parameters), lr)
            returned.append(given.data if isinstance(given, Value) else None)
            path.append([p.data for p in parameters])
            kept.append(any(p.has_grad for p in parameters))
        return {"path": path, "returned": returned, "gradients are still there": kept}

    def judge(self, case, outcome):
        starts, x, lr = case
        here = list(starts)
        for i in range(_STEPS):
            loss = _bowl(x, *here)
            steps = slopes(lambda *at: _bowl(x, *at), here)
            here = [p - lr * s for p, s in zip(here, steps, strict=True)]
            found = outcome["path"][i]
            for p, q in zip(found, here, strict=True):
                if not close(p, q, 1e-6):
                    return (
                        f"After step {i + 1} a parameter is {p:.6g}; it should be {q:.6g} "
                        f"({self.describe(case)})."
                    )
            if outcome["returned"][i] is None or not close(outcome["returned"][i], loss, 1e-6):
                return (
                    f"Step {i + 1} should return the loss before the move, a Value of {loss:.6g}."
                )
            here = list(found)
        return None

    def describe(self, case):
        return f"three parameters from {[round(s, 2) for s in case[0]]}, lr = {case[2]:.3f}"


def _bowl(x, a, b, c):
    """A loss of three parameters, for floats and Values alike."""
    return (a * x + b - 1.0) * (a * x + b - 1.0) + (c - a) * (c - a) + b * b * c * c


class Start(Exercise):
    id = "05.start"
    answer = "start"
    hints = (
        "Two neurons of a layer have the same inputs and feed the same sum. What else decides "
        "their gradients?",
        "If their weights are equal now, their gradients are equal, and so they are equal after "
        "the step. Start them equal; but not so that nothing moves at all.",
        "Let every neuron have the same weights, whatever k is, and not 0: `[0.5] * n`.",
    )
    wrong = (
        Wrong(
            "all_zero",
            lambda k, n: [0.0] * n,
            "With zeros the neurons are copies, and they do not learn: each answers 0, so nothing "
            "depends on them, and no gradient reaches them.",
        ),
        Wrong(
            "by_number",
            lambda k, n: [0.1 * (k + 1)] * n,
            "Here each neuron has weights of its own, equal only within the neuron. They get "
            "different gradients and go different ways.",
        ),
        Wrong(
            "at_random",
            lambda k, n: [random.Random(10 * k + i).uniform(-1, 1) for i in range(n)],
            "These weights differ from neuron to neuron, as they should in earnest. The task is to "
            "prevent that.",
        ),
        Wrong(
            "too_few",
            lambda k, n: [0.5],
            "There is one weight for each of the n inputs.",
        ),
    )

    def cases(self, rng):
        yield [[(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(6)]]

    def outcome(self, answer, case):
        """A network of three hidden neurons, trained for a while on six points."""
        hidden = [[Value(float(w)) for w in answer(k, 2)] for k in range(3)]
        before = [[w.data for w in ws] for ws in hidden]
        if any(len(ws) != 2 for ws in hidden):
            return {"weights": [len(ws) for ws in hidden]}
        out = [Value(hidden[0][0].data) for _ in hidden]
        for _ in range(20):
            for p in itertools.chain(out, *hidden):
                p.grad = None
            for x, y in case:
                answers = [(u * x + v * y).tanh() for u, v in hidden]
                total = sum((w * a for w, a in zip(out, answers, strict=True)), Value(0.0))
                ((total - x * y) * (total - x * y)).backward()
            for p in itertools.chain(out, *hidden):
                p.data = p.data - 0.05 * p.grad
        after = [[w.data for w in ws] for ws in hidden]
        return {
            "they learn": any(not close(p, q) for p, q in zip(after[0], before[0], strict=True)),
            "they stay copies": all(
                close(p, q) for ws in after for p, q in zip(ws, after[0], strict=True)
            ),
            "equal at the start": before[0] == before[1] == before[2],
            "all alike within": len(set(before[0])) == 1,
        }

    def judge(self, case, outcome):
        if "weights" in outcome:
            return f"For n = 2 each neuron needs 2 weights; yours have {outcome['weights']}."
        for what in ("they learn", "they stay copies"):
            if not outcome[what]:
                return f"With these weights it is not so that {what}."
        return None

    def describe(self, case):
        return "a layer of three neurons with two inputs"
