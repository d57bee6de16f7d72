"""What can be built from gradients: transforms of functions of nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_edu.engine.backprop import grad, topological, walk
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.value import Value
from tinygrad_edu.node import Node, current_mode, no_grad, record, set_mode
from tinygrad_edu.ops.random import replay_generators, watch_generators
from tinygrad_edu.ops.registry import Op, graph


def as_leaf(x: Any) -> Node:
    """`x`, a number, an array or a node, as a new leaf that requires a gradient."""
    if isinstance(x, Value):
        return Value(x.data, name=x.name)
    if isinstance(x, Tensor):
        return Tensor(x.data, requires_grad=True, name=x.name, device=x.device)
    if isinstance(x, numpy.ndarray | list | tuple):
        return Tensor(x, requires_grad=True)
    return Value(x)


def value_and_grad(f: Callable[..., Node]) -> Callable[..., tuple[Any, Any]]:
    """A function that returns what f returns, and the gradients of it for all arguments.

    Arguments may be numbers (they become Values), arrays or nodes; f must return one number.  One
    argument gives one gradient, several a tuple, each of its argument's shape.

    >>> from tinygrad_edu import value_and_grad
    >>> value, (dx, dy) = value_and_grad(lambda x, y: x * y + x)(2.0, 3.0)
    >>> value.data, dx.data, dy.data
    (8.0, 4.0, 2.0)
    """

    def both(*args: Any) -> tuple[Any, Any]:
        leaves = [as_leaf(x) for x in args]
        with set_mode(recording=True):
            out = f(*leaves)
        grads = grad(out, leaves)
        return out, grads[0] if len(leaves) == 1 else grads

    return both


def jacobian(f: Callable[[Any], Any], x: Any) -> Any:
    """All first derivatives of f at x: shape (*shape of f(x), *shape of x).

    One backward pass per element of f(x).

    >>> from tinygrad_edu import Tensor, jacobian
    >>> jacobian(lambda x: x**2, Tensor([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    leaf = as_leaf(x)
    with set_mode(recording=True):
        out = f(leaf)
    return _rows(out, leaf)


def hessian(f: Callable[[Any], Any], x: Any) -> Any:
    """All second derivatives of f at x, f returning one number: shape (*x, *x).

    >>> from tinygrad_edu import Tensor, hessian
    >>> hessian(lambda x: (x**3).sum(), Tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    leaf = as_leaf(x)
    with set_mode(recording=True):
        first = grad(f(leaf), leaf, create_graph=True)
    return _rows(first, leaf)


def _rows(out: Any, leaf: Any) -> Any:
    """The gradient of each element of `out` in turn, stacked."""
    if isinstance(leaf, Value) or isinstance(out, Value):
        return grad(out, leaf) if out.requires_grad else leaf._constant(0.0)
    rows = []
    for i in range(out.size):
        seed = numpy.zeros(out.size, out.dtype)
        seed[i] = 1
        if out.requires_grad:
            rows.append(grad(out, leaf, seed.reshape(out.shape)).numpy())
        else:  # f is constant, or its first derivative is
            rows.append(numpy.zeros(leaf.shape, leaf.dtype))
    stacked = numpy.stack(rows) if rows else numpy.zeros((0, *leaf.shape), leaf.dtype)
    return Tensor(stacked.reshape(*out.shape, *leaf.shape))


def jvp(f: Callable[[Any], Any], x: Any, v: Any) -> tuple[Any, Any]:
    """f(x), and its derivative in the direction v: the Jacobian times v, without the Jacobian.

    v has the shape of x, and both results that of f(x).

    The backward pass is linear in its seed, so differentiating it for the seed, in the direction v,
    gives the forward derivative.  Source: Townsend 2017, "A new trick for calculating Jacobian
    vector products".

    >>> from tinygrad_edu import Tensor, jvp
    >>> value, tangent = jvp(lambda x: x**2, Tensor([1.0, 3.0]), Tensor([1.0, 0.5]))
    >>> tangent.tolist()
    [2.0, 3.0]
    """
    leaf = as_leaf(x)
    with set_mode(recording=True):
        out = f(leaf)
        if not out.requires_grad:
            return out, out._constant(out._data * 0)
        seed = as_leaf(numpy.ones(out.shape, out.dtype) if isinstance(out, Tensor) else 1.0)
        back = _pull(out, leaf, seed)
        tangent = grad(back, seed, v) if back.requires_grad else out._constant(out._data * 0)
    return out, tangent


def _pull(out: Node, leaf: Node, seed: Node) -> Node:
    """The gradient of `leaf` as a node that depends on `seed`."""
    reached = walk(topological(out), {out: seed}, create_graph=True)
    return reached.get(leaf, leaf._constant(leaf._data * 0))


def hvp(f: Callable[[Any], Any], x: Any, v: Any) -> Any:
    """The Hessian of f at x times v, without the Hessian: the gradient of (gradient . v).

    v and the result have the shape of x; f returns one number.

    >>> from tinygrad_edu import Tensor, hvp
    >>> hvp(lambda x: (x**3).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 1.0])).tolist()
    [6.0, 12.0]
    """
    leaf = as_leaf(x)
    with set_mode(recording=True):
        first = grad(f(leaf), leaf, create_graph=True)
        if not first.requires_grad:
            return leaf._constant(leaf._data * 0)
        return grad(first, leaf, v)


def checkpoint(f: Callable[..., Node], *inputs: Any) -> Any:
    """f(*inputs), keeping only the inputs for the backward pass, which runs f again.

    Shapes are those of f.

    Saves the memory of everything inside f for the time of a second forward pass.  Leaves that f
    reaches through closures (a layer's parameters) get their gradients too; random numbers are
    drawn as the first time, and running statistics move once.  f must return one node; a result
    made outside f must be passed as an argument rather than closed over, and a RuntimeError says
    so.
    Source: Chen et al. 2016, arXiv:1604.06174.

    >>> from tinygrad_edu import Tensor, checkpoint
    >>> w = Tensor([2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * w).tanh() * w, Tensor([0.5])).backward()
    >>> round(w.grad.item(), 4)
    1.1816
    """
    if not current_mode().recording or current_mode().tape is not None:
        return f(*inputs)

    def run() -> tuple[Node, list[Node], list[Node]]:
        """f on stand-ins for its inputs: the result, the nodes inside, the stand-ins."""
        standins = [_standin(x) if isinstance(x, Node) else x for x in inputs]
        mark = _Mark("checkpoint")
        depth = len(current_mode().scope)
        with set_mode(recording=True, scope=(*current_mode().scope, mark)):
            out = f(*standins)
        if not isinstance(out, Node):
            raise TypeError(f"checkpoint needs a function of one result, not {type(out).__name__}")
        inside = topological(out)
        for node in inside:
            if len(node.scope) <= depth or node.scope[depth] is not mark:
                raise RuntimeError(
                    f"checkpoint: the function uses the result of {node.op.name}, made outside "
                    "it; pass that node as an argument"
                )
        return out, inside, [x for x in standins if isinstance(x, Node)]

    with watch_generators() as drawn:
        out, inside, standins = run()
    if not out.requires_grad:
        return out
    outer = [x for x in inputs if isinstance(x, Node)]
    leaves = list(
        dict.fromkeys(
            x
            for node in inside
            for x in node.inputs
            if x.op is None and x.requires_grad and not any(x is s for s in standins)
        )
    )
    touched = (*outer, *leaves)

    @contextlib.contextmanager
    def again() -> Iterator[None]:
        """For a further run of f: the same random numbers, and no effect a second time."""
        with replay_generators(drawn), set_mode(effects=False):
            yield

    def forward(xp: Any, *xs: Any) -> Any:
        with no_grad(), again():
            return f(*inputs)._data

    def rule(xp: Any, g: Any, result: Any, *xs: Any) -> Any:
        if xp is graph:
            with again(), set_mode(recording=True):
                return grad(f(*inputs), touched, g, create_graph=True)
        with again():
            end, nodes, fresh = run()
        reached = walk(nodes, {end: g})
        return [reached.get(x) for x in (*fresh, *leaves)]

    forward.__name__ = "checkpoint"
    made = Op(forward, symbol="checkpoint", latex=None, differentiable=True)
    made.rule = rule
    args = tuple(x._data for x in touched)
    return record(made, out.engine, out._data, touched, args, {}, True)


class _Mark(str):
    """A scope name that is recognised by identity."""

    __slots__ = ()


def _standin(x: Node) -> Node:
    """A leaf with x's data and nothing behind it."""
    leaf = x._constant(x._data)
    leaf.requires_grad = x.requires_grad
    return leaf
