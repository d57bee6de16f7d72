"""The exercises of lesson 04."""

import dataclasses
import functools
import math

from tinygrad_edu import Value, ops
from tinygrad_edu.learn.exercises import Exercise, Wrong, exercise, reference
from tinygrad_edu.learn.oracles import close, slopes, torch_gradient
from tinygrad_edu.namespaces import floats


class Dot:
    """A node with a number for a name and nothing but inputs."""

    def __init__(self, number, inputs):
        self.number = number
        self.inputs = tuple(inputs)
        self.op = self.inputs or None


def _dots(shape):
    """The root of a graph: node i takes the earlier nodes listed at place i of `shape`."""
    made = []
    for number, inputs in enumerate(shape):
        made.append(Dot(number, [made[i] for i in inputs]))
    return made[-1]


def _random_shape(rng, size):
    counts = [0, *(rng.choice([0, 1, 2, 2, 2]) for _ in range(size - 2))]
    shape = [tuple(rng.randrange(i) for _ in range(count)) for i, count in enumerate(counts)]
    return [*shape, (size - 2, rng.randrange(size - 1))]


def _under(shape):
    """The places of the nodes that the last one is made from, itself included."""
    found = {len(shape) - 1}
    for i in reversed(range(len(shape))):
        if i in found:
            found.update(shape[i])
    return found


@dataclasses.dataclass(frozen=True)
class Faults:
    """What is wrong with the orders of several graphs, and the first instance in words."""

    kinds: frozenset
    first: str | None = dataclasses.field(default=None, compare=False)


def _faults(shape, order):
    """(kind, sentence) for what is wrong with one order."""
    expected = _under(shape)
    arrows = ", ".join(f"{i} uses {list(x)}" for i, x in enumerate(shape) if x and i in expected)
    graph = f"in the graph in which {arrows}" if len(shape) < 12 else f"among {len(shape)} nodes"
    if len(set(order)) < len(order):
        repeated = next(i for i in order if order.count(i) > 1)
        return "repeats", f"Node {repeated} stands {order.count(repeated)} times, {graph}."
    if set(order) != expected:
        missing = sorted(expected - set(order))
        kind = "missing" if any(shape[i] for i in missing) else "leaves missing"
        return kind, f"Node {missing[0]} is missing, {graph}."
    place = {number: i for i, number in enumerate(order)}
    early = [(i, x) for i in expected for x in shape[i] if place[x] < place[i]]
    if early:
        backwards = all(place[x] < place[i] for i in expected for x in shape[i])
        kind = "reversed" if backwards else "early"
        return kind, f"Node {early[0][1]} stands before node {early[0][0]}, which uses it, {graph}."
    return None, None


@functools.cache
def _solution():
    return reference(exercise("04.toposort"))


def _by_counting(root):
    return _solution()(root)


def _on_first_sight(root):
    order = []

    def visit(node):
        if node not in order:
            order.append(node)
            for x in node.inputs:
                visit(x)

    visit(root)
    return order


def _along_every_path(root):
    order = []

    def visit(node):
        order.append(node)
        for x in node.inputs:
            visit(x)

    visit(root)
    return order


def _recursive(root):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for x in node.inputs:
                visit(x)
            order.append(node)

    visit(root)
    return order[::-1]


