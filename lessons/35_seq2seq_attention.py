# %% [markdown]
# # 35 · Translation, and where to look
#
# **Question.** A network reads a line and writes another. Everything it read must pass through one
# list of numbers, however long the line. What if it could look at the line again while it writes?
#
# - builds: `GRU`, `scaled_dot_product_attention`
# - uses: `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `nn`, `no_grad`, `ops`,
#   `ops.cross_entropy`, `ops.matmul`, `ops.softmax`, `optim`
# - time: 45 minutes to read, 90 s to run
# - covers: B (encoder and decoder, attention), D (sequence to sequence, assignment 3)
#
# The end first. Dates as people write them become dates as computers sort them. Each row of the
# picture is a character that the network wrote, each column one that it read; bright is where it
# looked while writing. Nobody told it which part of the line is the month.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.train import fit

learn.begin("35")


# %%
class Translator(nn.Module):
    """A GRU that reads from both ends, one that writes, and attention between them, or none."""

    def __init__(self, pairs, size=64, attention=True):
        super().__init__()
        letters, words = len(pairs.source_tokenizer), len(pairs.target_tokenizer)
        self.read, self.said = nn.Embedding(letters, size), nn.Embedding(words, size)
        self.encoder = nn.GRU(size, size // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(size, size, batch_first=True)
        self.mix = nn.Linear(2 * size if attention else size, size)
        self.head, self.attention = nn.Linear(size, words), attention

    def encode(self, x):
        memory, last = self.encoder(self.read(x))  # (batch, S, size), (2, batch, size / 2)
        return memory, ops.concat(last[0], last[1], axis=-1).expand_dims(axis=0)

    def decode(self, x, memory, y, state):
        h, state = self.decoder(self.said(y), state)  # (batch, T, size)
        if self.attention:
            real = Tensor(x.data != 0).expand_dims(axis=1)  # no letter where the row is filled up
            look = nn.functional.scaled_dot_product_attention
            h = ops.concat(h, look(h, memory, memory, real, scale=1.0), axis=-1)
        return self.head(ops.tanh(self.mix(h))), state

    def forward(self, x, y):
        memory, state = self.encode(x)
        return self.decode(x, memory, y, state)[0]


# %%
def train(model, pairs, count, epochs, lr=8e-3):
    """The model after some epochs on the first `count` pairs."""
    x, y = (part.data[:count] for part in pairs.tensors)
    examples = data.TensorDataset(x, y[:, :-1], y[:, 1:])  # read, said so far, to be said next
    loader = data.DataLoader(examples, batch_size=64, shuffle=True)
    optimizer, steps = optim.Adam(model.parameters(), lr=lr), epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.05)
    fit(
        model,
        loader,
        loss=lambda scores, y: nn.functional.cross_entropy(scores.mT, y),
        optimizer=optimizer,
        epochs=epochs,
        scheduler=schedule,
        schedule="step",
        clip_norm=1.0,
        progress=False,
    )
    return model


# %%
def say(model, x, begin, count):
    """The likeliest next token, again and again: (batch, count)."""
    with no_grad():
        memory, state = model.encode(x)
        token, said = np.full((len(x), 1), begin), []
        for _ in range(count):
            scores, state = model.decode(x, memory, Tensor(token), state)
            token = scores.data.argmax(axis=-1)
            said.append(token)
    return np.concatenate(said, axis=1)


def score(model, pairs, count):
    """The share of the last `count` pairs that it says without a mistake."""
    x, y = (part.data[-count:] for part in pairs.tensors)
    said = say(model, Tensor(x), pairs.target_tokenizer.vocabulary["<bos>"], y.shape[1] - 1)
    return (said == y[:, 1:]).all(axis=1).mean()


def weights(model, x, y):
    """Where each token of y looked, for one pair: (T, S)."""
    with no_grad():
        memory, state = model.encode(x)
        h, _ = model.decoder(model.said(y), state)
        return ops.softmax(ops.matmul(h, memory.mT), axis=-1).data[0]


