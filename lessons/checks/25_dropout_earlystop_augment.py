"""The exercises of lesson 25."""

import itertools

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.train import EarlyStopping


def _dropout(x, p, random, scale=None, shape=None, drop=None):
    kept = random.random(x.shape if shape is None else shape(x)) >= (p if drop is None else drop(p))
    return x * kept * (1 / (1 - p) if scale is None else scale(p))


class Dropout(Exercise):
    id = "25.dropout"
    answer = "dropout"
    hints = (
        "Draw one number for each element, and decide with it whether the element stays.",
        "`random.random(x.shape) >= p` is True with probability 1 - p; a product with it sets the "
        "others to 0.",
        "`kept = random.random(x.shape) >= p`, and then `return x * kept / (1 - p)`.",
    )
    wrong = (
        Wrong(
            "not_scaled",
            lambda x, p, random: _dropout(x, p, random, scale=lambda p: 1.0),
            "What is kept is as it was, so that the mean falls to 1 - p of what it was. Divide by "
            "1 - p.",
        ),
        Wrong(
            "divided_by_p",
            lambda x, p, random: _dropout(x, p, random, scale=lambda p: 1 / p),
            "You divide by p. A share of 1 - p is left, so divide by that.",
        ),
        Wrong(
            "scaled_down",
            lambda x, p, random: _dropout(x, p, random, scale=lambda p: 1 - p),
            "You multiply by 1 - p, which makes the mean smaller still. Divide by it.",
        ),
        Wrong(
            "keeps_p",
            lambda x, p, random: _dropout(x, p, random, drop=lambda p: 1 - p),
            "You keep a share of p, and p is the probability to drop.",
        ),
        Wrong(
            "whole_rows",
            lambda x, p, random: _dropout(x, p, random, shape=lambda x: (len(x), 1)),
            "You drop whole rows: one number was drawn for each, and every element needs its own.",
        ),
        Wrong(
            "whole_columns",
            lambda x, p, random: _dropout(x, p, random, shape=lambda x: x.shape[1:]),
            "All your rows drop the same elements: draw with the whole shape of x.",
        ),
        Wrong(
            "drops_nothing",
            lambda x, p, random: x / (1 - p),
            "Nothing is dropped.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), p) for p in (0.2, 0.3, 0.7, 0.8)]

    def _draw(self, case):
        return np.random.default_rng(case[0]).uniform(1, 2, size=(40, 60))

    def outcome(self, answer, case):
        """What does not depend on which elements the numbers of the generator happen to drop."""
        x, p = self._draw(case), case[1]
        y = np.asarray(answer(x.copy(), p, np.random.default_rng(case[0] + 1)), dtype=float)
        gone = y == 0
        share = gone.mean()
        near = min((0.0, p, 1 - p), key=lambda value: abs(value - share))
        alike = {"rows": (gone == gone[0]).all(), "columns": (gone == gone[:, :1]).all()}
        return {
            "shape": list(y.shape),
            # Of 60 whole columns or 40 whole rows the share scatters too much to be judged.
            "dropped": p if any(alike.values()) and gone.any() else near,
            "alike": [name for name, value in alike.items() if value and gone.any()],
            "factors": sorted({*np.round((y / x)[~gone], 6).tolist()}),
        }

    def judge(self, case, outcome):
        p = case[1]
        if outcome["alike"]:
            same = " and ".join(outcome["alike"])
            return f"With p = {p} your {same} are alike in what they drop."
        if outcome["dropped"] != p:
            return f"With p = {p} a share of {outcome['dropped']:.2f} is dropped."
        right = round(1 / (1 - p), 6)
        if len(outcome["factors"]) != 1 or abs(outcome["factors"][0] - right) > 2e-6:
            return (
                f"With p = {p} what is kept should be multiplied by {right:.4f}; yours is by "
                f"{', '.join(f'{f:.4f}' for f in outcome['factors'][:3])}."
            )
        return None if outcome["shape"] == [40, 60] else f"The shape is {outcome['shape']}."

    def describe(self, case):
        return f"p = {case[1]}"


def _stopping(losses, patience, better=lambda loss, best: loss < best, late=0):
    best = 1
    for epoch, loss in enumerate(losses, 1):
        if better(loss, losses[best - 1]):
            best = epoch
        if epoch - best >= patience + late:
            return best, epoch
    return best, len(losses)


def _total(losses, patience):
    best, bad = 1, 0
    for epoch, loss in enumerate(losses[1:], 2):
        if loss < losses[best - 1]:
            best = epoch
        else:
            bad += 1
        if bad == patience:
            return best, epoch
    return best, len(losses)


def _than_the_last(losses, patience):
    waited = 0
    for epoch in range(2, len(losses) + 1):
        waited = 0 if losses[epoch - 1] < losses[epoch - 2] else waited + 1
        if waited == patience:
            return 1 + int(np.argmin(losses[:epoch])), epoch
    return 1 + int(np.argmin(losses)), len(losses)


class Stopping(Exercise):
    id = "25.stopping"
    answer = "stopping"
    hints = (
        "Go through the losses with their numbers from 1 and remember the best epoch so far.",
        "How many epochs in a row were not better is the number of this epoch minus that of the "
        "best.",
        "In the loop: `if loss < losses[best - 1]: best = epoch`, then `if epoch - best >= "
        "patience: return best, epoch`. After it `return best, len(losses)`.",
    )
    wrong = (
        Wrong(
            "never_forgives",
            _total,
            "You count all epochs that were no better. After a new best the count starts again.",
        ),
        Wrong(
            "than_the_last",
            _than_the_last,
            "You compare with the epoch before. An epoch that recovers a little is not yet better "
            "than the best.",
        ),
        Wrong(
            "one_late",
            lambda losses, patience: _stopping(losses, patience, late=1),
            "You stop one epoch too late.",
        ),
        Wrong(
            "one_early",
            lambda losses, patience: _stopping(losses, patience, late=-1),
            "You stop one epoch too early.",
        ),
        Wrong(
            "equal_is_better",
            lambda *given: _stopping(*given, better=lambda loss, best: loss <= best),
            "A loss that equals the best is not better; with yours a flat curve never stops.",
        ),
        Wrong(
            "from_zero",
            lambda *given: tuple(epoch - 1 for epoch in _stopping(*given)),
            "Your epochs are counted from 0.",
        ),
        Wrong(
            "the_last_one",
            lambda *given: (_stopping(*given)[1],) * 2,
            "The best epoch is not the one at which it stops.",
        ),
        Wrong(
            "looks_ahead",
            lambda losses, patience: (
                1 + int(np.argmin(losses)),
                _stopping(losses, patience)[1],
            ),
            "Your best epoch is the best of all losses, also of those after the stop, which "
            "nobody has seen.",
        ),
    )

    def cases(self, rng):
        fixed = [
            ([0.9, 0.6, 0.7, 0.65, 0.5], 2),
            ([0.9, 0.6, 0.7, 0.65, 0.5], 3),
            ([0.5, 0.5, 0.5, 0.5], 2),
            ([0.9, 0.95, 0.8, 0.85, 0.7, 0.75, 0.6], 2),
        ]
        yield fixed + [
            ([rng.randrange(10) / 10 for _ in range(12)], rng.randint(2, 4)) for _ in range(30)
        ]

    def outcome(self, answer, case):
        return [int(number) for number in answer(list(case[0]), case[1])]

    def judge(self, case, outcome):
        losses, patience = case
        # The definition, without a loop that remembers: at which epochs may one stop?
        bests = [losses.index(min(losses[:t])) + 1 for t in range(1, len(losses) + 1)]
        ends = [t for t, best in enumerate(bests, 1) if t - best >= patience]
        last = ends[0] if ends else len(losses)
        if outcome != [bests[last - 1], last]:
            return (
                f"For the losses {losses} and patience {patience} the best epoch is "
                f"{bests[last - 1]} and the last {last}; yours are {outcome}."
            )
        return None

    def describe(self, case):
        return f"the losses {case[0]} with patience {case[1]}"


class Trap(Exercise):
    id = "25.trap"
    answer = "trap"
    hints = (
        "It has to stop first: begin with a good loss, and let worse ones follow.",
        "`patience` worse ones in a row are enough; then comes what it will never see.",
        "`return [1.0, *[2.0] * patience, 0.5]`",
    )
    wrong = (
        Wrong(
            "too_short",
            lambda patience: [1.0, *[2.0] * (patience - 1), 0.5],
            "It does not stop: there are fewer than `patience` worse losses in a row.",
        ),
        Wrong(
            "nothing_better",
            lambda patience: [1.0, *[2.0] * (patience + 1)],
            "It stops, and rightly so: no later loss is lower than the best it has seen.",
        ),
        Wrong(
            "only_falls",
            lambda patience: [1 / (i + 1) for i in range(patience + 2)],
            "Your losses only fall, so it never stops.",
        ),
    )

    def cases(self, rng):
        yield [2, 3, 5, rng.randint(6, 12)]

    def outcome(self, answer, case):
        losses = [float(loss) for loss in answer(case)]
        watch = EarlyStopping(patience=case)
        for epoch, loss in enumerate(losses, 1):
            watch.update(loss, epoch)
            if watch.stopped:
                break
        later = losses[epoch:]
        return {
            "stops": watch.stopped,
            "misses": bool(later) and min(later) < watch.best,
            "rises": any(b >= a for a, b in itertools.pairwise(losses)),
        }

    def judge(self, case, outcome):
        if outcome["stops"] and outcome["misses"]:
            return None
        return f"With patience {case} early stopping " + (
            "stops, and misses nothing." if outcome["stops"] else "does not stop."
        )

    def describe(self, case):
        return f"patience {case}"
