"""The exercises of lesson 42."""

import numpy as np

from tinygrad_edu import Tensor, compile
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close


def _first(better, start=1, extra=1, none=None):
    def answer(cpu, gpu, largest):
        for n in range(start, largest + extra):
            if better(cpu, gpu, n):
                return n
        return none

    return answer


def _last(cpu, gpu, largest):
    found = None
    for n in range(1, largest + 1):
        if gpu(n) < cpu(n):
            found = n
    return found


def _halving(cpu, gpu, largest):
    low, high = 1, largest
    if not gpu(largest) < cpu(largest):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if gpu(middle) < cpu(middle) else (middle + 1, high)
    return low


class Crossover(Exercise):
    id = "42.crossover"
    answer = "crossover"
    hints = (
        "Go through the sizes from 1 to largest, and return the first that fits.",
        "`for n in range(1, largest + 1):`, and the card is faster if `gpu(n) < cpu(n)`.",
        "After the loop: `return None`.",
    )
    wrong = (
        Wrong(
            "other_way_round",
            _first(lambda cpu, gpu, n: cpu(n) < gpu(n)),
            "You return the first size for which the processor is faster. More seconds are slower.",
        ),
        Wrong(
            "not_the_last",
            _first(lambda cpu, gpu, n: gpu(n) < cpu(n), extra=0),
            "`range(1, largest)` ends before largest.",
        ),
        Wrong(
            "as_fast",
            _first(lambda cpu, gpu, n: gpu(n) <= cpu(n)),
            "As fast is not faster: `<`, not `<=`.",
        ),
        Wrong(
            "last",
            _last,
            "You return the largest size that fits. The smallest was asked for: return at once.",
        ),
        Wrong(
            "halving",
            _halving,
            "Halving finds a crossing only where there is one at most. These may cross again.",
        ),
        Wrong(
            "zero",
            _first(lambda cpu, gpu, n: gpu(n) < cpu(n), none=0),
            "Where the card never wins, the answer is None.",
        ),
    )

    def cases(self, rng):
        drawn = [_wins(rng) for _ in range(8)]
        yield [*drawn, [False] * 9, [False] * 6 + [True], [None, None, True, True, False, True]]

    def _times(self, case):
        """Seconds for each size: the card's and the processor's, equal where the case has None."""
        gpu = {n: 2.0 + 0.1 * n for n in range(1, len(case) + 1)}
        change = {True: 0.5, False: -0.5, None: 0.0}
        return {n: gpu[n] + change[case[n - 1]] for n in gpu}, gpu

    def outcome(self, answer, case):
        cpu, gpu = self._times(case)
        found = answer(cpu.__getitem__, gpu.__getitem__, len(case))
        return None if found is None else int(found)

    def judge(self, case, outcome):
        right = case.index(True) + 1 if True in case else None
        if outcome == right and type(outcome) is type(right):
            return None
        wins = [n for n, won in enumerate(case, 1) if won is True]
        return f"The card wins at the sizes {wins} of {len(case)}: not {outcome}, but {right}."

    def describe(self, case):
        return f"sizes up to {len(case)}"


def _wins(rng):
    """True where the card wins; it does at the start of one run of sizes, and loses again."""
    lose, win, again = (rng.randrange(1, 5) for _ in range(3))
    return [False] * lose + [None] + [True] * win + [False] * again + [True] * (win + again)


def _standardised(axis=0, extra=1e-5, centred=True, spread="std"):
    def answer(x):
        width = getattr(x, spread)(axis=axis, keepdims=True) + extra
        return (x - x.mean(axis=axis, keepdims=True)) / width if centred else x / width

    return answer


def _numpy(x):
    array = x.numpy()
    return Tensor((array - array.mean(axis=0)) / (array.std(axis=0) + 1e-5))


