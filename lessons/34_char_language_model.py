# %% [markdown]
# # 34 · Which letter comes next?
#
# **Question.** A machine that writes needs one skill: given the text so far, how likely is each
# letter to be the next? How far does one get with counting, and what does a network add?
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `data`, `draw`, `learn`, `manual_seed`, `nn`, `no_grad`,
#   `ops`, `ops.cross_entropy`, `ops.softmax`, `optim`
# - time: 40 minutes to read, 40 s to run
# - covers: B (language models), D (language models, sampling)
#
# The end first. From 4,900 names of places: how often does which letter follow which? On the left
# that was counted. On the right are the weights of a network of one layer, after softmax, that was
# trained to guess the next letter and never counted anything.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, no_grad, ops, optim

learn.begin("34")
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot stands before and after every name
names = data.place_names()[:: learn.pick(full=1, quick=6)]
marked = np.array([LETTERS.index(letter) for letter in "." + ".".join(names) + "."])
before, after = marked[:-1], marked[1:]


# %%
def pairs_counted(before, after, size):
    return np.bincount(before * size + after, minlength=size * size).reshape(size, size)


manual_seed(0)
net = nn.Linear(27, 27, bias=False)
one_hot = Tensor(np.eye(27, dtype="float32")[before])
target = Tensor(after)
optimizer = optim.Adam(net.parameters(), lr=0.3)
for _ in range(learn.pick(full=120, quick=40)):
    optimizer.zero_grad()
    loss = ops.cross_entropy(net(one_hot), target)
    loss.backward()
    optimizer.step()
learned = ops.softmax(net.weight.T, axis=1).data

# %%
counted = pairs_counted(before, after, 27)
figure, panels = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained")
tables = {"counted": counted / counted.sum(axis=1, keepdims=True), "learned": learned}
for axes, (name, table) in zip(panels, tables.items(), strict=True):
    axes.imshow(table, cmap="cividis", vmax=0.6)
    axes.set(title=name, xlabel="next letter", ylabel="letter")
    axes.set_xticks(range(27), LETTERS)
    axes.set_yticks(range(27), LETTERS)
plt.show()
away = np.abs(tables["counted"] - learned)[counted.sum(axis=1) > 100].max()
print(f"largest difference in the rows of letters seen over 100 times: {away:.3f}")
assert away < learn.pick(full=0.05, quick=0.1)

# %% [markdown]
# ## By hand, with five numbers
#
# Two names, "ab" and "aab". With a dot before and after each there are seven pairs:
# `.a ab b.` and `.a aa ab b.`. After an a there came 1 a and 2 b, so $P(b \mid a) = 2/3$ ("the
# chance of b after a"); after the dot there is always an a, after b always the dot.
#
# How good is this table? It gives the name "ab" the chance $1 \cdot \frac23 \cdot 1$. For long
# texts such products become tiny, so one takes the mean of $-\ln P$ over the letters, the
# **negative log-likelihood** (nll): here $(0 + 0.405 + 0)/3 = 0.135$ nats for a letter, as the unit
# of natural logarithms is called. Its exponential, $e^{0.135} = 1.14$, is the **perplexity**: as
# unsure as if one guessed each time among 1.14 equally likely letters. Of 27 letters, knowing
# nothing, the perplexity is 27.
#
# ## Exercise A: count, judge, draw
#
# Write `count(names)`: the table of how often which letter follows which, as an array (27, 27). The
# row is the letter before, the column the letter after, both by their place in `LETTERS`, with a
# dot before and after every name.


# %% exercise="34.count"
def count(names):
    # BEGIN SOLUTION
    table = np.zeros((27, 27), dtype=int)
    for name in names:
        for a, b in zip("." + name, name + ".", strict=True):
            table[LETTERS.index(a), LETTERS.index(b)] += 1
    return table
    # END SOLUTION


# %% [markdown]
# Then `nll(table, names)`, one mean of $-\ln P$ over all letters of all names and the dots after
# them. `table` holds chances; its rows add up to 1.


# %% exercise="34.nll"
def nll(table, names):
    # BEGIN SOLUTION
    lost = [
        -np.log(table[LETTERS.index(a), LETTERS.index(b)])
        for name in names
        for a, b in zip("." + name, name + ".", strict=True)
    ]
    return sum(lost) / len(lost)
    # END SOLUTION


