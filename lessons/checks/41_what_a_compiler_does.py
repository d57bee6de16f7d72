"""The exercises of lesson 41."""

import math

from tinygrad_edu import ops
from tinygrad_edu.learn.exercises import Exercise, Wrong
from tinygrad_edu.learn.oracles import close
from tinygrad_edu.namespaces import floats

_UNARY = ("sin", "tanh", "negative", "cos")
_BINARY = ("add", "multiply", "subtract")


def _steps(rng, inputs, count):
    """A random program in which steps repeat, some of them only once operands are shared."""
    steps = [("input",)] * inputs
    while len(steps) < inputs + count:
        if len(steps) > inputs and rng.random() < 0.4:
            steps.append(steps[rng.randrange(inputs, len(steps))])
        elif rng.random() < 0.5:
            steps.append((rng.choice(_UNARY), rng.randrange(len(steps))))
        else:
            steps.append((rng.choice(_BINARY), *(rng.randrange(len(steps)) for _ in range(2))))
    twice = (rng.choice(_UNARY), rng.randrange(inputs))
    at = len(steps)
    steps += [twice, twice, ("sin", at), ("sin", at + 1), ("subtract", 0, 1), ("subtract", 1, 0)]
    steps += [("multiply", at + 2, at + 4), ("multiply", at + 3, at + 5)]
    steps.append(("add", at + 6, at + 7))
    return steps


def _run(steps, numbers):
    """The results of all steps, by the operations on floats."""
    found, given = [], iter(numbers)
    for name, *places in steps:
        if name == "input":
            found.append(next(given))
        else:
            op = ops.lookup(name)
            found.append(op.forward(floats, *(found[p] for p in places)))
    return found


def _share(steps, renumber=True, inputs=False, key=lambda step: step, result=True):
    """The right pass, or one with a mistake."""
    new, place, seen = [], [], {}
    for i, (name, *operands) in enumerate(steps):
        step = (name, *(place[p] for p in operands))
        if name == "input" and not inputs:
            place.append(len(new))
            new.append(step)
            continue
        known = key(step if renumber else steps[i])
        if known not in seen or (result and i == len(steps) - 1):
            seen[known] = len(new)
            new.append(step)
        place.append(seen[known])
    return new


def _old_places(steps):
    new, seen = [], set()
    for step in steps:
        if step[0] == "input" or step not in seen:
            seen.add(step)
            new.append(step)
    return new


class Share(Exercise):
    id = "41.share"
    answer = "share"
    hints = (
        "Keep three things: the new list, the new place of each old step, and a dictionary from "
        "steps you have seen to their new place.",
        "The step with new places is `step = (name, *(place[p] for p in operands))`. If it is in "
        "the dictionary, its new place is there; otherwise append it.",
        "Inputs are always appended, and so is the last step: `if name == 'input' or step not in "
        "seen or i == len(steps) - 1`.",
    )
    wrong = (
        Wrong(
            "old_places",
            _old_places,
            "You drop repetitions and leave the operands of later steps as they were: they now "
            "point at other steps. Translate each place.",
        ),
        Wrong(
            "compares_old",
            lambda steps: _share(steps, renumber=False),
            "You compare steps as they were, with the old places. Two sines of two equal results "
            "are found only after their operands have become one.",
        ),
        Wrong(
            "one_input",
            lambda steps: _share(steps, inputs=True),
            "All inputs look alike as tuples, and you made one of them. They are different.",
        ),
        Wrong(
            "any_order",
            lambda steps: _share(steps, key=lambda step: (step[0], *sorted(step[1:]))),
            "You take operands in any order for the same. For a sum that holds, for a difference "
            "it does not.",
        ),
        Wrong(
            "loses_result",
            lambda steps: _share(steps, result=False),
            "When the last step repeats an earlier one, your last step is no longer the result.",
        ),
        Wrong(
            "nothing",
            lambda steps: list(steps),
            "The list is as long as it was.",
        ),
    )

    def cases(self, rng):
        made = [_steps(rng, 2, rng.randrange(2, 7)) for _ in range(6)]
        repeated = [("input",), ("input",), ("multiply", 0, 1), ("sin", 2), ("multiply", 0, 1)]
        yield [*made, repeated]

    def outcome(self, answer, case):
        return [list(step) for step in answer(list(case))]

    def judge(self, case, outcome):
        count = sum(step[0] == "input" for step in case)
        numbers = [0.7, -1.3][:count]
        new = [tuple(step) for step in outcome]
        if sum(step[0] == "input" for step in new) != count:
            return f"There are {count} inputs; your program has another number of them."
        if any(not 0 <= p < i for i, step in enumerate(new) for p in step[1:]):
            return "A step of your program reads itself, or a step after it."
        right, found = _run(case, numbers)[-1], _run(new, numbers)[-1]
        if not close(right, found):
            return f"The result should be {right:.6f}; your program gives {found:.6f}."
        fewest = _fewest(case)
        if len(new) != fewest:
            return f"{fewest} steps suffice for these {len(case)}; yours are {len(new)}."
        return None

    def describe(self, case):
        return f"a program of {len(case)} steps"


