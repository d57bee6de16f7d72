"""The exercises of lesson 26."""

import math
import weakref

import numpy as np

from tinygrad_edu import Tensor, no_grad
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _recorded(pieces, x, kept):
    """One recorded pass over the pieces from their kept inputs, last piece first."""
    g = None
    for piece, data in zip(pieces[::-1], kept[::-1], strict=True):
        leaf = Tensor(data.data, requires_grad=True)
        piece(leaf).backward(g)
        g = leaf.grad
    return g


def _unrecorded(pieces, x):
    kept = [x]
    with no_grad():
        for piece in pieces[:-1]:
            kept.append(piece(kept[-1]))
    return kept


def _whole(pieces, x):
    leaf = h = Tensor(x.data, requires_grad=True)
    for piece in pieces:
        h = piece(h)
    h.backward()
    return leaf.grad


def _records_twice(pieces, x):
    kept = [x]
    for piece in pieces[:-1]:
        kept.append(piece(kept[-1]))
    return _recorded(pieces, x, kept)


def _from_the_start(pieces, x):
    g = None
    for i in range(len(pieces) - 1, -1, -1):
        h = x
        with no_grad():
            for piece in pieces[:i]:
                h = piece(h)
        leaf = Tensor(h.data, requires_grad=True)
        pieces[i](leaf).backward(g)
        g = leaf.grad
    return g


def _gradient_lost(pieces, x):
    g = None
    for piece, data in zip(pieces[::-1], _unrecorded(pieces, x)[::-1], strict=True):
        leaf = Tensor(data.data, requires_grad=True)
        piece(leaf).sum().backward()
        g = leaf.grad
    return g


def _outputs_kept(pieces, x):
    kept = [piece_in.data for piece_in in _unrecorded(pieces, x)]
    return _recorded(pieces, x, [Tensor(k) for k in (*kept[1:], kept[-1])])


def _forwards(pieces, x):
    g = None
    for piece, data in zip(pieces, _unrecorded(pieces, x), strict=True):
        leaf = Tensor(data.data, requires_grad=True)
        piece(leaf).sum().backward(g)
        g = leaf.grad.sum()
    return leaf.grad


class Back(Exercise):
    id = "26.back"
    answer = "back"
    hints = (
        "Two loops. The first fills a list `kept`, beginning with x, inside `with no_grad():`. The "
        "second goes through `pieces[::-1]`.",
        "In the second loop: `leaf = Tensor(kept.pop().data, requires_grad=True)`, "
        "`piece(leaf).backward(g, free=True)`, `g = leaf.grad`. Before it, `g = None`.",
        "The first loop is `for piece in pieces[:-1]: kept.append(piece(kept[-1]))`: the loss goes "
        "into nothing, so the last piece need not run there.",
    )
    wrong = (
        Wrong(
            "whole",
            _whole,
            "The gradient is right, and all pieces are recorded at once: nothing is saved. Run "
            "them first inside `no_grad()`, then each again on a leaf of its own.",
        ),
        Wrong(
            "records_twice",
            _records_twice,
            "Your first pass records too, and holds everything: `with no_grad():` is missing.",
        ),
        Wrong(
            "from_the_start",
            _from_the_start,
            "You go back to x for each piece, so the first piece runs as often as there are "
            "pieces. Keep what goes into each: that is the checkpoint.",
        ),
        Wrong(
            "gradient_lost",
            _gradient_lost,
            "Each piece starts from the gradient 1, as if its result were summed to a loss. Hand "
            "on the gradient of the piece after it: `backward(g)`.",
        ),
        Wrong(
            "outputs_kept",
            _outputs_kept,
            "You run each piece on what came out of it. The leaf holds what went in.",
        ),
        Wrong(
            "forwards",
            _forwards,
            "The second loop goes through the pieces from the first to the last. Gradients come "
            "from the loss: begin with the last piece.",
        ),
    )

    def given(self):
        return {"Tensor": Tensor, "no_grad": no_grad, "np": np}

    def cases(self, rng):
        yield [(rng.randrange(2, 5), rng.randrange(2**31)) for _ in range(6)]

    def _draw(self, case):
        random = np.random.default_rng(case[1])
        return random.uniform(-1, 1, 3), random.uniform(0.5, 1.5, case[0])

    def outcome(self, answer, case):
        """The gradients, and which piece ran when, on which numbers, and whether recorded."""
        x, factors = self._draw(case)
        leaves = [Tensor(np.array(f), requires_grad=True) for f in factors]
        log = []

        def piece(i, h):
            h = h if isinstance(h, Tensor) else Tensor(h)
            out = (h * leaves[i]).tanh()
            out = out.sum() if i == len(leaves) - 1 else out
            log.append([i, bool(out.requires_grad)])
            return out

        g = answer([lambda h, i=i: piece(i, h) for i in range(len(leaves))], Tensor(x))
        found = [math.nan if p.grad is None else float(p.grad) for p in leaves]
        return {"x": np.asarray(getattr(g, "data", g)).tolist(), "parameters": found, "log": log}

    def judge(self, case, outcome):
        x, factors = self._draw(case)
        right_x, right = [], np.zeros(len(factors))
        for number in x:  # the chain rule, number by number
            inputs, slopes = [float(number)], []
            for f in factors:
                inputs.append(math.tanh(inputs[-1] * f))
                slopes.append(1 - inputs[-1] ** 2)
            g = 1.0
            for i in reversed(range(len(factors))):
                right[i] += g * slopes[i] * inputs[i]
                g *= slopes[i] * factors[i]
            right_x.append(g)
        for name, found, wanted in (
            ("x", outcome["x"], right_x),
            ("the pieces' parameters", outcome["parameters"], right),
        ):
            if len(found) != len(wanted) or not all(map(close, found, wanted)):
                return f"The gradient of {name} should be {np.round(wanted, 5)}; it is {found}."
        n = len(factors)
        first = [[i, False] for i in range(n)]
        second = [[i, True] for i in reversed(range(n))]
        if outcome["log"] not in (first[:-1] + second, first + second):
            ran = ", ".join(f"{i + 1}{' recorded' if r else ''}" for i, r in outcome["log"])
            return f"The gradients are right; the pieces ran in this order: {ran}."
        return None

    def describe(self, case):
        return f"{case[0]} pieces"


