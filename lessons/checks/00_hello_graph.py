"""The exercises of lesson 00."""

from tinygrad_edu import Value
from tinygrad_edu.learn.exercises import Exercise, Wrong

_START = {"a": 2.0, "b": -3.0, "c": 10.0}


def _gradients(f, at):
    """The gradient of f with respect to each of its arguments."""
    inputs = {name: Value(x) for name, x in at.items()}
    f(**inputs).backward()
    return {name: x.grad for name, x in inputs.items()}


class Signs(Exercise):
    id = "00.signs"
    answer = "signs"
    hints = (
        "Take one input at a time and leave the other two as they are.",
        "At first y is 2·1 - 4·2 = -6. Put 2.1 for a, in both places, and compare.",
        "With a = 2.1, y is 2.1 - 8.4 = -6.3, lower than -6. With b = 1.1 it is 2.2 - 8 = -5.8, "
        "with c = 4.1 it is 2 - 8.2 = -6.2.",
    )
    wrong = (
        Wrong(
            "signs_of_the_inputs",
            {"a": "+", "b": "+", "c": "+"},
            "These are the signs of the inputs themselves. The question is another one: when the "
            "input rises, which way does y move?",
        ),
        Wrong(
            "reversed",
            {"a": "+", "b": "-", "c": "+"},
            "Every sign is the wrong way round: you have what happens to y when the input falls.",
        ),
        Wrong(
            "first_use_only",
            {"a": "+", "b": "+", "c": "-"},
            "You followed a into a·b only. It is used twice: when a rises, c·a rises as well, and "
            "that is subtracted.",
        ),
        Wrong(
            "without_the_minus",
            {"a": "-", "b": "+", "c": "+"},
            "You found how c·a moves with c. But c·a is subtracted: when it rises, y falls.",
        ),
    )

    def unstarted(self, answer):
        open_ = [x for x in "abc" if dict(answer).get(x) not in ("+", "-")]
        return f'Still to be "+" or "-": {", ".join(open_)}.' if open_ else None

    def cases(self, rng):
        yield [{"a": 2.0, "b": 1.0, "c": 4.0}]

    def outcome(self, answer, case):
        return {name: answer[name] for name in "abc"}

    def judge(self, case, outcome):
        slopes = _gradients(lambda a, b, c: a * b - c * a, case)
        wrong = [x for x, slope in slopes.items() if outcome[x] != ("+" if slope > 0 else "-")]
        return f"Look again at {', '.join(wrong)}." if wrong else None


class Flip(Exercise):
    id = "00.flip"
    answer = "changed"
    hints = (
        "What did the gradient with respect to a turn out to be, in the section with symbols?",
        "The gradient with respect to a is b, whatever a and c are.",
        "Make b positive; leave a and c as they were.",
    )
    wrong = (
        Wrong(
            "changed_a",
            {"a": -2.0, "b": -3.0, "c": 10.0},
            "You changed a itself. That moves y, but not the rate: the gradient with respect to a "
            "is b, and there is no a in it.",
        ),
        Wrong(
            "changed_c",
            {"a": 2.0, "b": -3.0, "c": -10.0},
            "You changed c. It shifts y up or down by the same amount for every a, so it cannot "
            "change how fast y moves with a.",
        ),
        Wrong(
            "changed_several",
            {"a": -2.0, "b": 3.0, "c": 10.0},
            "You changed more than one number; one is enough, and then you know which one did it.",
        ),
        Wrong(
            "too_little",
            {"a": 2.0, "b": -1.0, "c": 10.0},
            "You changed the right number, but the gradient with respect to a is still not above "
            "zero.",
        ),
    )

    def unstarted(self, answer):
        return "No number has been changed yet." if dict(answer) == _START else None

    def cases(self, rng):
        yield [_START]

    def outcome(self, answer, case):
        changed = [name for name in case if float(answer[name]) != case[name]]
        slope = _gradients(lambda a, b, c: a * b + c, {name: answer[name] for name in case})["a"]
        return {"changed": changed if len(changed) < 2 else "several", "rises": slope > 0}

    def judge(self, case, outcome):
        if outcome == {"changed": ["b"], "rises": True}:
            return None
        return f"The gradient with respect to a is {'' if outcome['rises'] else 'not '}above zero."
