# %% [markdown]
# # 32 · A network with a memory
#
# **Question.** Words, sounds and prices come one after another, and what one means depends on those
# before it. How can a network remember, and how does a gradient get back to what came long ago?
#
# - builds: `RNN`, `RNNCell`, `detach`, `clip_grad_norm_`
# - introduces: `scope`
# - uses: `Tensor`, `Value`, `Value.backward`, `Value.grad`, `draw`, `learn`, `manual_seed`, `nn`,
#   `ops`, `ops.binary_cross_entropy_with_logits`, `optim`
# - time: 40 minutes to read, 12 s to run
# - covers: B (recurrent networks, BPTT), D (RNNs, BPTT, truncated BPTT)
#
# The end first. A network reads a stream of random bits, one at a time, and says at each moment
# which bit came **ten steps ago**. Nothing it reads at that moment tells. Below its answers are its
# 32 units: bits travel through them, from one pattern to the next. Left of the orange line no
# bit is ten steps old yet.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, Value, draw, learn, manual_seed, nn, ops, optim, scope

learn.begin("32")
LAG, STREAMS = 10, 32
COLOURS = ("#0072B2", "#D55E00", "#007A59")


# %%
class Echo(nn.Module):
    def __init__(self, size=32):
        super().__init__()
        self.rnn, self.head = nn.RNN(1, size), nn.Linear(size, 1)

    def forward(self, x, h=None):
        states, h = self.rnn(x, h)
        return self.head(states), h, states


# %%
def trained(k, updates, seed=0):
    """A network trained on pieces of k steps, and the share of right answers in each piece."""
    manual_seed(seed)
    bits = np.random.default_rng(seed).integers(2, size=(k * updates, STREAMS, 1))
    model, h, right = Echo(), None, []
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for start in range(0, len(bits), k):
        answer, h, _ = model(Tensor(bits[start : start + k] * 2.0 - 1.0, dtype="float32"), h)
        h = h.detach()  # the next piece goes on from here, and its gradient stops here
        asked = np.arange(start, start + k) >= LAG
        truth = np.roll(bits, LAG, axis=0)[start : start + k][asked]
        if asked.any():
            right.append(np.mean((answer.data[asked] > 0) == truth))
            optimizer.zero_grad()
            target = Tensor(truth, dtype="float32")
            ops.binary_cross_entropy_with_logits(answer[asked], target).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    return model, np.array(right)


