"""The optimisations: each a pure function Program -> Program that changes no number.

Every pass can be left out.  `improve` applies those that are asked for, in the order of `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy

from tinygrad_edu.namespaces import floats
from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.readers.program.chains import blocks, kernels, loops, open_erf
from tinygrad_edu.readers.program.checkpoints import recompute
from tinygrad_edu.readers.program.steps import GONE, LEAVES, Program, Ref, Rewriting, Step, rewrite
from tinygrad_edu.readers.program.words import family, may_alias, meaning

_LARGEST = 2**20  # elements of a constant that is worth keeping


def literals(program: Program) -> Program:
    """Numbers in place of constant arrays without axes, where the result is the same to the bit.

    A Python number takes the dtype of the array that it meets, so that dtype must be its own.
    """

    def visit(new: Rewriting, step: Step) -> Step | int:
        if family(step) != "elementwise" or len(step.inputs) < 2:
            return step
        operands = [new.steps[i] for i in step.inputs]
        others = {x.dtype for x in operands if x.name != "constant"}
        inputs = [
            new.add(x._replace(data=_number(x), dtype=None))
            if x.name == "constant" and x.shape == () and others == {x.dtype} and _is_plain(x)
            else i
            for i, x in zip(step.inputs, operands, strict=True)
        ]
        return step._replace(inputs=tuple(inputs))

    return rewrite(program, visit)


def _is_plain(constant: Step) -> bool:
    """Whether an array without axes is a floating number that its text gives back exactly."""
    if constant.dtype is None or constant.dtype.kind != "f":
        return False
    return bool(constant.dtype.type(_number(constant)) == constant.data.item())


def _number(constant: Step) -> float:
    return float(str(constant.dtype.type(constant.data.item())))


def fold_constants(program: Program) -> Program:
    """Without steps whose operands are all constant: their results are constants."""

    def visit(new: Rewriting, step: Step) -> Step | int:
        if step.name in LEAVES or step.size > _LARGEST or family(step) == "random":
            return step
        if step.name in ("ones_like", "zeros_like"):  # they ask for no more than shape and dtype
            return _constant(step, _filled(step, program.xp))
        if not step.inputs or any(new.steps[i].name != "constant" for i in step.refs):
            return step
        data = [new.steps[i].data for i in step.inputs]
        options = {name: _known(option, new) for name, option in step.options.items()}
        arrays = [x for x in data if hasattr(x, "shape")]
        xp = NAMESPACES[arrays[0].__class__] if arrays else floats
        with numpy.errstate(all="ignore"):
            found = meaning(step.name, xp)(*data, **options)
        return _constant(step, numpy.asarray(found) if isinstance(found, numpy.generic) else found)

    return rewrite(program, visit)


def _constant(step: Step, data: Any) -> Step:
    return Step("constant", (), {}, step.shape, step.dtype, data=data, backward=step.backward)


def _filled(step: Step, xp: Any) -> Any:
    value = 1.0 if step.name == "ones_like" else 0.0
    return value if step.dtype is None else xp.library.full(step.shape, value, step.dtype)


def _known(option: Any, new: Rewriting) -> Any:
    if isinstance(option, Ref):
        return new.steps[option.place].data
    if option.__class__ is tuple:
        return tuple([_known(part, new) for part in option])
    return option


def simplify(program: Program) -> Program:
    """Without steps that change nothing, such as x * 1 and a transpose of a transpose.

    Only where the result is the same to the last bit: x + 0 stays, for it turns -0 into 0.
    """
    shown = _shown(program)
    count = iter(range(len(program.steps)))

    def visit(new: Rewriting, step: Step) -> Step | int:
        i = next(count)
        if not step.inputs:
            return step
        step = _merged(new, step)
        same = _unchanged(new, step)
        if same is None:
            return step
        kept = new.steps[same]
        if (kept.shape, kept.dtype) != (step.shape, step.dtype):
            return step
        return step if i in shown and step.name == "astype" else same

    return rewrite(program, visit)


def _shown(program: Program) -> set[int]:
    """The results, and what they are views of: a copy among them must stay one."""
    shown: set[int] = set()
    waiting = [*program.results, *(i for e in program.effects for i in e.places)]
    while waiting:
        i = waiting.pop()
        shown.add(i)
        if may_alias(program.steps[i]):
            waiting.append(program.steps[i].inputs[0])
    return shown


def _merged(new: Rewriting, step: Step) -> Step:
    """A reshape of a reshape as one; the product with -1 as a minus sign.

    A transposed array stays reshaped twice: that puts it in order in memory, for faster products.
    """
    first = new.steps[step.inputs[0]]
    if step.name == first.name == "reshape" and not _is_turned(new.steps[first.inputs[0]]):
        return step._replace(inputs=first.inputs)
    if step.name == "multiply" and _is(new, step.inputs[1], -1.0):
        return step._replace(name="negative", inputs=step.inputs[:1])
    if step.name == "multiply" and _is(new, step.inputs[0], -1.0):
        return step._replace(name="negative", inputs=step.inputs[1:])
    return step


def _is_turned(step: Step) -> bool:
    return step.name in ("transpose", "matrix_transpose")


def _unchanged(new: Rewriting, step: Step) -> int | None:
    """The place of an operand that the step gives back unchanged, or of an operand's operand."""
    x = step.inputs[0]
    first = new.steps[x]
    match step.name:
        case "multiply" | "divide" | "power" if _is(new, step.inputs[1], 1.0):
            return x
        case "multiply" if _is(new, x, 1.0):
            return step.inputs[1]
        case "subtract" if _is(new, step.inputs[1], 0.0):
            return x
        case "negative" | "matrix_transpose" if first.name == step.name:
            return first.inputs[0]
        case "transpose" if first.name == "transpose" and _undoes(step, first):
            return first.inputs[0]
        case "reshape" | "broadcast_to" | "sum_to" | "astype":
            return x  # if shape and dtype are the same, which the caller asks
        case "where" if step.inputs[1] == step.inputs[2]:
            return step.inputs[1]
    return None


