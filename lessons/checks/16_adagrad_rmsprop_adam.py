"""The exercises of lesson 16."""

import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close

STEPS, SIZE = 6, 3


class _Rule:
    """Several steps of a rule for each weight; judged with its sums written out."""

    names: tuple[str, ...] = ()

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.uniform(0.05, 0.5)) for _ in range(8)]

    def _draw(self, case):
        """Where it starts, the gradients, and the options in the order of the answer."""
        random = np.random.default_rng(case[0])
        scale = np.array([0.3, 1.0, 5.0])
        gradients = random.normal(size=(STEPS, SIZE)) * scale
        return random.normal(size=SIZE) + 2, gradients, self._options(random)

    def outcome(self, answer, case):
        x, gradients, options = self._draw(case)
        state, path = tuple(np.zeros(SIZE) for _ in self.names), []
        for t, g in enumerate(gradients, 1):
            x, *state = self._call(answer, np.array(x), state, g.copy(), t, case[1], options)
            path.append([np.asarray(part, dtype=float).tolist() for part in (x, *state)])
        return path

    def _call(self, answer, x, state, g, t, lr, options):
        return answer(x, *state, g, lr, *options)

    def judge(self, case, outcome):
        x, gradients, options = self._draw(case)
        x = list(x)
        for t, found in enumerate(outcome, 1):
            seen = [list(column[:t]) for column in gradients.T]
            step, *states = zip(*(self._one(g, options) for g in seen), strict=True)
            x = [
                self._shrunk(a, case[1], options) - case[1] * d
                for a, d in zip(x, step, strict=True)
            ]
            for name, place, right in zip(("x", *self.names), found, (x, *states), strict=True):
                if len(place) != SIZE or not all(map(close, place, right)):
                    return (
                        f"After {t} steps {name} should be {np.round(right, 5).tolist()}; yours "
                        f"is {np.round(place, 5).tolist()}."
                    )
        return None

    def _shrunk(self, x, lr, options):
        return x

    def describe(self, case):
        return f"{STEPS} steps with lr = {case[1]:.3f}"


def _mean(gradients, keep, power=1):
    """The fading mean of one weight's gradients, written out."""
    last = len(gradients) - 1
    return sum((1 - keep) * keep ** (last - i) * g**power for i, g in enumerate(gradients))


def _adagrad(x, s, g, lr, eps, root=np.sqrt):
    s = s + g * g
    return x - lr * g / (root(s) + eps), s


def _absolute(x, s, g, lr, eps):
    s = s + np.abs(g)
    return x - lr * g / (np.sqrt(s) + eps), s


class Adagrad(_Rule, Exercise):
    id = "16.adagrad"
    answer = "adagrad"
    names = ("s",)
    hints = (
        "Two lines: the new sum of squares, then the step with it.",
        "`s = s + g * g`; the gradient is divided by `np.sqrt(s) + eps`.",
        "`s = s + g * g`, and then `return x - lr * g / (np.sqrt(s) + eps), s`.",
    )
    wrong = (
        Wrong(
            "eps_inside",
            lambda x, s, g, lr, eps: (x - lr * g / np.sqrt(s + g * g + eps), s + g * g),
            "Your eps is under the root. It belongs outside: sqrt(s) + eps. Under the root a tiny "
            "eps is much larger, 1e-8 becomes 1e-4.",
        ),
        Wrong(
            "no_root",
            lambda x, s, g, lr, eps: _adagrad(x, s, g, lr, eps, root=lambda s: s),
            "You divide by the sum of squares. Its root has the size of a gradient.",
        ),
        Wrong(
            "old_sum",
            lambda x, s, g, lr, eps: (x - lr * g / (np.sqrt(s) + eps), s + g * g),
            "You divide by the sum before this gradient is in it; the first step divides by "
            "almost nothing.",
        ),
        Wrong(
            "not_kept",
            lambda x, s, g, lr, eps: (_adagrad(x, s, g, lr, eps)[0], s),
            "x is right, and you return the old sum. The new one belongs to the next step.",
        ),
        Wrong(
            "not_squared",
            _absolute,
            "You add up the gradients' sizes, not their squares.",
        ),
    )

    def _options(self, random):
        return (random.uniform(0.01, 0.1),)

    def _one(self, g, options):
        s = sum(a * a for a in g)
        return g[-1] / (math.sqrt(s) + options[0]), s


