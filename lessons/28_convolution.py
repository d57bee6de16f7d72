# %% [markdown]
# # 28 · Convolution
#
# **Question.** A network of lesson 10 has a weight of its own for every pixel, and would have to
# learn a stroke anew at every place. What is a layer that learns it once?
#
# - builds: `ops.unfold`, `ops.conv1d`, `ops.conv2d`, `ops.max_pool2d`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `gradcheck`, `learn`,
#   `manual_seed`, `metrics`, `nn`, `ops`, `optim`, `slides`
# - time: 40 minutes to read, 24 s to run
# - covers: B (convolutional networks), C (part 3), D (convolutional networks)
#
# The end first: nine numbers, laid on every place of a photograph, answer at each place one
# question. In the middle: does it get brighter to the right? On the right: does it downwards?

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, gradcheck, learn, manual_seed, metrics, nn, ops, optim
from tinygrad_edu.train import fit
from tinygrad_edu.widgets import slides

learn.begin("28")
ORANGE = "#D55E00"

photo = data.photo("china").data.mean(axis=0)  # (427, 640), grey
right = np.array([[-1.0, 0.0, 1.0]] * 3)  # dark on the left, bright on the right
kernels = np.stack([right, right.T])[:, None]  # (2, 1, 3, 3)
edges = ops.conv2d(Tensor(photo[None, None]), Tensor(kernels, dtype="float32")).data[0]
_, row = plt.subplots(1, 3, figsize=(9.6, 2.4), layout="constrained")
titles = ("the photograph", "brighter to the right", "brighter downwards")
for axes, picture, title in zip(row, (photo, *edges), titles, strict=True):
    colours = {"cmap": "gray"} if picture is photo else {"cmap": "PuOr", "vmin": -1, "vmax": 1}
    axes.imshow(picture, **colours)
    axes.set_title(title, fontsize=10)
    axes.axis("off")
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# A signal of five numbers, $x = (1, 2, 4, 4, 1)$, and a **kernel** of two weights,
# $w = (-1, 1)$. Lay the kernel on the first two numbers, multiply and add; then move it by one:
#
# $$-1 + 2 = 1, \quad -2 + 4 = 2, \quad -4 + 4 = 0, \quad -4 + 1 = -3 .$$
#
# Four places, four answers, $(1, 2, 0, -3)$: by how much the signal rises. The two numbers under
# the kernel are a **window**. Moving by more than one is a **stride**: with stride 2 the answers
# are $(1, 0)$. **Padding** puts zeros around the signal first, so that its ends get windows too:
# with one on both sides the answers are $(1, 1, 2, 0, -3, -1)$.
#
# A picture has two axes, and the kernel moves along both. Move the slider; the square is the
# window, and the map on the right fills up with its answers:

# %%
images, labels = (part.data for part in data.digits("writer")[1].batch(range(9)))
digit = images[8, 0]  # (8, 8)
answers = ops.conv2d(Tensor(images[8:9]), Tensor(kernels[:1], dtype="float32")).data[0, 0]


def at(place):
    top, left = divmod(place, 6)
    seen = np.where(np.arange(36).reshape(6, 6) <= place, answers, np.nan)
    figure, row = plt.subplots(1, 3, figsize=(7.5, 2.5), layout="constrained")
    plt.close(figure)  # the slider shows it
    row[0].imshow(digit, cmap="gray_r")
    square = {"fill": False, "edgecolor": ORANGE, "linewidth": 3}
    row[0].add_patch(plt.Rectangle((left - 0.5, top - 0.5), 3, 3, **square))
    row[1].imshow(right, cmap="PuOr", vmin=-2, vmax=2)
    for (i, j), weight in np.ndenumerate(right):
        row[1].text(j, i, f"{weight:.0f}", ha="center", va="center")
    row[2].imshow(seen, cmap="PuOr", vmin=-3, vmax=3)
    row[2].add_patch(plt.Rectangle((left - 0.5, top - 0.5), 1, 1, **square))
    titles = "picture", "kernel", f"answer {answers[top, left]:.2f}"
    for axes, title in zip(row, titles, strict=True):
        axes.set(title=title, xticks=[], yticks=[])
    return figure


slides(at, range(36))

