# %% [markdown]
# # 26 · What the way back must remember
#
# **Question.** A network of 64 layers fills 65 MiB while it learns, and 1.5 MiB while it answers.
# What is in the rest, and can one do without?
#
# - builds: `checkpoint`
# - introduces: `keeps`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `learn`, `manual_seed`, `nn`,
#   `no_grad`, `ops`
# - time: 40 minutes to read, 12 s to run
# - covers: A (lazy gradients, accumulation), C (layers and what they cache), D (training at scale)
#
# The end first: the memory in use while one gradient is computed, from the first layer to the last
# and back. One MiB is $2^{20}$ bytes. The upper line climbs all the way up, for each layer leaves
# something behind for the way back. The middle line forgets most of it and computes it again when
# it is needed; the gradients are the same to the last bit. The lowest line never goes back.

# %%
import itertools
import tracemalloc
from contextlib import nullcontext

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, checkpoint, data, draw, keeps, learn, manual_seed, nn, no_grad, ops

learn.begin("26")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
LAYERS, WIDTH, BATCH = learn.pick(full=(64, 256, 512), quick=(64, 64, 256))
MIB = 2**20
UNIT = BATCH * WIDTH * 4 / MIB  # one layer's result: 4 bytes for each number of a batch

manual_seed(0)
layers = [nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)]
parameters = [p for layer in layers for p in layer.parameters()]
batch = Tensor(np.random.default_rng(0).normal(size=(BATCH, WIDTH)).astype("float32"))


# %%
class Meter:
    """Notes the memory that Python and NumPy have asked for since it was made, in MiB."""

    def __init__(self):
        tracemalloc.start()
        self.start, self.readings = tracemalloc.get_traced_memory()[0], []

    def read(self, *_):
        self.readings.append((tracemalloc.get_traced_memory()[0] - self.start) / MIB)

    def stop(self):
        self.read()
        peak = (tracemalloc.get_traced_memory()[1] - self.start) / MIB
        tracemalloc.stop()
        return peak


# %% [markdown]
# `Meter` asks Python's own `tracemalloc` (*trace* the *alloc*ations). A reading is taken after each
# layer, and on the way back whenever a gradient arrives: `h.register_hook(f)` calls `f` with the
# gradient of `h`. Three words in the next two cells are the subject: `checkpoint`, which you will
# build; `no_grad`, from lesson 10 (beside it, `nullcontext()` does nothing); and `free=True`, which
# drops each result as soon as its gradient has been passed on. (The engine keeps all by default, so
# that you can look at it.)


# %%
def through(h, first, last, meter=None):
    for layer in layers[first:last]:
        h = ops.relu(layer(h))
        if meter:
            meter.read()
            if h.requires_grad:
                h.register_hook(meter.read)
    return h


def loss_of(every, meter=None):
    """The loss; with `every`, only each every-th layer's result is kept for the way back."""
    h = batch
    for first in range(0, LAYERS, every or LAYERS):
        last = first + (every or LAYERS)
        if every:
            h = checkpoint(lambda x, a=first, b=last: through(x, a, b, meter), h)
        else:
            h = through(h, first, last, meter)
    return ops.square(h).mean()


# %%
def measure(every=None, back=True):
    """The readings and the peak of one forward pass and, if `back`, of one backward pass."""
    for p in parameters:
        p.grad = None
    meter = Meter()
    with nullcontext() if back else no_grad():
        loss = loss_of(every, meter)
    if back:
        loss.backward(free=True)
    return meter.stop(), meter.readings


runs = {"all kept": measure(), "every 8th layer kept": measure(8), "no_grad": measure(back=False)}
axes = plt.figure(figsize=(8, 4.2), layout="constrained").subplots()
for (name, (peak, seen)), colour, mark in zip(
    runs.items(), (BLUE, ORANGE, GREEN), "so^", strict=True
):
    axes.plot(seen, color=colour, marker=mark, markersize=3.5, label=f"{name}: peak {peak:.1f} MiB")
axes.set(xlabel="readings: up through the layers, and back", ylabel="MiB in use", ylim=(0, None))
axes.legend()
plt.show()
assert 1 <= runs["all kept"][0] / (2 * LAYERS * UNIT) < 1.1
assert runs["no_grad"][0] < 4 * UNIT

# %% [markdown]
# ## By hand, with five numbers
#
# A batch has **512** rows of **256** numbers, 4 bytes each: $512 \cdot 256 \cdot 4$ bytes are
# **0.5** MiB. Each layer leaves two such results, that of `linear` and that of `relu`; 64 layers
# leave 128 of them: **64** MiB. At the end of the way back there are the gradients of the weights,
# $64 \cdot 256 \cdot 256 \cdot 4$ bytes $=$ **16** MiB, where the two upper lines end.
#
# Why must results be kept? Look at what each rule reads. The rule of tanh is
# $\bar x = \bar y\,(1 - y^2)$: it reads the result $y$. That of a product reads both operands. That
# of a sum reads nothing at all: the gradient goes through as it is. `keeps` finds this out for any
# graph, by running each rule on symbols and looking which of them its answer is made of:

# %%
x = Tensor([[1.0, 2.0]], name="x")
w = Tensor([[0.5, -1.0], [0.25, 0.5]], requires_grad=True, name="w")
b = Tensor([0.1, 0.2], requires_grad=True, name="b")
small = ((x @ w + b).tanh() * 3).sum()
print(keeps(small))
draw(small, show=["kept"])

# %% [markdown]
# The product with `w` (`@`, or `matmul`) reads `x`, because the gradient of `w` is $x^\top \bar y$.
# It does not read `w`: nobody asked for the gradient of `x`. And the product with 3 reads only the
# 3, which has no name and is called `x1`: nobody asks for *its* gradient. That is what is lazy
# about gradients: **only what somebody will ask for is prepared**. In PyTorch and here
# `requires_grad` says who will ask.
#
# The engine's account of the large network, against what `tracemalloc` finds. `held` counts every
# result, for this engine keeps them all; `results` those that some rule reads; `leaves` the inputs
# and weights that some rule reads, which are there in any case:

# %%
meter = Meter()
loss = loss_of(None)
meter.stop()
account = keeps(loss)
print(f"held, by the account: {account.held / MIB:.2f} MiB; measured: {meter.readings[-1]:.2f}")
print(f"read by some rule: {account.results / MIB:.2f}, and {account.leaves / MIB:.2f} of leaves")
assert abs(account.held / MIB / meter.readings[-1] - 1) < 0.1
assert abs(account.held / MIB / (2 * LAYERS * UNIT) - 1) < 0.02
del loss

# %% [markdown]
# ## Exercise A: back in pieces
#
# If the results of the first layers were dropped, they can be computed again: only the input of a
# **piece** of the network, a few layers, has to be kept. Write `back(pieces, x)`. `pieces` is a
# list of functions; the first takes `x`, each other the result of the one before, and the last
# gives the loss. Go through them once inside `no_grad()` and keep what goes into each. Then, from
# the last piece to the first: make a new leaf of what went in, `Tensor(h.data,
# requires_grad=True)`; run the piece on it, recording; and call `backward(g, free=True)` on the
# result, where `g` is the gradient of that result, `None` for the loss. What arrives in the leaf's
# `.grad` is the next `g`. Each piece is recorded once, and no two at a time. Return the last `g`,
# the gradient of `x`.


# %% exercise="26.back"
def back(pieces, x):
    # BEGIN SOLUTION
    kept = [x]
    with no_grad():
        for piece in pieces[:-1]:
            kept.append(piece(kept[-1]))
    g = None
    for piece in pieces[::-1]:
        leaf = Tensor(kept.pop().data, requires_grad=True)
        piece(leaf).backward(g, free=True)
        g = leaf.grad
    return g
    # END SOLUTION


# %%
in_pieces = learn.check("26.back", back).working

# %% [markdown]
# On the large network: the same gradients, in much less memory.

# %%
peak_full, _ = measure()
wanted = [p.grad for p in parameters]
pieces = [lambda h, a=k: through(h, a, a + 8) for k in range(0, LAYERS, 8)]
pieces.append(lambda h: ops.square(h).mean())
for p in parameters:
    p.grad = None
meter = Meter()
in_pieces(pieces, batch)
peak_mine = meter.stop()
assert all(np.array_equal(p.grad, g) for p, g in zip(parameters, wanted, strict=True))
peak_library, _ = measure(8)
assert all(np.array_equal(p.grad, g) for p, g in zip(parameters, wanted, strict=True))
print(
    f"peak: {peak_full:.1f} MiB, in your pieces {peak_mine:.1f}, {peak_library:.1f} by checkpoint"
)
assert max(peak_mine, peak_library) < peak_full * learn.pick(full=0.5, quick=0.6)

# %% [markdown]
# The library's `checkpoint(f, x)` makes one node of a piece, whose rule runs the piece again, so
# that it can stand anywhere in a network:

# %%
y = checkpoint(lambda x: (x @ w + b).tanh() * 3, x)
draw(y.sum(), detail="compact", direction="TB")

# %% [markdown]
# ## An experiment: how long should a piece be?
#
# With pieces of $k$ of the $n$ layers, what goes into each is kept, about $n/k$ results; and while
# one piece is recorded, its own $2k$ results. Long pieces hold much inside, short ones much between
# them. (The gradients, 16 MiB, come on top in any case.) What does the best length do when the
# network gets four times as deep?