def _rmsprop(x, v, g, lr, rho, eps, new=None, root=np.sqrt):
    v = rho * v + (1 - rho if new is None else new) * g * g
    return x - lr * g / (root(v) + eps), v


def _rms_inside(x, v, g, lr, rho, eps):
    v = rho * v + (1 - rho) * g * g
    return x - lr * g / np.sqrt(v + eps), v


class RMSprop(_Rule, Exercise):
    id = "16.rmsprop"
    answer = "rmsprop"
    names = ("v",)
    hints = (
        "As Adagrad, but the sum fades: what is kept is rho of the old, 1 - rho of the new.",
        "`v = rho * v + (1 - rho) * g * g`.",
        "After that line, `return x - lr * g / (np.sqrt(v) + eps), v`.",
    )
    wrong = (
        Wrong(
            "eps_inside",
            _rms_inside,
            "Your eps is under the root. Here it stands outside: sqrt(v) + eps.",
        ),
        Wrong(
            "never_forgets",
            lambda x, v, g, lr, rho, eps: _adagrad(x, v, g, lr, eps),
            "That is Adagrad: nothing fades. The old v is multiplied by rho.",
        ),
        Wrong(
            "whole_square",
            lambda x, v, g, lr, rho, eps: _rmsprop(x, v, g, lr, rho, eps, new=1.0),
            "The new square enters whole, so v is no mean: it lacks its factor 1 - rho.",
        ),
        Wrong(
            "swapped",
            lambda x, v, g, lr, rho, eps: _rmsprop(x, v, g, lr, 1 - rho, eps),
            "rho and 1 - rho are swapped: rho, the larger, is how much of the old is kept.",
        ),
        Wrong(
            "no_root",
            lambda x, v, g, lr, rho, eps: _rmsprop(x, v, g, lr, rho, eps, root=lambda v: v),
            "You divide by the mean square. Take its root.",
        ),
    )

    def _options(self, random):
        return random.uniform(0.7, 0.95), random.uniform(0.01, 0.1)

    def _one(self, g, options):
        v = _mean(g, options[0], 2)
        return g[-1] / (math.sqrt(v) + options[1]), v


def _adam(x, m, v, g, t, lr, betas, eps, correct=(True, True), late=0, inside=False):
    """The right rule, or one with a mistake."""
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g * g
    mean = m / (1 - betas[0] ** (t + late)) if correct[0] else m
    spread = v / (1 - betas[1] ** (t + late)) if correct[1] else v
    return x - lr * mean / (np.sqrt(spread + eps) if inside else np.sqrt(spread) + eps), m, v


def _corrected_state(x, m, v, g, t, lr, betas, eps):
    x, m, v = _adam(x, m, v, g, t, lr, betas, eps)
    return x, m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)


class Adam(_Rule, Exercise):
    id = "16.adam"
    answer = "adam"
    names = ("m", "v")
    hints = (
        "Four lines: the new m, the new v, both corrected, the step.",
        "The corrected ones are `m / (1 - betas[0] ** t)` and `v / (1 - betas[1] ** t)`. Give "
        "them other names: the state to return is not corrected.",
        "With `mean` and `spread` for those two: `return x - lr * mean / (np.sqrt(spread) + eps), "
        "m, v`.",
    )
    wrong = (
        Wrong(
            "no_correction",
            lambda *given: _adam(*given, correct=(False, False)),
            "The corrections are missing: both means start at 0 and are too small at first.",
        ),
        Wrong(
            "eps_inside",
            lambda *given: _adam(*given, inside=True),
            "Your eps is under the root. Adam adds it outside: sqrt(...) + eps.",
        ),
        Wrong(
            "corrected_state",
            _corrected_state,
            "You return the corrected m and v, so they are corrected again in every step. Keep "
            "the plain ones.",
        ),
        Wrong(
            "only_m",
            lambda *given: _adam(*given, correct=(True, False)),
            "You correct m and not v. Both start at 0.",
        ),
        Wrong(
            "only_v",
            lambda *given: _adam(*given, correct=(False, True)),
            "You correct v and not m. Both start at 0.",
        ),
        Wrong(
            "one_step_late",
            lambda *given: _adam(*given, late=1),
            "Your correction is that of the next step: t is 1 in the first step already.",
        ),
        Wrong(
            "swapped_betas",
            lambda x, m, v, g, t, lr, betas, eps: _adam(x, m, v, g, t, lr, betas[::-1], eps),
            "The two betas are swapped: the first belongs to m, the second to v.",
        ),
    )

    def _options(self, random):
        return (random.uniform(0.7, 0.85), random.uniform(0.9, 0.99)), random.uniform(0.01, 0.1)

    def _call(self, answer, x, state, g, t, lr, options):
        return answer(x, *state, g, t, lr, *options)

    def _one(self, g, options):
        (beta1, beta2), eps, *_ = options
        m, v, t = _mean(g, beta1), _mean(g, beta2, 2), len(g)
        return m / (1 - beta1**t) / (math.sqrt(v / (1 - beta2**t)) + eps), m, v


