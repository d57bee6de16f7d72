"""The exercises of lesson 40."""

import math

import numpy as np

from tinygrad_edu import Tensor, ops
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _returns(rewards, gamma, fault=""):
    n = len(rewards)
    if fault == "past":
        return [sum(gamma ** (t - u) * rewards[u] for u in range(t + 1)) for t in range(n)]
    if fault == "start":
        return [sum(gamma**u * rewards[u] for u in range(t, n)) for t in range(n)]
    if fault == "late":
        return [sum(gamma ** (u - t) * rewards[u] for u in range(t + 1, n)) for t in range(n)]
    if fault == "plain":
        return [sum(rewards[t:]) for t in range(n)]
    right = [sum(gamma ** (u - t) * rewards[u] for u in range(t, n)) for t in range(n)]
    return right[::-1] if fault == "backwards" else right


def _faulty(function, name):
    return lambda *args: function(*args, fault=name)


class Returns(Exercise):
    id = "40.returns"
    answer = "returns"
    hints = (
        "Start at the end, where the return is the last reward, and go backwards.",
        "Keep one number, what comes after; at each step it becomes `reward + gamma * after`.",
        "Over `reversed(rewards)`: `after = reward + gamma * after`, append it; at the end "
        "`return out[::-1]`.",
    )
    wrong = (
        Wrong("no_discount", _faulty(_returns, "plain"), "Later rewards are not discounted."),
        Wrong(
            "looks_back",
            _faulty(_returns, "past"),
            "You add up what came before. An action is worth what comes after it.",
        ),
        Wrong(
            "from_the_start",
            _faulty(_returns, "start"),
            "You discount from the first step on. For each step the count begins anew: its own "
            "reward counts in full.",
        ),
        Wrong(
            "without_its_own",
            _faulty(_returns, "late"),
            "The step's own reward is missing.",
        ),
        Wrong(
            "backwards",
            _faulty(_returns, "backwards"),
            "The list is the wrong way round: the first step comes first.",
        ),
    )

    def cases(self, rng):
        yield [
            ([rng.uniform(-1, 2) for _ in range(rng.randrange(3, 7))], rng.uniform(0.5, 0.95))
            for _ in range(4)
        ]

    def outcome(self, answer, case):
        return [float(g) for g in answer(list(case[0]), case[1])]

    def judge(self, case, outcome):
        rewards, gamma = case
        if len(outcome) != len(rewards):
            return f"For {len(rewards)} rewards there are {len(outcome)} returns."
        for t in range(len(rewards)):
            right = math.fsum(gamma**k * r for k, r in enumerate(rewards[t:]))
            if not close(right, outcome[t]):
                return f"The return of step {t} is {right:.6g}; yours is {outcome[t]:.6g}."
        return None

    def describe(self, case):
        return f"{len(case[0])} rewards with gamma = {case[1]:.3f}"


def _advantages(g, up, fault=""):
    if fault == "all":
        baseline = (g * up).mean(axis=1, keepdims=True)
    elif fault == "time":
        baseline = (g * up).sum(axis=0, keepdims=True) / up.sum(axis=0, keepdims=True)
    elif fault == "one":
        baseline = (g * up).sum() / up.sum()
    else:
        baseline = (g * up).sum(axis=1, keepdims=True) / up.sum(axis=1, keepdims=True)
    if fault == "kept":
        return g - baseline
    return np.where(up, baseline - g if fault == "sign" else g - baseline, 0.0)


