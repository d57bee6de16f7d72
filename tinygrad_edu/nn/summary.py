"""A table of the modules of a model: what each gives out, has to learn, and costs.

Nothing is known here about any class: the model is run once, and what it recorded is counted.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.module import Module, evaluation
from tinygrad_edu.node import Node, nodes_in, set_mode
from tinygrad_edu.readers.cost import multiply_adds


@dataclass(slots=True)
class Row:
    """One module: its own parameters and work, without those of the modules inside.

    output : the shape of what the last call returned; "" if it was not called.
    """

    name: str
    kind: str
    parameters: int
    output: str = ""
    multiply_adds: int = 0
    calls: int = 0

    def cells(self) -> list[str]:
        """The row as text."""
        kind = f"{self.kind}, {self.calls} calls" if self.calls > 1 else self.kind
        return [self.name, kind, self.output, f"{self.parameters:,}", f"{self.multiply_adds:,}"]


HEADER = ["module", "class", "output shape", "parameters", "multiply-adds"]
NUMBERS = 3  # from this column on


@dataclass(frozen=True, slots=True)
class Summary:
    """The rows, printed as a table in a terminal and in a notebook.

    trained : how many of the parameters require a gradient.
    """

    rows: tuple[Row, ...]
    trained: int

    @property
    def parameters(self) -> int:
        """The numbers in all parameters, each counted once."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """What one forward pass took on the given inputs."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations of the forward pass: a multiply-add is two."""
        return 2 * self.multiply_adds

    def _totals(self) -> list[list[str]]:
        total = ["total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"]
        trained = ["trained", "", "", f"{self.trained:,}", ""]
        return [total] if self.trained == self.parameters else [total, trained]

    def __repr__(self) -> str:
        totals = self._totals()
        lines = [HEADER, *(row.cells() for row in self.rows), *totals]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = [
            "  ".join(
                cell.rjust(width) if i >= NUMBERS else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        rule = "-" * len(texts[0])
        end = len(texts) - len(totals)
        return "\n".join([texts[0], rule, *texts[1:end], rule, *texts[end:]])

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            sides = ["left"] * NUMBERS + ["right"] * (len(cells) - NUMBERS)
            return "".join(
                f'<{tag} style="text-align:{side};padding:2px 8px">{html.escape(cell)}</{tag}>'
                for cell, side in zip(cells, sides, strict=True)
            )

        body = "".join(f"<tr>{line(row.cells(), 'td')}</tr>" for row in self.rows)
        foot = "".join(f"<tr>{line(cells, 'th')}</tr>" for cells in self._totals())
        return (
            f"<table><thead><tr>{line(HEADER, 'th')}</tr></thead><tbody>{body}</tbody>"
            f"<tfoot>{foot}</tfoot></table>"
        )


def summarise(model: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Summary:
    """What `Module.summary` returns."""
    rows: dict[Module, Row] = {}
    counted: set[int] = set()
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in counted]
        counted.update(map(id, own))
        rows[module] = Row(name, type(module).__name__, sum(p.size for p in own))
    made: dict[Module, list[Node]] = {module: [] for module in rows}
    with _watched(made, rows), _in_evaluation(model), set_mode(recording=True, effects=False):
        model(*(_leaf(x) for x in inputs), **options)
    for module, nodes in made.items():
        rows[module].multiply_adds = sum(map(multiply_adds, nodes))
    trained = sum(p.size for p in model.parameters() if p.requires_grad)
    return Summary(tuple(rows.values()), trained)


def _leaf(x: Any) -> Any:
    """An input that has everything done to it recorded, even before the first parameter."""
    floating = isinstance(x, Tensor) and x.dtype.kind == "f"
    return x.detach().requires_grad_() if floating else x


@contextlib.contextmanager
def _in_evaluation(model: Module) -> Iterator[None]:
    """Evaluation mode, every parameter recorded; then all as it was."""
    frozen = [p for p in model.parameters() if not p.requires_grad]
    try:
        for p in frozen:
            p.requires_grad = True
        with evaluation(model):
            yield
    finally:
        for p in frozen:
            p.requires_grad = False


@contextlib.contextmanager
def _watched(made: dict[Module, list[Node]], rows: dict[Module, Row]) -> Iterator[None]:
    """Hooks that list what each module makes, and note its calls and the shape of its output.

    Entering a module, what led to its arguments and is in no list was made by the module around it;
    leaving it, what led to its output was made by itself.
    """
    seen: set[Node] = set()
    around: list[Module] = []

    def before(module: Module, args: tuple[Any, ...]) -> None:
        if around:
            made[around[-1]] += _unseen(args, seen)
        around.append(module)

    def after(module: Module, args: tuple[Any, ...], out: Any) -> None:
        around.pop()
        made[module] += _unseen(out, seen)
        rows[module].calls += 1
        rows[module].output = ", ".join(str(node.shape) for node in nodes_in(out))

    with contextlib.ExitStack() as stack:
        for module in made:
            stack.enter_context(module.register_forward_pre_hook(before))
            stack.enter_context(module.register_forward_hook(after))
        yield


def _unseen(value: Any, seen: set[Node]) -> list[Node]:
    """The recorded nodes in `value` and under it that are not in `seen`; they are from now on."""
    waiting, found = [*nodes_in(value)], []
    while waiting:
        node = waiting.pop()
        if node.op is not None and node not in seen:
            seen.add(node)
            found.append(node)
            waiting += node.inputs
    return found
