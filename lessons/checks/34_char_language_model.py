"""The exercises of lesson 34."""

import itertools
import math

import numpy as np

from tinygrad_edu.learn.exercises import Exercise, Wrong

_LETTERS = ".abcdefghijklmnopqrstuvwxyz"


def _count(names, start=".", end="."):
    table = np.zeros((27, 27), dtype=int)
    for name in names:
        for a, b in itertools.pairwise(start + name + end):
            table[_LETTERS.index(a), _LETTERS.index(b)] += 1
    return table


def _names(rng, count, letters="abcde"):
    return ["".join(rng.choice(letters) for _ in range(rng.randint(2, 5))) for _ in range(count)]


class Count(Exercise):
    id = "34.count"
    answer = "count"
    hints = (
        "Begin with zeros, (27, 27). For each name go through its pairs of neighbours, dots "
        "included.",
        'The letters before are `"." + name`, the letters after `name + "."`: zip them.',
        "For each pair a, b: `table[LETTERS.index(a), LETTERS.index(b)] += 1`.",
    )
    wrong = (
        Wrong(
            "no_start",
            lambda names: _count(names, start=""),
            "The first letters are missing: a dot stands before every name.",
        ),
        Wrong(
            "no_end",
            lambda names: _count(names, end=""),
            "The ends are missing: a dot stands after every name.",
        ),
        Wrong(
            "rows_and_columns_swapped",
            lambda names: _count(names).T,
            "Your table is turned: the row is the letter before, the column the letter after.",
        ),
        Wrong(
            "across_names",
            lambda names: _count(["".join(names)]),
            "You glued the names together, so the last letter of one meets the first of the next.",
        ),
        Wrong(
            "seen_or_not",
            lambda names: np.minimum(_count(names), 1),
            "You note whether a pair occurs; asked is how often.",
        ),
    )

    def given(self):
        return {"np": np, "LETTERS": _LETTERS}

    def cases(self, rng):
        yield [_names(rng, 12) for _ in range(4)]

    def outcome(self, answer, case):
        return np.asarray(answer([*case]))

    def judge(self, case, outcome):
        if outcome.shape != (27, 27):
            return f"The table has shape (27, 27); yours has {outcome.shape}."
        lines = [f".{name}." for name in case]
        for i, a in enumerate(_LETTERS):
            for j, b in enumerate(_LETTERS):
                right = sum(
                    line[k : k + 2] == a + b for line in lines for k in range(len(line) - 1)
                )
                if outcome[i, j] != right:
                    return f"The pair {a}{b} occurs {right} times; you have {outcome[i, j]:g}."
        return None

    def describe(self, case):
        return " ".join(case)


def _nll(table, names, log=np.log, per="letter", end="."):
    lost = [
        [
            -log(table[_LETTERS.index(a), _LETTERS.index(b)])
            for a, b in itertools.pairwise("." + name + end)
        ]
        for name in names
    ]
    total = sum(sum(row) for row in lost)
    return total / {"letter": sum(map(len, lost)), "name": len(names), "all": 1}[per]


class Nll(Exercise):
    id = "34.nll"
    answer = "nll"
    hints = (
        "Collect -ln of the chance of every pair, of all names, in one list.",
        "The pairs are those of `count`, ends included. At the end take the mean.",
        "`-np.log(table[LETTERS.index(a), LETTERS.index(b)])` for a, b in "
        '`zip("." + name, name + ".")`; then `sum(lost) / len(lost)`.',
    )
    wrong = (
        Wrong(
            "the_sum",
            lambda table, names: _nll(table, names, per="all"),
            "That is the sum. Divide by the number of letters, dots after the names included.",
        ),
        Wrong(
            "mean_over_names",
            lambda table, names: _nll(table, names, per="name"),
            "You divide by the number of names; asked is the mean over the letters.",
        ),
        Wrong(
            "in_bits",
            lambda table, names: _nll(table, names, log=np.log2),
            "Those are bits, from log2. Nats come from the natural logarithm, `np.log`.",
        ),
        Wrong(
            "without_the_ends",
            lambda table, names: _nll(table, names, end=""),
            "The dots after the names are missing: that a name ends is to be foretold as well.",
        ),
        Wrong(
            "letters_turned",
            lambda table, names: _nll(table.T, names),
            "You look in the column of the letter before. It is the row.",
        ),
        Wrong(
            "mean_before_the_logarithm",
            lambda table, names: -np.log(-_nll(table, names, log=lambda p: p)),
            "You take the logarithm of the mean chance. First the logarithms, then the mean.",
        ),
    )

    def given(self):
        return {"np": np, "LETTERS": _LETTERS}

    def cases(self, rng):
        yield [(rng.randrange(2**31), _names(rng, 5)) for _ in range(4)]

    def _table(self, seed):
        table = 0.05 + np.random.default_rng(seed).random((27, 27))
        return table / table.sum(axis=1, keepdims=True)

    def outcome(self, answer, case):
        return float(answer(self._table(case[0]), [*case[1]]))

    def judge(self, case, outcome):
        table, names = self._table(case[0]), case[1]
        chance, letters = 1.0, 0
        for name in names:
            row = 0
            for letter in [*name, "."]:
                column = _LETTERS.index(letter)
                chance, row, letters = chance * float(table[row, column]), column, letters + 1
        right = -math.log(chance) / letters
        if not math.isclose(outcome, right, rel_tol=1e-9):
            return f"For {' '.join(names)} it is {right:.5f}; yours is {outcome:.5f}."
        return None

    def describe(self, case):
        return " ".join(case[1])


