# %% [markdown]
# # 36 · The transformer
#
# **Question.** Attention looked back for a recurrent network, which still read one letter after the
# other. What is left if the recurrence goes, and every letter looks at all letters before it?
#
# - builds: `MultiheadAttention`, `TransformerEncoderLayer`, `KVCache`
# - uses: `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `nn`,
#   `no_grad`, `ops`, `ops.cross_entropy`, `optim`
# - time: 50 minutes to read, 80 s to run
# - covers: B (transformers), D (transformers), E (chapter 12)
#
# The end first. A transformer was given 20 letters and a colon, and wrote them from the last to the
# first. A row of each picture is a letter that looks, a column one that is looked at.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.train import fit

learn.begin("36")


# %%
class Letters(nn.Module):
    """Scores for what comes after each token, from that token and those before it."""

    def __init__(self, tokens, length, size=64, heads=4, blocks=2):
        super().__init__()
        self.read = nn.Embedding(tokens, size)
        self.norm, self.head = nn.LayerNorm(size), nn.Linear(size, tokens)
        self.place = nn.LearnedPositionalEncoding(length, size, batch_first=True)
        nn.init.normal_(self.place.weight, std=0.5)
        options = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(size, heads, 4 * size, **options) for _ in range(blocks)
        )
        for block in self.blocks:  # what a block adds is small at first
            for weight in (block.self_attn.out_proj.weight, block.linear2.weight):
                weight.data = 0.5 * weight.data

    def forward(self, x, cache=None):
        h = self.place(self.read(x), start=0 if cache is None else len(cache))
        for block in self.blocks:
            h = block(h, is_causal=True, cache=cache)
        return self.head(self.norm(h))  # (batch, length, tokens)


# %%
def train(model, examples, batch_size, lr):
    """Once through the examples; y are the last of the tokens to be guessed."""
    loader = data.DataLoader(examples, batch_size=batch_size, shuffle=True)
    optimizer, steps = optim.AdamW(model.parameters(), lr=lr), len(loader)
    fit(
        model,
        loader,
        loss=lambda scores, y: nn.functional.cross_entropy(scores[:, -y.shape[1] :].mT, y),
        optimizer=optimizer,
        epochs=1,
        scheduler=optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1),
        schedule="step",
        clip_norm=1.0,
        progress=False,
    )


# %%
texts = data.reversals(learn.pick(full=19_712, quick=544), length=20)
letters = data.CharTokenizer("abcdefghijklmnopqrstuvwxyz:")
pairs = zip(texts.sources, texts.targets, strict=True)
rows = np.array([letters.encode(f"{source}:{target}") for source, target in pairs])  # (N, 41)
lines, new_lines = rows[:-512], rows[-512:]
manual_seed(0)
reverser = Letters(len(letters), 40)
train(reverser, data.TensorDataset(lines[:, :-1], lines[:, 21:]), 64, lr=4e-3)


# %%
def heads_of(model, x):
    """The attention of every block and head, (blocks * heads, T, T)."""
    h, found = model.place(model.read(x)), []
    for block in model.blocks:
        z = block.norm1(h)
        found.append(
            block.self_attn(z, z, z, is_causal=True, average_attn_weights=False)[1].data[0]
        )
        h = block(h, is_causal=True)
    return np.concatenate(found)


with no_grad():
    seen = heads_of(reverser, Tensor(new_lines[:1, :-1]))
figure, panels = plt.subplots(2, 4, figsize=(9.6, 5.2), layout="constrained")
for i, (axes, head) in enumerate(zip(panels.flat, seen, strict=True)):
    axes.imshow(head, cmap="cividis", vmin=0, vmax=1)
    axes.set(xticks=[0, 20, 39], yticks=[0, 20, 39], title=f"block {i // 4}, head {i % 4}")
figure.supxlabel(letters.decode(new_lines[0, :-1]), family="monospace")
plt.show()
assert np.triu(seen, 1).max() == 0.0  # nobody looks ahead