class Toposort(Exercise):
    id = "04.toposort"
    answer = "toposort"
    hints = (
        "A node is ready when nobody is left to wait for. So you need to know how many uses each "
        "node has before you begin to put nodes in order.",
        "First sweep: `uses = {root: 0}` and `found = [root]`; for each `node` in `found` and each "
        "`x` in `node.inputs`: if `x` is new, give it the count 0 and append it to `found`; then "
        "add 1 to its count. Second sweep: the same two loops over `order = [root]`, counting "
        "down.",
        "The second sweep: `for node in order:`, inside it `for x in node.inputs:`, inside that "
        "`uses[x] -= 1` and `if uses[x] == 0: order.append(x)`. At the end, `return order`.",
    )
    wrong = (
        Wrong(
            "first_sight",
            _on_first_sight,
            "This is what you get if a node joins the order when it is first met (pre-order). A "
            "node met early may still be used by one that comes later; it has to wait for all.",
        ),
        Wrong(
            "no_visited_set",
            _along_every_path,
            "This is what you get without remembering which nodes were met before: every path is "
            "walked, so a shared node comes once per path, and in a chain of 60 nodes, each "
            "used twice, there are 2 to the power 60 paths.",
        ),
        Wrong(
            "operands_first",
            lambda root: _by_counting(root)[::-1],
            "This is the order of the forward pass, operands first. The sweep needs the reverse.",
        ),
        Wrong(
            "recursion",
            _recursive,
            "The order is right for small graphs, and recursion fails on deep ones: each call "
            "waits inside another, and Python stops at about 1,000.",
        ),
        Wrong(
            "without_leaves",
            lambda root: [x for x in _by_counting(root) if x.inputs],
            "The leaves are missing. They send nothing, but the task is a list of every node.",
        ),
    )

    def cases(self, rng):
        yield [[_random_shape(rng, 3 + i // 15) for i in range(90)]]  # small ones first
        deep = [(), *[(i,) for i in range(50_000)]]
        yield [[deep], [[(), *[(i, i) for i in range(60)]]]]

    def outcome(self, answer, case):
        kinds, first = set(), None
        for shape in case:
            kind, sentence = _faults(shape, [node.number for node in answer(_dots(shape))])
            if kind:
                kinds.add(kind)
                first = first or sentence
        if "reversed" in kinds and "early" in kinds:  # a tiny graph can be reversed by accident
            kinds.remove("reversed")
        return Faults(frozenset(kinds), first)

    def judge(self, case, outcome):
        return outcome.first

    def describe(self, case):
        return f"a graph of {max(map(len, case))} nodes"


def _send(node):
    parts = node.op.rule(floats, node.grad, node.data, *[x.data for x in node.inputs])
    return [(x, part) for x, part in zip(node.inputs, parts, strict=True) if x.requires_grad]


def _sweep(root, order=None, fresh=True, seed=True, gather=True, through=True, clear=False):
    """The right backward pass, or one that leaves something out."""
    order = _by_counting(root) if order is None else order
    for node in order:
        if clear or (node.op and fresh):
            node.grad = 0.0
    if seed:
        root.grad = 1.0
    for node in order:
        if node.op:
            kept = node.grad
            node.grad = kept if through else 1.0
            parts = _send(node)
            node.grad = kept
            for x, part in parts:
                x.grad = x.grad + part if gather else part


class Backward(Exercise):
    id = "04.backward"
    answer = "backward"
    hints = (
        "Go through `in_order(root)` twice: set results to 0, give the root its 1, then let every "
        "node that has an `op` send.",
        "`for x, sent in send(node): x.grad += sent`. The order guarantees that `node.grad` is "
        "complete when its turn comes.",
        "`order = in_order(root)`. Then `for node in order: if node.op: node.grad = 0.0`. Then "
        "`root.grad = 1.0`. Then again `for node in order: if node.op:` and the line of hint 2.",
    )
    wrong = (
        Wrong(
            "assigns",
            lambda root: _sweep(root, gather=False),
            "This is exactly what you get with `=` where `+=` belongs: a node that is used several "
            "times keeps only the part that came last.",
        ),
        Wrong(
            "first_sight",
            lambda root: _sweep(root, order=_on_first_sight(root)),
            "This is exactly what you get if nodes send in the order in which they are met "
            "(pre-order): some send before their own gradient is complete. Use `in_order`.",
        ),
        Wrong(
            "keeps_results",
            lambda root: _sweep(root, fresh=False),
            "The first call is right. On a second call your results still hold the gradient of "
            "the first, and send it again: set them to 0 at the start.",
        ),
        Wrong(
            "clears_leaves",
            lambda root: _sweep(root, clear=True),
            "The first call is right. On a second call your leaves have forgotten the first: set "
            "only nodes with an `op` to 0.",
        ),
        Wrong(
            "leaves_send",
            lambda root: [_send(node) for node in _by_counting(root)],
            "You let leaves send as well. A leaf has no operation and so no rule to ask: "
            "`if node.op:` comes first.",
        ),
        Wrong(
            "no_seed",
            lambda root: _sweep(root, seed=False),
            "The gradients are all 0: nothing gave the root its 1, so there was nothing to send.",
        ),
        Wrong(
            "slopes_only",
            lambda root: _sweep(root, through=False),
            "This is exactly what you get if every node sends its plain slopes: the chain rule "
            "multiplies each by the gradient of the node that sends.",
        ),
    )

    def given(self):
        return {"in_order": _by_counting, "send": _send}

    def cases(self, rng):
        shapes = [_random_shape(rng, 3 + i // 6) for i in range(42)]  # small ones first
        yield [(shape, [rng.uniform(0.5, 1.5) for _ in shape]) for shape in shapes]

    def outcome(self, answer, case):
        shape, numbers = case
        made = _expression(shape, [Value(x) for x in numbers])
        sweeps = []
        for _ in range(2):
            answer(made[-1])
            sweeps.append([float(node.grad) for node in made])
        return sweeps

    def judge(self, case, outcome):
        shape, numbers = case
        leaves = [i for i in sorted(_under(shape)) if not shape[i]]

        def f(*at):
            filled = list(numbers)
            for i, x in zip(leaves, at, strict=True):
                filled[i] = x
            return _expression(shape, filled)[-1]

        at = [numbers[i] for i in leaves]
        for sweep, times in zip(outcome, (1, 2), strict=True):
            for theirs in (slopes(f, at), torch_gradient(f, at)):
                for i, right in zip(leaves, theirs or (), strict=theirs is not None):
                    if not close(sweep[i], times * right, 1e-6):
                        call = "the first call" if times == 1 else "the second call"
                        return (
                            f"After {call} a leaf has the gradient {sweep[i]:.6g}; small steps "
                            f"to either side give {times * right:.6g} (on {self.describe(case)})."
                        )
        right = _expression(shape, [Value(x) for x in numbers])
        right[-1].backward()
        for i in sorted(_under(shape) - set(leaves)):
            for sweep, call in zip(outcome, ("first", "second"), strict=True):
                if not close(sweep[i], right[i].grad):
                    return (
                        f"After the {call} call a result has the gradient {sweep[i]:.6g} instead "
                        f"of {right[i].grad:.6g} (on {self.describe(case)})."
                    )
        return None

    def describe(self, case):
        arrows = ", ".join(f"{i} uses {list(x)}" for i, x in enumerate(case[0]) if x)
        return f"a graph in which {arrows}"


def _expression(shape, numbers):
    """The nodes of an expression: sin of one operand, sum or product of two, numbers as leaves."""
    made = []
    for i, inputs in enumerate(shape):
        operands = [made[j] for j in inputs]
        if not operands:
            made.append(numbers[i])
        elif len(operands) == 1:
            (x,) = operands
            made.append(math.sin(x) if isinstance(x, float) else x.sin())
        else:
            made.append(operands[0] + operands[1] if i % 2 else operands[0] * operands[1])
    return made


def _naive(node, part):
    node.grad += part
    if node.op:
        for x, sent in _send(node):
            _naive(x, sent)


def _three_times_squared(x):
    thrice = x + x + x
    return thrice * thrice


class Trap(Exercise):
    id = "04.trap"
    answer = "trap"
    hints = (
        "What made the diamond a trap? Not that something was used twice, but that it then had "
        "something to pass on.",
        "A leaf passes nothing on. So the node that is used twice must be a result: one operation "
        "makes it, and one uses it twice.",
        "Let the first operation be anything, `t = x + x` for instance, and let the second use `t` "
        "on both sides.",
    )
    wrong = (
        Wrong(
            "only_the_leaf_is_shared",
            lambda x: x * x,
            "Only x is used twice here. x is a leaf: it passes nothing on, so nothing is counted "
            "twice, and naive recursion is right.",
        ),
        Wrong(
            "a_chain",
            lambda x: ops.sin(ops.sin(x)),
            "Nothing is used twice here, so every node gets one part only, and naive recursion is "
            "right.",
        ),
        Wrong(
            "too_large",
            lambda x: (x + 1) * ((x + 1) * (x + 1)),
            "There are more than two operations here; two are enough.",
        ),
        Wrong(
            "too_large_but_a_trap",
            _three_times_squared,
            "This is a trap, with more operations than it needs: two are enough.",
        ),
    )

    def cases(self, rng):
        yield [rng.uniform(0.5, 1.5)]

    def outcome(self, answer, case):
        swept, recursive = Value(case), Value(case)
        root, again = answer(swept), answer(recursive)
        order = _by_counting(root)
        results = [node for node in order if node.op]
        uses = [x for node in order for x in node.inputs if x.requires_grad]
        root.backward()
        _naive(again, 1.0)
        return {
            "at most two operations": len(results) <= 2,
            "different gradients": not close(swept.grad, recursive.grad),
            "something is shared": len(set(uses)) < len(uses),
        }

    def judge(self, case, outcome):
        if outcome["at most two operations"] and outcome["different gradients"]:
            return None
        if outcome["different gradients"]:
            return "The two gradients differ, and it takes more than two operations."
        return "`naive` and `backward` give x the same gradient."

    def describe(self, case):
        return f"x = {case:.3f}"
