# %% [markdown]
# # 31 · Words as points
#
# **Question.** To a network a word is a place in a list: "cat" is word 17, "dog" word 42, and 18
# has nothing of a cat. Which numbers could stand for a word, so that words of like use are near?
#
# - builds: `Embedding`
# - introduces: `embedding_map`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `learn`, `manual_seed`, `nn`,
#   `ops`, `ops.binary_cross_entropy_with_logits`, `optim`
# - time: 40 minutes to read, 8 s to run
# - covers: B (word embeddings), D (word2vec, vectorial representations of words)
#
# The end first. From 6,000 short sentences, and nothing else, every word gets a point in a space of
# 16 dimensions; `embedding_map` shows the two directions in which the points differ most. On the
# left, nobody said which words are animals. On the right, people only, and the step from each man
# to the woman of the same rank.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, ops, optim
from tinygrad_edu.plots import embedding_map

learn.begin("31")
GREEN = "#007A59"
sentences = data.sentences(learn.pick(full=6000, quick=3000))
vocabulary = sentences.tokenizer.vocabulary  # vocabulary["cat"] is the number of the word
kinds, size = sentences.kinds, len(vocabulary)
men, women = (
    [word for word in kinds if kinds[word] == kind and word in vocabulary]
    for kind in ("male", "female")
)
print(*sentences.texts[:4], sep="\n")


# %%
def neighbours(window):
    """Two rows of word numbers: a word, and one that stands at most `window` places from it."""
    rows = sentences.tensors[0].data  # a sentence in each, filled up with 0
    ahead = [(rows[:, :-far], rows[:, far:]) for far in range(1, window + 1)]
    both = ahead + [(right, left) for left, right in ahead]
    centres, others = (np.concatenate([x.ravel() for x in row]) for row in zip(*both, strict=True))
    words = (centres > 0) & (others > 0)
    return centres[words], others[words]


def fit_of(table, second, centres, words):
    """Scores: row i of `table` for each centre, times rows of `second` for its words."""
    return ops.sum(ops.expand_dims(table(centres), axis=1) * second(words), axis=-1)


# %%
def learned(window, seed=0, drawn=5, batch=512):
    """A point for every word, (words, 16)."""
    manual_seed(seed)
    random = np.random.default_rng(seed)
    centres, others = neighbours(window)
    often = np.bincount(others, minlength=size) ** 0.75
    table, second = nn.Embedding(size, 16), nn.Embedding(size, 16)
    for embedding in (table, second):
        nn.init.normal_(embedding.weight, std=0.1)  # begin small, near all others
    optimizer = optim.Adam([*table.parameters(), *second.parameters()], lr=0.02)
    truth = Tensor(np.eye(1, drawn + 1, dtype="float32").repeat(batch, axis=0))  # 1 0 0 0 0 0
    for _ in range(3):
        order = random.permutation(len(centres))
        for start in range(0, len(order) - batch, batch):
            i = order[start : start + batch]
            noise = random.choice(size, (batch, drawn), p=often / often.sum())
            words = Tensor(np.column_stack([others[i], noise]))
            scores = fit_of(table, second, Tensor(centres[i]), words)
            optimizer.zero_grad()
            ops.binary_cross_entropy_with_logits(scores, truth).backward()
            optimizer.step()
    return table.weight.numpy()


# %%
points = learned(window=3)
figure = plt.figure(figsize=(10, 4.4), layout="constrained")
left, right = figure.subplots(1, 2)
known = [word for word in kinds if word in vocabulary]
embedding_map(points[[vocabulary[w] for w in known]], [kinds[w] for w in known], ax=left)
people = points[[vocabulary[w] for w in men + women]]
embedding_map(people, ["man"] * 6 + ["woman"] * 6, names=men + women, ax=right)
places = np.concatenate([spots.get_offsets() for spots in right.collections[:2]])
for i in range(6):
    right.annotate("", places[6 + i], places[i], arrowprops={"arrowstyle": "->", "color": GREEN})
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# The points of all words are the rows of one table, with as many rows as there are words. To look
# up is to take rows. Take a table of three words with two numbers each, and the words 2, 0, 2:
#
# | word | row of the table | looked up | gradient that comes back |
# |---|---|---|---|
# | 2 | (5, 6) | (5, 6) | (1, 0) |
# | 0 | (1, 2) | (1, 2) | (10, 10) |
# | 2 | (5, 6) | (5, 6) | (3, 4) |
#
# Row 2 was used twice, so two gradients arrive, and they **add up**: row 2 of the table's gradient
# is (4, 4), row 0 is (10, 10), and row 1, which nobody looked up, is (0, 0).
#
# ## Exercise A: there, back, and what for
#
# Write the way back, `table_gradient(g, words, size)`: `g` has a row for every word looked up,
# `words` are their numbers, as an array, and the table has `size` rows.


