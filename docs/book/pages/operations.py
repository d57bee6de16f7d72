"""A page for every operation, read from the registry: formula, rule, curve, example, source."""

from __future__ import annotations

import contextlib
import inspect
import io
import textwrap
from typing import Any

import numpy as np
import test_kinks
from table import TABLE

from pages.docstrings import first_sentence, markdown
from pages.inventory import operations
from pages.session import code, session, tensor
from pages.taught import lesson_of, taught
from pages.themed import DATA, GRAD, MUTED, themed
from tinygrad_edu import Tensor, keeps, no_grad, rule_latex
from tinygrad_edu.ops.registry import Op
from tinygrad_edu.readers.cost import multiply_adds

_READABLE = 420  # letters of LaTeX
_KINDS = {
    "elementwise": "Element by element",
    "reductions": "Reductions",
    "shapes": "Shapes",
    "linear": "Products",
    "windows": "Windows",
    "fused": "Fused: one step for several, and one rule",
    "recurrent": "Recurrence",
    "random": "Random numbers",
}


def pages() -> dict[str, str]:
    """File name to Markdown, for all operations."""
    return {"operations/index.md": _index()} | {
        f"operations/{op.name}.md": page(op) for op in operations()
    }


def curves() -> dict[str, bytes]:
    """File name to SVG: function and derivative of each operation of one number."""
    return {f"operations/{op.name}.svg": curve(op) for op in operations() if _is_curve(op)}


def page(op: Op) -> str:
    """All that the registry, and the tables of the tests, say of one operation."""
    formula = op.latex.format(**{n.lstrip("*"): _letter(n) for n in op.operands})
    lines = [
        "---\norphan: true\n---",
        f"(ops.{op.name})=",
        f"# `{op.name}`",
        f"[Operations](#operations) · {_KINDS[op.family].lower()}",
        f"$$y = {formula}$$",
        markdown(inspect.getdoc(op) or ""),
    ]
    if _is_curve(op):
        lines.append(f"![The function {op.name} and its derivative, from -4 to 4]({op.name}.svg)")
    lines.append(f"## Derivative\n\n{_derivative(op)}")
    if ">>>" not in (op.__doc__ or ""):
        lines.append(f"## An example\n\n{example(op)}")
    kinks = _kinks(op)
    if kinks:
        lines.append(f"## Kinks, ties and poles\n\n{kinks}")
    lines.append(taught(f"ops.{op.name}"))
    source = "\n\n".join(
        textwrap.dedent(inspect.getsource(part)).rstrip() for part in (op.forward, op.rule) if part
    )
    lines.append(f"## Source\n\n```python\n{source}\n```")
    return "\n\n".join(lines) + "\n"


def _index() -> str:
    lines = [
        "(operations)=\n# Operations",
        "Each is written once: its value, and its vector-Jacobian product. The pages are made from "
        "the registry, and the examples are run as the book is made.",
    ]
    for family, title in _KINDS.items():
        here = [op for op in operations() if op.family == family]
        rows = [
            f"| [`{op.name}`](#ops.{op.name}) | {first_sentence(op.__doc__)} "
            f"| [{number}](#lesson-{number}) |"
            for op in here
            for number in [lesson_of()[f"ops.{op.name}"].number]
        ]
        head = "| operation | value | lesson |\n|---|---|---|\n"
        lines.append(f"## {title}\n\n{head}" + "\n".join(rows))
    return "\n\n".join(lines) + "\n"


def _letter(operand: str) -> str:
    """An operand inside a formula; one that stands for many gets an ellipsis."""
    name = operand.lstrip("*")
    upright = name if len(name) == 1 else rf"\mathrm{{{name}}}"
    return rf"{upright}_1, {upright}_2, \dots" if operand.startswith("*") else upright


def _derivative(op: Op) -> str:
    if not op.differentiable:
        return "None: its result is a constant to the backward pass."
    if op.composite:
        return "It is made of other operations, and has no rule of its own: the chain rule does it."
    args, options = _samples(op)[0]
    formula = ""
    for operands, given in (((), {}), (args, options)):
        with contextlib.suppress(ValueError):
            formula = formula or str(rule_latex(op, *operands, **given))
    if formula and len(formula) < _READABLE:
        return f"$${formula}$$\n\n{_kept(op, args, options)}"
    return f"The rule takes several steps: read it in the source.\n\n{_kept(op, args, options)}"


def _kept(op: Op, args: tuple[Any, ...], options: dict[str, Any]) -> str:
    """What its backward pass keeps, and the multiply-adds it takes on a sample."""
    leaves = _leaves(args)
    out = op(*leaves, **options)
    root = out[0] if isinstance(out, (list, tuple)) else out
    found = keeps(root)
    reads = next(iter(found.reads.values()))
    names = [n.lstrip("*") for n in op.operands] * len(leaves)
    said = [names[i] if i < len(leaves) else "its result" for i in reads]
    kept = " and ".join(f"`{x}`" if x in names else x for x in dict.fromkeys(said)) or "nothing"
    cost = multiply_adds(root)
    shapes = ", ".join(str(np.shape(x)) for x in args)
    work = f"{cost} multiply-adds" if cost else "no products: work element by element"
    return f"For the backward pass it keeps {kept}. On shapes {shapes} it takes {work}."


