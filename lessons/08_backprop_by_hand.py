# %% [markdown]
# # 08 · Backprop by hand
#
# **Question.** Suppose there were no engine. Could you still train a network, with nothing but
# arrays and the rules of lesson 07? You could, with two loops of three lines each.
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `draw`, `learn`, `numeric_grad`
# - time: 40 minutes to read, 8 s to run
# - covers: A (manual backpropagation, from scratch), B (backpropagation), C (part 1),
#   D (assignment 1), E (7_2)
#
# The end first. A network with five hidden layers of six units, from the notebook 7_2 of
# *Understanding Deep Learning*. Each column is a layer; each number says how much the loss changes
# per change of that unit (orange if it rises with it, blue if it falls). You will compute this
# table from right to left.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tinygrad_edu import Tensor, draw, learn, numeric_grad

learn.begin("08")
K, D = 5, 6


def lab_7_2():
    """The weights and biases of the notebook, drawn in its order."""
    draws = np.random.RandomState(0).normal
    weights, biases = [None] * (K + 1), [None] * (K + 1)
    weights[0], weights[K] = draws(size=(D, 1)), draws(size=(1, D))
    biases[0], biases[K] = draws(size=(D, 1)), draws(size=(1, 1))
    for k in range(1, K):
        weights[k], biases[k] = draws(size=(D, D)), draws(size=(D, 1))
    return weights, biases


# %%
def network(weights, biases, x):
    h = x
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = (w @ h + b).relu()
    return weights[-1] @ h + biases[-1]


def show_deltas(deltas):
    axes = plt.figure(figsize=(7.4, 2.9), layout="constrained").gca()
    for k, delta in enumerate(deltas):
        for row, number in enumerate(np.ravel(delta)):
            shade = min(abs(number) / 60, 1.0)
            colour = (0.84, 0.37, 0.0, shade) if number > 0 else (0.0, 0.45, 0.7, shade)
            axes.add_patch(plt.Rectangle((k, row), 0.96, 0.9, color=colour))
            axes.text(k + 0.48, row + 0.45, f"{number + 0.0:.1f}", ha="center", va="center")
    axes.set(xlim=(0, len(deltas)), ylim=(D, 0), yticks=[], ylabel="unit")
    axes.set_xticks(np.arange(len(deltas)) + 0.48, [f"layer {k}" for k in range(len(deltas))])
    axes.set_frame_on(False)
    plt.show()


# %%
weights, biases = lab_7_2()
layers = [Tensor(b, requires_grad=True) for b in biases]
answer = network([Tensor(w) for w in weights], layers, Tensor(np.array([[1.2]])))
loss = ((answer - 20.0) ** 2).sum()
loss.backward()
show_deltas([b.grad for b in layers])

# %% [markdown]
# ## By hand, with five numbers
#
# The smallest network that shows it all: $x = 2$, one hidden unit with the weight 3, then a weight
# $-1$, and no biases. The five numbers are
#
# $$x = 2, \quad f_0 = 3 \cdot 2 = 6, \quad h_1 = \text{relu}(6) = 6, \quad
# f_1 = -1 \cdot 6 = -6, \quad L = (f_1 - y)^2 = 4 \text{ for } y = -4 .$$
#
# (`relu` keeps positive numbers and turns the others into 0; its slope is 1 or 0.) Backwards, each
# line from the one before:
#
# - $f_1$: the slope of the square, $2(f_1 - y) = 2 \cdot (-2) = \mathbf{-4}$.
# - The weight $-1$: it was multiplied by $h_1 = 6$, so $-4 \cdot 6 = \mathbf{-24}$.
# - $h_1$: it was multiplied by $-1$, so $-4 \cdot (-1) = \mathbf{4}$.
# - $f_0$: relu was open (6 > 0), so $4$. Had $f_0$ been negative: 0, and all below it 0 as well.
# - The weight 3: it was multiplied by $x = 2$, so $4 \cdot 2 = \mathbf{8}$.
#
# ## In symbols
#
# A layer multiplies by a matrix $W_k$ and adds a bias $b_k$. Inputs are **columns** here, as in the
# notebook; a batch of $N$ inputs is a matrix of $N$ columns. Forward, with $h_0 = x$:
#
# $$f_k = W_k h_k + b_k, \qquad h_{k+1} = \text{relu}(f_k) .$$
#
# The last $f_K$ is the answer, with no relu. Write $\delta_k$ ("delta") for the gradient of $f_k$.
# The loss gives $\delta_K$. Then, by lesson 07, for $k = K, K - 1, \dots, 0$:
#
# $$\bar W_k = \delta_k\, h_k^T, \qquad \bar b_k = \text{sum of } \delta_k \text{ over its columns},
# \qquad \delta_{k-1} = [f_{k-1} > 0] \cdot W_k^T \delta_k .$$
#
# (The last of the three only down to $\delta_0$.) The brackets are 1 where the condition holds and
# 0 elsewhere; the dot multiplies element by element. That is the whole of backpropagation for such
# networks: the delta of a layer is the delta of the next one, sent back through the weights, and
# stopped where relu was closed.
#
# ## Exercise A: there and back
#
# Write `forward(weights, biases, x)`. It returns two lists: `fs = [f_0, ..., f_K]` and `hs = [h_0,
# ..., h_K]` (with `h_0 = x`). `np.maximum(f, 0)` is relu.