def _fewest(steps):
    """How many steps are needed, counted over each step's formula written out."""
    written = []
    for i, (name, *places) in enumerate(steps):
        written.append(f"x{i}" if name == "input" else (name, *(written[p] for p in places)))
    return len({*written[:-1]}) + 1


def _last_reads(steps, first=False, unread=None, result=True, own=True):
    last = [i if own else 0 for i in range(len(steps))]
    done = set()
    for i, (_, *operands) in enumerate(steps):
        for p in operands:
            if not (first and p in done):
                last[p] = i
            done.add(p)
    if unread is not None:
        last = [unread(steps) if i not in done else n for i, n in enumerate(last)]
    if result:
        last[-1] = len(steps)
    return last


class LastReads(Exercise):
    id = "41.last_reads"
    answer = "last_reads"
    hints = (
        "Begin with each step's own place: `last = list(range(len(steps)))`. Then go through the "
        "steps in order.",
        "Step i reads its operands: for each place p among them, `last[p] = i`. Later ones "
        "overwrite.",
        "At the end, `last[-1] = len(steps)`.",
    )
    wrong = (
        Wrong(
            "first_reader",
            lambda steps: _last_reads(steps, first=True),
            "That is the first reader of each. Memory is free only after the last.",
        ),
        Wrong(
            "result_free",
            lambda steps: _last_reads(steps, result=False),
            "The result is read after the end of the program; you give its memory away.",
        ),
        Wrong(
            "unread_kept",
            lambda steps: _last_reads(steps, unread=len),
            "A step that nobody reads need not be kept to the end: its own place.",
        ),
        Wrong(
            "unread_zero",
            lambda steps: _last_reads(steps, own=False),
            "A step that nobody reads has its own place, not 0.",
        ),
    )

    def cases(self, rng):
        yield [_steps(rng, 2, rng.randrange(3, 9)) for _ in range(6)]

    def outcome(self, answer, case):
        return list(map(int, answer(list(case))))

    def judge(self, case, outcome):
        if len(outcome) != len(case):
            return f"{len(case)} steps need as many numbers; you return {len(outcome)}."
        for i in range(len(case)):
            readers = [j for j, step in enumerate(case) if i in step[1:]]
            right = len(case) if i == len(case) - 1 else max([i, *readers])
            if outcome[i] != right:
                who = f"by the steps {readers}" if readers else "by nobody"
                return f"Step {i} is read {who}; it should be {right}, you say {outcome[i]}."
        return None

    def describe(self, case):
        return f"a program of {len(case)} steps"


def _times_zero(x):
    return x * 0.0, 0.0


def _plus_zero(x):
    return x + 0.0, x


def _over_itself(x):
    return (math.nan if x == 0 or math.isinf(x) or math.isnan(x) else 1.0), 1.0


class Caught(Exercise):
    id = "41.caught"
    answer = "caught"
    hints = (
        "Try the odd numbers: 0.0, -0.0, `math.inf`, `math.nan`.",
        "inf times 0 is nan. And what is -0.0 + 0.0?",
        "-0.0 + 0.0 is 0.0, and 0/0 is nan: `return math.inf, -0.0, 0.0`.",
    )
    wrong = (
        Wrong(
            "all_infinite",
            lambda: (math.inf, math.inf, math.inf),
            "inf + 0 is inf, so the second rewrite is right there.",
        ),
        Wrong(
            "all_nan",
            lambda: (math.nan, math.nan, math.nan),
            "nan + 0 is nan, so the second rewrite is right there.",
        ),
        Wrong(
            "all_zero",
            lambda: (0.0, 0.0, 0.0),
            "0 divided by 0 is a good one, but 0 * 0 is 0 and 0 + 0 is 0.",
        ),
        Wrong(
            "large",
            lambda: (1e308, 1e308, 1e308),
            "Large numbers are not enough: below infinity all three hold.",
        ),
    )

    def given(self):
        return {"math": math}

    def cases(self, rng):
        yield [0]

    def outcome(self, answer, case):
        return list(map(float, answer()))

    def judge(self, case, outcome):
        if len(outcome) != 3:
            return f"Three numbers are asked for, not {len(outcome)}."
        names = "x * 0 -> 0", "x + 0 -> x", "x / x -> 1"
        for name, x, sides in zip(
            names, outcome, (_times_zero, _plus_zero, _over_itself), strict=True
        ):
            before, after = sides(x)
            if str(before) == str(after):
                return f"{name} at x = {x}: both sides are {before}."
        return None

    def describe(self, case):
        return "three numbers"
