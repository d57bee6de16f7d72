"""Reads the LaTeX this project writes back into numbers, by the rules of mathematics alone.

What a formula means is decided here by its text: a minus binds looser than a product, a power
tighter, and parentheses are what `\\left(` and `\\right)` enclose.  So a pair that is missing
changes the number.
"""

import math
import re

TOKEN = re.compile(r"\\left\\lfloor|\\right\\rfloor|\\left\\lceil|\\right\\rceil|\\[A-Za-z]+|\\.|"
                   r"\d+(?:\.\d+)?|[A-Za-z]|[^\s]")  # fmt: skip

FUNCTIONS = {
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "erf": math.erf,
    "ln": math.log,
    "max": max,
    "min": min,
    "relu": lambda x: max(x, 0.0),
    "sign": lambda x: math.copysign(1.0, x),
    "where": lambda condition, x, y: x if condition else y,
    "sigma": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
}
RELATIONS = {
    "=": lambda x, y: x == y,
    "<": lambda x, y: x < y,
    ">": lambda x, y: x > y,
    r"\le": lambda x, y: x <= y,
    r"\ge": lambda x, y: x >= y,
    r"\ne": lambda x, y: x != y,
}


def values(latex, known):
    """The values of all left sides of a formula, in `known` afterwards, by their LaTeX."""
    body = latex.removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}")
    for line in body.split(" \\\\\n"):
        left, right = re.split(r" &?= ", line, maxsplit=1)
        known[left] = value(right, known)
    return known


def value(latex, known):
    """The value of a formula, where `known` maps names, as LaTeX, to numbers."""
    reader = _Reader(TOKEN.findall(latex), known)
    found = reader.relation()
    if reader.place != len(reader.tokens):
        raise ValueError(f"{reader.tokens[reader.place :]} cannot be read in {latex}")
    return found


class _Reader:
    def __init__(self, tokens, known):
        self.tokens = tokens
        self.known = known
        self.place = 0

    def peek(self):
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected=None):
        token = self.peek()
        if expected is not None and token != expected:
            raise ValueError(f"{expected} expected, {token or 'the end'} found")
        self.place += 1
        return token

    def relation(self):
        left = self.sum()
        while self.peek() in RELATIONS:
            left = float(RELATIONS[self.take()](left, self.sum()))
        return left

    def sum(self):
        total = 0.0
        sign = -1.0 if self.peek() == "-" else 1.0
        if sign < 0:
            self.take()
        while True:
            total += sign * self.product()
            if self.peek() not in ("+", "-"):
                return total
            sign = -1.0 if self.take() == "-" else 1.0

    def product(self):
        product = self.power()
        while True:
            if self.peek() == r"\cdot":
                self.take()
            elif self.peek() in ("", "+", "-", "}", ",", ")", r"\right", "|") or (
                self.peek() in RELATIONS or self.peek().startswith(r"\right")
            ):
                return product
            product *= self.power()

    def power(self):
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        return math.pow(base, self.group() if self.peek() == "{" else float(self.take()))

    def group(self):
        self.take("{")
        inside = self.relation()
        self.take("}")
        return inside

    def atom(self):
        token = self.peek()
        if token == "{":
            return self.group()
        if token[0].isdigit():
            return float(self.take())
        name = self.name()
        if name in self.known:
            return self.known[name]
        if name == r"\infty":
            return math.inf
        if name == "e":
            return math.e
        if name == r"\frac":
            return self.group() / self.group()
        if name == r"\sqrt":
            return math.sqrt(self.group())
        if name == r"\left":
            if self.take() == "|":
                inside = abs(self.relation())
                self.take(r"\right")
                self.take("|")
                return inside
            inside = self.relation()
            self.take(r"\right")
            self.take(")")
            return inside
        return FUNCTIONS[re.sub(r"\W|operatorname", "", name)](*self.arguments())

    def arguments(self):
        self.take(r"\left")
        self.take("(")
        found = [self.relation()]
        while self.peek() == ",":
            self.take()
            found.append(self.relation())
        self.take(r"\right")
        self.take(")")
        return found

    def name(self):
        r"""A name with its arguments and index, as written: ``w_{1}``, ``\bar{x}``, ``\frac``."""
        name = self.take()
        if name in (r"\bar", r"\mathrm", r"\operatorname"):
            name += self.braces()
        if self.peek() == "_":
            name += self.take() + self.braces()
        return name

    def braces(self):
        text, depth = "", 0
        while True:
            token = self.take()
            depth += (token == "{") - (token == "}")
            text += token
            if not depth:
                return text