# %%
updates = learn.pick(full=800, quick=400)
model, _ = trained(20, updates)
stream = np.random.default_rng(7).integers(2, size=(60, 1, 1))
answer, _, states = model(Tensor(stream * 2.0 - 1.0, dtype="float32"))
said = answer.data.ravel() > 0
rows = {"bit": stream.ravel(), "10 steps ago": np.roll(stream.ravel(), LAG), "answer": said}
figure, panels = plt.subplots(
    2, 1, figsize=(9, 4.2), height_ratios=(1, 2.2), sharex=True, layout="constrained"
)
panels[0].imshow([*rows.values()], cmap="Blues", vmax=1.4, aspect="auto")
panels[0].set_yticks(range(3), rows)
panels[0].axvline(LAG - 0.5, color=COLOURS[1])  # before it there is nothing to be said
panels[1].imshow(states.data[:, 0].T, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
panels[1].set(xlabel="step", ylabel="unit")
plt.show()
print(f"right: {np.mean((said == rows['10 steps ago'])[LAG:]):.0%}")

# %% [markdown]
# ## By hand, with five numbers
#
# The memory is a **state** $h$. Every step makes the next one of the last one and of what it reads:
# $h_t = \tanh(w\,h_{t-1} + u\,x_t)$, with the same $w$ and $u$ in every step. (The hyperbolic
# tangent squeezes any number into $-1$ to $1$; its slope at an output $h$ is $1 - h^2$.) Take
# $w = 0.5$, $u = 2$, the inputs 1, 0, 0 and $h_0 = 0$:
#
# - $h_1 = \tanh(2) = 0.964$, then $h_2 = \tanh(0.482) = 0.448$, then $h_3 = \tanh(0.224) = 0.220$.
# - Back from $h_3$: each step multiplies by $w\,(1 - h_t^2)$. To $h_2$ that is
#   $0.5 \cdot (1 - 0.220^2) = 0.476$; to $h_1$ it is $0.476 \cdot 0.5 \cdot (1 - 0.448^2) = 0.190$.
#
# Unrolled, this is a graph like any other. `scope` puts a frame round each step:

# %%
w, u, h = Value(0.5, name="w"), Value(2.0, name="u"), Value(0.0, name="h0")
made = {}
for t, x in enumerate([1.0, 0.0, 0.0], 1):
    with scope(f"step {t}"):
        made[f"h{t}"] = h = ops.tanh(w * h + u * Value(x, name=f"x{t}"))
h.backward()
assert [round(made[name].grad, 3) for name in made] == [0.190, 0.476, 1.0]
draw(h, names=made, show=["data", "grad", "scopes"], detail="compact", direction="TB")

# %% [markdown]
# Three steps used $w$, and its gradient is the sum of what the three send. That is all that
# **backpropagation through time** (BPTT) means: unroll, then lesson 04.
#
# ## In symbols
#
# With many units $h$ is a column, and $W$, $U$ are matrices, $b$ a column. Let $g_t$ be the part of
# the gradient that reaches $h_t$ directly, from the answer at step $t$, and $\delta_t$ the gradient
# of what stands inside the tanh of step $t$. The steps are 1 to $T$; a raised $T$ transposes.
#
# $$h_t = \tanh(W h_{t-1} + U x_t + b), \qquad
# \delta_t = (g_t + W^T \delta_{t+1}) \cdot (1 - h_t^2), \qquad
# \bar W = \sum_t \delta_t\, h_{t-1}^T .$$
#
# After the last step nothing comes back, so $\delta_{T+1} = 0$. The dot multiplies element by
# element.
#
# ## Exercise A: through time and back
#
# Write `forward(W, U, b, xs, h)`: `xs` is a list of columns, as arrays of one axis, and `h` is
# $h_0$. Return the list $[h_0, h_1, \dots, h_T]$.


# %% exercise="32.forward"
def forward(W, U, b, xs, h):
    # BEGIN SOLUTION
    hs = [h]
    for x in xs:
        hs.append(np.tanh(W @ hs[-1] + U @ x + b))
    return hs
    # END SOLUTION


# %% [markdown]
# And the way back, `backward(W, hs, gs)`, which returns $\bar W$. `hs` is the list from above and
# `gs` the list $[g_1, \dots, g_T]$. `np.outer(a, b)` is $a\,b^T$.


# %% exercise="32.backward"
def backward(W, hs, gs):
    # BEGIN SOLUTION
    total, delta = np.zeros_like(W), np.zeros(len(W))
    for t in reversed(range(len(gs))):
        delta = (gs[t] + W.T @ delta) * (1 - hs[t + 1] ** 2)
        total += np.outer(delta, hs[t])
    return total
    # END SOLUTION


# %%
there = learn.check("32.forward", forward).working
back = learn.check("32.backward", backward).working
cell, random = nn.RNNCell(2, 3).double(), np.random.default_rng(0)
xs, h, states = random.normal(size=(50, 2)), Tensor(np.zeros(3)), []
for x in xs:
    h = cell(Tensor(x), h)
    states.append(h)
loss = ops.sum(ops.square(ops.stack(*states)))
loss.backward()
bias = cell.bias_ih.data + cell.bias_hh.data  # PyTorch has two, which are only ever added
hs = there(cell.weight_hh.data, cell.weight_ih.data, bias, list(xs), np.zeros(3))
assert np.allclose(hs[1:], [state.data for state in states])
mine = back(cell.weight_hh.data, hs, [2 * h for h in hs[1:]])
assert np.allclose(mine, cell.weight_hh.grad)

# %% [markdown]
# Fifty steps of `nn.RNNCell`, and the gradient of $W$ is yours. A graph of fifty steps is long.
# Folded, it is one cell that was used fifty times; then only what is next to one state, the 25th:

# %%
draw(ops.sum(states[-1]), max_nodes=15, show=[])

# %%
draw(states[-1], focus=states[24], show=["scopes"], detail="compact", direction="TB")

# %% [markdown]
# `nn.RNN` is a whole layer: all steps in one operation, whose rule is your `backward`, with a batch
# in every step:

# %%
learn.source(ops.rnn)
layer = nn.RNN(2, 3).double()
for (_, given), own in zip(layer.named_parameters(), cell.parameters(), strict=True):
    given.data = own.data
assert np.allclose(layer(Tensor(xs))[0].data, hs[1:])

# %% [markdown]
# ## How far back?
#
# In the small example the gradient shrank at every step, to a half or less. Here are the gradients
# of the last state with respect to inputs ever further back, for one layer of 32 units, with its
# matrix $W$ as it was drawn, and 2 and 3 times as large:

# %%
axes = plt.figure(figsize=(7, 3.4), layout="constrained").gca()
reach = {}
for scale, colour, marker in zip((1, 2, 3), COLOURS, "os^", strict=True):
    manual_seed(0)
    layer, x = nn.RNN(1, 32).double(), Tensor(np.zeros((51, 1, 1)), requires_grad=True)
    layer.weight_hh_l0.data = scale * layer.weight_hh_l0.data
    for name in ("bias_ih_l0", "bias_hh_l0"):
        nn.init.zeros_(getattr(layer, name))  # with x = 0, all states stay 0, and every slope is 1
    states, _ = layer(x)
    ops.sum(states[-1]).backward()
    reach[scale] = np.abs(x.grad.ravel()[::-1])
    axes.semilogy(reach[scale], marker + "-", color=colour, markersize=3, label=f"{scale} W")
axes.set(xlabel="steps back", ylabel="size of the gradient")
axes.legend()
plt.show()
growth = {scale: (sizes[50] / sizes[10]) ** (1 / 40) for scale, sizes in reach.items()}
print({scale: f"times {factor:.2f} a step" for scale, factor in growth.items()})
assert growth[1] < 0.8
assert growth[3] > 1.2

# %% [markdown]
# The lines are nearly straight on this scale: every step multiplies by about the same factor. If it
# is below 1 the gradient **vanishes**. If it is above 1 the gradient **explodes**, and one step of
# training throws everything away. Against exploding there is a brake, clipping. Write
# `clip(gradients, limit)`: the length of all gradients together is the root of the sum of all their
# squares; if it exceeds `limit`, scale all by the same factor, so that it equals `limit`. Return
# the list of them.


# %% exercise="32.clip"
def clip(gradients, limit):
    # BEGIN SOLUTION
    length = np.sqrt(sum((g * g).sum() for g in gradients))
    return [g * min(1.0, limit / length) for g in gradients]
    # END SOLUTION


# %%
cut = learn.check("32.clip", clip).working
for p in model.parameters():
    p.grad = random.normal(size=p.shape).astype(p.dtype)
ours = cut([p.grad for p in model.parameters()], 1.0)
nn.utils.clip_grad_norm_(model.parameters(), 1.0)
assert all(np.allclose(g, p.grad) for g, p in zip(ours, model.parameters(), strict=True))

# %% [markdown]
# ## An experiment: the stream never ends
#
# A stream has no last step from which to go back. So it is cut into pieces of $k$ steps: the state
# goes on from piece to piece, the gradient does not. That is **truncated** BPTT. In `trained`
# it is one word: `h.detach()` is the same state without its past, a leaf.
#
# The bit asked for is 10 steps old. From which $k$ on can the network learn it? Since the state
# goes on, the bit may still be in it.

# %%
guess = learn.predict("Lag 10 is learned from", ["k = 5 on", "k = 8 on", "k = 12 on"])

# %%
axes = plt.figure(figsize=(7, 3.6), layout="constrained").gca()
pieces = learn.pick(full=(2, 5, 8, 12, 20, 40), quick=(8, 12))
final = {}
for i, k in enumerate(pieces):
    _, right = trained(k, updates)
    final[k] = right[-len(right) // 10 :].mean()
    smooth = np.convolve(right, np.ones(20) / 20, mode="valid")
    axes.plot(smooth, "--" if k < LAG else "-", color=COLOURS[i % 3], label=f"k = {k}")
    print(f"k = {k:2}: {final[k]:.1%} right at the end")
axes.set(xlabel="piece", ylabel="share of right answers")
axes.legend(ncols=2)
plt.show()
assert max(final[k] for k in pieces if k < LAG) < 0.6
assert min(final[k] for k in pieces if k > LAG) > learn.pick(full=0.99, quick=0.8)
guess.reveal(f"k = {min(k for k in pieces if final[k] > 0.75)} on")

# %% [markdown]
# ## Exercise B: what the cut cuts
#
# Break it by hand: write `taught(k, lag)`, how many of the $k$ answers of a piece send a gradient
# to the very input that they ask for. The answer at a step asks for the input `lag` steps before.


# %% exercise="32.taught"
def taught(k, lag):
    # BEGIN SOLUTION
    return max(0, k - lag)
    # END SOLUTION


# %%
count = learn.check("32.taught", taught).working
print({k: f"{count(k, LAG)} of {k}" for k in pieces})

# %% [markdown]
# With $k = 8$ no answer ever learns which input it depends on; what is right beyond a half is luck,
# and what untrained units happen to keep. With $k = 12$ two answers of twelve do, and since $W$ is
# the same in every step, all twelve become right. Explain to yourself why.
#
# ## A mistake to make once
#
# Without `detach` the second piece goes back into the first, whose weights have moved since:

# %%
optimizer = optim.SGD(model.parameters(), lr=0.1)
piece = Tensor(np.ones((3, 1, 1)), dtype="float32")
answer, h, _ = model(piece)
ops.sum(answer).backward()
optimizer.step()
answer, h, _ = model(piece, h)
try:
    ops.sum(answer).backward()
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `nn.RNN`, `nn.RNNCell`, `h.detach()` and `nn.utils.clip_grad_norm_` have the same names there.

# %%
learn.beside_torch(cell, Tensor(xs[0]), Tensor(hs[0]))
learn.beside_torch(nn.RNN(2, 3), Tensor(xs))

# %% [markdown]
# ## To read
#
# R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML
# 2013: vanishing, exploding, and clipping.
#
# ## Recap
#
# - A state goes from step to step, through the same weights; unrolled, it is a graph like any.
# - A gradient is multiplied at every step: it vanishes, or explodes. Clip it against the second.
# - Truncation: the state goes on, the gradient stops. What lies further back is not learned.
#
# Left out here: how to build a memory whose gradient does not vanish (lesson 33).