# %% [markdown]
# Above the diagonal all is dark: letter 5 must not see letter 6, since it has to guess it. Below
# it, find a head with a bright line that falls to the **left** from the middle on: the first letter
# after the colon looks at the last before it, the second at the last but one.
#
# ## By hand, with five numbers
#
# Three letters; each has a **value**, something to tell: 4, 0 and 2. Each letter asks all letters
# up to itself how much they concern it. Let these **scores** all be 0, except the one that the
# third letter gives to itself: $\ln 2$. The weights are a softmax over what a letter sees, and what
# it gets is the weighted sum:
#
# | looks | scores | weights | gets |
# |---|---|---|---|
# | first | $0$ | $1$ | $4$ |
# | second | $0, 0$ | $\frac12, \frac12$ | $\frac12 \cdot 4 + \frac12 \cdot 0 = 2$ |
# | third | $0, 0, \ln 2$ | $\frac14, \frac14, \frac12$ | $\frac14 \cdot 4 + \frac12 \cdot 2 = 2$ |
#
# The weights form a triangle: **causal** attention. All rows are computed at once; a recurrent
# network would need three steps, each waiting for the last.
#
# ## In symbols
#
# Let the rows of $x$ be the letters, $(T, d)$. What asks, what is asked, and what is told are three
# products of $x$: **queries, keys and values**.
#
# $$q = x W_q, \quad k = x W_k, \quad v = x W_v, \qquad
# \text{out} = \text{softmax}\!\left(\frac{q\, k^\top}{\sqrt{s}}\right) v$$
#
# where the scores of keys that come later are set to $-\infty$ first, so that their weights are 0.
# A score adds up $s$ products, one for each column of $q$; its spread grows like $\sqrt{s}$, and
# dividing by that keeps the softmax from picking one letter at once. With one head $s = d$; with
# $h$ **heads** the columns of $q$, $k$ and $v$ are cut into $h$ equal parts, $s = d / h$. Each
# attends for itself, and the results stand side by side again: several things can be looked at.
#
# ## Exercise A: attention with several heads
#
# Write `attend(x, w_q, w_k, w_v, heads)` in NumPy, causal: `x` is $(T, d)$, the matrices are
# $(d, d)$, the result is $(T, d)$. Head number $i$ takes the columns $i s$ to $(i + 1) s - 1$.


# %% exercise="36.attend"
def attend(x, w_q, w_k, w_v, heads):
    # BEGIN SOLUTION
    later = np.triu(np.ones((len(x), len(x)), dtype=bool), 1)
    parts = (np.split(x @ w, heads, axis=1) for w in (w_q, w_k, w_v))
    out = []
    for q, k, v in zip(*parts, strict=True):
        scores = np.where(later, -np.inf, q @ k.T / np.sqrt(q.shape[1]))
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out.append(weights / weights.sum(axis=1, keepdims=True) @ v)
    return np.concatenate(out, axis=1)
    # END SOLUTION


# %%
my_attend = learn.check("36.attend", attend).working

# %% [markdown]
# ## In code: a block
#
# A transformer repeats one **block**. Attention lets the letters exchange what they know; then a
# small network thinks about each letter alone. Both *add* to what was there, as in a residual
# network, and both read it normalised. The library's layer, rebuilt around your `attend`:


# %%
def block(layer, x):
    attention = layer.self_attn
    w_q, w_k, w_v = (w.T for w in np.split(attention.in_proj_weight.data, 3))
    z = layer.norm1(Tensor(x)).data
    x = x + attention.out_proj(Tensor(my_attend(z, w_q, w_k, w_v, attention.num_heads))).data
    return x + layer.linear2(ops.relu(layer.linear1(layer.norm2(Tensor(x))))).data


manual_seed(1)
layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True).double()
x = np.random.default_rng(0).normal(size=(5, 8))
with no_grad():
    assert np.allclose(block(layer, x), layer(Tensor(x), is_causal=True).data, rtol=1e-6)
learn.beside_torch(layer, Tensor(x))
learn.source(nn.TransformerEncoderLayer.forward)

# %% [markdown]
# (The biases of the three products start at 0; your version left them out.) Its attention as a
# graph, for five letters and two heads:

# %%
z = Tensor(x, name="x")
out, _ = layer.self_attn(z, z, z, need_weights=False, is_causal=True)
draw(out.sum(), detail="compact", direction="TB")

# %% [markdown]
# Two tests say what it can know. Nothing in the formulas tells *where* a letter stands: without the
# mask, swap letters, and the results are swapped, that is all. So `Letters` adds a trained row for
# the place. And a model that saw the letter it should guess would look brilliant in training and be
# useless after: change later letters only, and no earlier result may move.

# %%
order, other = np.array([3, 1, 4, 0, 2]), x.copy()
other[3:] += np.arange(8.0)
with no_grad():
    causal = [layer(Tensor(rows), is_causal=True).data for rows in (x, other)]
    plain, mixed, leaking = (layer(Tensor(rows)).data for rows in (x, x[order], other))
assert np.allclose(plain[order], mixed, rtol=1e-6)
assert np.allclose(causal[0][:3], causal[1][:3], rtol=1e-12)
assert np.abs(leaking - plain)[:3].max() > 1e-3  # without the mask the test notices

# %% [markdown]
# ## Exercise B: a cache
#
# To write a text, the model guesses a letter, reads it, guesses the next. Much is repeated: of all
# keys and values in the next round, only those of the new letter are new. Keep the others. Write
# `step(x, keys, values, w_q, w_k, w_v)` for one head: `x` is the new row $(d,)$; `keys` and
# `values` hold those of the $t$ letters before, $(t, d)$. Return what the new letter gets, $(d,)$,
# and the grown keys and values, $(t + 1, d)$.


# %% exercise="36.step"
def step(x, keys, values, w_q, w_k, w_v):
    # BEGIN SOLUTION
    keys = np.vstack([keys, x @ w_k])
    values = np.vstack([values, x @ w_v])
    scores = keys @ (x @ w_q) / np.sqrt(len(x))
    weights = np.exp(scores - scores.max())
    return weights / weights.sum() @ values, keys, values
    # END SOLUTION