# %% exercise="31.table_gradient"
def table_gradient(g, words, size):
    # BEGIN SOLUTION
    out = np.zeros((size, g.shape[1]))
    for row, word in zip(g, words, strict=True):
        out[word] += row
    return out
    # END SOLUTION


# %%
back = learn.check("31.table_gradient", table_gradient).working
table = nn.Embedding(3, 2)
table.weight = nn.Parameter(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
words, g = np.array([2, 0, 2]), np.array([[1.0, 0.0], [10.0, 10.0], [3.0, 4.0]])
total = ops.sum(table(Tensor(words)) * Tensor(g))
total.backward()
print(table.weight.grad)
assert np.array_equal(back(g, words, 3), table.weight.grad)
learn.beside_torch(table, Tensor(words))
draw(total, names={"table": table.weight}, show=["data", "grad"])

# %% [markdown]
# `nn.Embedding` is the table and nothing else. It looks up with the operation `getitem`, an index
# in square brackets, and this is how the gradient of that goes back:

# %%
learn.source(ops.getitem)

# %% [markdown]
# Now what to train it for. A word is known by its neighbours: drinks are what stands after "pour"
# and "cup of". So: from a word, tell its neighbours. With the **window** $w$ the neighbours of a
# word are those at most $w$ places from it, on either side, in its sentence. Write
# `pairs(sentence, window)`, the list of all pairs (word, neighbour). `sentence` is a list of words.
# In "we pour tea" and with the window 1 they are (we, pour), (pour, we), (pour, tea), (tea, pour);
# the order of the list does not matter.


# %% exercise="31.pairs"
def pairs(sentence, window):
    # BEGIN SOLUTION
    return [
        (word, sentence[j])
        for i, word in enumerate(sentence)
        for j in range(max(0, i - window), min(len(sentence), i + window + 1))
        if j != i
    ]
    # END SOLUTION


# %%
mine = learn.check("31.pairs", pairs).working
assert len(neighbours(2)[0]) == sum(len(mine(text.split(), 2)) for text in sentences.texts)

# %% [markdown]
# To choose one among all words would take a score for every word, for every pair. **Negative
# sampling** asks an easier question: of a true neighbour and $K$ words drawn at random, which is
# which? Every word has two rows: $u$ in the table of words, and $v$ in a second table, which it
# uses as a neighbour. The score of a word and a neighbour is the product $u \cdot v$, and its
# sigmoid $\sigma(z) = 1/(1 + e^{-z})$ is read as the chance that the pair is true (lesson 09). Let
# $n_1, \dots, n_K$ be the rows of the words drawn, in the second table. The loss is minus the
# logarithm of the chance of each right answer: "true" for $v$, "not true" for every $n_k$. And
# since $1 - \sigma(z) = 1/(1 + e^{z})$,
#
# $$L = -\ln \sigma(u \cdot v) \;-\; \sum_{k=1}^{K} \ln\bigl(1 - \sigma(u \cdot n_k)\bigr)
# = \ln\bigl(1 + e^{-u \cdot v}\bigr) + \sum_{k=1}^{K} \ln\bigl(1 + e^{\,u \cdot n_k}\bigr)$$
#
# By hand: with all scores 0 and $K = 5$ each of the six terms is $\ln 2 = 0.693$, and $L = 4.16$.
# Write `loss(u, v, noise)`; `noise` has the $n_k$ as its rows. Scores of 1,000 must not overflow:
# `np.logaddexp(0, z)` is $\ln(1 + e^z)$ for any $z$.


# %% exercise="31.loss"
def loss(u, v, noise):
    # BEGIN SOLUTION
    return np.logaddexp(0, -(v @ u)) + np.logaddexp(0, noise @ u).sum()
    # END SOLUTION


# %%
ours = learn.check("31.loss", loss).working
assert math.isclose(ours(np.zeros(2), np.ones(2), np.ones((5, 2))), 6 * math.log(2))
random = np.random.default_rng(0)
u, v, noise = random.normal(size=4), random.normal(size=4), random.normal(size=(5, 4))
scores, truth = Tensor(np.vstack([v, noise]) @ u), Tensor(np.eye(6)[0])
mean = ops.binary_cross_entropy_with_logits(scores, truth)
assert math.isclose(ours(u, v, noise), 6 * mean.item())

# %% [markdown]
# Your loss is six times the mean that the first cells train with. In them every draw is made in
# proportion to how often a word occurs, to the power 3/4, so that "the" does not take all places.
#
# ## An experiment: what the window sees
#
# Two examinations. First: is the nearest other word of the same kind, an animal beside an animal?
# (Near means a small angle; men and women count as one kind, people.) Second, analogies: man is to
# woman as king is to whom? Go from "king" the step from "man" to "woman", and take the nearest word
# other than these three. There are 30 such questions.
#
# There are six pairs of a man and a woman, and each pair owns something else. Only sentences such
# as these two tell king and queen from the others:
#
#     the king has his crown
#     the queen has her crown
#
# The first cells used the window 3. With the window 2, how many analogies will be right?

# %%
guess = learn.predict("With the window 2, of 30 analogies", ["under 15", "15 to 28", "29 or 30"])


# %%
def directions(points):
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def same_kind(points):
    group = ["people" if kinds[word] in ("male", "female") else kinds[word] for word in known]
    there = directions(points)[[vocabulary[word] for word in known]]
    near = there @ there.T - 2 * np.eye(len(known))
    return np.mean([group[i] == group[j] for i, j in enumerate(near.argmax(axis=1))])


def analogies(points, first, second):
    """The share of right answers to: a is to b as c is to whom?"""
    there, right = directions(points), []
    first, second = ([vocabulary[word] for word in words] for words in (first, second))
    for a, b in zip(first, second, strict=True):
        for c, d in zip(first, second, strict=True):
            if a != c:
                near = there @ (there[b] - there[a] + there[c])
                near[[0, a, b, c]] = -9  # 0 is what sentences are filled up with
                right.append(near.argmax() == d)
    return np.mean(right)


# %%
cities, countries = ([w for w in known if kinds[w] == kind] for kind in ("city", "country"))
found = {}
for window, there in ((2, learned(window=2)), (3, points)):
    found[window] = same_kind(there), analogies(there, men, women)
    print(f"window {window}: same kind {found[window][0]:.0%}, analogies {found[window][1]:.0%}")
capitals = analogies(points, countries, cities)
print(f"country to capital, window 3: {capitals:.0%}")
assert min(share for share, _ in found.values()) >= learn.pick(full=0.95, quick=0.9)
assert found[3][1] >= learn.pick(full=0.95, quick=0.5)
assert found[2][1] < 0.5
assert capitals < 0.6
right = round(30 * found[2][1])
guess.reveal(guess.choices[(right >= 15) + (right >= 29)])

# %% [markdown]
# For kinds two places are enough. Analogies need three: from "king" to "crown" there are three
# places, and with the window 2 nobody could know what a king has. What counts as a neighbour
# decides what is learned. And no analogy is promised: Paris often stands *beside* France, but the
# two share no third word that the other pairs have not. Standing together is not having neighbours
# in common.
#
# ## Exercise B: sentences that teach nothing
#
# Break it. Write `spoil(texts)`: a list of as many sentences, each with as many words as before,
# and in all of them together every word as often as before; but from its neighbours nobody can tell
# an animal from a tool. `texts` is a list of strings; `np.random.default_rng(0).permutation(words)`
# mixes a list.


# %% exercise="31.spoil"
def spoil(texts):
    # BEGIN SOLUTION
    words = [word for text in texts for word in text.split()]
    mixed = iter(np.random.default_rng(0).permutation(words).tolist())
    return [" ".join(next(mixed) for _ in text.split()) for text in texts]
    # END SOLUTION


# %%
learn.check("31.spoil", spoil)

# %% [markdown]
# Explain it: your sentences hold the same words as often as before. What is no longer in them?
#
# ## A mistake to make once
#
# Words are whole numbers from 0 to one less than the number of rows. The table refuses all others,
# also -1, with which NumPy would take the last row:

# %%
try:
    table(Tensor([0, -1], dtype="int64"))
except IndexError as error:
    print("IndexError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.Embedding(size, 16)` | the same; `padding_idx=0` leaves the row of the filling alone |
# | your `table_gradient` | `torch.Tensor.index_add_` |
# | your `loss` | `F.binary_cross_entropy_with_logits(..., reduction="sum")` |
#
# ## To read
#
# T. Mikolov and others, *Distributed representations of words and phrases and their
# compositionality*, NeurIPS 2013: negative sampling and the 3/4 on three pages.
#
# ## Recap
#
# - An embedding is a table; to look up is to take rows; the way back adds, row by row.
# - Words with neighbours in common get points close together. Nobody says what a word means.
# - Negative sampling: tell the true neighbour from a few drawn ones.
# - The window decides which relations can be learned at all.
#
# Left out here: words with several meanings, which need the whole sentence (lesson 36).