def _power(chances, power):
    powers = chances**power
    return powers / powers.sum()


class Sharpen(Exercise):
    id = "34.sharpen"
    answer = "sharpen"
    hints = (
        "Two steps: raise every chance to the power 1 / temperature, then divide by their sum.",
        "`chances ** (1 / temperature)` raises all of them at once.",
        "`powers = chances ** (1 / temperature)`, then `powers / powers.sum()`.",
    )
    wrong = (
        Wrong(
            "turned_around",
            lambda chances, temperature: _power(chances, temperature),
            "Your power is the temperature; it should be one divided by it. A high temperature is "
            "to make the chances more alike.",
        ),
        Wrong(
            "not_divided",
            lambda chances, temperature: chances ** (1 / temperature),
            "These do not add up to 1. Divide by their sum.",
        ),
        Wrong(
            "divides_only",
            lambda chances, temperature: chances / temperature / (chances / temperature).sum(),
            "You divide the chances by the temperature, and the sum takes that away again. It "
            "belongs into the power.",
        ),
        Wrong(
            "softmax_of_chances",
            lambda chances, temperature: (
                np.exp(chances / temperature) / np.exp(chances / temperature).sum()
            ),
            "That is softmax of the chances. Softmax takes scores, and the score is the logarithm "
            "of a chance: raise to a power instead.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        temperatures = (0.3, 0.7, 2.0, 5.0)
        yield [(rng.randrange(2**31), t) for t in temperatures]

    def _chances(self, seed):
        chances = np.random.default_rng(seed).random(5)
        chances[2] = 0.0  # what never occurs must stay so
        return chances / chances.sum()

    def outcome(self, answer, case):
        return np.asarray(answer(self._chances(case[0]), case[1]))

    def judge(self, case, outcome):
        chances = self._chances(case[0])
        powers = [math.exp(math.log(p) / case[1]) if p else 0.0 for p in chances]
        right = [p / math.fsum(powers) for p in powers]
        if np.shape(outcome) != np.shape(right) or not np.allclose(outcome, right):
            return (
                f"With temperature {case[1]} they should be {np.round(right, 3)}, and are "
                f"{np.round(outcome, 3)}."
            )
        return None

    def describe(self, case):
        return f"five chances, temperature {case[1]}"


def _rarest(table):
    inside = table[1:, 1:]
    a, b = np.argwhere(inside == inside[inside > 0].min())[0]
    return _LETTERS[a + 1] + _LETTERS[b + 1]


def _turned(table):
    zeros = np.argwhere(table == 0)
    return next(_LETTERS[b] + _LETTERS[a] for a, b in zeros if a and b and table[b, a])


class Impossible(Exercise):
    id = "34.impossible"
    answer = "impossible"
    hints = (
        "A chance is a product. One factor of 0 is enough.",
        "Look for a pair of letters that was never counted: `np.argwhere(table == 0)` lists them.",
        "Take the first pair a, b of that list in which neither is 0, the dot, and return "
        "`LETTERS[a] + LETTERS[b]`.",
    )
    wrong = (
        Wrong(
            "rarest_that_occurs",
            _rarest,
            "This pair is rare, but it occurs. Look for one that was counted 0 times.",
        ),
        Wrong(
            "not_a_letter",
            lambda table: "?",
            "A name has letters from a to z only; of others the table says nothing.",
        ),
        Wrong(
            "empty",
            lambda table: "",
            "An empty name has no letters. Give one that has.",
        ),
        Wrong(
            "turned",
            _turned,
            "You have the two letters the wrong way round: this pair occurs. The row is the letter "
            "before.",
        ),
    )

    def given(self):
        return {"np": np, "LETTERS": _LETTERS}

    def cases(self, rng):
        for _ in range(2):
            found = _count(_names(rng, 60, "abcdefghijklmnopqrstuvwxyz"))
            found[0, 1:] += 1  # every letter may begin and end a name
            found[1:, 0] += 1
            found[1, 2], found[2, 1], found[3, 4] = 0, 9, 1
            yield [found]

    def outcome(self, answer, case):
        name = str(answer(case.copy()))
        if not name or any(letter not in _LETTERS[1:] for letter in name):
            return {"name": name}
        chances = case / case.sum(axis=1, keepdims=True)
        nll = _nll(chances, [name], log=lambda p: math.log(p) if p else -math.inf)
        return {"name": name, "nll": nll}

    def judge(self, case, outcome):
        if "nll" not in outcome:
            return f"{outcome['name']!r} is no name of letters from a to z."
        if outcome["nll"] < math.inf:
            return f"{outcome['name']!r} has a chance: its nll is {outcome['nll']:.2f}."
        return None

    def describe(self, case):
        return "the counts of 60 names"