def _in_gradient(x, m, v, g, t, lr, betas, eps, decay):
    return _adam(x, m, v, g + decay * x, t, lr, betas, eps)


def _after(x, m, v, g, t, lr, betas, eps, decay):
    x, m, v = _adam(x, m, v, g, t, lr, betas, eps)
    return x - lr * decay * x, m, v


def _shrinking(factor):
    def answer(x, m, v, g, t, lr, betas, eps, decay):
        return _adam(x * (1 - factor(lr, decay)), m, v, g, t, lr, betas, eps)

    return answer


class AdamW(Adam):
    id = "16.adamw"
    answer = "adamw"
    hints = (
        "First shrink x, then do a step of Adam from there.",
        "The shrunk x is `x - lr * decay * x`. The gradient stays what it is.",
        "`return adam(x - lr * decay * x, m, v, g, t, lr, betas, eps)`",
    )
    wrong = (
        Wrong(
            "in_the_gradient",
            _in_gradient,
            "You add the decay to the gradient, where it is divided by sqrt(v) like all else. "
            "That is Adam's weight decay; AdamW shrinks x itself.",
        ),
        Wrong(
            "without_lr",
            _shrinking(lambda lr, decay: decay),
            "You shrink by the decay alone. It is multiplied by the learning rate.",
        ),
        Wrong(
            "after",
            _after,
            "You shrink after the step, and so the step as well. Shrink first.",
        ),
        Wrong(
            "none",
            _shrinking(lambda lr, decay: 0.0),
            "This is Adam: x is not shrunk.",
        ),
        Wrong(
            "grows",
            _shrinking(lambda lr, decay: -lr * decay),
            "Your x grows: the decay is taken away.",
        ),
    )

    def given(self):
        return {"np": np, "adam": _adam}

    def _options(self, random):
        return (*super()._options(random), random.uniform(0.05, 0.3))

    def _shrunk(self, x, lr, options):
        return x - lr * options[2] * x


class FirstStep(Exercise):
    id = "16.first_step"
    answer = "first_step"
    hints = (
        "In the first step m and v were 0. What are they after it, for a gradient g?",
        "m = (1 - beta1) g and v = (1 - beta2) g^2. Divide m by the root of v.",
        "`return lr * (1 - beta1) / np.sqrt(1 - beta2)`",
    )
    wrong = (
        Wrong(
            "corrected",
            lambda lr, beta1, beta2: lr,
            "That is the first step with both corrections. Here they are forgotten.",
        ),
        Wrong(
            "no_root",
            lambda lr, beta1, beta2: lr * (1 - beta1) / (1 - beta2),
            "The root is missing: m is divided by sqrt(v).",
        ),
        Wrong(
            "only_m",
            lambda lr, beta1, beta2: lr * (1 - beta1),
            "You have m right, and v has lost its correction too.",
        ),
        Wrong(
            "upside_down",
            lambda lr, beta1, beta2: lr * np.sqrt(1 - beta2) / (1 - beta1),
            "Upside down: m is above the line, v below it.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [
            (rng.uniform(0.01, 0.5), rng.uniform(0.7, 0.95), rng.uniform(0.98, 0.9999))
            for _ in range(10)
        ]

    def outcome(self, answer, case):
        return float(answer(*case))

    def judge(self, case, outcome):
        lr, *betas = case
        for g in (0.01, 5.0):
            moved = -_adam(0.0, 0.0, 0.0, g, 1, lr, betas, 0.0, correct=(False, False))[0]
            if not close(outcome, moved):
                return (
                    f"With lr = {lr:.3f} and betas {betas[0]:.3f}, {betas[1]:.4f} a gradient of "
                    f"{g} moves x by {moved:.5f}; you say {outcome:.5f}."
                )
        return None

    def describe(self, case):
        return f"betas {case[1]:.3f} and {case[2]:.4f}"
