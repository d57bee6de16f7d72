"""LaTeX of a recorded graph, and of an operation's rule.

Both are one reading: nodes become lines, and each node is written once.  What is used more than
once, or would grow long, gets a name; nothing is simplified but 0, 1, x^1 and x x.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy

from tinygrad_edu.namespaces import floats
from tinygrad_edu.namespaces.arrays import namespace_of
from tinygrad_edu.node import Node
from tinygrad_edu.ops.registry import Op, lookup
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.folding import fold
from tinygrad_edu.readers.symbols import Symbol, graph_of, read_rule
from tinygrad_edu.readers.templates import ATOM, PRODUCT, RELATION, read
from tinygrad_edu.readers.trace import Graph, GraphNode, trace

_LONG = 160  # characters; a longer formula is cut by naming a part of it
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)
_SPECIAL = {"\\": r"\backslash ", "^": r"\hat{\ }", "~": r"\sim "}
_SPECIAL |= {c: "\\" + c for c in "{}$&#_%"}


class Formula(str):
    """LaTeX text; a notebook shows it as mathematics."""

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return f"$$\n{self}\n$$"


def latex(root: Node | list[Node] | tuple[Node, ...] | Graph, *, names: Any = None) -> Formula:
    """The computation under a node as LaTeX: one formula, or one line per named or shared part.

    names : a mapping from names to nodes, such as ``locals()``; labels nodes that have no name.
    A name like ``w1`` becomes ``w_{1}`` and ``alpha`` a Greek letter.

    >>> from tinygrad_edu import Value
    >>> w, x, b = Value(2.0, name="w"), Value(3.0, name="x"), Value(1.0, name="b")
    >>> print(latex((w * x + b).tanh()))
    \\tanh\\left(w \\cdot x + b\\right)
    """
    graph = root if isinstance(root, Graph) else trace(root, names=names)
    writer = _Writer(graph, {})
    for place in dict.fromkeys(graph.roots):
        writer.ends[place] = _name(graph.nodes[place].name) or writer.fresh("y", numbered=False)
    alone = len(graph.roots) == 1 and not graph.nodes[graph.roots[0]].name
    return writer.formula(bare=alone)


def rule_latex(op: Op | str, *operands: Any, **options: Any) -> Formula:
    """An operation's rule as LaTeX: the gradient of each operand, with a bar, from the result's.

    op : an operation or its name.
    operands : examples (numbers, arrays or nodes), for an operation whose rule depends on shapes;
        without them small ones are tried; constants such as 1/n are then those of their sizes.
    options : as in a call of the operation.

    The formula is the one for a gradient that is not 0: what guards against 0 times inf elsewhere
    is left out.

    >>> print(rule_latex("tanh"))
    \\bar{x} = \\bar{y} \\cdot \\left(1 - {y}^2\\right)

    Raises ValueError for an operation without a rule, and where examples or options are needed.
    """
    op = lookup(op) if isinstance(op, str) else op
    if op.rule is None:
        reason = (
            "it is made of other operations; draw an expression that uses it"
            if op.composite
            else "it has no gradient"
        )
        raise ValueError(f"{op.name} has no rule of its own: {reason}")
    missing = [name for name in op.required if name not in options]
    if missing:
        raise ValueError(f"the rule of {op.name} needs {missing[0]}=, as a call of it does")
    filled = op.fill(options)
    tried = [tuple(_example(x) for x in operands)] if operands else _examples(op)
    error: Exception | None = None
    for examples in tried:
        found = _try_rule(op, examples, filled)
        if isinstance(found, Formula):
            return found
        error = found
    raise ValueError(
        f"the rule of {op.name} cannot be read on these operands ({error}); give examples of its "
        f"operands: rule_latex(ops.{op.name}, {', '.join(n.lstrip('*') for n in op.operands)})"
    ) from error


# Reading a rule


def _example(x: Any) -> Any:
    return x._data if isinstance(x, Node) else x


def _examples(op: Op) -> Any:
    """Example operands to try in turn: numbers, then small arrays of several shapes."""
    count = sum(2 if name.startswith("*") and len(op.operands) == 1 else 1 for name in op.operands)
    if len(op.operands) > 1 and op.operands[-1].startswith("*"):
        count -= 1
    yield tuple(0.5 + 0.1 * i for i in range(count))
    shapes = ((2, 3), (3, 4), (3,), (2, 2, 3), (2, 2, 3, 3))
    for chosen in itertools.product(shapes, repeat=count):
        yield tuple(numpy.full(shape, 0.5 + 0.1 * i) for i, shape in enumerate(chosen))


def _try_rule(op: Op, examples: tuple[Any, ...], options: dict[str, Any]) -> Formula | Exception:
    """The rule, or why it cannot be read on these examples."""
    try:
        with numpy.errstate(all="ignore"):
            return _read_rule(op, examples, options)
    except (TypeError, ValueError, IndexError, AttributeError) as problem:
        return problem


def _read_rule(op: Op, examples: tuple[Any, ...], options: dict[str, Any]) -> Formula:
    arrays = [x for x in examples if hasattr(x, "shape")]
    xp = namespace_of(arrays[0]) if arrays else floats
    names = _operand_names(op, len(examples))
    result = next(name for name in ("y", "z", "out") if name not in names)
    operands = [Symbol(x, xp, name=name) for x, name in zip(examples, names, strict=True)]
    out = Symbol(op.forward(xp, *examples, **options), xp, name=result)
    g = Symbol(xp.ones_like(out.example), xp, name="g")
    parts = read_rule(op, g, out, operands, options)
    ends = [(part, name) for part, name in zip(parts, names, strict=True) if part is not None]
    graph = graph_of([part for part, _ in ends])
    writer = _Writer(graph, {g.name: rf"\bar{{{_name(result)}}}"}, guard="g")
    lines = []
    for place, (_, name) in zip(graph.roots, ends, strict=True):
        lines.append((rf"\bar{{{_name(name)}}}", place))
    return writer.equations(lines)


def _operand_names(op: Op, count: int) -> list[str]:
    names = [name for name in op.operands if not name.startswith("*")]
    several = [name[1:].removesuffix("s") for name in op.operands if name.startswith("*")]
    return names + [f"{several[0]}{i + 1}" for i in range(count - len(names))]


# Writing a graph


class _Writer:
    """Writes the nodes of a graph, each once.

    ends : the left sides of the lines that must exist, by place.
    given : LaTeX for leaves whose names already are LaTeX.
    guard : the name of the incoming gradient; it, and what is made of it, is taken not to be 0.
    """

    def __init__(
        self, graph: Graph, given: dict[str | None, str], guard: str | None = None
    ) -> None:
        self.graph = graph
        self.given = given
        self.ends: dict[int, str] = {}
        folding = fold(graph, guard)
        self.same, self.numbers = folding.same, folding.numbers
        self.texts: dict[int, tuple[str, int]] = {}
        self.lines: list[tuple[str, str]] = []
        self.taken = {_name(node.name) for node in graph.nodes if node.name}
        self.taken.update(given.values())

    def formula(self, *, bare: bool) -> Formula:
        """The lines of all `ends`; only the right side if `bare` and there is one line."""
        places = list(self.ends)
        self._write_all(places)
        for place in places:
            written = self.same[place] == place and place not in self.numbers
            if not written or self.graph.nodes[place].op is None:
                self.lines.append((self.ends[place], self._operand(place)[0]))
        if len(self.lines) == 1 and (bare or self.lines[0][0] == self.lines[0][1]):
            return Formula(self.lines[0][1])
        return self._aligned()

    def equations(self, lines: list[tuple[str, int]]) -> Formula:
        """Given left sides, each with the place of what it equals, after the parts they share."""
        self._write_all([place for _, place in lines])
        self.lines += [(left, self._operand(place)[0]) for left, place in lines]
        return self._aligned()

    def fresh(self, stem: str, *, numbered: bool = True) -> str:
        """A name that nothing in the graph has."""
        candidates = (f"{stem}_{{{i}}}" for i in itertools.count(1))
        for name in candidates if numbered else itertools.chain([stem], candidates):
            if name not in self.taken:
                self.taken.add(name)
                return name
        raise AssertionError("unreachable")

    def _aligned(self) -> Formula:
        if len(self.lines) == 1:
            return Formula(" = ".join(self.lines[0]))
        body = " \\\\\n".join(f"{left} &= {right}" for left, right in self.lines)
        return Formula(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")

    def _write_all(self, places: list[int]) -> None:
        """Texts for every node that the given ones need; lines for the shared, named and long."""
        nodes = self.graph.nodes
        ends = [self.same[place] for place in places]
        uses = {place: ends.count(place) for place in ends}
        for node in reversed(nodes):
            if node.index in uses and node.index not in self.numbers:
                for i in node.inputs:
                    uses[self.same[i]] = uses.get(self.same[i], 0) + 1
        for node in nodes:
            if node.index not in uses or node.index in self.numbers:
                continue
            if node.op is None:
                self.texts[node.index] = self._leaf(node), ATOM
                continue
            text, level = self._result(node)
            name = self.ends.get(node.index) or (_name(node.name) if node.name else "")
            long = len(text) > _LONG and node.index not in ends
            if not name and (uses[node.index] > 1 or long):
                name = self.fresh("t")
            if name:
                self.lines.append((name, text if level > RELATION else rf"\left({text}\right)"))
                text, level = name, ATOM
            self.texts[node.index] = text, level

    def _operand(self, place: int) -> tuple[str, int]:
        place = self.same[place]
        return _number(self.numbers[place]) if place in self.numbers else self.texts[place]

    def _leaf(self, node: GraphNode) -> str:
        if node.name:
            return self.given.get(node.name) or _name(node.name)
        return self.fresh("c" if node.kind == "constant" else "x")

    def _result(self, node: GraphNode) -> tuple[str, int]:
        op, operands = node.op, [self._operand(i) for i in node.inputs]
        if op.name == "multiply" and self.same[node.inputs[0]] == self.same[node.inputs[1]]:
            op, operands = lookup("square"), operands[:1]
        template = read(_with_options(op, node.options))
        filled: dict[str, tuple[str, int]] = {}
        for i, name in enumerate(op.operands):
            if name.startswith("*"):
                rest = operands[i:]
                filled[name[1:]] = (", ".join(text for text, _ in rest), ATOM)
            else:
                filled[name] = operands[i]
        return template.fill(filled), template.level


def _number(x: float) -> tuple[str, int]:
    """A number in at most 6 digits, and how tightly its text binds."""
    if math.isnan(x):
        return r"\mathrm{nan}", ATOM
    if math.isinf(x):
        return (r"\infty", ATOM) if x > 0 else (r"-\infty", PRODUCT)
    mantissa, _, exponent = f"{x:.6g}".partition("e")
    if not exponent:
        return mantissa, PRODUCT if x < 0 else ATOM
    power = f"10^{{{int(exponent)}}}"
    return (power if mantissa == "1" else rf"{mantissa} \cdot {power}"), PRODUCT


def _name(name: str | None) -> str:
    """A name as LaTeX: ``w1`` is ``w_{1}``, ``alpha`` a Greek letter, ``loss`` upright."""
    if not name:
        return ""
    text = wording.clean(name)
    found = re.fullmatch(r"([A-Za-z]+)_?([0-9]*)|([A-Za-z]+)_([A-Za-z0-9]+)", text)
    if found is None:
        return rf"\mathrm{{{_escaped(text)}}}"
    stem, index = found.group(1) or found.group(3), found.group(2) or found.group(4)
    head = (
        f"\\{stem}" if _GREEK.fullmatch(stem) else stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    )
    if not index:
        return head
    return f"{head}_{{{index}}}" if index.isdigit() else rf"{head}_{{\mathrm{{{index}}}}}"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text.replace(wording.MINUS, "-"))


def _with_options(op: Op, options: Any) -> str:
    r"""The operation's template; one that begins with a function's name gets the options that
    differ from their defaults as an index, ``\sum_{\mathrm{axis}=0}``."""
    template = op.latex
    given = ["{" + name.lstrip("*") + "}" for name in op.operands]
    if any(place in template for place in given) and not all(place in template for place in given):
        places = ", ".join(given)
        name = _escaped(op.name).replace("{", "{{").replace("}", "}}")
        template = rf"\operatorname{{{{{name}}}}}\left({places}\right)"
    chosen = wording.chosen_options(op, options)
    chosen.pop("keepdims", None)  # whether an axis of size 1 stays is no mathematics
    function = re.match(r"\\operatorname\{\{[^{}]*\}\}|\\(?!frac|sqrt|left)[A-Za-z]+", template)
    if not chosen or function is None:
        return template
    index = r",\,".join(
        rf"\mathrm{{{_escaped(name)}}}=\mathtt{{{_escaped(wording.clean(value))}}}"
        for name, value in chosen.items()
    )
    index = index.replace("{", "{{").replace("}", "}}")
    return f"{function.group()}_{{{{{index}}}}}{template[function.end() :]}"