# %%
guess = learn.predict("Four times as many layers: the best piece is", ["as long", "2 x", "4 x"])

# %%
lengths = [1, 2, 4, 8, 16, 32, 64]
peaks = [measure(k)[0] for k in lengths]
ideal = [(LAYERS / k + 2 * k) * UNIT for k in lengths]
axes = plt.figure(figsize=(7, 3.6), layout="constrained").subplots()
axes.plot(lengths, peaks, "o-", color=ORANGE, label="measured peak")
axes.plot(lengths, ideal, "s--", color=BLUE, label="n/k + 2k results")
axes.set_xscale("log", base=2)
axes.set(xlabel="layers in a piece (k)", ylabel="MiB", ylim=(0, None), xticks=lengths)
axes.set_xticklabels(lengths)
axes.legend()
plt.show()
best = {n: min(range(1, n + 1), key=lambda k: n / k + 2 * k) for n in (LAYERS, 4 * LAYERS)}
print("lowest measured peak at k =", lengths[int(np.argmin(peaks))], "  best of n/k + 2k:", best)
assert 2 <= lengths[int(np.argmin(peaks))] <= 8
guess.reveal(f"{round(best[4 * LAYERS] / best[LAYERS])} x")

# %% [markdown]
# The sum $n/k + 2k$ is lowest where its slope $-n/k^2 + 2$ is 0, at $k = \sqrt{n/2}$. So **memory
# grows with the root of the depth**, for the price of a second forward pass: a third more work
# where the way back costs twice the way up.
#
# ## Exercise B: one large batch from small ones
#
# A batch too large for memory can be cut into parts, with `backward()` after each: gradients **add
# up** in `.grad` until somebody clears them. Write `accumulate(loss_of, parts)`. `loss_of(x, y)` is
# the *mean* loss over the rows of a part; the parts have **different lengths**. Afterwards the
# gradients must be those of the mean loss over all rows together. Return that loss as a number,
# and hold no more than one part's graph at a time: a sum of tensors would keep them all.


# %% exercise="26.accumulate"
def accumulate(loss_of, parts):
    # BEGIN SOLUTION
    rows = sum(len(y) for _, y in parts)
    total = 0.0
    for x, y in parts:
        loss = loss_of(x, y) * (len(y) / rows)
        loss.backward()
        total += loss.item()
    return total
    # END SOLUTION


# %%
accumulated = learn.check("26.accumulate", accumulate).working

# %% [markdown]
# The digits of lesson 10 in one batch, and in parts:

# %%
digits, _ = data.digits("strat", flat=True)
images, labels = digits.batch(range(len(digits)))
reader = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
criterion = nn.CrossEntropyLoss()


def gradient_and_peak(parts):
    reader.zero_grad()
    meter = Meter()
    accumulated(lambda x, y: criterion(reader(x), y), parts)
    return reader[0].weight.grad, meter.stop()


cuts = [*range(0, 1437, 100), 1437]
in_parts = [(images[a:b], labels[a:b]) for a, b in itertools.pairwise(cuts)]
(g_whole, whole), (g_parts, parts) = map(gradient_and_peak, ([(images, labels)], in_parts))
assert np.allclose(g_whole, g_parts, rtol=1e-3, atol=1e-6)
print(f"one batch: peak {whole:.1f} MiB; {len(in_parts)} parts: {parts:.1f} MiB, same gradient")
assert parts < whole / 4

# %% [markdown]
# Explain it: a colleague's loop adds up `total = total + loss` and prints `total.item()` after each
# epoch. It runs out of memory after an hour. Why, and which seven characters mend it?
#
# ## A mistake to make once
#
# What was dropped cannot be used again:

# %%
once = (w * 2).sum()
once.backward(free=True)
try:
    once.backward()
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `checkpoint(f, x)` | `torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False)` |
# | `backward(free=True)` | `backward()`, which always drops |
# | `backward()` | `backward(retain_graph=True)`, and `retain_grad()` on each result |
# | `with no_grad():` | `with torch.no_grad():` |
# | `keeps(loss)` | none; `torch.cuda.max_memory_allocated()` measures on a graphics card |
#
# ## To read
#
# T. Chen, B. Xu, C. Zhang and C. Guestrin, *Training deep nets with sublinear memory cost*, 2016,
# arXiv:1604.06174: section 4 has the root of n.
#
# ## Recap
#
# - What is kept is what the rules read; `keeps` says what that is, `tracemalloc` how much.
# - Kept inputs of pieces and a second forward pass: memory like the root of the depth.
# - Gradients add up over parts of a batch; weigh each part by its length.
# - Keep numbers from a loss (`.item()`), not the loss: it holds its whole graph.
#
# Left out here: relu could read its own result and spare its operand; lesson 41's compiler does so.