# %%
dates = data.dates(learn.pick(full=10_300, quick=300))
manual_seed(0)
count = len(dates) - learn.pick(full=300, quick=44)
translator = train(Translator(dates), dates, count, learn.pick(full=6, quick=1))
x, y = (Tensor(part.data[-1:]) for part in dates.tensors)
source, target = dates.sources[-1], dates.targets[-1]
looked = weights(translator, x, y[:, :-1])[: len(target), : len(source)]
_, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.imshow(looked, cmap="cividis", vmin=0, vmax=1)
axes.set_xticks(range(len(source)), source)
axes.set_yticks(range(len(target)), target)
axes.set(xlabel="read", ylabel="written")
plt.show()
read_right = score(translator, dates, len(dates) - count)
print(f"{source!r} -> {target}; without a mistake: {read_right:.1%}")
assert read_right >= learn.pick(full=0.98, quick=0.0)

# %% [markdown]
# ## By hand, with five numbers
#
# One network reads, the **encoder**; another writes, the **decoder**, and starts in the state in
# which the encoder ended. Two letters were read; the encoder's state after each is kept, and these
# lists of numbers are the **memory**: $(1, 0)$ and $(0, 2)$. (The encoder above is two GRUs, one
# from each end, their states side by side, so that each also knows what comes after it.) The
# decoder is about to write, and its state is $h = (0, 1)$. How well does $h$ fit each of them?
# Multiply and add: $0 \cdot 1 + 1 \cdot 0 = 0$, and $0 \cdot 0 + 1 \cdot 2 = 2$. A softmax turns
# these **scores** into weights: $e^0 = 1$ and $e^2 = 7.39$, so $0.12$ and $0.88$. What it sees is
# the mean of the memory with these weights: $0.12\,(1, 0) + 0.88\,(0, 2) = (0.12, 1.76)$, mostly
# the second letter.
#
# And if there is a third place which only fills up the row, $(0, 0)$? Its score is 0 as well, and
# it would take its share. Set its score to $-\infty$, **before** the softmax: $e^{-\infty} = 0$.
#
# ## In symbols
#
# With the memory's rows $m_1, \dots, m_S$ and the state $h_t$ before token $t$ is written, the
# weights $w_{ts}$, what is seen $a_t$, and from it the scores of all tokens that may come next:
#
# $$w_{ts} = \frac{e^{h_t \cdot m_s}}{\sum_{s'} e^{h_t \cdot m_{s'}}}, \qquad
# a_t = \sum_s w_{ts}\, m_s, \qquad \text{scores}_t = W \tanh(U\, [h_t, a_t])$$
#
# $[h, a]$ stands for both lists in one; the matrices $U$ and $W$ are trained. This is **dot-product
# attention**. The sums run over letters that are there. **Additive** attention has $v \cdot
# \tanh(A h_t + B m_s)$ in place of $h_t \cdot m_s$, with $v$, $A$ and $B$ trained: older, dearer,
# about as good.
#
# ## Exercise A: attention
#
# Write `attention(h, memory, real)` in NumPy: $(T, d)$, $(S, d)$ and $(S,)$ of True for letters
# that are there. Return what is seen, $(T, d)$, and the weights, $(T, S)$.


# %% exercise="35.attention"
def attention(h, memory, real):
    # BEGIN SOLUTION
    scores = np.where(real, h @ memory.T, -np.inf)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    w = e / e.sum(axis=1, keepdims=True)
    return w @ memory, w
    # END SOLUTION


# %%
my_attention = learn.check("35.attention", attention).working
h, memory = Tensor([[0.0, 1.0]], name="h"), Tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
real = np.array([True, True, False])
theirs = nn.functional.scaled_dot_product_attention(
    h, memory, memory, Tensor(real[None]), scale=1.0
)
assert np.allclose(my_attention(h.data, memory.data, real)[0], theirs.data, atol=1e-6)
draw(theirs.sum(), names={"memory": memory}, detail="compact")

# %% [markdown]
# (`scale=1.0`, since the library's function divides the scores by $\sqrt d$ unless told otherwise;
# lesson 36 says why.)
#
# The decoder's first token is `<bos>`, for "begin", and after the last it says `<eos>`, "end"; what
# fills up a short row is token 0, `<pad>`. In training the decoder reads the right token after each
# it wrote, whatever it wrote: **teacher forcing**. All steps then run in one call. Afterwards
# nobody tells it: in `say` it reads its own words, and one mistake can spoil the rest. So only
# `say` measures what it can do. (The learning rate rises and falls as in lesson 17: `OneCycleLR`.)
#
# ## An experiment: a line from its end to its start
#
# Twenty letters are to be written in reverse. Two networks, the same but for attention, get the
# same number of steps. How many lines does each say without a mistake?