class Advantages(Exercise):
    id = "40.advantages"
    answer = "advantages"
    hints = (
        "Each row is a time. Its baseline is a mean over the episodes in which `up` is True there.",
        "A sum over `g * up` divided by a sum over `up`, both along axis 1 with `keepdims=True`.",
        "`baseline = (g * up).sum(axis=1, keepdims=True) / up.sum(axis=1, keepdims=True)`; then "
        "`np.where(up, g - baseline, 0.0)`.",
    )
    wrong = (
        Wrong(
            "counts_the_ended",
            _faulty(_advantages, "all"),
            "Episodes that have ended count as 0 in your mean; leave them out of the number as "
            "well.",
        ),
        Wrong(
            "over_time",
            _faulty(_advantages, "time"),
            "Your mean runs over the time of one episode; it should compare episodes at one time.",
        ),
        Wrong(
            "one_for_all",
            _faulty(_advantages, "one"),
            "You have one baseline for all times. Early steps have larger returns than late ones.",
        ),
        Wrong(
            "ended_ones_too",
            _faulty(_advantages, "kept"),
            "Where an episode has ended the advantage is 0.",
        ),
        Wrong("sign", _faulty(_advantages, "sign"), "Better than usual is above 0, not below."),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(4)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        ends = np.array([2, 4, 5, 5])
        return random.normal(3, 1, (5, 4)), np.arange(5)[:, None] < ends

    def outcome(self, answer, case):
        return np.asarray(answer(*self._draw(case)), dtype=float)

    def judge(self, case, outcome):
        g, up = self._draw(case)
        if outcome.shape != g.shape:
            return f"For returns {g.shape} the result has shape {outcome.shape}."
        for t, n in np.ndindex(g.shape):
            running = [g[t, k] for k in range(4) if up[t, k]]
            right = g[t, n] - math.fsum(running) / len(running) if up[t, n] else 0.0
            if not close(outcome[t, n], right):
                return (
                    f"At time {t} episode {n} has the advantage {right:.6g}; yours "
                    f"{outcome[t, n]:.6g}."
                )
        return None

    def describe(self, case):
        return "5 times, 4 episodes, one of which ends after 2 steps"


def _loss(scores, actions, advantage, fault=""):
    if fault == "chance":
        logs = ops.softmax(scores, axis=1)
    elif fault == "scores":
        logs = scores
    else:
        logs = ops.log_softmax(scores, axis=1)
    other = 1 - actions if fault == "other" else actions
    chosen = np.eye(2)[other] * (1.0 if fault == "unweighted" else advantage[:, None])
    total = (logs * Tensor(chosen)).sum(axis=1)
    total = total.sum() if fault == "sum" else total.mean()
    return total if fault == "sign" else -total


class PolicyLoss(Exercise):
    id = "40.policy_loss"
    answer = "policy_loss"
    hints = (
        "The logarithms of all chances come from `ops.log_softmax`; of each row you need the one "
        "that was chosen.",
        "`np.eye(2)[actions]` has a 1 at the chosen action; times `advantage[:, None]` it says how "
        "much each logarithm counts.",
        "`-(ops.log_softmax(scores, axis=1) * Tensor(chosen)).sum(axis=1).mean()`",
    )
    wrong = (
        Wrong(
            "sign",
            _faulty(_loss, "sign"),
            "The sign is wrong: a step down this loss makes good actions rarer.",
        ),
        Wrong(
            "no_logarithm",
            _faulty(_loss, "chance"),
            "You took the chance itself; the formula has its logarithm.",
        ),
        Wrong(
            "raw_scores",
            _faulty(_loss, "scores"),
            "You took the scores; they become logarithms of chances by `ops.log_softmax`.",
        ),
        Wrong(
            "no_advantage",
            _faulty(_loss, "unweighted"),
            "The advantage is not used: every action is encouraged alike.",
        ),
        Wrong(
            "the_other_action",
            _faulty(_loss, "other"),
            "You took the chance of the action that was not chosen.",
        ),
        Wrong("sum", _faulty(_loss, "sum"), "You added up over the steps; take the mean."),
    )

    def given(self):
        return {"np": np, "ops": ops, "Tensor": Tensor}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        return (
            random.normal(size=(5, 2)),
            np.array([0, 1, 1, 0, 1]),
            random.normal(size=5) + np.array([1, 0, 0, 0, 0]),
        )

    def outcome(self, answer, case):
        scores, actions, advantage = self._draw(case)
        x = Tensor(scores, requires_grad=True)
        loss = answer(x, actions, advantage)
        loss.backward()
        return {"loss": loss.item(), "gradient": x.grad}

    def judge(self, case, outcome):
        scores, actions, advantage = self._draw(case)

        def right(s):
            logs = [s[i, a] - math.log(sum(map(math.exp, s[i]))) for i, a in enumerate(actions)]
            return -sum(a * log for a, log in zip(advantage, logs, strict=True)) / len(logs)

        if not close(outcome["loss"], right(scores)):
            return f"The loss is {right(scores):.6g}; yours is {outcome['loss']:.6g}."
        step = np.zeros_like(scores)
        step[0, 0] = 1e-6
        slope = (right(scores + step) - right(scores - step)) / 2e-6
        if not close(outcome["gradient"][0, 0], slope, 1e-6):
            return "The loss is right, but its gradient is not."
        return None

    def describe(self, case):
        return "5 steps"


def _targets(rewards, ended, next_values, gamma, fault=""):
    best = next_values.mean(axis=1) if fault == "mean" else next_values.max(axis=1)
    if fault == "all":
        best = np.full(len(rewards), next_values.max())
    goes_on = 1.0 if fault == "endless" else (ended if fault == "turned" else 1.0 - ended)
    if fault == "nothing":
        return (1.0 - ended) * (rewards + gamma * best)
    return rewards + (1.0 if fault == "plain" else gamma) * goes_on * best


class Targets(Exercise):
    id = "40.targets"
    answer = "targets"
    hints = (
        "What is to come after the last step of an episode? Nothing.",
        "`next_values.max(axis=1)` is the best of each row; `1 - ended` is 0 at the end.",
        "`return rewards + gamma * (1.0 - ended) * next_values.max(axis=1)`",
    )
    wrong = (
        Wrong(
            "endless",
            _faulty(_targets, "endless"),
            "You count what comes after the end. A pole that has fallen is worth nothing more.",
        ),
        Wrong(
            "only_ended",
            _faulty(_targets, "turned"),
            "It is the other way round: `ended` is 1 where nothing follows.",
        ),
        Wrong(
            "mean",
            _faulty(_targets, "mean"),
            "You took the mean over the actions; the best one will be chosen, so take the largest.",
        ),
        Wrong(
            "no_discount",
            _faulty(_targets, "plain"),
            "What comes later is not discounted by $\\gamma$.",
        ),
        Wrong(
            "reward_lost",
            _faulty(_targets, "nothing"),
            "At the end you lose the last reward as well; only what follows it is 0.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), rng.uniform(0.8, 0.99)) for _ in range(3)]

    def _draw(self, case):
        random = np.random.default_rng(case[0])
        return random.normal(1, 0.2, 5), np.array([0.0, 1, 0, 0, 1]), random.normal(size=(5, 2))

    def outcome(self, answer, case):
        return np.asarray(answer(*self._draw(case), case[1]), dtype=float)

    def judge(self, case, outcome):
        rewards, ended, values = self._draw(case)
        if outcome.shape != (5,):
            return f"For 5 steps the result has shape {outcome.shape}."
        for i in range(5):
            right = rewards[i] + (0.0 if ended[i] else case[1] * max(values[i]))
            if not close(outcome[i], right):
                return (
                    f"With the reward {rewards[i]:.3f}, ended {ended[i]:.0f} and values "
                    f"{values[i].round(3).tolist()} it is {right:.6g}; yours {outcome[i]:.6g}."
                )
        return None

    def describe(self, case):
        return f"5 steps, two of them the last, with gamma = {case[1]:.3f}"
