"""Text -> a graph of Values: the expressions of the command line, read without running them.

The text is parsed with `ast`, and only the syntax listed in `_Builder` means anything: numbers,
names, arithmetic, one comparison, and calls of elementwise operations.  Everything else is refused
by name.  Literals become floats at once, so no expression can ask for a huge integer.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import math
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from tinygrad_edu import ops
from tinygrad_edu.engine.value import Value
from tinygrad_edu.ops.registry import Op

MAX_CHARACTERS = 2000
MAX_DEPTH = 50

_BINARY: dict[type[ast.operator], Op] = {
    ast.Add: ops.add,
    ast.Sub: ops.subtract,
    ast.Mult: ops.multiply,
    ast.Div: ops.divide,
    ast.Pow: ops.power,
}
_COMPARE: dict[type[ast.cmpop], Op] = {
    ast.Gt: ops.greater,
    ast.GtE: ops.greater_equal,
    ast.Lt: ops.less,
    ast.LtE: ops.less_equal,
    ast.Eq: ops.equal,
    ast.NotEq: ops.not_equal,
}
_CONSTANTS = {"pi": math.pi}


class ExpressionError(ValueError):
    """One line that says what is wrong with an expression or its values, and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Expression:
    """What `read_expression` returns.

    Attributes
    ----------
    root : the Value of the whole expression.
    variables : the Values of its names, in the order of their first use.
    """

    root: Value
    variables: dict[str, Value]


def functions() -> dict[str, Op]:
    """The operations an expression may call, by name: every elementwise one."""
    return {op.name: op for op in ops.registered() if op.family == "elementwise"}


def read_expression(text: str, values: Mapping[str, float]) -> Expression:
    """The graph of `text`, with its names standing for `values`; `pi` may be left to us.

    At most 2,000 characters and 50 levels of nesting.

    >>> made = read_expression("tanh(w*x) + 1", {"w": 0.5, "x": 2.0})
    >>> made.root.backward()
    >>> round(made.variables["w"].grad, 4)
    0.8399
    >>> read_expression("tahn(x)", {"x": 2.0})
    Traceback (most recent call last):
    tinygrad_edu.expression.ExpressionError: no operation is called 'tahn'; ...

    Raises
    ------
    ExpressionError
        For bad syntax, a name without a value or a value without a name, an unknown operation,
        wrong operands, and a result that is not a finite number.
    """
    tree = _parse(text)
    builder = _Builder(text, {_plain(name): x for name, x in values.items()})
    builder.check_names(tree)
    root = builder.build(tree, 1)
    if not root.requires_grad:
        raise ExpressionError(
            f"nothing in {_short(text)} can have a gradient: use at least one name outside "
            "comparisons, such as 'x*2' with x=3"
        )
    return Expression(root, builder.variables)


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'tan' or 'tanh'?"`` for the known names most like `name`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _parse(text: str) -> ast.expr:
    if not text.strip():
        raise ExpressionError("the expression is empty; try 'tanh(w*x + b)'")
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            f"the expression has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what looks odd is either valid or refused below
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        at = f" at character {error.offset}" if error.offset else ""
        hint = "; a product is 2*x" if "decimal literal" in error.msg else ""
        raise ExpressionError(f"cannot read {_short(text)}{at}: {error.msg}{hint}") from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError(
            f"cannot read {_short(text)}: a forbidden character, or nested too deeply "
            f"(the limit is {MAX_DEPTH})"
        ) from None


