# %% [markdown]
# # 37 · A transformer that sees
#
# **Question.** A transformer reads a sequence of vectors. What becomes of a picture that is cut
# into pieces and read like one, by a network that does not know which pieces are neighbours?
#
# - builds: `LearnedPositionalEncoding`
# - uses: `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `metrics`, `nn`, `optim`
# - time: 35 minutes to read, 45 s to run
# - covers: B (attention and transformers), D (vision transformers)
#
# The end first. Left: a digit, and its 16 pieces. Right: for four of the pieces, how alike the
# vectors are by which the trained network knows the *places* of all pieces. No two are much alike:
# to this network places are names, by which it tells pieces apart, and not a map.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, optim
from tinygrad_edu.train import fit

learn.begin("37")


class ViT(nn.Module):
    """A vision transformer for pictures of 8 by 8, with pieces of 2 by 2; `scale` of its places."""

    def __init__(self, scale=0.5, size=48, layers=2):
        super().__init__()
        self.embed = nn.Conv2d(1, size, kernel_size=2, stride=2)  # what each piece becomes
        self.places = nn.Parameter(scale * np.random.default_rng(0).normal(size=(16, size)))
        self.float()
        settings = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(size, 4, 2 * size, **settings) for _ in range(layers))
        )
        for block in self.blocks:  # a quiet start: each block adds half of what it would
            for layer in (block.self_attn.out_proj, block.linear2):
                layer.weight.data = layer.weight.data / 2
        self.norm, self.head = nn.LayerNorm(size), nn.Linear(size, 10)

    def pieces(self, x):
        x = self.embed(x)  # (N, size, 4, 4)
        return x.reshape(*x.shape[:2], 16).transpose(0, 2, 1) + self.places  # (N, 16, size)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.pieces(x))).mean(axis=1))


# %%
def train_it(model, examples, epochs, lr=6e-3):
    optimizer = optim.AdamW(model.parameters(), lr=lr, weight_decay=0.1)
    if learn.pick(full=False, quick=True):
        examples, epochs = data.Subset(examples, range(96)), 1
    loader = data.DataLoader(examples, batch_size=64, shuffle=True)
    steps = epochs * len(loader)  # the rate rises for 15 % of them, then falls (lesson 17)
    rate = optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.15)
    settings = {"scheduler": rate, "schedule": "step", "compile": epochs > 1, "progress": False}
    loss = nn.CrossEntropyLoss()
    fit(model, loader, loss=loss, optimizer=optimizer, epochs=epochs, **settings)
    return model.eval()


def share_read(model, kept):
    x, y = kept.batch(range(len(kept)))
    return metrics.accuracy(model(x), y)


# %%
train_set, test_set = data.digits("strat")
manual_seed(0)
model = train_it(ViT(), train_set, 24)
reads = {"24 epochs": share_read(model, test_set)}
digit = test_set.batch([8])[0]  # (1, 1, 8, 8)
places = model.places.data / np.linalg.norm(model.places.data, axis=1, keepdims=True)
figure, row = plt.subplots(1, 6, figsize=(9.6, 1.9), layout="constrained")
row[0].imshow(digit.data[0, 0], cmap="gray_r")
cut = digit.data[0, 0].reshape(4, 2, 4, 2)
row[1].imshow(np.pad(cut, ((0, 0), (0, 1), (0, 0), (0, 1))).reshape(12, 12), cmap="gray_r")
for axes, piece in zip(row[2:], (0, 6, 9, 15), strict=True):
    axes.imshow((places @ places[piece]).reshape(4, 4), cmap="PuOr", vmin=-1, vmax=1)
    axes.plot(piece % 4, piece // 4, "k.")
for axes in row:
    axes.axis("off")
assert abs(places @ places.T - np.eye(16)).mean() < 0.3

# %% [markdown]
# (Purple is alike, orange opposite; the dot is the piece itself.)
#
# ## By hand, with five numbers
#
# A picture of 8 by 8 in pieces, **patches**, of 2 by 2: that is $4 \cdot 4 = 16$ of them, each of
# $2 \cdot 2 = 4$ numbers. Every patch looks at every patch, itself included: $16 \cdot 16 = 256$
# looks in a head. With the pixels one by one there would be $64 \cdot 64 = 4096$, which is why one
# cuts. (A photograph of 224 by 224 in patches of 16 by 16 has $14 \cdot 14 = 196$ of them.)
#
# ## In symbols
#
# Let $p_t$ be the numbers of patch $t$, $E$ a matrix and $e_t$ a vector that is learned for the
# place $t$, its **position embedding**. The blocks are those of lesson 36, without a mask:
#
# $$z_t = E\, p_t + e_t, \qquad \text{scores} = W \cdot
# \text{mean}_t\, \big(\text{norm}(\text{blocks}(z))_t\big) + b .$$
#
# That is all: no kernel that moves, no pooling. What is near what must be learned, in $e_t$.
#
# ## Exercise A: cut, and join
#
# Write `patchify(x, size)`: from pictures `(N, C, H, W)` to patches `(N, T, C * size * size)`. The
# patches of a picture come row after row, and the numbers of a patch channel after channel, each
# channel row after row. `x` is an array; `H` and `W` are multiples of `size`, and may differ.
# `reshape` splits an axis into two, $H$ into $(H / \text{size}, \text{size})$, and `transpose` puts
# axes in another order.


# %% exercise="37.patchify"
def patchify(x, size):
    # BEGIN SOLUTION
    n, channels, height, width = x.shape
    rows, columns = height // size, width // size
    split = x.reshape(n, channels, rows, size, columns, size)
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, -1)
    # END SOLUTION


