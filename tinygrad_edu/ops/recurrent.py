"""Recurrent layers over whole sequences: one operation each, with a derivative by hand.

The caller has multiplied all inputs with their weights before, in one product; here is what must
go step by step.  A rule walks the sequence backwards, and gives the weights their gradient in one
product.  Gates that were not kept it computes again, those of all steps in one product.
"""

from typing import Any

from tinygrad_edu.ops.kept import keep, kept
from tinygrad_edu.ops.registry import op


@op(latex=r"\operatorname{{rnn}}\left({x}, {h}, {weight}\right)")
def rnn(xp, x, h, weight, *, nonlinearity="tanh"):
    """h_t = tanh(x_t + weight h_{t-1}), or with relu, for t = 1 ... T: every h_t.

    x : (T, N, H), the inputs times their weights, biases added.  h : (N, H), h_0.
    weight : (H, H).  Result (T, N, H).
    Source: Elman 1990, Finding structure in time, Cognitive Science 14.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity is {nonlinearity!r}, not 'tanh' or 'relu'")
    columns, states = _columns(xp, x, weight, 1, h), []
    for t in range(x.shape[0]):
        h = xp.matmul(h, columns)
        h += xp.getitem(x, index=t)
        h = xp.tanh(h) if nonlinearity == "tanh" else xp.maximum(h, 0.0)
        states.append(h)
    return xp.stack(*states)


@rnn.vjp
def rnn_vjp(xp, g, out, x, h, weight, *, nonlinearity):
    slope = 1.0 - out * out if nonlinearity == "tanh" else (out > 0) * xp.ones_like(out)
    carried, parts = xp.zeros_like(h), []
    for t in reversed(range(x.shape[0])):
        part = (xp.getitem(g, index=t) + carried) * xp.getitem(slope, index=t)
        carried = xp.matmul(part, weight)
        parts.append(part)
    gx = xp.stack(*reversed(parts))
    return gx, carried, lambda: _weight_vjp(xp, gx, _before(xp, h, out))


@op(latex=r"\operatorname{{gru}}\left({x}, {h}, {weight}\right)")
def gru(xp, x, h, weight, *bias):
    """Gated recurrent units, for t = 1 ... T: every state h_t.

    With x_t and a = weight h_{t-1} + bias each in three parts r, z, n:

        r = sigmoid(x_r + a_r)          reset
        z = sigmoid(x_z + a_z)          update
        n = tanh(x_n + r a_n)           new
        h_t = (1 - z) n + z h_{t-1}

    x : (T, N, 3 H), the inputs times their weights, their biases added.  h : (N, H), h_0.
    weight : (3 H, H).  bias : nothing, or one of shape (3 H,).  Result (T, N, H).
    Source: Cho et al. 2014, arXiv:1406.1078, equations 5 to 8.  As in cuDNN and PyTorch, r
    multiplies the product with the weights, not the state before it.
    """
    columns, states = _columns(xp, x, weight, 3, h), []
    for t in range(x.shape[0]):
        a = xp.matmul(h, columns)
        for b in bias:
            a += b
        _, z, n = _gru_gates(xp, xp.getitem(x, index=t), a)
        h = n + z * (h - n)
        states.append(h)
    return xp.stack(*states)


@gru.vjp
def gru_vjp(xp, g, out, x, h, weight, *bias):
    before = _before(xp, h, out)
    a = xp.matmul(before, xp.matrix_transpose(weight))
    for b in bias:
        a += b
    r, z, n = _gru_gates(xp, x, a)
    # What a gradient of h_t is multiplied with on its way to the parts of a; r goes to x_n.
    to_n = (1.0 - z) * (1.0 - n * n)
    to_r = to_n * _part(xp, a, 2, 3) * r * (1.0 - r)
    to_z = (before - n) * z * (1.0 - z)
    slopes = xp.stack(to_r, to_z, to_n * r, axis=-2)  # (T, N, 3, H)
    steps, batch, size = out.shape
    carried, states, parts = xp.zeros_like(h), [], []
    for t in reversed(range(steps)):
        state = xp.getitem(g, index=t) + carried
        part = xp.reshape(state, shape=(batch, 1, size)) * xp.getitem(slopes, index=t)
        part = xp.reshape(part, shape=(batch, 3 * size))
        carried = xp.matmul(part, weight)
        carried += state * xp.getitem(z, index=t)
        states.append(state)
        parts.append(part)
    ga = xp.stack(*reversed(parts))

    def inputs():
        new = xp.stack(*reversed(states)) * to_n
        return xp.concat(xp.getitem(ga, index=(..., slice(2 * size))), new, axis=-1)

    return (
        inputs,
        carried,
        lambda: _weight_vjp(xp, ga, before),
        *(ga for _ in bias),
    )


def _gru_gates(xp: Any, x: Any, a: Any) -> tuple[Any, Any, Any]:
    """r, z and n, each (..., H), of x and a, both (..., 3 H)."""
    size = x.shape[-1] // 3
    gates = (..., slice(2 * size))
    both = _gate(xp, xp.getitem(x, index=gates) + xp.getitem(a, index=gates))
    r, z = _part(xp, both, 0, 2), _part(xp, both, 1, 2)
    return r, z, xp.tanh(_part(xp, x, 2, 3) + r * _part(xp, a, 2, 3))


@op(latex=r"\operatorname{{lstm}}\left({x}, {h}, {c}, {weight}\right)")
def lstm(xp, x, h, c, weight):
    """Long short-term memory, for t = 1 ... T: every state h_t and every cell c_t.

    With a = x_t + weight h_{t-1} in four parts i, f, g, o:

        i = sigmoid(a_i)    input            c_t = f c_{t-1} + i g
        f = sigmoid(a_f)    forget           h_t = o tanh(c_t)
        g = tanh(a_g)       what is new
        o = sigmoid(a_o)    output

    x : (T, N, 4 H), the inputs times their weights, biases added.  h, c : (N, H), h_0 and c_0.
    weight : (4 H, H).  Result (2, T, N, H): the states, then the cells.
    Source: Hochreiter and Schmidhuber 1997, Neural Computation 9; the forget gate is from Gers et
    al. 2000, Neural Computation 12.
    """
    columns, states, cells, every = _columns(xp, x, weight, 4, h, c), [], [], []
    scale, rest = _lstm_scales(xp, h)
    for t in range(x.shape[0]):
        a = xp.matmul(h, columns)
        a += xp.getitem(x, index=t)
        gates = _lstm_gates(xp, a, scale, rest)
        i, f, new, o = (_part(xp, gates, which, 4) for which in range(4))
        c = f * c
        c += i * new
        h = o * xp.tanh(c)
        states.append(h)
        cells.append(c)
        every.append(gates)
    out = xp.reshape(xp.stack(*states, *cells), shape=(2, x.shape[0], *h.shape))
    return keep(out, *every)


@lstm.vjp
def lstm_vjp(xp, g, out, x, h, c, weight):
    states, cells = xp.getitem(out, index=0), xp.getitem(out, index=1)
    before, cells_before = _before(xp, h, states), _before(xp, c, cells)
    steps, squashed = x.shape[0], xp.tanh(cells)
    scale, rest = _lstm_scales(xp, h)
    every = kept(out)
    if every is None:
        a = xp.matmul(before, _columns(xp, x, weight, 4))
        a += x
        gates = _lstm_gates(xp, a, scale, rest)
        every = tuple(xp.getitem(gates, index=t) for t in range(steps))
    state, cell, parts = xp.zeros_like(h), xp.zeros_like(c), []
    floor = rest - scale  # the least value of a gate: 0, and -1 for g
    for t in reversed(range(steps)):
        i, f, new, o = (_part(xp, every[t], which, 4) for which in range(4))
        s = xp.getitem(squashed, index=t)
        state += xp.getitem(g, index=(0, t))
        cell += xp.getitem(g, index=(1, t))
        through = state * o  # a gradient of h_t on its way to c_t, and with s to o
        cell += through
        cell -= through * s * s
        part = xp.concat(
            new * cell,
            xp.getitem(cells_before, index=t) * cell,
            i * cell,
            state * s,
            axis=-1,
        )
        slopes = every[t] - floor  # y (1 - y) of a sigmoid, (y + 1) (1 - y) of tanh
        slopes *= 1.0 - every[t]
        part *= slopes
        parts.append(part)
        state = xp.matmul(part, weight)
        cell = cell * f
    gx = xp.stack(*reversed(parts))
    return gx, state, cell, lambda: _weight_vjp(xp, gx, before)


def _lstm_gates(xp: Any, a: Any, scale: Any, rest: Any) -> Any:
    """i, f, g and o side by side, (..., 4 H), of a: by one tanh, sigmoid(a) as in `_gate`."""
    out = xp.tanh(a * scale)
    out *= scale
    out += rest
    return out


def _lstm_scales(xp: Any, h: Any) -> tuple[Any, Any]:
    """1/2 for a sigmoid and 1 for tanh, in the order i, f, g and o, (N, 4 H); 1 minus that."""
    half = 0.5 + xp.zeros_like(h)
    scale = xp.concat(half, half, half + half, half, axis=-1)
    return scale, 1.0 - scale


def _gate(xp: Any, a: Any) -> Any:
    """sigmoid(a), by way of tanh(a / 2), in half the time of `sigmoid`.

    Its error is the dtype's precision at 1, so that results near 0 lose digits: what a gate lets
    through is added to numbers near 1.
    """
    out = xp.tanh(0.5 * a)
    out *= 0.5
    out += 0.5
    return out


def _part(xp: Any, a: Any, which: int, parts: int) -> Any:
    """One of the equal parts of the last axis."""
    size = a.shape[-1] // parts
    return xp.getitem(a, index=(..., slice(which * size, (which + 1) * size)))


def _before(xp: Any, first: Any, states: Any) -> Any:
    """The state before every step, (T, N, H), of h_0 and the states after each step."""
    first = xp.reshape(first, shape=(1, *first.shape))
    return xp.concat(first, xp.getitem(states, index=slice(-1)))


def _weight_vjp(xp: Any, g: Any, before: Any) -> Any:
    """(T, N, G), (T, N, H) -> (G, H), in one product."""
    rows = g.shape[0] * g.shape[1]
    g = xp.reshape(g, shape=(rows, g.shape[2]))
    return xp.matmul(xp.matrix_transpose(g), xp.reshape(before, shape=(rows, before.shape[2])))


def _columns(xp: Any, x: Any, weight: Any, gates: int, *states: Any) -> Any:
    """The weight transposed, once the shapes have been checked."""
    if x.ndim != 3 or not x.shape[0]:
        raise ValueError(f"x has shape {x.shape}, not (T, N, {gates} H) with T at least 1")
    _, batch, width = x.shape
    size = width // gates
    if weight.shape != (width, size) or width % gates:
        raise ValueError(f"the weight has shape {weight.shape}, not ({gates} H, H) = {width, size}")
    for state in states:
        if state.shape != (batch, size):
            raise ValueError(f"the first state has shape {state.shape}, not {batch, size}")
    # By way of one axis, which puts it in order in memory: multiplying then takes 2/3 of the time.
    flat = xp.reshape(xp.matrix_transpose(weight), shape=(width * size,))
    return xp.reshape(flat, shape=(size, width))