# %%
counts = learn.check("34.count", count).working
judge = learn.check("34.nll", nll).working
assert np.array_equal(counts(names), counted)
by_counting, by_learning = judge(tables["counted"], names), judge(learned, names)
print(f"nll: counted {by_counting:.4f}, learned {by_learning:.4f} nats for a letter")
assert abs(by_counting - by_learning) < 0.02

# %% [markdown]
# An input of 26 zeros and a one picks the 27 weights of one letter, so the network is a table, too:
# of scores, of which softmax makes chances. Of all tables, the counted one has the smallest nll on
# its own names, and gradient descent on the cross-entropy went there by itself: the cross-entropy
# *is* the nll. This is the whole network:

# %%
draw(loss, names={"letter": one_hot, "next": target}, show=["data"], detail="compact")

# %% [markdown]
# To write, draw a letter from the row of the last one, and go on until a dot comes. A
# **temperature** $t$ above 1 makes the draw bolder, one below 1 more careful: every chance is
# raised to the power $1/t$, and all are divided by their sum. Write this as
# `sharpen(chances, temperature)`.


# %% exercise="34.sharpen"
def sharpen(chances, temperature):
    # BEGIN SOLUTION
    powers = chances ** (1 / temperature)
    return powers / powers.sum()
    # END SOLUTION


# %%
cool = learn.check("34.sharpen", sharpen).working
random = np.random.default_rng(0)
for temperature in (0.3, 1.0, 3.0):
    written = []
    for _ in range(6):
        name = "."
        while name == "." or (name[-1] != "." and len(name) < 15):
            row = tables["counted"][LETTERS.index(name[-1])]
            name += random.choice([*LETTERS], p=cool(row, temperature))
        written.append(name.strip("."))
    print(f"temperature {temperature}:", " ".join(written))

# %% [markdown]
# ## An experiment: longer memories
#
# A letter knows little. From here on the text is the manual of Python, half a million characters;
# every model is judged on the last tenth, which none has seen. To count pairs and triples is easy,
# but the tables of longer strings have more cells than the text has letters. Networks have no such
# table. First one that sees the last **three** letters, embedded (lesson 31) and side by side:

# %%
text = data.python_manual()[: learn.pick(full=None, quick=40_000)]
tokenizer = data.CharTokenizer(text)
tokens, size = np.array(tokenizer.encode(text)), len(tokenizer)
seen, kept = np.split(tokens, [len(tokens) * 9 // 10])


def counted_nll(order):
    """The nll of chances counted for strings of `order` characters, 0.1 added to each count."""
    cells = [
        sum(part[i : len(part) - order + 1 + i] * size ** (order - 1 - i) for i in range(order))
        for part in (seen, kept)
    ]
    table = np.bincount(cells[0], minlength=size**order).reshape(-1, size) + 0.1
    return -np.log((table / table.sum(axis=1, keepdims=True)).ravel()[cells[1]]).mean()


scores = {name: counted_nll(i) for i, name in enumerate(("single", "pairs", "triples"), 1)}


# %%
def train(parameters, steps, loss_of):
    """Adam on `loss_of(step)`, with a learning rate that falls to 0 along a cosine."""
    optimizer = optim.Adam(parameters, lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(step).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()


manual_seed(0)
mlp = nn.Sequential(
    nn.Embedding(size, 16), nn.Flatten(), nn.Linear(48, 200), nn.Tanh(), nn.Linear(200, size)
)


def mlp_loss(part, places):
    last = Tensor(np.stack([part[places - 3], part[places - 2], part[places - 1]], axis=1))
    return ops.cross_entropy(mlp(last), Tensor(part[places]))


steps = learn.pick(full=1500, quick=100)
train([*mlp.parameters()], steps, lambda _: mlp_loss(seen, random.integers(3, len(seen), 256)))
with no_grad():
    scores["MLP"] = mlp_loss(kept, np.arange(3, len(kept))).item()
numbers = sum(p.size for p in mlp.parameters())
print(f"{numbers:,} numbers in the network, {size**3:,} cells in the table of triples")


# %% [markdown]
# And an **LSTM** (lesson 33), which has no window at all. It reads 64 places of the text at once,
# in pieces of 32 characters, and goes on from piece to piece with its state (lesson 32). It reads a
# text of about 100 different characters. After training it will be as unsure as if it guessed among
# how many?

# %%
guess = learn.predict("The LSTM's perplexity", ["2", "4", "9", "25"])


# %%
class Writer(nn.Module):
    def __init__(self, hidden=96):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(size, 32), nn.LSTM(32, hidden)
        self.head = nn.Linear(hidden, size)

    def forward(self, x, state=None):  # (steps, batch) -> (steps, batch, size)
        states, state = self.lstm(self.embedding(x), state)
        return self.head(states), tuple(s.detach() for s in state)

    def write(self, start, count, temperature=0.6):
        drawn, row, state = np.random.default_rng(0), tokenizer.encode(start), None
        with no_grad():
            for _ in range(count):
                unread = row if state is None else row[-1:]
                scores, state = self(Tensor(np.array(unread)[:, None]), state)
                chances = ops.softmax(scores[-1, 0], axis=0).data.astype(float)
                row.append(int(drawn.choice(size, p=cool(chances, temperature))))
        return tokenizer.decode(row)


# %%
manual_seed(0)
writer, states = Writer(), [None]
rows = seen[: len(seen) // 64 * 64].reshape(64, -1).T  # (steps, 64)


def writer_loss(step):
    start = 32 * step % (len(rows) - 33)
    piece = rows[start : start + 33]
    scores, states[0] = writer(Tensor(piece[:-1]), states[0])
    return ops.cross_entropy(scores.reshape(-1, size), Tensor(piece[1:].ravel()))


print("untrained:", repr(writer.write("The ", 60)))
for steps in learn.pick(full=(50, 500), quick=(5, 25)):
    train([*writer.parameters()], steps, writer_loss)
    print(f"\n{steps} steps more:\n{writer.write('The ', learn.pick(full=240, quick=20))}")

# %%
with no_grad():
    columns = kept[: len(kept) // 32 * 32].reshape(32, -1).T
    answers, _ = writer(Tensor(columns[:-1]))
    target = Tensor(columns[1:].ravel())
    scores["LSTM"] = ops.cross_entropy(answers.reshape(-1, size), target).item()
for name, score in scores.items():
    print(f"{name:8} {score:.3f} nats, perplexity {np.exp(score):5.2f}")
assert scores["MLP"] < scores["pairs"] - learn.pick(full=0.25, quick=0.0)
assert scores["MLP"] < learn.pick(full=scores["triples"], quick=np.inf)
assert scores["LSTM"] < learn.pick(full=scores["triples"] - 0.2, quick=scores["single"])
nearest = min(guess.choices, key=lambda words: abs(np.log(float(words)) - scores["LSTM"]))
guess.reveal(nearest)

# %% [markdown]
# The MLP sees three letters, the table of triples two; and with a small part of the numbers it is
# better, for what it learns of one string serves others like it. The LSTM has learned words,
# quotation marks, and where a line ends; of what the words mean it knows nothing.
#
# ## Exercise B: what was never seen
#
# Break the counted table: write `impossible(table)`, a name of letters from a to z to which it
# gives no chance at all. `table` holds counts, as from `count`; every letter occurs.


# %% exercise="34.impossible"
def impossible(table):
    # BEGIN SOLUTION
    a, b = next((a, b) for a, b in np.argwhere(table == 0) if a > 0 and b > 0)
    return LETTERS[a] + LETTERS[b]
    # END SOLUTION


# %%
never = learn.check("34.impossible", impossible).working(counts(names))
with np.errstate(divide="ignore"):
    print(never, judge(tables["counted"], [never]), "and", round(judge(learned, [never]), 1))

# %% [markdown]
# One such name makes the nll of a whole test infinite. That is why 0.1 was added to every count
# above. Explain to yourself why the learned table is never quite so sure.
#
# ## A mistake to make once
#
# A model knows the characters of its text, and no others:

# %%
try:
    writer.write("Привет", 5)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | nll, in nats for a letter | `nn.CrossEntropyLoss()` of the scores |
# | `cool(softmax(scores), t)` | `softmax(scores / t)`, the same |
# | the draw | `torch.multinomial(chances, 1)` |

# %%
learn.beside_torch(mlp, Tensor(kept[:30].reshape(10, 3)))
learn.beside_torch(writer.lstm, writer.embedding(Tensor(kept[:30].reshape(10, 3))))

# %% [markdown]
# ## To read
#
# C. Shannon, *Prediction and entropy of printed English*, Bell System Technical Journal 30 (1951):
# the same game, with people as the network.
#
# ## Recap
#
# - A language model gives chances for what comes next; to write is to draw from them.
# - Counting pairs and a trained layer without memory give the same table.
# - Nll in nats, perplexity its exponential, on text that was not trained on.
# - Longer memory, lower perplexity: tables run out of text, networks do not.
#
# Left out here: looking back at single letters (attention, lesson 35), and words as pieces.