# %%
cutter = learn.check("37.patchify", patchify).working
patches = cutter(digit.data, 2)
matrix = model.embed.weight.data.reshape(48, 4)  # E, from the kernels of the convolution
by_hand = patches @ matrix.T + model.embed.bias.data + model.places.data
assert np.allclose(by_hand, model.pieces(digit).data, atol=1e-5)
encoding = nn.LearnedPositionalEncoding(16, 48, batch_first=True)  # the library's z + e
encoding.weight.data = model.places.data
assert np.allclose(
    encoding(Tensor(patches @ matrix.T)).data, by_hand - model.embed.bias.data, atol=1e-5
)
print(patches.shape, "->", by_hand.shape)

# %% [markdown]
# The assertions say two things. Cutting into patches and multiplying each by $E$ *is* a convolution
# whose stride is as large as its kernel; so the network has one after all, but only one, and its
# windows do not overlap. And the library's `LearnedPositionalEncoding` adds the same $e_t$. As a
# graph, up to the point where the blocks of lesson 36 take over:

# %%
draw(model.pieces(digit), show=["scopes"], detail="compact", direction="TB")

# %% [markdown]
# Where does it look? The four heads of the first block, for the patch with the dot; the brighter,
# the more attention:

# %%
first = model.blocks[0]
z = first.norm1(model.pieces(digit))
weights = first.self_attn(z, z, z, average_attn_weights=False)[1].data[0]  # (4, 16, 16)
figure, row = plt.subplots(1, 5, figsize=(8.4, 1.9), layout="constrained")
row[0].imshow(digit.data[0, 0], cmap="gray_r")
row[0].plot(2.5, 2.5, ".", color="#D55E00")
for head, (axes, weight) in enumerate(zip(row[1:], weights, strict=True)):
    axes.imshow(weight[5].reshape(4, 4), cmap="cividis", vmin=0)
    axes.plot(1, 1, ".", color="#D55E00")
    axes.set_title(f"head {head}", fontsize=9)
for axes in row:
    axes.axis("off")

# %% [markdown]
# ## An experiment: with places, and without
#
# Train for eight epochs, a third of the time, at a third of the rate. Once with the network from
# above; once with all $e_t$ at 0 for good, so that it has the same 16 patches and not where they
# were; and once with $e_t$ that start out 25 times smaller, drawn with the scale 0.02, which is
# usual for large transformers. How many test digits does the last one read, if the first reads
# about 95 %?

# %%
guess = learn.predict("Read after eight epochs with scale 0.02", ["80 %", "90 %", "95 %"])


# %%
class Lost(ViT):
    """The same, without places."""

    def pieces(self, x):
        return super().pieces(x) - self.places


makers = {"scale 0.5": ViT, "scale 0.02": lambda: ViT(scale=0.02), "no places": Lost}
trained = {}
for name, make in makers.items():
    manual_seed(0)
    trained[name] = train_it(make(), train_set, 8, lr=2e-3)
    reads[name] = share_read(trained[name], test_set)
print({name: f"{share:.1%}" for name, share in reads.items()})
guess.reveal(min(guess.choices, key=lambda c: abs(int(c[:2]) / 100 - reads["scale 0.02"])))
if learn.pick(full=True, quick=False):
    assert reads["24 epochs"] >= 0.965
    assert reads["scale 0.5"] >= 0.92
    assert reads["scale 0.02"] < reads["scale 0.5"] - 0.03
    assert reads["no places"] < 0.8