# %% [markdown]
# ## In symbols
#
# A picture $x$ has **channels** $c$ (three in a colour photograph), rows and columns; a batch has
# pictures $n$. A layer has several kernels $k$, and each looks at all channels. With stride $s$,
# at row $r$ and column $q$ of the answer, and with $i$ and $j$ for those of the kernel:
#
# $$\text{out}[n, k, r, q] = \sum_c \sum_i \sum_j w[k, c, i, j] \cdot x[n, c,\ rs + i,\ qs + j] .$$
#
# How many places are there? With padding $p$ a side of $H$ pixels becomes $H + 2p$. A kernel of
# side $m$ leaves $H + 2p - m$ pixels to move over in steps of $s$, and has a first place besides:
#
# $$H' = \left\lfloor (H + 2p - m) / s \right\rfloor + 1 \qquad
# \text{(the brackets round down).}$$

# %%
guess = learn.predict("28 pixels, kernel 5, padding 2, stride 2: places", ["12", "14", "16"])

# %%
image, kernel = Tensor(np.ones((1, 1, 28, 28))), Tensor(np.ones((1, 1, 5, 5)))
guess.reveal(str(ops.conv2d(image, kernel, padding=2, stride=2).shape[2]))

# %% [markdown]
# ## Exercise A: six loops
#
# Write `convolve(x, w, stride, padding)` with arrays and nothing clever: `x` of shape
# `(N, C, H, W)`, `w` of shape `(K, C, size, size)`, and the answer of shape `(N, K, H', W')`. The
# formula has seven letters besides $s$; loop over $n, k, r, q$ and $i, j$, and let one `.sum()` do
# the channels. `np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))` puts `p` zeros around each picture.
# H and W may differ.