def _leaves(args: tuple[Any, ...]) -> list[Tensor]:
    return [Tensor(x, requires_grad=np.issubdtype(np.asarray(x).dtype, np.floating)) for x in args]


def example(op: Op) -> str:
    """A call on a sample of the tests' table, with what it gives and the gradients."""
    args, options = _samples(op)[0]
    leaves = _leaves(args)
    names = "xyzuvw"[: len(args)]
    more = "".join(f", {k}={code(v)}" for k, v in options.items() if k != "generator")
    call = f"ops.{op.name}({', '.join(names)}{more})"
    lines = []
    for name, x, leaf in zip(names, args, leaves, strict=True):
        wanted = ", requires_grad=True" if leaf.requires_grad else ""
        lines.append(f"{name} = {tensor(x, wanted)}")
    if op.family == "random":
        lines.append("_ = manual_seed(0)")
    out = op(*leaves, **options)
    if isinstance(out, (list, tuple)):
        return session([*lines, f"[part.shape for part in {call}]"])
    lines += [f"out = {call}", "out"]
    if out.requires_grad:
        lines.append(_backward(out, leaves))
        reached = [name for name, x in zip(names, leaves, strict=True) if x.grad is not None]
        lines += [f"print({name}.grad.round(4))" for name in reached]
    return session(lines)


def _backward(out: Tensor, leaves: list[Tensor]) -> str:
    """The backward pass of an example: from the sum, or the first number where that is constant."""
    out.sum().backward()
    if any(np.abs(x.grad).max(initial=0.0) > 1e-6 for x in leaves if x.grad is not None):
        return "out.sum().backward()"
    return f"out[{', '.join('0' * out.ndim)}].backward()" if out.ndim else "out.backward()"


def _samples(op: Op) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Operands and options from the tests' table, those first that are easy to read."""
    every = TABLE[op.name]
    found = [(tuple(map(_rounded, s.args)), s.options) for s in every if s.smooth] or [
        (tuple(map(np.asarray, s.args)), s.options) for s in every
    ]
    several = any(name.startswith("*") for name in op.operands)
    return sorted(
        found,
        key=lambda x: (several and len(x[0]) < 2, not 2 <= sum(map(np.size, x[0])) <= 60),
    )


def _rounded(x: Any) -> Any:
    """The numbers of a sample with three digits, which is easier to read."""
    x = np.asarray(x)
    return np.asarray(np.round(x, 3)) if np.issubdtype(x.dtype, np.floating) else x


def _kinks(op: Op) -> str:
    rows = []
    for name, operands, options, gradients in test_kinks.TABLE:
        if name == op.name:
            at = ", ".join(f"`{x}`" for x in operands)
            given = ", ".join(f"`{k}={v}`" for k, v in options.items())
            rows.append(f"| {at} | {given} | {', '.join(f'`{_short(g)}`' for g in gradients)} |")
    if not rows:
        return ""
    return "| operands | options | gradients |\n|---|---|---|\n" + "\n".join(rows)


def _short(gradient: Any) -> str:
    return str(np.round(np.asarray(gradient, dtype=float), 4).tolist())


def _is_curve(op: Op) -> bool:
    """Whether it is a function of one number that has a derivative."""
    one = op.family == "elementwise" and len(op.operands) == 1 and not op.required
    return one and op.differentiable


def curve(op: Op) -> bytes:
    """Function and derivative as an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    x = Tensor(np.linspace(-4.0, 4.0, 401), requires_grad=True)
    with np.errstate(all="ignore"):
        out = op(x)
        out.sum().backward()
    with no_grad(), rc_context({"svg.fonttype": "none", "svg.hashsalt": op.name}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.subplots()
        axes.patch.set_alpha(0.0)
        for y, label, colour, style in (
            (out.data, op.name, DATA, "-"),
            (x.grad, "derivative", GRAD, "--"),
        ):
            inside = np.where(np.abs(y) < 6.0, y, np.nan)
            axes.plot(x.data, inside, style, color=colour, label=label, linewidth=2)
        axes.axhline(0.0, color=MUTED, linewidth=0.6)
        axes.axvline(0.0, color=MUTED, linewidth=0.6)
        axes.tick_params(colors=MUTED)
        axes.spines[:].set_color(MUTED)
        legend = axes.legend(frameon=False)
        for text in legend.get_texts():
            text.set_color(MUTED)
        sink = io.BytesIO()
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return themed(sink.getvalue().decode()).encode()