def _is(new: Rewriting, place: int, number: float) -> bool:
    step = new.steps[place]
    same = step.name == "constant" and step.data.__class__ is float and step.data == number
    return same and str(step.data) == str(number)  # 0.0 is not -0.0


def _undoes(second: Step, first: Step) -> bool:
    n = len(first.shape)
    one, two = (
        [a % n for a in s.options.get("axes") or range(n - 1, -1, -1)] for s in (first, second)
    )
    return [one[a] for a in two] == list(range(n))


def keep_less(program: Program) -> Program:
    """With max(x, 0) > 0 in place of x > 0 in backward passes, where the first is there anyway.

    Both are true for the same x, nan included, and x itself need not be kept for the backward pass.
    """
    positive: dict[int, int] = {}  # x -> max(x, 0)

    def visit(new: Rewriting, step: Step) -> Step | int:
        if step.name == "maximum" and _is(new, step.inputs[1], 0.0):
            positive.setdefault(step.inputs[0], len(new.steps))
        if step.name == "greater" and step.backward and step.inputs[0] in positive:
            zero = new.steps[step.inputs[1]].data
            if zero.__class__ in (int, float) and zero == 0:
                return step._replace(inputs=(positive[step.inputs[0]], step.inputs[1]))
        return step

    return rewrite(program, visit)


def share(program: Program) -> Program:
    """Without common subexpressions: of several steps that compute the same, the first."""
    seen: dict[Any, int] = {}

    def visit(new: Rewriting, step: Step) -> Step | int:
        if step.name in ("input", "seed") or family(step) == "random":
            return step
        if step.name == "constant":
            key: Any = _constant_key(step.data)
        else:
            options = lookup(step.name).fill(dict(step.options))
            key = (step.name, step.inputs, *((n, _key(o)) for n, o in sorted(options.items())))
        if key not in seen:
            seen[key] = new.add(step)
        return seen[key]

    return rewrite(program, visit)


def _constant_key(data: Any) -> Any:
    if data.__class__ in (float, int, bool):
        return ("constant", data.__class__, repr(data))
    return ("constant", id(data))


def _key(option: Any) -> Any:
    """An option as part of a key: equal only if it means the same."""
    if option.__class__ is tuple:
        return tuple([_key(part) for part in option])
    if option.__class__ is slice:
        return ("slice", _key(option.start), _key(option.stop), _key(option.step))
    if isinstance(option, Ref | str | numpy.dtype | type(None)):
        return option
    if isinstance(option, int | float | numpy.integer):
        return (option.__class__, repr(option))
    return id(option)


def drop_dead(program: Program) -> Program:
    """Without the steps that nothing needs.

    Inputs stay, since they are parameters, and so do random numbers: those drawn later depend on
    whether they were drawn.
    """
    steps = program.steps
    needed = {*program.ends, *(i for i, step in enumerate(steps) if family(step) == "random")}
    for i in range(len(program.steps) - 1, -1, -1):
        if i in needed:
            needed.update(program.steps[i].refs)
    count = iter(range(len(program.steps)))

    def visit(new: Rewriting, step: Step) -> Step | int:
        i = next(count)
        return step if i in needed or step.name == "input" else GONE

    return rewrite(program, visit)


PASSES: dict[str, Callable[[Program], Program]] = {
    "fold": fold_constants,
    "literals": literals,
    "simplify": simplify,
    "share": share,
    "keep less": keep_less,
    "dead": drop_dead,
    "checkpoints": recompute,
    "erf": open_erf,
    "loops": loops,
    "blocks": blocks,
    "kernels": kernels,
}


TOGETHER = ("erf", "loops", "blocks", "kernels")  # those that are for steps run together


def improve(program: Program, passes: Iterable[str], without: Iterable[str] = ()) -> Program:
    """The program after the passes of these names, but those that are not wanted here."""
    chosen = set(passes) - set(without)
    for name, change in PASSES.items():
        if name in chosen:
            program = change(program)
    return program