# %% exercise="28.convolve"
def convolve(x, w, stride, padding):
    # BEGIN SOLUTION
    edge = (padding, padding)
    x = np.pad(x, ((0, 0), (0, 0), edge, edge))
    size = w.shape[-1]
    rows, columns = ((side - size) // stride + 1 for side in x.shape[2:])
    out = np.zeros((len(x), len(w), rows, columns))
    for n in range(len(x)):
        for k in range(len(w)):
            for r in range(rows):
                for q in range(columns):
                    for i in range(size):
                        for j in range(size):
                            seen = x[n, :, r * stride + i, q * stride + j]
                            out[n, k, r, q] += (w[k, :, i, j] * seen).sum()
    return out
    # END SOLUTION


# %%
loops = learn.check("28.convolve", convolve).working

# %% [markdown]
# ## In code: windows, and one matrix product
#
# Python is slow at loops and good at matrix products. So lay all windows out as the rows of a
# matrix, which is what `ops.unfold` does, and the kernels as the columns of another:


# %%
def toy_conv2d(x, w, stride=1):
    n, k, size = x.shape[0], w.shape[0], w.shape[-1]
    windows = ops.unfold(x, size=(size, size), stride=stride)  # (N, C, H', W', size, size)
    rows, columns = windows.shape[2:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, rows * columns, -1)  # a window a row
    out = flat @ w.reshape(k, -1).T  # (N, H' W', K)
    return out.transpose(0, 2, 1).reshape(n, k, rows, columns)


random = np.random.default_rng(0)
for _ in range(10):
    n, c, k, size, stride = random.integers(1, 4, 5)
    x = random.normal(size=(n, c, *random.integers(size, 8, 2)))
    w = random.normal(size=(k, c, size, size))
    fast = toy_conv2d(Tensor(x), Tensor(w), stride).data
    assert np.allclose(fast, loops(x, w, stride, 0))
    assert np.allclose(fast, ops.conv2d(Tensor(x), Tensor(w), stride=int(stride)).data)
shapes = (2, 2, 5, 4), (3, 2, 2, 2)
gradcheck(toy_conv2d, [random.normal(size=shape) for shape in shapes])
for name in ("unfold", "conv1d", "conv2d", "max_pool2d"):
    learn.beside_torch(name)  # results and gradients, where PyTorch is installed
learn.source(ops.conv2d)

# %% [markdown]
# The engine knows the derivative already: of a matrix product from lesson 07, and of `unfold`,
# which copies every pixel into several windows, so that their gradients add up. In the graph the
# batch has one picture of 3 by 3 with one kernel of 2 by 2:

# %%
small = Tensor(np.arange(9.0).reshape(1, 1, 3, 3), name="x", requires_grad=True)
weights = Tensor(np.array([[[[-1.0, 0.0], [0.0, 1.0]]]]), name="w", requires_grad=True)
total = toy_conv2d(small, weights).sum()
total.backward()
print(small.grad[0, 0])
draw(total, show=["data"], detail="compact", direction="TB")

# %% [markdown]
# ## The same as a matrix with few numbers in it
#
# Each answer is a weighted sum of pixels, so the layer is a matrix, as any linear layer is. To see
# it, send in pictures with a single 1, one for every pixel: each gives one column.

# %%
ones = Tensor(np.eye(64).reshape(64, 1, 8, 8))  # 64 pictures, a single 1 in each
matrix = ops.conv2d(ones, Tensor(kernels[:1] + 2.0)).data.reshape(64, 36).T  # weights 1, 2, 3
figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
axes.imshow(np.where(matrix == 0, np.nan, matrix), cmap="cividis")
axes.set(xlabel="pixel, row after row", ylabel="place of the window")
print(f"{np.count_nonzero(matrix)} of {matrix.size:,} numbers are not 0")
x = random.normal(size=(8, 8))
out = ops.conv2d(Tensor(x[None, None]), Tensor(kernels[:1] + 2.0)).data
assert np.count_nonzero(matrix) == 324
assert np.allclose(matrix @ x.ravel(), out.ravel())

# %% [markdown]
# A layer of lesson 10 from 64 pixels to 36 units would have 2,304 weights to learn. Here most are
# 0, for a unit looks at its window alone, and the others are the same nine, 36 times:
# **weight sharing**. (Gradients go back through the transpose of this matrix, as in lesson 07.)
# What follows: a stroke that moves by one pixel moves the answers by one place, and nothing else.
#
# Often one does not care exactly where. **Max pooling** keeps the largest number of each window,
# here of every 2 by 2, and its gradient goes to that one alone:

# %%
x = Tensor(random.normal(size=(1, 2, 6, 6)))
pooled = ops.max_pool2d(x, kernel_size=2)
assert np.array_equal(pooled.data, ops.unfold(x, size=(2, 2), stride=2).data.max(axis=(-1, -2)))

# %% [markdown]
# ## An experiment: signals in order
#
# MNIST-1D has 4,000 signals of 40 numbers to learn from: digits drawn as lines, moved, bent and
# noisy. Two hidden layers of 100 units read about two thirds of 1,000 others (lesson 20). Now three
# convolutions of 25 kernels each, with a third of the weights. Your number?

# %%
guess = learn.predict("Signals that the convolutions read", ["65 %", "80 %", "94 %"])


# %%
def mlp():
    units = nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
    return nn.Sequential(nn.Flatten(), *units)


def cnn():
    layers, channels = [], 1
    for size in (5, 3, 3):  # padding "same": as many places as before; pooling then halves them
        layers += [nn.Conv1d(channels, 25, size, padding="same"), nn.ReLU(), nn.MaxPool1d(2)]
        channels = 25
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(5 * 25, 10))


def share_read(make, order):
    """The share of the test signals that are read, the numbers of every signal in this order."""
    manual_seed(0)
    signals = learn.pick(full=5000, quick=1000)
    model, parts = make(), [part.batch(range(len(part))) for part in data.mnist1d(signals)]
    train_set, test_set = (
        data.TensorDataset(x.data[:, None, order], y)
        for x, y in parts  # (N, 1, 40)
    )
    optimizer, epochs = optim.Adam(model.parameters(), lr=1e-2), learn.pick(full=12, quick=4)
    slower = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loader = data.DataLoader(train_set, batch_size=100, shuffle=True)
    settings = {"epochs": epochs, "scheduler": slower, "compile": epochs > 4, "progress": False}
    fit(model, loader, loss=nn.CrossEntropyLoss(), optimizer=optimizer, **settings)
    x, y = test_set.batch(range(len(test_set)))
    return metrics.accuracy(model.eval()(x), y)


