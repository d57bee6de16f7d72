"""The exercises of lesson 08."""

import itertools

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong


def _forward(weights, biases, x, last=False, relu_first=False):
    """The right forward pass, or one with a mistake."""
    fs, hs = [], [x]
    for k in range(len(weights)):
        fs.append(weights[k] @ (np.maximum(hs[k], 0) if relu_first else hs[k]) + biases[k])
        if k < len(weights) - 1 or last:
            hs.append(np.maximum(fs[k], 0))
    return fs, hs


def _backward(weights, fs, hs, delta, mask="before", turn=True, bias="sum", inputs="h"):
    """The right backward pass, or one with a mistake."""
    for_weights, for_biases = [], []
    for k in reversed(range(len(weights))):
        seen = hs[k] if inputs == "h" or k == 0 else fs[k - 1]
        for_weights.append(delta @ seen.T)
        kept = delta.sum(axis=1, keepdims=True)
        forms = {"sum": kept, "mean": kept / delta.shape[1], "flat": kept[:, 0], "delta": delta}
        for_biases.append(forms[bias])
        if k > 0:
            sent = (weights[k].T if turn else weights[k]) @ delta
            delta = (fs[k - 1] > 0) * sent if mask == "before" else sent
    return for_weights[::-1], for_biases[::-1]


def _network(seed, sizes, batch):
    """Weights, biases and a batch of columns."""
    random = np.random.default_rng(seed)
    weights = [random.normal(size=(m, n)) / np.sqrt(n) for n, m in itertools.pairwise(sizes)]
    biases = [0.3 * random.normal(size=(m, 1)) for m in sizes[1:]]
    return weights, biases, random.normal(size=(sizes[0], batch))


