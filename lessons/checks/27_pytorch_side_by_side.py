"""The exercises of lesson 27."""

import functools
import math

import numpy as np

from tinygrad_edu import Tensor, nn, ops, optim
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close
from tinygrad_edu.namespaces.arrays import NUMPY


def _distance(a, b, shape=True, dtype=True, nan=True, of=np.max, scale=None, size=abs):
    """The right distance, or one with a mistake."""
    if (shape and a.shape != b.shape) or (dtype and a.dtype != b.dtype):
        return np.inf
    if nan and (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    a, b = np.nan_to_num(a, nan=0.0), np.nan_to_num(b, nan=0.0)
    largest = max(1, abs(b).max()) if scale is None else scale(b)
    return of(size(a - b)) / largest


class Distance(Exercise):
    id = "27.distance"
    answer = "distance"
    hints = (
        "First the three cases that give `np.inf`, then the formula.",
        "`(np.isnan(a) != np.isnan(b)).any()` is true where only one of them has nan. Before the "
        "formula, put 0 in place of nan in both: `np.nan_to_num(a, nan=0.0)`.",
        "The last line: `return abs(a - b).max() / max(1, abs(b).max())`.",
    )
    wrong = (
        Wrong(
            "broadcasts",
            lambda a, b: _distance(a, b, shape=False),
            "Shapes (3,) and (1, 3) are compared as if they were equal: NumPy broadcasts. A wrong "
            "shape is a mistake: compare `a.shape` with `b.shape` first.",
        ),
        Wrong(
            "any_dtype",
            lambda a, b: _distance(a, b, dtype=False),
            "A float32 result where a float64 belongs passes: compare the dtypes too.",
        ),
        Wrong(
            "nan_passes",
            lambda a, b: _distance(a, b, nan=False),
            "A nan on one side is read as 0, so it can pass. It is infinitely far from a number.",
        ),
        Wrong(
            "signed",
            lambda a, b: _distance(a, b, size=lambda d: d),
            "Without `abs` a difference below 0 counts as none.",
        ),
        Wrong(
            "mean",
            lambda a, b: _distance(a, b, of=np.mean),
            "The mean hides one wrong number among many right ones. Take the largest.",
        ),
        Wrong(
            "absolute",
            lambda a, b: _distance(a, b, scale=lambda b: 1),
            "You do not divide by the size of the numbers: 1000 and 1000.0001 are then as far "
            "apart as 0 and 0.0001.",
        ),
        Wrong(
            "no_one",
            lambda a, b: _distance(a, b, scale=lambda b: abs(b).max()),
            "Where all numbers are tiny, a rounding becomes a large part of them: divide by 1 if "
            "that is larger.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        kinds = ["near", "large", "tiny", "shape", "dtype", "nan", "both nan", "above", "below"]
        yield [(kind, rng.randrange(2**31)) for kind in kinds]

    def _draw(self, case):
        kind, seed = case
        random = np.random.default_rng(seed)
        b = random.uniform(-0.9, 0.9, 5)
        b = b * {"large": 1e3, "tiny": 1e-9}.get(kind, 1)
        a = b * (1 + 1e-6 * random.uniform(-1, 1, 5))
        if kind == "shape":
            return b[None], b
        if kind == "dtype":
            return b.astype("float32"), b.astype("float32").astype("float64")
        if "nan" in kind:
            a[2] = np.nan
        if kind == "both nan":
            b[2] = np.nan
        if kind == "nan":
            b[2] = 0.0
        if kind in ("above", "below"):
            a = b.copy()
            a[1] += {"above": 0.5, "below": -0.5}[kind]
        return a, b

    def outcome(self, answer, case):
        return float(answer(*self._draw(case)))

    def judge(self, case, outcome):
        a, b = self._draw(case)
        if case[0] in ("shape", "dtype", "nan"):
            right = math.inf
        else:
            pairs = [(x, y) for x, y in zip(a, b, strict=True) if not math.isnan(y)]
            right = max(abs(x - y) for x, y in pairs) / max(1.0, *(abs(y) for _, y in pairs))
        if outcome == right or (math.isfinite(right) and close(outcome * 1e6, right * 1e6)):
            return None
        return f"The distance of {a} and {b} should be {right:.3g}; yours is {outcome:.3g}."

    def describe(self, case):
        return f"two arrays ({case[0]})"


def _train(x, y, w, zero=True, momentum=0.9, correction=1, axis=0, low=-0.5, reduction="mean"):
    optimizer = optim.SGD([w], lr=0.1, momentum=momentum)
    losses = []
    for _ in range(4):
        if zero:
            optimizer.zero_grad()
        out = ops.maximum(x @ w, low)
        spread = out.std(axis=axis, correction=correction) + 1
        out = (out - out.mean(axis=axis, keepdims=True)) / spread
        loss = nn.functional.mse_loss(out, y, reduction=reduction)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _but(**change):
    return lambda x, y, w: _train(x, y, w, **change)


class Port(Exercise):
    id = "27.port"
    answer = "train"
    hints = (
        "Line by line: only `clamp`, `dim`, `keepdim` and `std` change, and `torch.` goes.",
        "`ops.maximum(x @ w, -0.5)`; `out.mean(axis=0, keepdims=True)`; for `std` the table has a "
        "warning.",
        "`out = (out - out.mean(axis=0, keepdims=True)) / (out.std(axis=0, correction=1) + 1)`, "
        "and `nn.functional.mse_loss(out, y)`.",
    )
    wrong = (
        Wrong(
            "correction",
            _but(correction=0),
            "PyTorch's `std` divides by n - 1, ours as NumPy's by n. Nothing fails, and all "
            "numbers differ a little: `correction=1`.",
        ),
        Wrong(
            "all_axes",
            _but(axis=None),
            "`dim=0` became no axis at all: mean and std are for each column, `axis=0`.",
        ),
        Wrong(
            "no_zero_grad",
            _but(zero=False),
            "The gradients of earlier steps are still there: `optimizer.zero_grad()` is missing.",
        ),
        Wrong(
            "no_momentum",
            _but(momentum=0.0),
            "The first two losses are right, the later ones not: `momentum=0.9` was lost.",
        ),
        Wrong(
            "no_clamp",
            _but(low=-np.inf),
            "The `clamp` was lost: no number of `x @ w` may be below -0.5.",
        ),
        Wrong(
            "relu",
            _but(low=0.0),
            "You cut off at 0. The script cuts off at -0.5.",
        ),
        Wrong(
            "summed",
            _but(reduction="sum"),
            "`mse_loss` is the mean over all numbers, in both libraries.",
        ),
    )

    def given(self):
        return {"np": np, "nn": nn, "ops": ops, "optim": optim, "Tensor": Tensor}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        return [random.normal(size=shape) for shape in [(8, 3), (8, 2), (3, 2)]]

    def outcome(self, answer, case):
        x, y, w = self._draw(case)
        return list(map(float, answer(Tensor(x), Tensor(y), Tensor(w, requires_grad=True))))

    def judge(self, case, outcome):
        x, y, w = self._draw(case)
        near = functools.partial(close, tolerance=1e-6)
        velocity, right = np.zeros_like(w), []
        for _ in range(4):
            right.append(_loss(x, y, w))
            slope = np.zeros_like(w)
            for place in np.ndindex(w.shape):
                up, down = w.copy(), w.copy()
                up[place] += 6e-6
                down[place] -= 6e-6
                slope[place] = (_loss(x, y, up) - _loss(x, y, down)) / 1.2e-5
            velocity = 0.9 * velocity + slope
            w = w - 0.1 * velocity
        if len(outcome) != 4 or not all(map(near, outcome, right)):
            return f"The losses should be {np.round(right, 6)}; yours are {np.round(outcome, 6)}."
        return None

    def describe(self, case):
        return "8 rows"


def _loss(x, y, w):
    """The script's loss, column by column."""
    columns = []
    for column in np.clip(x @ w, -0.5, None).T:
        mean = sum(column) / len(column)
        spread = math.sqrt(sum((c - mean) ** 2 for c in column) / (len(column) - 1))
        columns.append([(c - mean) / (spread + 1) for c in column])
    pairs = zip(np.ravel(columns), y.T.ravel(), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) / y.size


class _Box:
    """What PyTorch hands to the two functions."""

    def save_for_backward(self, *arrays):
        self.saved_tensors = arrays


def _function(
    save=lambda out, xs: (out, *xs), load=lambda saved: saved, change=lambda parts: parts
):
    def answer(op):
        def forward(ctx, *xs):
            out = op.forward(NUMPY, *xs)
            ctx.save_for_backward(*save(out, xs))
            return out

        def backward(ctx, g):
            out, *xs = load(ctx.saved_tensors)
            return change(op.rule(NUMPY, g, out, *xs))

        return forward, backward

    return answer


def _in_a_variable(op):
    kept = []

    def forward(ctx, *xs):
        kept[:] = [op.forward(NUMPY, *xs), *xs]
        return kept[0]

    def backward(ctx, g):
        return op.rule(NUMPY, g, *kept)

    return forward, backward


def _no_gradient(op):
    forward, _ = _function()(op)

    def backward(ctx, g):
        out, *xs = ctx.saved_tensors
        return op.rule(NUMPY, np.ones_like(g), out, *xs)

    return forward, backward


class AsFunction(Exercise):
    id = "27.as_function"
    answer = "as_function"
    hints = (
        "Two inner functions of three lines each, and `return forward, backward`.",
        "In `forward`: `out = op.forward(NUMPY, *xs)`, `ctx.save_for_backward(out, *xs)`, "
        "`return out`.",
        "In `backward`: `out, *xs = ctx.saved_tensors`, then `return op.rule(NUMPY, g, out, *xs)`.",
    )
    wrong = (
        Wrong(
            "out_last",
            _function(save=lambda out, xs: (*xs, out)),
            "What is saved last is read first: `save_for_backward` and `saved_tensors` have one "
            "order.",
        ),
        Wrong(
            "in_a_variable",
            _in_a_variable,
            "You keep things in a variable of your own. When the operation is used twice before "
            "the way back, the second use overwrites the first; `ctx` is there for each use.",
        ),
        Wrong(
            "no_gradient",
            _no_gradient,
            "The gradient that arrives, g, is not used: you start from ones.",
        ),
        Wrong(
            "first_only",
            _function(change=lambda parts: parts[0]),
            "You return one gradient. There is one for each operand: the rule's whole tuple.",
        ),
    )

    def given(self):
        return {"NUMPY": NUMPY, "np": np}

    def cases(self, rng):
        names = ["multiply", "tanh", "logaddexp", "sin", "exp"]
        yield [(name, rng.randrange(2**31)) for name in names]

    def _draw(self, case):
        random = np.random.default_rng(case[1])
        count = 2 if case[0] in ("multiply", "logaddexp") else 1
        uses = [[random.uniform(-1, 1, 3) for _ in range(count)] for _ in range(2)]
        return uses, random.uniform(0.5, 1.5, (2, 3))

    def outcome(self, answer, case):
        uses, gradients = self._draw(case)
        forward, backward = answer(ops.lookup(case[0]))
        boxes = [_Box() for _ in uses]
        results = [forward(box, *xs) for box, xs in zip(boxes, uses, strict=True)]
        parts = [backward(box, g) for box, g in zip(boxes, gradients, strict=True)]
        return [
            [np.asarray(out).tolist(), [np.asarray(p).tolist() for p in given]]
            for out, given in zip(results, parts, strict=True)
        ]

    def judge(self, case, outcome):
        f = {
            "multiply": lambda x, y: x * y,
            "tanh": math.tanh,
            "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
            "sin": math.sin,
            "exp": math.exp,
        }[case[0]]
        uses, gradients = self._draw(case)
        for (out, parts), xs, g in zip(outcome, uses, gradients, strict=True):
            if len(parts) != len(xs):
                return f"{case[0]} has {len(xs)} operands; {len(parts)} gradients came back."
            for i in range(3):
                at = [float(x[i]) for x in xs]
                if not close(out[i], f(*at)):
                    return f"{case[0]} of {np.round(at, 3)} is {f(*at):.5f}, not {out[i]:.5f}."
                for k, part in enumerate(parts):
                    up, down = list(at), list(at)
                    up[k] += 6e-6
                    down[k] -= 6e-6
                    right = g[i] * (f(*up) - f(*down)) / 1.2e-5
                    if not close(part[i], right, 1e-7):
                        return (
                            f"{case[0]}, gradient {k}: for g = {g[i]:.3f} at {np.round(at, 3)} it "
                            f"should be {right:.5f}; it is {part[i]:.5f}."
                        )
        return None

    def describe(self, case):
        return f"{case[0]}, used twice"


def _off(amount):
    return lambda xp, g, out, x: (g * (1 - out * out) * (1 + amount),)


class Hidden(Exercise):
    id = "27.hidden"
    answer = "hidden"
    hints = (
        "Take the right rule, and make it wrong by a factor very near 1.",
        "The factor must differ from 1 by more than 1e-12 and by less than 1e-5.",
        "`return (g * (1 - out * out) * (1 + 1e-7),)`",
    )
    wrong = (
        Wrong(
            "right",
            _off(0.0),
            "This rule is right. Make it wrong, a very little.",
        ),
        Wrong(
            "found_at_once",
            _off(1e-3),
            "This is found with the tolerance 1e-5 already. Smaller.",
        ),
        Wrong(
            "not_squared",
            lambda xp, g, out, x: (g * (1 - out),),
            "Without its square the rule is far off, and found at once. The factor has to be right "
            "but for a little.",
        ),
        Wrong(
            "widened",
            lambda xp, g, out, x: (g * (1 - out * out) * np.float64(1 + 1e-7),),
            "In float32 your gradient comes back in float64, which the comparison notices. Keep "
            "the factor a Python number.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(dtype, rng.randrange(2**31)) for dtype in ("float64", "float32", "float64")]

    def _draw(self, case):
        random = np.random.default_rng(case[1])
        return [random.uniform(0.2, 0.9, 4).astype(case[0]) for _ in range(2)]

    def outcome(self, answer, case):
        g, x = self._draw(case)
        (part,) = answer(NUMPY, g, np.tanh(x), x)
        return [np.asarray(part).tolist(), str(np.asarray(part).dtype)]

    def judge(self, case, outcome):
        g, x = self._draw(case)
        part, dtype = outcome
        if dtype != case[0]:
            return f"For {case[0]} the gradient is a {dtype}."
        right = [float(a) / math.cosh(float(b)) ** 2 for a, b in zip(g, x, strict=True)]
        off = max(abs(a - b) for a, b in zip(part, right, strict=True))
        if off > 1e-5:
            return f"In {case[0]} it is off by {off:.1e}, more than 1e-5: found."
        if case[0] == "float64" and off <= 1e-12:
            return f"In float64 it is off by {off:.1e}, not more than 1e-12: nobody finds it."
        return None

    def describe(self, case):
        return f"four numbers in {case[0]}"