# %%
learn.check("36.step", step)

# %% [markdown]
# Explain it: why need no *query* be kept? Why does it work only if no letter sees later ones?
#
# The library's is `nn.KVCache`. With it the reverser, on lines that it has never seen:


# %%
def say(model, start, count, choose, cached=True):
    """`start`, (batch, T), gone on with by `count` tokens."""
    cache, said, new = nn.KVCache() if cached else None, start, start
    with no_grad():
        for _ in range(count):
            scores = model(Tensor(new if cached else said), cache).data[:, -1]
            new = choose(scores)[:, None]
            said = np.concatenate([said, new], axis=1)
    return said


said = say(reverser, new_lines[:, :21], 20, lambda scores: scores.argmax(axis=1))
right = (said == new_lines).all(axis=1).mean()
print(f"{letters.decode(said[0])}\nwithout a mistake: {right:.1%} of {len(said)}")
assert right >= learn.pick(full=0.99, quick=0.0)

# %% [markdown]
# ## An experiment: the Python manual
#
# The same class, on the manual that comes with Python. Counting which letter follows which two
# gives a loss to beat, in nats per letter; the LSTM of lesson 34 is 0.28 below it. And this one?

# %%
text = data.python_manual()[: learn.pick(full=None, quick=6000)]
characters = data.CharTokenizer(text)
tokens, many = np.array(characters.encode(text)), len(characters)
cut, length = len(tokens) * 9 // 10, learn.pick(full=64, quick=32)
seen, unseen = tokens[:cut], tokens[cut:]


def counted(history, size, less):
    """The chances after each of `size` histories, mixed with those of shorter ones."""
    counts = np.zeros((size, many))
    np.add.at(counts, (history[:-1], seen[-len(history) + 1 :]), 1)
    return (counts + 3 * less) / (counts.sum(axis=1, keepdims=True) + 3)


pairs = counted(seen, many, 1 / many)
triples = counted(seen[:-1] * many + seen[1:], many**2, np.tile(pairs, (many, 1)))
trigram = -np.log(triples[unseen[:-2] * many + unseen[1:-1], unseen[2:]]).mean()
print(f"{len(text):,} letters, {many} different; triples: {trigram:.2f} nats a letter")
guess = learn.predict("The transformer's loss", ["above triples", "level", "far below"])

# %%
manual_seed(0)
writer = Letters(many, length)
train(writer, data.TokenWindows(seen, length, stride=learn.pick(full=18, quick=100)), 16, lr=1e-2)
held = data.TokenWindows(unseen, length)
with no_grad():
    parts = [held.batch(range(i, len(held), 16)) for i in range(16)]
    loss = np.mean([nn.functional.cross_entropy(writer(x).mT, y).item() for x, y in parts])
print(f"transformer: {loss:.2f} nats a letter, {trigram - loss:.2f} below triples")
assert loss < learn.pick(full=trigram - 0.28, quick=5.0)  # no worse than the LSTM
guess.reveal(guess.choices[int(loss < trigram + 0.05) + int(loss < trigram - 0.1)])


# %% [markdown]
# Now let it write, several lines at once. Each letter is drawn from the model's chances, sharpened
# a little (scores divided by a temperature of 0.7). Once with the cache and once without: from the
# same random numbers, the same letters. Change the starts, the seed and the temperature.


# %%
def write(starts, count, seed=0, temperature=0.7, cached=True):
    random = np.random.default_rng(seed)

    def choose(scores):
        noise = random.gumbel(size=scores.shape)  # with it, the largest is a draw from the softmax
        return (scores.astype(float) / temperature + noise).argmax(axis=1)

    lines = np.array([characters.encode(start) for start in starts])
    return [characters.decode(line) for line in say(writer, lines, count, choose, cached)]


starts, said = ["The ", "If a", "Note", "def "], {}
for cached in (True, False):
    begin = time.perf_counter()
    said[cached] = write(starts, length - 4, cached=cached)
    print(f"cache {cached}: {time.perf_counter() - begin:.2f} s")
assert said[True] == said[False]
print(*map(repr, said[True]), sep="\n")

# %% [markdown]
# ## A mistake to make once
#
# A trained table of places has an end. Nobody taught the model what place 64 is like:

# %%
try:
    write(starts, length)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.MultiheadAttention`, `nn.TransformerEncoderLayer` | the same names, arguments and weights |
# | `is_causal=True` | there a promise only: a mask must be passed as well |
# | `nn.KVCache` | none in `torch.nn`; every language model brings its own |
#
# ## To read
#
# A. Vaswani and others, *Attention is all you need*, NeurIPS 2017: sections 3.1 to 3.5.
#
# ## Recap
#
# - Queries, keys and values are three products of one sequence; softmax decides who listens to
#   whom.
# - Heads attend side by side; a mask hides what is still to be guessed.
# - A block: attention, then a small network, each added to what was there.
# - Attention sees a set; places must be told. Keys and values of the past can be kept.
#
# Left out here: attention to another sequence inside a block, dropout, places that have no end.
