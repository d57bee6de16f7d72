# %% [markdown]
# # 33 · Gates
#
# **Question.** In lesson 32 every step multiplied the memory, and the gradient on its way back, by
# the same matrix: after some steps little was left of either. How can a network keep a number for a
# hundred steps, and still decide what to keep?
#
# - builds: `LSTM`, `GRU`, `LSTMCell`, `GRUCell`
# - introduces: `gates_over_time`
# - uses: `Stepper`, `Tensor`, `Value`, `Value.backward`, `Value.grad`, `data`, `draw`, `learn`,
#   `manual_seed`, `nn`, `no_grad`, `ops`, `optim`
# - time: 40 minutes to read, 30 s to run
# - covers: B (LSTM, GRU), D (LSTM, GRU, how they avoid vanishing gradients)
#
# The end first. A network reads 80 random numbers. Two of them are marked, one in each half, and
# after the last number it is to say the sum of these two. (Whoever always says 1 is wrong by 1/6 on
# average, in squares.) Below are the marks and the memory of a network that has learned it, one row
# for each of 32 units: it changes where a mark is, and keeps almost still where there is none.

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, Value, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.plots import gates_over_time
from tinygrad_edu.widgets import Stepper

learn.begin("33")
TORCH = learn.pick(full=importlib.util.find_spec("torch") is not None, quick=False)
LENGTH = learn.pick(full=80, quick=12)
COLOURS = ("#0072B2", "#D55E00", "#007A59")


# %%
def examples(count, seed):
    """Inputs (length, count, 2), a number and its mark, and the sums (count, 1)."""
    x, y = data.adding_problem(count, LENGTH, seed=seed).tensors
    return Tensor(x.data.swapaxes(0, 1)), Tensor(y.data)


class Adder(nn.Module):
    def __init__(self, kind, size=32):
        super().__init__()
        self.memory, self.head = kind(2, size), nn.Linear(size, 1)

    def forward(self, x):
        states, _ = self.memory(x)
        return self.head(states[-1])


# %%
x_test, y_test = examples(500, seed=1)


def error(model):
    with no_grad():
        return float(np.mean((model(x_test).data - y_test.data) ** 2))