class Portable(Exercise):
    id = "42.portable"
    answer = "standardised"
    hints = (
        "A Tensor has `mean` and `std` of its own.",
        "`x.mean(axis=0)` and `x.std(axis=0)` have one number for each column.",
        "`return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-5)`",
    )
    wrong = (
        Wrong(
            "numpy",
            _numpy,
            "You take the numbers out with `.numpy()`, `.data` or `.item()`: on a card they would "
            "come to the processor, and a compiled program would see one batch for ever.",
        ),
        Wrong(
            "rows",
            _standardised(axis=1),
            "You standardise the rows; `axis=0` goes down the columns.",
        ),
        Wrong(
            "everything",
            _standardised(axis=None),
            "One mean for all numbers: each column should have its own, `axis=0`.",
        ),
        Wrong(
            "variance",
            _standardised(spread="var"),
            "You divide by the variance. The standard deviation is its root.",
        ),
        Wrong(
            "not_centred",
            _standardised(centred=False),
            "You divide and do not take the mean away.",
        ),
        Wrong(
            "unsafe",
            _standardised(extra=0.0),
            "Without 1e-5 a column of equal numbers is divided by 0.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        yield [rng.randrange(2**31) for _ in range(3)]

    def _draw(self, case):
        random = np.random.default_rng(case)
        x = random.normal(size=(5, 4)) * 3 + 1
        x[:, 2] = 0.5
        return x

    def outcome(self, answer, case):
        return compile(answer)(Tensor(self._draw(case))).numpy().tolist()

    def judge(self, case, outcome):
        x = self._draw(case)
        for j in range(4):
            column = x[:, j].tolist()
            mean = sum(column) / 5
            width = (sum((a - mean) ** 2 for a in column) / 5) ** 0.5 + 1e-5
            for i in range(5):
                right = (column[i] - mean) / width
                if len(outcome) != 5 or not close(outcome[i][j], right):
                    return f"Row {i}, column {j} should be {right:.5f}; it is {outcome[i][j]:.5f}."
        return None

    def describe(self, case):
        return "5 rows, 4 columns"


class _Card:
    """A card on a clock that nothing else moves."""

    def __init__(self, telling, work, compiling):
        self.now, self.busy_until = 0.0, 0.0
        self.telling, self.work, self.compiling = telling, work, compiling

    def launch(self):
        self.now += self.telling + self.compiling
        self.compiling = 0.0
        self.busy_until = max(self.busy_until, self.now) + self.work

    def wait(self):
        self.now = max(self.now, self.busy_until)

    def clock(self):
        return self.now


def _measure(warm=True, settled=True, end=True, each=False, mean=True):
    def answer(clock, launch, wait, times):
        if warm:
            launch()
            if settled:
                wait()
        start = clock()
        for _ in range(times):
            launch()
            if each:
                wait()
        if end:
            wait()
        return (clock() - start) / (times if mean else 1)

    return answer


class Measure(Exercise):
    id = "42.measure"
    answer = "measure"
    hints = (
        "First one launch that is not timed, and a wait until it is done.",
        "Then `start = clock()`, the launches in a loop, and one `wait()` after the loop.",
        "At the end `return (clock() - start) / times`.",
    )
    wrong = (
        Wrong(
            "no_wait",
            _measure(end=False),
            "You look at the clock while the card still works: that is the time of telling it. "
            "Wait first.",
        ),
        Wrong(
            "no_warm_up",
            _measure(warm=False),
            "The first launch, which compiles, is in your mean. Launch once before the clock "
            "starts.",
        ),
        Wrong(
            "warm_up_unfinished",
            _measure(settled=False),
            "Your warm-up still runs when the clock starts, and is timed with the rest: wait for "
            "it.",
        ),
        Wrong(
            "waits_each_time",
            _measure(each=True),
            "You wait after each launch, so that telling and working never overlap. Wait once, at "
            "the end.",
        ),
        Wrong(
            "sum",
            _measure(mean=False),
            "That is the time of all launches together. Divide by their number.",
        ),
    )

    def cases(self, rng):
        yield [
            (rng.uniform(1, 2), rng.uniform(*span), rng.uniform(50, 90), rng.randrange(3, 9))
            for span in ((5, 9), (5, 9), (0.2, 0.8), (5, 9))
        ]

    def outcome(self, answer, case):
        *costs, times = case
        card = _Card(*costs)
        return float(answer(card.clock, card.launch, card.wait, times))

    def judge(self, case, outcome):
        telling, work, _, times = case
        told = [telling * (i + 1) for i in range(times)]
        done = 0.0
        for at in told:
            done = max(done, at) + work
        right = done / times
        if close(outcome, right):
            return None
        return (
            f"Telling takes {telling:.2f}, the work {work:.2f}, {times} launches: {right:.4f} "
            f"each; you measure {outcome:.4f}."
        )

    def describe(self, case):
        return f"{case[3]} launches"