def _accumulate(loss_of, parts, weight=None, after=None):
    rows = sum(len(y) for _, y in parts)
    total = 0.0
    for x, y in parts:
        loss = loss_of(x, y) * (len(y) / rows if weight is None else weight(y, rows, parts))
        loss.backward()
        total += loss.item()
    return total


def _plain_total(loss_of, parts):
    rows = sum(len(y) for _, y in parts)
    total = 0.0
    for x, y in parts:
        loss = loss_of(x, y)
        (loss * (len(y) / rows)).backward()
        total += loss.item()
    return total


def _unweighted_backward(loss_of, parts):
    rows = sum(len(y) for _, y in parts)
    total = 0.0
    for x, y in parts:
        loss = loss_of(x, y)
        loss.backward()
        total += loss.item() * len(y) / rows
    return total


def _all_graphs(loss_of, parts):
    rows = sum(len(y) for _, y in parts)
    total = sum(loss_of(x, y) * (len(y) / rows) for x, y in parts)
    total.backward()
    return total.item()


def _never_backward(loss_of, parts):
    rows = sum(len(y) for _, y in parts)
    return sum(loss_of(x, y).item() * len(y) / rows for x, y in parts)


class Accumulate(Exercise):
    id = "26.accumulate"
    answer = "accumulate"
    hints = (
        "The mean over all rows is the sum of the parts' means, each times its share of the rows.",
        "`loss = loss_of(x, y) * (len(y) / rows)`, with `rows` the length of all parts together.",
        "After that line, `loss.backward()` and `total += loss.item()`.",
    )
    wrong = (
        Wrong(
            "summed",
            lambda loss_of, parts: _accumulate(loss_of, parts, lambda y, rows, parts: 1),
            "You add the parts' means as they are: the gradient is too large by about the number "
            "of parts.",
        ),
        Wrong(
            "equal_shares",
            lambda loss_of, parts: _accumulate(
                loss_of, parts, lambda y, rows, parts: 1 / len(parts)
            ),
            "Each part counts the same. A short part's rows then weigh more than a long one's; "
            "weigh by length.",
        ),
        Wrong(
            "whole_length",
            lambda loss_of, parts: _accumulate(loss_of, parts, lambda y, rows, parts: len(y)),
            "You weigh by the length and do not divide by the number of all rows: that is the sum "
            "over rows, not their mean.",
        ),
        Wrong(
            "plain_total",
            _plain_total,
            "The gradients are right; the number returned adds the parts' means unweighted.",
        ),
        Wrong(
            "unweighted_backward",
            _unweighted_backward,
            "The number returned is right; you call `backward()` on the unweighted loss.",
        ),
        Wrong(
            "all_graphs",
            _all_graphs,
            "The graphs of all parts are held at once, as a sum of tensors or a list of losses "
            "does. Call `backward()` for each part, and add up numbers.",
        ),
        Wrong(
            "never_backward",
            _never_backward,
            "No gradient arrives: `backward()` is missing.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [[rng.randrange(1, 7) for _ in range(rng.randrange(3, 5))] for _ in range(6)] + [
            [1, 5, 2]
        ]

    def _draw(self, case):
        random = np.random.default_rng(sum(n * 10**i for i, n in enumerate(case)))
        return [(random.normal(size=n), random.normal(size=n)) for n in case], 0.7

    def outcome(self, answer, case):
        """What it returns, the gradient, the graphs alive when a part began."""
        parts, start = self._draw(case)
        w = Tensor(np.array(start), requires_grad=True)
        made, alive = [], []

        def loss_of(x, y):
            alive.append(sum(ref() is not None for ref in made))
            residual = w * x - y
            made.append(weakref.ref(residual))
            return (residual * residual).mean()

        given = answer(loss_of, [(Tensor(x), Tensor(y)) for x, y in parts])
        return {
            "value": float(given),
            "gradient": math.nan if w.grad is None else float(w.grad),
            "alive": alive,
        }

    def judge(self, case, outcome):
        parts, w = self._draw(case)
        rows = [(a, b) for x, y in parts for a, b in zip(x, y, strict=True)]
        value = sum((w * a - b) ** 2 for a, b in rows) / len(rows)
        gradient = sum(2 * a * (w * a - b) for a, b in rows) / len(rows)
        if not close(outcome["gradient"], gradient):
            return f"The gradient should be {gradient:.6f}; it is {outcome['gradient']:.6f}."
        if not close(outcome["value"], value):
            return f"The loss should be {value:.6f}; you return {outcome['value']:.6f}."
        if max(outcome["alive"]) > 1:
            return f"When the last part began, {outcome['alive'][-1]} earlier graphs were held."
        return None

    def describe(self, case):
        return f"parts of {', '.join(map(str, case))} rows"