# %%
guess = learn.predict("Without attention, lines without a mistake", ["none", "half", "nearly all"])

# %%
lines = data.reversals(learn.pick(full=42_967, quick=300), length=20)
count = len(lines) - learn.pick(full=300, quick=44)
found, models = {}, {}
for looks in (True, False):
    manual_seed(0)
    epochs = learn.pick(full=3, quick=1)
    models[looks] = train(Translator(lines, attention=looks), lines, count, epochs)
    found[looks] = score(models[looks], lines, len(lines) - count)
    print(f"{'with' if looks else 'without'} attention: {found[looks]:.1%} without a mistake")
assert found[True] >= learn.pick(full=0.98, quick=0.0)
assert found[False] <= 0.01
guess.reveal(guess.choices[int(found[False] > 0.2) + int(found[False] > 0.8)])

# %% [markdown]
# Without attention the encoder's last state has to carry all twenty letters, and in so many steps
# it does not learn to. Where the other one looked is a line that falls to the left, the
# **anti-diagonal**: the last letter read is the first one written.

# %%
x, y = (Tensor(part.data[-1:]) for part in lines.tensors)
_, row = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", width_ratios=[1, 1.1])
row[0].imshow(weights(models[True], x, y[:, :-1])[:20], cmap="cividis", vmin=0, vmax=1)
row[0].set(xlabel="read", ylabel="written", xticks=[0, 19], yticks=[0, 19])
row[1].bar(["with", "without"], [found[True], found[False]], color=["#0072B2", "#D55E00"])
row[1].set(ylim=(0, 1), title="20 letters without a mistake", xlabel="attention")
plt.show()

# %% [markdown]
# ## Exercise B: the greedy way, broken
#
# `say` takes the likeliest token each time. That need not give the likeliest **line**. Write
# `beam(next_chances, width, length)`: keep the `width` best beginnings at each step, by the sum of
# the logarithms of their chances. `next_chances(tokens)` gives the chances after a tuple of tokens,
# a list of numbers above 0, one for each token 0, 1, 2 and so on; the first call is with `()`.
# Return the best tuple of `length` tokens. With `width` 1 it is greedy: find out on paper how greed
# fails when the first chances are $(0.6, 0.4)$, and those after it $(0.5, 0.5)$ if token 0 was
# taken, but $(0.9, 0.1)$ if token 1 was. Explain it.


# %% exercise="35.beam"
def beam(next_chances, width, length):
    # BEGIN SOLUTION
    best = [(0.0, ())]
    for _ in range(length):
        longer = [
            (total + np.log(chance), (*tokens, token))
            for total, tokens in best
            for token, chance in enumerate(next_chances(tokens))
        ]
        best = sorted(longer, reverse=True)[:width]
    return best[0][1]
    # END SOLUTION


# %%
my_beam = learn.check("35.beam", beam).working


def chances(tokens):
    return {(): [0.6, 0.4], (0,): [0.5, 0.5], (1,): [0.9, 0.1]}[tokens]


print("greedy:", my_beam(chances, 1, 2), " two beams:", my_beam(chances, 2, 2))
assert my_beam(chances, 2, 2) == (1, 0)

# %% [markdown]
# ## A mistake to make once
#
# Memory and state are compared number by number, so they need the same size:

# %%
try:
    nn.functional.scaled_dot_product_attention(h, Tensor(np.ones((4, 3))), Tensor(np.ones((4, 3))))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.GRU(..., bidirectional=True)` | the same |
# | `nn.functional.scaled_dot_product_attention(q, k, v, mask, scale=1.0)` | the same; True: seen |
# | `beam` | none; libraries for language models call it `num_beams` |

# %%
learn.beside_torch(translator.encoder, translator.read(x))
learn.beside_torch("scaled_dot_product_attention")

# %% [markdown]
# ## To read
#
# D. Bahdanau, K. Cho and Y. Bengio, *Neural machine translation by jointly learning to align and
# translate*, ICLR 2015: figure 3 is the picture at the top, for words.
#
# ## Recap
#
# - An encoder reads, a decoder writes; the last state alone is a narrow door.
# - Attention: scores, a softmax over what is there, a weighted mean.
# - Hide what fills up a row before the softmax, not after it.
# - Train with the right tokens; test with its own.
#
# Left out here: attention without any recurrence (lesson 36).