def trained(model, steps, batch=64):
    """The errors on the test set every 25 steps, until one is below 0.008."""
    x, y = examples(steps * batch, seed=0)
    optimizer, errors = optim.Adam(model.parameters(), lr=0.01), []
    for step in range(steps):
        rows = slice(step * batch, (step + 1) * batch)
        optimizer.zero_grad()
        ops.mse_loss(model(x[:, rows]), y[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 25 == 24:
            errors.append(error(model))
            if errors[-1] < 0.008:
                break
    return errors


# %%
manual_seed(0)
gru = Adder(nn.GRU)
errors = {"GRU": trained(gru, steps=learn.pick(full=800, quick=200))}
with no_grad():
    states, _ = gru.memory(x_test[:, 27:28])  # one example
states, marks = states.data[:, 0], x_test.data[:, 27, 1]
gates_over_time({"mark": marks, "memory": states})

# %% [markdown]
# ## By hand, with five numbers
#
# A **gate** is a number between 0, closed, and 1, open, that multiplies. Say a memory $c$ holds
# 0.8, and a new number 0.5 comes by. The forget gate is 0.9, the input gate 0.1, the output gate
# 0.5:
#
# $$c' = 0.9 \cdot 0.8 + 0.1 \cdot 0.5 = 0.77, \qquad h = 0.5 \cdot \tanh(0.77) = 0.323 .$$
#
# Now the way back: $c'$ depends on $c$ by the factor 0.9, **the forget gate itself**, with no
# matrix and no tanh in between. If the gate is open, the gradient passes unchanged.

# %%
forget, put, show = (
    Value(x, name=n) for x, n in ((0.9, "forget"), (0.1, "input"), (0.5, "output"))
)
c, new = Value(0.8, name="c"), Value(0.5, name="new")
made = {"c'": forget * c + put * new}
made["h"] = show * ops.tanh(made["c'"])
made["c'"].backward()
assert (round(made["c'"].item(), 2), round(made["h"].item(), 3), c.grad) == (0.77, 0.323, 0.9)
draw(made["h"], names=made, show=["data"], detail="compact")

# %% [markdown]
# Both ways, one step at a time: click into it, then press →.

# %%
Stepper(made["h"], names=made)

# %% [markdown]
# ## In symbols
#
# Who sets the gates? The network, at every step, from the input $x$ and the last state $h$. Let
# $\sigma$ be the sigmoid, and the dot multiply element by element. The **LSTM** ("long short-term
# memory") has two memories, the cell $c$ and the state $h$. Its gates are $i$ (input), $f$ (forget)
# and $o$ (output), and $g$ is the new number. Each of the four has its own $W$, $U$ and $b$:
#
# $$i, f, o = \sigma(W_{i,f,o}\, h + U_{i,f,o}\, x + b_{i,f,o}), \qquad
# g = \tanh(W_g h + U_g x + b_g),$$
#
# $$c' = f \cdot c + i \cdot g, \qquad h' = o \cdot \tanh(c') .$$
#
# The **GRU** ("gated recurrent unit") has one memory and a gate less: what is not kept is replaced.
# Its update gate $z$ says how much of the old state is kept, its reset gate $r$ how much of it the
# new value $n$ may see. Each of the three has two biases, $b$ and $d$.
#
# $$r, z = \sigma(W_{r,z}\, h + U_{r,z}\, x + b_{r,z} + d_{r,z}), \qquad
# n = \tanh\bigl(U_n x + b_n + r \cdot (W_n h + d_n)\bigr), \qquad
# h' = (1 - z) \cdot n + z \cdot h .$$
#
# ## Exercise A: one step of each
#
# The matrices of all gates are stacked, as in PyTorch: for an LSTM with $H$ units `W` has $4H$
# rows, those of $i, f, g, o$ **in this order**, and so have `U` and `b`; `np.split(a, 4)` cuts an
# array into four. Write `lstm_step(x, h, c, W, U, b)`, which returns $h'$ and $c'$. `sigmoid` is
# given.


# %%
def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)  # the same as 1 / (1 + exp(-z)), and never overflows


# %% exercise="33.lstm_step"
def lstm_step(x, h, c, W, U, b):
    # BEGIN SOLUTION
    i, f, g, o = np.split(W @ h + U @ x + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c
    # END SOLUTION


# %% [markdown]
# For the GRU the order is $r, z, n$, and there are two biases: `b` is added to `U @ x`, `d` to
# `W @ h`. Write `gru_step(x, h, W, U, b, d)`. It returns $h'$ and the gate $z$.


# %% exercise="33.gru_step"
def gru_step(x, h, W, U, b, d):
    # BEGIN SOLUTION
    read, kept = np.split(U @ x + b, 3), np.split(W @ h + d, 3)
    r, z = sigmoid(read[0] + kept[0]), sigmoid(read[1] + kept[1])
    n = np.tanh(read[2] + r * kept[2])
    return (1 - z) * n + z * h, z
    # END SOLUTION


# %%
lstm = learn.check("33.lstm_step", lstm_step).working
my_gru = learn.check("33.gru_step", gru_step).working
random = np.random.default_rng(0)
x, h, c = random.normal(size=2), random.normal(size=3), random.normal(size=3)


def outcomes(module, tensor):
    """A step of both cells of this library, or of PyTorch, and of yours with the same weights."""
    cells = module.LSTMCell(2, 3).double(), module.GRUCell(2, 3).double()
    names = ("weight_hh", "weight_ih", "bias_ih", "bias_hh")
    rows = [[np.array(getattr(cell, name).tolist()) for name in names] for cell in cells]
    theirs = [*cells[0](tensor(x), (tensor(h), tensor(c))), cells[1](tensor(x), tensor(h))]
    (W, U, b, d), gru_weights = rows
    mine = [*lstm(x, h, c, W, U, b + d), my_gru(x, h, *gru_weights)[0]]
    return mine, [np.array(t.tolist()) for t in theirs]


mine, theirs = outcomes(nn, Tensor)
assert np.allclose(mine, theirs, atol=1e-12)
learn.source(ops.gru)

# %% [markdown]
# The library's layers are these steps, one operation for a whole sequence. With your step the gate
# of the network from the first cells can be watched. It is $1 - z$, what is written anew:

# %%
parts = {name: p.data for name, p in gru.memory.named_parameters()}
W, U, b, d = (parts[f"{name}_l0"] for name in ("weight_hh", "weight_ih", "bias_ih", "bias_hh"))
state, opened = np.zeros(32), []
for step in range(LENGTH):
    state, z = my_gru(x_test.data[step, 27], state, W, U, b, d)
    opened.append(1 - z)
assert np.allclose(state, states[-1], atol=1e-4)
opened = np.array(opened)
at_marks, elsewhere = opened[marks == 1].mean(), opened[marks == 0].mean()
print(f"1 - z on average: {at_marks:.2f} at the marks, {elsewhere:.2f} elsewhere")
assert at_marks > 1.2 * elsewhere
order = np.argsort(-opened[marks == 1].mean(axis=0))
gates_over_time({"mark": marks, "1 - z": opened[:, order], "memory": states[:, order]})

# %% [markdown]
# Nobody told it to open at the marks. It learned when to write, because that lowered the error.
#
# ## The gradient's way back
#
# What reaches an input 0 to 80 steps before the end? Three layers as they are drawn, untrained, and
# dashed the GRU of the first cells, trained. The biases of the LSTM's forget gates are raised by 1,
# so that they start at $\sigma(1) = 0.73$ and not at one half.


# %%
def layer_of(kind, size):
    layer = kind(2, size)
    if kind is nn.LSTM:
        layer.bias_ih_l0.data[size : 2 * size] += 1.0  # i, f, g, o: the second quarter
    return layer


# %%
kinds = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
layers = {}
for name, kind in kinds.items():
    manual_seed(0)
    layers[name] = layer_of(kind, 32)
layers["GRU, trained"] = gru.memory
numbers = data.adding_problem(1, 81, seed=2).tensors[0].data.swapaxes(0, 1)
reach, axes = {}, plt.figure(figsize=(7, 3.4), layout="constrained").gca()
colours, lines = (*COLOURS, COLOURS[1]), ("o-", "s-", "^-", "--")
for (name, layer), colour, line in zip(layers.items(), colours, lines, strict=True):
    stream = Tensor(numbers, dtype="float64", requires_grad=True)
    last, _ = layer.double()(stream)
    ops.sum(last[-1]).backward()
    reach[name] = np.linalg.norm(stream.grad[::-1, 0], axis=1)
    axes.semilogy(reach[name], line, color=colour, markersize=3, label=name)
axes.set(xlabel="steps back", ylabel="size of the gradient")
axes.legend()
plt.show()
print({name: f"{sizes[50]:.0e} after 50 steps" for name, sizes in reach.items()})
assert reach["RNN"][50] < 1e-11 < reach["GRU"][50] < 1e-7 < reach["LSTM"][50]
assert reach["GRU, trained"][50] > 1e-5

# %% [markdown]
# Gates that are half open lose about half at every step, so the GRU as it is drawn forgets almost
# like the RNN. But gates can learn to keep, and through the trained one the gradient goes back over
# all 80 steps: how far it reaches is itself learned.
#
# ## An experiment: who can add?
#
# All three on the sums of numbers up to 80 steps apart. The GRU of the first cells got below 0.01.
# Whoever always says 1 has 1/6 = 0.167. The LSTM takes a few hundred steps more. The RNN, given as
# many as the LSTM, has ...

# %%
guess = learn.predict("The RNN's mean squared error", ["below 0.01", "about 0.05", "0.15 or more"])

# %%
for name in ("LSTM", "RNN"):
    steps = learn.pick(full=1500, quick=200) if name == "LSTM" else 25 * len(errors["LSTM"])
    manual_seed(0)
    model = Adder(nn.RNN)
    model.memory = layer_of(kinds[name], 32)
    errors[name] = trained(model, steps)
axes = plt.figure(figsize=(7, 3.4), layout="constrained").gca()
for name, colour, marker in zip(kinds, COLOURS, "os^", strict=True):
    steps = 25 * np.arange(1, len(errors[name]) + 1)
    axes.plot(steps, errors[name], marker + "-", color=colour, markersize=3, label=name)
    print(f"{name:4}: {errors[name][-1]:.4f} after {steps[-1]} steps")
axes.axhline(1 / 6, linestyle=":", color="gray")
axes.set(xlabel="step", ylabel="error on the test set", ylim=(0, 0.25))
axes.legend()
plt.show()
assert max(errors["GRU"][-1], errors["LSTM"][-1]) < learn.pick(full=0.01, quick=0.1)
assert errors["RNN"][-1] > learn.pick(full=0.15, quick=0.1)
guess.reveal(guess.choices[(errors["RNN"][-1] > 0.03) + (errors["RNN"][-1] > 0.1)])

# %% [markdown]
# For a long time the LSTM, too, does nothing but say 1; then it finds one number, and soon both.
# The RNN never gets there: from 40 or more steps away no gradient arrives that it could follow.
#
# ## Exercise B: how open must it be?
#
# Break the memory with a number: a forget gate that stays at $\sigma(b)$ leaves
# $\sigma(b)^n$ of the cell after $n$ steps. With $b = 0$ and $n = 80$ that is
# $0.5^{80} \approx 10^{-24}$. Write `forget_bias(steps, share)`: the bias with which `share` of the
# cell is left after `steps` steps. (If $\sigma(b) = s$, then $b = \ln \frac{s}{1 - s}$.)


# %% exercise="33.forget_bias"
def forget_bias(steps, share):
    # BEGIN SOLUTION
    gate = share ** (1 / steps)
    return np.log(gate / (1 - gate))
    # END SOLUTION


# %%
bias = learn.check("33.forget_bias", forget_bias).working
print(f"to keep half for 80 steps: a bias of {bias(80, 0.5):.1f}")

# %% [markdown]
# Explain it: the gate is then nearly always open. What would such an LSTM find hard to learn?
#
# ## A mistake to make once
#
# An LSTM has two memories, and wants both:

# %%
try:
    nn.LSTMCell(2, 3)(Tensor([[1.0, 2.0]]), Tensor([[0.0, 0.0, 0.0]]))
except TypeError as error_text:
    print("TypeError:", error_text)

# %% [markdown]
# ## What PyTorch calls this
#
# `nn.LSTM` and `nn.GRU`, with the same stacked weights and both biases. If it is installed, its
# cells are yours too:

# %%
if TORCH:
    import torch

    mine, theirs = outcomes(torch.nn, torch.tensor)
    assert np.allclose(mine, theirs, atol=1e-12)
    print("one step of the LSTM and of the GRU: the same in PyTorch")

# %% [markdown]
# ## To read
#
# S. Hochreiter and J. Schmidhuber, *Long short-term memory*, Neural Computation 9 (1997): section
# 5.4 is the experiment of this lesson.
#
# ## Recap
#
# - A gate is a number from 0 to 1 that multiplies; the network sets it at every step.
# - Along the cell the gradient is multiplied by the forget gate, not by a matrix.
# - LSTM: forget, add, show. GRU: keep or replace. A plain RNN cannot add over 80 steps.
# - Start forget gates open.
#
# Left out here: layers on top of each other, and reading from both ends (`bidirectional`).