# %%
sizes = {make.__name__: sum(p.size for p in make().parameters()) for make in (mlp, cnn)}
assert sizes == {"mlp": 15210, "cnn": 5210}
in_order = {make.__name__: share_read(make, np.arange(40)) for make in (mlp, cnn)}
print({name: f"{share:.1%}" for name, share in in_order.items()})
assert in_order["cnn"] >= learn.pick(full=0.92, quick=0.15)
guess.reveal(min(guess.choices, key=lambda words: abs(int(words[:2]) / 100 - in_order["cnn"])))

# %% [markdown]
# (Its rate falls along a cosine, as in lesson 17, and its program is compiled, which lesson 41
# explains: the same numbers in less time.)
#
# ## Exercise B: an order that ruins it
#
# What does it know that the other does not? Break it. Write `order(n)`: a permutation of the
# numbers 0 to $n - 1$, an integer array, in which each signal is to be rearranged, the same for
# all. For the network without convolutions that should change nothing; the convolutions should lose
# what they stand on. What may not survive is any regular distance between places that were
# neighbours: turning every signal around, or moving it along, would not do.


# %% exercise="28.order"
def order(n):
    # BEGIN SOLUTION
    return np.random.default_rng(0).permutation(n)
    # END SOLUTION


# %%
mixed = learn.check("28.order", order).working(40)
shuffled = {make.__name__: share_read(make, mixed) for make in (mlp, cnn)}
axes = plt.figure(figsize=(5.4, 2.6), layout="constrained").gca()
looks = (in_order, "in order", "#0072B2", ""), (shuffled, "mixed", ORANGE, "//")
for shift, (shares, name, colour, hatch) in zip((0, 0.4), looks, strict=True):
    places = np.arange(2) + shift
    bars = axes.bar(places, shares.values(), 0.38, label=name, color=colour, hatch=hatch)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()])
axes.set(ylim=(0, 1.25), ylabel="read", yticks=[0, 0.5, 1])
axes.set_xticks([0.2, 1.2], ["two hidden layers", "three convolutions"])
axes.legend(ncols=2, loc="upper left")
if learn.pick(full=True, quick=False):
    assert shuffled["cnn"] < 0.7
    assert abs(shuffled["mlp"] - in_order["mlp"]) < 0.06

# %% [markdown]
# Explain it: the numbers are all still there, and a person could not read them either. What a
# network assumes before it has seen any data is its **inductive bias**. A convolution assumes that
# neighbours belong together and that a stroke means the same at every place. Where that is true it
# needs fewer examples; where it is false it stands in the way.
#
# ## A mistake to make once
#
# A kernel looks at all channels of its input, so their numbers must agree. This layer was made for
# grey pictures and gets a coloured one:

# %%
try:
    nn.Conv2d(1, 6, kernel_size=3)(data.photo("flower").reshape(1, 3, 427, 640))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `ops.conv2d(x, w, b, stride=1, padding=0)` | `torch.nn.functional.conv2d` |
# | `nn.Conv1d`, `nn.Conv2d`, `nn.MaxPool1d`, `nn.MaxPool2d` | the same, with the same weights |
# | `ops.unfold` | `Tensor.unfold` axis by axis; `torch.nn.Unfold` gives the windows as columns |
#
# All of them lay the kernel on as it is. In mathematics a convolution turns it around first, and
# this is a *cross-correlation*; since the weights are learned, it makes no difference.
#
# ## To read
#
# Y. LeCun and others, *Backpropagation applied to handwritten zip code recognition*, Neural
# Computation 1 (1989). You read it after lesson 10; read it again for its "weight sharing".
#
# ## Recap
#
# - A kernel moves over the input; at each place its answer is a weighted sum of the window.
# - $H' = \lfloor (H + 2p - m) / s \rfloor + 1$ places along an axis.
# - It is a matrix with the same few weights in every row, and 0 elsewhere.
# - Windows as rows and kernels as columns make it one matrix product.
# - It is right where neighbours belong together. Mixed, the same numbers are lost to it.
#
# Left out here: kernels with holes (`dilation`), channels in groups, the way back up to larger
# pictures (transposed convolution, lesson 39), and what to build of these layers (lesson 29).