# %% exercise="08.forward"
def forward(weights, biases, x):
    # BEGIN SOLUTION
    fs, hs = [], [x]
    for k in range(len(weights)):
        fs.append(weights[k] @ hs[k] + biases[k])
        if k < len(weights) - 1:
            hs.append(np.maximum(fs[k], 0))
    return fs, hs
    # END SOLUTION


# %%
there = learn.check("08.forward", forward).working

# %% [markdown]
# The notebook asks for 20 at $x = 1.2$. The network is untrained; what it says is printed below.
# Before you run it: if the answer is 1.907, about how large is the squared difference?

# %%
guess = learn.predict("The loss (1.907 - 20)^2 is about", ["36", "330", "4,000"])

# %%
fs, hs = there(weights, biases, np.array([[1.2]]))
print(f"output {fs[-1].item():.3f}, loss {(fs[-1].item() - 20) ** 2:.2f}")
assert round(fs[-1].item(), 3) == 1.907
assert round((fs[-1].item() - 20) ** 2, 2) == 327.37
guess.reveal(f"{round((fs[-1].item() - 20) ** 2, -1):.0f}")

# %% [markdown]
# Both are the published numbers. Now `backward(weights, fs, hs, delta)`, where `delta` is
# $\delta_K$, the gradient of the last $f$. It returns two lists, the gradients of the weights and
# of the biases, each in the order of the layers and in the shape of what it belongs to.


# %% exercise="08.backward"
def backward(weights, fs, hs, delta):
    # BEGIN SOLUTION
    for_weights, for_biases = [], []
    for k in reversed(range(len(weights))):
        for_weights.append(delta @ hs[k].T)
        for_biases.append(delta.sum(axis=1, keepdims=True))
        if k > 0:
            delta = (fs[k - 1] > 0) * (weights[k].T @ delta)
    return for_weights[::-1], for_biases[::-1]
    # END SOLUTION


# %%
back = learn.check("08.backward", backward).working

# %% [markdown]
# ## Three judges
#
# First, small steps to either side of every weight of the notebook's network, as in lesson 02.
# Second, the engine, which knows nothing of deltas:

# %%
delta = 2 * (fs[-1] - 20.0)
for_weights, for_biases = back(weights, fs, hs, delta)


def loss_at(k, w):
    moved = [*weights[:k], w, *weights[k + 1 :]]
    return (there(moved, biases, np.array([[1.2]]))[0][-1].item() - 20.0) ** 2


worst = 0.0
for k in range(K + 1):
    measured = numeric_grad(lambda w, k=k: loss_at(k, w), weights[k])
    worst = max(worst, np.abs(measured - for_weights[k]).max() / np.abs(measured).max())
print(f"largest relative error against small steps: {worst:.0e}")
assert worst < 1e-5
assert all(np.allclose(p.grad, g, rtol=1e-10) for p, g in zip(layers, for_biases, strict=True))
show_deltas(for_biases)

# %% [markdown]
# The table is the one from the beginning: $\bar b_k$ is $\delta_k$ when there is one column. (The
# third judge comes next: whether it learns.) The engine found the same by reading this graph:

# %%
draw(loss, show=["data"], detail="compact", direction="TB")