class _Builder:
    """Turns a syntax tree into Values.  A kind of syntax without a method here is refused."""

    def __init__(self, text: str, values: dict[str, float]) -> None:
        self.text = text.strip()
        self.values = values
        self.functions = functions()
        self.variables: dict[str, Value] = {}

    def check_names(self, tree: ast.expr) -> None:
        """Refuse names without a value, and values without a name, all at once."""
        called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
        used = dict.fromkeys(n.id for n in sorted(names, key=lambda n: n.col_offset))
        unused = [name for name in self.values if name not in used]
        missing = [name for name in used if name not in self.values and name not in _CONSTANTS]
        if missing:
            hint = nearest(missing[0], unused)
            if not hint and missing[0] in self.functions:
                hint = f"; {missing[0]} is an operation: write {missing[0]}(...)"
            add = " ".join(f"{name}=1.0" for name in missing)
            raise ExpressionError(f"no value for {', '.join(missing)}{hint or f'; add {add}'}")
        if unused:
            raise ExpressionError(
                f"{unused[0]} has a value, but the expression does not use it"
                + nearest(unused[0], used)
            )

    def build(self, tree: ast.expr, depth: int) -> Value:
        """The Value of one piece of syntax."""
        if depth > MAX_DEPTH:
            raise ExpressionError(f"the expression is nested more than {MAX_DEPTH} levels deep")
        method = getattr(self, "read_" + type(tree).__name__, None)
        if method is None:
            self.refuse(tree)
        return method(tree, depth + 1)

    def refuse(self, tree: ast.AST) -> NoReturn:
        hint = "; a power is x**2" if _has_caret(tree) else ""
        raise ExpressionError(
            f"{self.source(tree)} is not allowed here: an expression is made of numbers, names, "
            f"+ - * / **, one comparison, and operations such as tanh(x){hint}"
        )

    def read_Constant(self, tree: ast.Constant, depth: int) -> Value:
        return Value._constant(self.number(tree))

    def read_Name(self, tree: ast.Name, depth: int) -> Value:
        name = tree.id
        if name not in self.values:
            return Value._constant(_CONSTANTS[name])
        if name not in self.variables:
            self.variables[name] = Value(self.values[name], name=name)
        return self.variables[name]

    def read_UnaryOp(self, tree: ast.UnaryOp, depth: int) -> Value:
        if isinstance(tree.operand, ast.Constant) and isinstance(tree.op, ast.USub):
            return Value._constant(-self.number(tree.operand))
        if isinstance(tree.op, ast.UAdd):
            return self.build(tree.operand, depth)
        if not isinstance(tree.op, ast.USub):
            self.refuse(tree)
        return self.apply(tree, ops.negative, [tree.operand], depth)

    def read_BinOp(self, tree: ast.BinOp, depth: int) -> Value:
        op = _BINARY.get(type(tree.op))
        if op is None:
            self.refuse(tree)
        return self.apply(tree, op, [tree.left, tree.right], depth)

    def read_Compare(self, tree: ast.Compare, depth: int) -> Value:
        op = _COMPARE.get(type(tree.ops[0]))
        if op is None or len(tree.ops) > 1:
            self.refuse(tree)
        return self.apply(tree, op, [tree.left, tree.comparators[0]], depth)

    def read_Call(self, tree: ast.Call, depth: int) -> Value:
        if not isinstance(tree.func, ast.Name):
            self.refuse(tree)
        name = tree.func.id
        if name not in self.functions:
            hint = nearest(name, self.functions) or "; 'tinygrad-edu draw --help' lists them"
            raise ExpressionError(f"no operation is called {name!r}{hint}")
        options = {keyword.arg: self.option(keyword) for keyword in tree.keywords}
        return self.apply(tree, self.functions[name], tree.args, depth, options)

    def apply(
        self,
        tree: ast.expr,
        op: Op,
        operands: list[ast.expr],
        depth: int,
        options: Mapping[Any, Any] | None = None,
    ) -> Value:
        try:
            op.check_count(len(operands))
            filled = op.fill(dict(options or {}))
            inputs = [self.build(operand, depth) for operand in operands]
            out = op(*inputs, **filled)
        except ExpressionError:
            raise
        except (TypeError, ValueError) as error:
            raise ExpressionError(f"in {self.source(tree)}: {error}") from error
        if not math.isfinite(out.data):
            given = ", ".join(f"{x.data:.6g}" for x in inputs)
            raise ExpressionError(
                f"{self.source(tree)} is {out.data} for {given} ({op.name}: {_meaning(op)})"
            )
        return out

    def option(self, keyword: ast.keyword) -> Any:
        """The value of ``name=value`` in a call: a number, a word in quotes, or None."""
        if keyword.arg is None:
            self.refuse(keyword.value)
        value = keyword.value
        if isinstance(value, ast.Constant) and (value.value is None or type(value.value) is str):
            return value.value
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            return -self.number(value.operand)
        return self.number(value)

    def number(self, tree: ast.expr) -> float:
        """A literal as a float."""
        if not isinstance(tree, ast.Constant) or type(tree.value) not in (int, float):
            self.refuse(tree)
        try:
            number = float(tree.value)  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise ExpressionError(f"{self.source(tree)} is too large for a float")
        return number

    def source(self, tree: ast.AST) -> str:
        """The piece of the expression that `tree` was read from."""
        return _short(ast.get_source_segment(self.text, tree) or self.text)


def _has_caret(tree: ast.AST) -> bool:
    return isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitXor)


def _plain(name: str) -> str:
    """A name as Python's parser spells it."""
    return unicodedata.normalize("NFKC", name)


def _short(text: str, limit: int = 60) -> str:
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _meaning(op: Op) -> str:
    """The first sentence of an operation's description, as part of a sentence of ours."""
    first = (op.__doc__ or "no description").split("\n")[0].split(". ")[0].rstrip(".")
    return first[0].lower() + first[1:]