class Forward(Exercise):
    id = "08.forward"
    answer = "forward"
    hints = (
        "Start with `fs, hs = [], [x]`, and go through the layers. Layer k reads `hs[k]`.",
        "`fs.append(weights[k] @ hs[k] + biases[k])`, and then the next h, except after the last "
        "layer.",
        "`for k in range(len(weights)):` with the line of hint 2, then `if k < len(weights) - 1: "
        "hs.append(np.maximum(fs[k], 0))`. At the end `return fs, hs`.",
    )
    wrong = (
        Wrong(
            "relu_at_the_end",
            lambda weights, biases, x: _closed_end(weights, biases, x),
            "The answer went through relu as well, so it can never be negative. The last f has no "
            "relu after it.",
        ),
        Wrong(
            "one_h_too_many",
            lambda weights, biases, x: _forward(weights, biases, x, last=True),
            "Your `hs` has one entry too many: h_0 to h_K are the inputs of the K + 1 layers, and "
            "nothing reads a relu of the last f.",
        ),
        Wrong(
            "relu_of_the_input",
            lambda weights, biases, x: _forward(weights, biases, x, relu_first=True),
            "The input x went through relu: its negative numbers are lost. Relu comes after a "
            "layer, not before the first.",
        ),
        Wrong(
            "without_biases",
            lambda weights, biases, x: _forward(weights, [0 * b for b in biases], x),
            "The biases are missing: f_k = W_k h_k + b_k.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        for _ in range(2):
            yield [(rng.randrange(2**31), (3, 4, 5, 2), rng.choice([1, 3])) for _ in range(6)]

    def outcome(self, answer, case):
        fs, hs = answer(*_network(*case))
        return [[np.asarray(f) for f in fs], [np.asarray(h) for h in hs]]

    def judge(self, case, outcome):
        weights, biases, x = _network(*case)
        fs, hs = outcome
        if (len(fs), len(hs)) != (len(weights), len(weights)):
            return (
                f"For {len(weights)} layers there are {len(weights)} fs and as many hs; yours are "
                f"{len(fs)} and {len(hs)}."
            )
        h = x
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            right = np.einsum("ij,jn->in", w, h) + b
            for what, found, expected in ((f"h_{k}", hs[k], h), (f"f_{k}", fs[k], right)):
                if found.shape != expected.shape or not np.allclose(found, expected):
                    return f"{what} is not right for {self.describe(case)}."
            h = np.where(right > 0, right, 0.0)
        return None

    def describe(self, case):
        return f"layers of {', '.join(map(str, case[1]))} and {case[2]} columns"


def _closed_end(weights, biases, x):
    fs, hs = _forward(weights, biases, x)
    return [*fs[:-1], np.maximum(fs[-1], 0)], hs


def _measured(weights, biases, x, delta):
    """The gradients of sum(delta * f_K), by central differences."""

    def total():
        return np.sum(delta * _forward(weights, biases, x)[0][-1])

    found = []
    for parameters in (weights, biases):
        slopes = []
        for p in parameters:
            slope = np.zeros(p.shape)
            for place in np.ndindex(p.shape):
                kept = p[place]
                p[place] = kept + 1e-6
                up = total()
                p[place] = kept - 1e-6
                slope[place] = (up - total()) / 2e-6
                p[place] = kept
            slopes.append(slope)
        found.append(slopes)
    return found


class Backward(Exercise):
    id = "08.backward"
    answer = "backward"
    hints = (
        "Go through the layers from the last to the first. In each: the gradient of the weights, "
        "that of the biases, and then, unless it is layer 0, the delta of the layer before.",
        "`delta @ hs[k].T`, `delta.sum(axis=1, keepdims=True)`, and `delta = (fs[k - 1] > 0) * "
        "(weights[k].T @ delta)`.",
        "`for k in reversed(range(len(weights))):` with the three lines of hint 2, the third one "
        "under `if k > 0:`. Append to two lists, and return them turned around: `[::-1]`.",
    )
    wrong = (
        Wrong(
            "no_mask",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, mask="none"),
            "You sent every delta through, as if all relus had been open. Where f was negative the "
            "slope of relu is 0: multiply by (fs[k - 1] > 0).",
        ),
        Wrong(
            "f_for_h",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, inputs="f"),
            "The gradient of W_k needs what W_k was multiplied by, which is h_k, after relu; you "
            "took f, before it.",
        ),
        Wrong(
            "flat_biases",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, bias="flat"),
            "Your bias gradients have lost an axis. A bias is a column: sum with "
            "`axis=1, keepdims=True`.",
        ),
        Wrong(
            "delta_for_biases",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, bias="delta"),
            "Your bias gradients are the deltas themselves, with a column for each input. One bias "
            "was added to every column, so they are summed.",
        ),
        Wrong(
            "mean_for_biases",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, bias="mean"),
            "Your bias gradients are means over the columns. A bias was added to every column, so "
            "its parts are summed.",
        ),
        Wrong(
            "backwards",
            lambda weights, fs, hs, delta: tuple(
                part[::-1] for part in _backward(weights, fs, hs, delta)
            ),
            "The gradients are right, and in the order in which you found them: the last layer "
            "first. Turn the lists around.",
        ),
        Wrong(
            "not_turned",
            lambda weights, fs, hs, delta: _backward(weights, fs, hs, delta, turn=False),
            "You multiplied by W_k where its transpose belongs. Where all layers have one size "
            "nothing complains.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), (3, 3, 3, 3), rng.randint(2, 4)) for _ in range(4)]
        yield [(rng.randrange(2**31), (2, 4, 3, 2), rng.randint(2, 4)) for _ in range(4)]

    def _draw(self, case):
        weights, biases, x = _network(*case)
        fs, hs = _forward(weights, biases, x)
        return weights, biases, x, fs, hs, np.random.default_rng(case[0]).normal(size=fs[-1].shape)

    def outcome(self, answer, case):
        weights, _, _, fs, hs, delta = self._draw(case)
        found = answer(weights, fs, hs, delta)
        return [[np.asarray(g) for g in part] for part in found]

    def judge(self, case, outcome):
        weights, biases, x, _, _, delta = self._draw(case)
        right = _measured(weights, biases, x, delta)
        for what, found, expected in zip(("W", "b"), outcome, right, strict=True):
            if len(found) != len(expected):
                return f"There are {len(expected)} layers; you return {len(found)} gradients."
            for k, (g, e) in enumerate(zip(found, expected, strict=True)):
                if g.shape != e.shape:
                    return f"The gradient of {what}_{k} has the shape {g.shape}, not {e.shape}."
                if not np.allclose(g, e, rtol=1e-5, atol=1e-7):
                    worst = np.unravel_index(np.abs(g - e).argmax(), e.shape)
                    return (
                        f"The gradient of {what}_{k} at {tuple(map(int, worst))} is "
                        f"{g[worst]:.6g}; small steps give {e[worst]:.6g}."
                    )
        return None

    def describe(self, case):
        return f"layers of {', '.join(map(str, case[1]))} and {case[2]} columns"


class Broken(Exercise):
    id = "08.broken"
    answer = "broken"
    hints = (
        "What must a step do to lower the loss? It need not be the gradient; it has to point "
        "roughly downhill.",
        "Leave something out of the right backward pass that changes the numbers and seldom their "
        "sign: the mask of the relus, for instance, or a factor.",
        "Copy your `backward` and leave out `(fs[k - 1] > 0) *`.",
    )
    wrong = (
        Wrong(
            "nothing_broken",
            _backward,
            "These are the right gradients. The task is to be wrong and to learn all the same.",
        ),
        Wrong(
            "uphill",
            lambda weights, fs, hs, delta: tuple(
                [-g for g in part] for part in _backward(weights, fs, hs, delta)
            ),
            "With the sign turned around every step goes uphill: the loss grows.",
        ),
        Wrong(
            "standstill",
            lambda weights, fs, hs, delta: tuple(
                [0.0 * g for g in part] for part in _backward(weights, fs, hs, delta)
            ),
            "With gradients of 0 nothing moves.",
        ),
    )

    def given(self):
        return {"np": np, "back": _backward}

    def cases(self, rng):
        yield [rng.randrange(2**31)]

    def outcome(self, answer, case):
        weights, biases, x = _network(case, (3, 16, 16, 1), 64)
        y = x[:1] - 0.5 * x[1:2] * x[2:]
        losses = []
        for step in range(200):
            fs, hs = _forward(weights, biases, x)
            delta = 2 * (fs[-1] - y) / 64
            losses.append(float(np.mean((fs[-1] - y) ** 2)))
            found = answer(weights, fs, hs, delta)
            if step == 0:
                exact = _backward(weights, fs, hs, delta)
                wrong = not all(
                    np.allclose(g, e, rtol=1e-6)
                    for one, other in zip(found, exact, strict=True)
                    for g, e in zip(one, other, strict=True)
                )
            if not np.isfinite(losses[-1]):
                break
            for parameters, gradients in zip((weights, biases), found, strict=True):
                for p, g in zip(parameters, gradients, strict=True):
                    p -= 0.1 * np.asarray(g)
        fell = losses[-1] < losses[0] / 3
        return {"wrong": wrong, "learns": bool(fell), "moves": losses[-1] != losses[0]}

    def judge(self, case, outcome):
        if outcome["wrong"] and outcome["learns"]:
            return None
        said = [
            f"the gradients are {'wrong' if outcome['wrong'] else 'right'}",
            f"the loss {'falls' if outcome['learns'] else 'does not fall'} to a third",
        ]
        return f"Wanted: wrong, and learning. With yours {' and '.join(said)}."

    def describe(self, case):
        return "a network of 3, 16, 16 and 1 units"