# %% [markdown]
# Explain it with sizes: a patch becomes numbers of about 0.3 here. Places of 0.5 are plain to see
# beside them; places of 0.02 are lost, and have to grow first. A step of Adam moves a number by
# about the rate, 0.002 and less here, and there are 184 steps. In 24 epochs at three times the rate
# they do grow, and both scales read alike: try it. In a short training the scale of one array costs
# more than any choice of optimiser.
#
# ## Other people's digits
#
# And where people wrote who wrote none of the training digits? The convolutions of lesson 29, with
# 6,090 parameters, read 94 % of these, and 96 % after they had seen every digit moved by up to a
# pixel, anew in every epoch. The transformer, the same two ways; moved digits take it longer to
# learn, so they get 60 epochs:

# %%
their_train, their_test = data.digits("writer")
moved = data.TensorDataset(*their_train.tensors, transform=data.transforms.RandomShift(1))
theirs = {}
for name, examples, epochs in (("as they are", their_train, 24), ("moved", moved, 60)):
    manual_seed(0)
    theirs[name] = share_read(train_it(ViT(), examples, epochs), their_test)
print(f"{sum(p.size for p in model.parameters()):,} parameters; other people's digits:")
print({name: f"{share:.1%}" for name, share in theirs.items()})
if learn.pick(full=True, quick=False):
    assert 0.88 <= theirs["as they are"] < 0.939  # the convolutions read more
    assert theirs["moved"] >= max(0.925, theirs["as they are"] + 0.01)

# %% [markdown]
# It has to learn from 1,437 pictures what a convolution assumes: that neighbours belong together,
# and that a stroke is the same everywhere. So moved digits tell it more than they told the
# convolutions: what is moved is still the same. With them, and six times the parameters, it comes
# near. With millions of pictures it learns all that by itself, and more, and overtakes; with few,
# the **inductive bias** of lesson 28 wins.
#
# ## Exercise B: a twin
#
# Break the network without places. It reads some of the digits, but there are other pictures that
# it cannot tell from them at all. Write `twin(x)`: for a picture of 8 by 8, an array, return
# another one, with pixels that differ, to which `Lost` gives the same scores (up to rounding),
# whatever its weights. Its patches are 2 by 2. (Some patches of a digit are blank, and alike.)


# %% exercise="37.twin"
def twin(x):
    # BEGIN SOLUTION
    return np.concatenate([x[4:], x[:4]])
    # END SOLUTION


# %%
pair = [digit.data[0, 0], learn.check("37.twin", twin).working(digit.data[0, 0])]
_, row = plt.subplots(1, 2, figsize=(3.6, 1.9), layout="constrained")
for axes, picture, title in zip(row, pair, ("a digit", "its twin"), strict=True):
    axes.imshow(picture, cmap="gray_r")
    axes.set_title(title, fontsize=9)
    axes.axis("off")
two = Tensor(np.stack(pair)[:, None])
for name in ("no places", "scale 0.5"):
    one, other = trained[name](two).data
    print(f"{name}: scores differ by up to {abs(one - other).max():.1g}")
one, other = trained["no places"](two).data
assert np.allclose(one, other, atol=1e-4)

# %% [markdown]
# Explain it: attention is a weighted mean of all patches, and so is what follows; neither knows of
# an order. Whatever order means to a transformer, it comes from $e_t$.
#
# ## A mistake to make once
#
# There is a place for each of 16 patches, and a larger picture has more of them:

# %%
try:
    model(Tensor(np.zeros((1, 1, 12, 12), "float32")))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `ViT` | `torchvision.models.vit_b_16`, with a learned extra piece in place of the mean |
# | `nn.Conv2d(1, 48, kernel_size=2, stride=2)` | the same, `conv_proj` |
# | `model.places` | `encoder.pos_embedding`, drawn with the scale 0.02 |
# | `nn.LearnedPositionalEncoding` | none: a parameter that is added |

# %%
learn.beside_torch(model.embed, digit)
learn.beside_torch(model.blocks, model.pieces(digit))

# %% [markdown]
# ## To read
#
# A. Dosovitskiy and others, *An image is worth 16x16 words*, arXiv:2010.11929 (2020): figure 7 has
# the picture from the beginning, after millions of photographs: there neighbours have become alike,
# and a map has formed.
#
# ## Recap
#
# - Cut into patches, multiply each, add its place: then a picture is a sequence like any other.
# - Cutting and multiplying is a convolution whose windows do not overlap.
# - Without places a transformer sees a heap of pieces; with places that start too small, nearly so.
# - On few pictures convolutions win, since they need not learn what they assume.
#
# Left out here: training on millions of pictures, and teaching a small transformer by a
# convolutional one.