# %% [markdown]
# ## An experiment: digits, without an engine
#
# 1,797 handwritten digits of 8 by 8 pixels; 360 are kept for the test. The network: 64 inputs, 64
# hidden units, 10 outputs, one for each digit; the largest output is the answer. Its $\delta_K$ is
# the **probabilities minus the truth**, $p - t$ (lesson 09 derives it; $p$ is the softmax of
# lesson 07, and $t$ has a 1 for the right digit). About 5,000 weights, 30 times over the data in
# small batches. What share of the 360 will it read correctly?

# %%
guess = learn.predict("Test accuracy of a 64-64-10 network", ["85 %", "91 %", "97 %"])


# %%
def softmax(f):
    powers = np.exp(f - f.max(axis=0))
    return powers / powers.sum(axis=0)


def train(send_back, epochs):
    random = np.random.default_rng(0)
    ws = [random.normal(size=(64, 64)) / np.sqrt(32), random.normal(size=(10, 64)) / np.sqrt(32)]
    bs = [np.zeros((64, 1)), np.zeros((10, 1))]
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(x_train)), 45):
            fs, hs = there(ws, bs, x_train[batch].T)
            delta = (softmax(fs[-1]) - truth[batch].T) / len(batch)
            for parameters, gradients in zip((ws, bs), send_back(ws, fs, hs, delta), strict=True):
                for p, g in zip(parameters, gradients, strict=True):
                    p -= 0.5 * g
    return np.mean(there(ws, bs, x_test.T)[0][-1].argmax(axis=0) == y_test)


images, labels = load_digits(return_X_y=True)
split = train_test_split(images / 16, labels, test_size=360, stratify=labels, random_state=0)
x_train, x_test, y_train, y_test = split
truth = np.eye(10)[y_train]
accuracy = train(back, learn.pick(full=30, quick=15))
print(f"{accuracy:.1%} of 360 digits")
assert accuracy >= 0.96
guess.reveal(min(guess.choices, key=lambda words: abs(float(words[:2]) - 100 * accuracy)))

# %% [markdown]
# ## Exercise B: a mistake that learns
#
# A falling loss proves little. Break your backward pass: write `broken(weights, fs, hs, delta)`,
# which returns **wrong** gradients, and with which a small network still learns: its loss falls to
# less than a third. You may call `back` and spoil what it returns, or write it anew and leave
# something out.


# %% exercise="08.broken"
def broken(weights, fs, hs, delta):
    # BEGIN SOLUTION
    for_weights, for_biases = [], []
    for k in reversed(range(len(weights))):
        for_weights.append(delta @ hs[k].T)
        for_biases.append(delta.sum(axis=1, keepdims=True))
        delta = weights[k].T @ delta  # as if every relu had been open
    return for_weights[::-1], for_biases[::-1]
    # END SOLUTION


# %%
wrong = learn.check("08.broken", broken).working
print(f"digits with a wrong backward pass: {train(wrong, learn.pick(full=30, quick=15)):.1%}")

# %% [markdown]
# It still reads most digits, and nothing in the training says that something is wrong. Explain to
# yourself why a direction that is only roughly right still goes downhill. And keep the conclusion:
# **check gradients against small steps, not against a falling loss.**
#
# ## A mistake to make once
#
# With columns, the gradient of a matrix is $\delta\, h^T$. With the order turned around the sizes
# inside do not meet:

# %%
try:
    delta, h = np.ones((10, 1)), np.ones((6, 1))
    h @ delta
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | columns, $W h + b$ | rows, `x @ weight.T + bias`: `torch.nn.Linear` |
# | `hs` and `fs`, kept for the way back | "saved tensors" of the graph |
# | `backward(...)` | `loss.backward()` |
#
# ## To read
#
# S. J. D. Prince, *Understanding Deep Learning* (MIT Press 2023), chapter 7, whose letters these
# are, but for $\beta_k$ and $\Omega_k$, our $b_k$ and $W_k$.
#
# ## Recap
#
# - Forward, keep every $f_k$ and $h_k$. Backward, one $\delta_k$ per layer.
# - $\bar W_k = \delta_k h_k^T$, and $\delta_{k-1} = [f_{k-1} > 0] \cdot W_k^T \delta_k$.
# - A network that learns may still have wrong gradients.
# - An engine does the same for any graph, so that nobody has to write this again.
#
# Left out here: where $p - t$ comes from (lesson 09), and how to start the weights (lesson 18).
