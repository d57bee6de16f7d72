# %% [markdown]
# # 29 · LeNet, AlexNet, VGG
#
# **Question.** Three networks, of 1998, 2012 and 2014, are convolutions, pooling and linear layers
# in some order. What does each order cost, what does it see, and what is it good for?
#
# - builds: `Module.summary`
# - introduces: `plots`
# - uses: `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `metrics`, `nn`, `optim`
# - time: 40 minutes to read, 45 s to run
# - covers: B (convolutional networks), C (part 3), D (LeNet, AlexNet, VGG)
#
# The end first: the kernels that a small network found for reading digits, and what they make of
# one digit. Nobody told it of edges; some of its kernels look for them.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, optim, plots
from tinygrad_edu.train import fit

learn.begin("29")
train_set, test_set = data.digits("writer")  # 360 digits for the test, by other people
pictures, written = test_set.batch(range(len(test_set)))


# %%
def build(layers, bend=nn.ReLU):
    """The network that a list of layers describes, for pictures of 8 by 8."""
    made, x = [], Tensor(np.zeros((1, 1, 8, 8), "float32"))
    for what, *how in layers:
        if what == "conv":
            kernels, size, around = how
            new = [nn.Conv2d(x.shape[1], kernels, size, padding=around), bend()]
        elif what == "pool":
            new = [nn.MaxPool2d(*how)]
        elif what == "dropout":
            new = [nn.Dropout(*how)]
        else:
            new = [nn.Flatten(), nn.Linear(x.data.size, *how), bend()]
        for layer in new:
            x = layer(x)
        made += new
    return nn.Sequential(*made[:-1])  # the last layer does not bend


# %%
def train_it(model, examples, epochs, optimizer=optim.Adam, **options):
    """Train, and return the share of the test digits that are read."""
    optimizer = optimizer(model.parameters(), **{"lr": 2e-3, **options})
    if learn.pick(full=False, quick=True):
        examples, epochs = data.Subset(examples, range(96)), 1
    slower = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loader = data.DataLoader(examples, batch_size=32, shuffle=True)
    settings = {"epochs": epochs, "scheduler": slower, "compile": epochs > 1, "progress": False}
    fit(model, loader, loss=nn.CrossEntropyLoss(), optimizer=optimizer, **settings)
    return metrics.accuracy(model.eval()(pictures), written)


# %%
cnn = [("conv", 16, 3, 1), ("pool", 2), ("conv", 32, 3, 1), ("pool", 2), ("linear", 10)]
manual_seed(0)
small = build(cnn)
found = {"CNN": train_it(small, train_set, 30)}
plots.filters(small[0].weight)

# %%
plots.feature_maps(small[:2](pictures[8:9]))

# %% [markdown]
# (`build` reads the list one layer at a time: `("conv", 16, 3, 1)` is 16 kernels of 3 by 3 with
# padding 1, `("pool", 2)` is max pooling over 2 by 2, `("linear", 10)` a linear layer to 10
# numbers. Relu follows each convolution and each linear layer but the last. The kernels are
# numbered; below them are the maps after relu, in which white is 0.)
#
# ## By hand, with five numbers
#
# The first layer of that network has 1 channel coming in, 16 kernels of 3 by 3, and 8 by 8 places.
# Five numbers, and two questions:
#
# - How many **parameters**? A kernel has $1 \cdot 3 \cdot 3 = 9$ weights and one bias, so 16 of
#   them have $16 \cdot (9 + 1) = 160$.
# - How much **work**? At each of $8 \cdot 8 = 64$ places each of 16 kernels multiplies and adds 9
#   times: $64 \cdot 16 \cdot 9 = 9216$ **multiply-adds**. (Adding the bias is left out, as usual.)
#
# ## In symbols
#
# For $C$ channels in, $K$ kernels of $k$ by $k$, and $H'$ by $W'$ places (lesson 28 has their
# number), and for a linear layer from $n$ numbers to $m$:
#
# $$\begin{aligned}\text{parameters} &= K (C k^2 + 1), & \text{multiply-adds} &= H' W' K C k^2; \\
# \text{parameters} &= m (n + 1), & \text{multiply-adds} &= m n . \end{aligned}$$
#
# Pooling, relu and dropout have no parameters, and no multiplications that are counted.
#
# ## In code: three lists
#
# **LeNet** (1998) read cheques: convolutions that see, then linear layers that decide, and tanh.
# **AlexNet** (2012) won a contest of a million photographs with relu, dropout, more kernels and two
# graphics cards. **VGG** (2014) has kernels of 3 by 3 only, always two in a row before each
# pooling. Here they are shrunk to pictures of 8 by 8, the order of their layers kept. Dropout sets
# a random half of its inputs to 0 in training (lesson 25); this one has a part of it before two
# layers.

# %%
first, second = ("conv", 16, 3, 1), ("conv", 32, 3, 1)
linear, last = [("linear", 48), ("linear", 32)], ("linear", 10)
with_holes = [("dropout", 0.5), ("linear", 96), ("dropout", 0.5)]
zoo = {
    "LeNet": [("conv", 6, 5, 2), ("pool", 2), ("conv", 16, 3, 0), *linear, last],
    "CNN": cnn,
    "AlexNet": [first, ("pool", 2), second, second, ("pool", 2), *with_holes, last],
    "VGG": [first, first, ("pool", 2), second, second, ("pool", 2), last],
}

# %% [markdown]
# ## Exercise A: what it costs
#
# Write `count(layers, shape)`. `layers` is such a list, of the kinds "conv", "pool" and "linear";
# `shape` is that of one picture, `(C, H, W)`. Return a list with a row for each layer: the shape of
# what it gives out, its parameters, its multiply-adds. Convolutions have stride 1. Pooling of $s$
# moves in steps of $s$, and what is left over at the end of a row gets no window. A linear layer
# takes everything that comes, whatever its shape, and gives out the shape `(m,)`.


# %% exercise="29.count"
def count(layers, shape):
    # BEGIN SOLUTION
    rows = []
    for kind, *numbers in layers:
        if kind == "conv":
            kernels, size, padding = numbers
            channels, *sides = shape
            shape = (kernels, *(side + 2 * padding - size + 1 for side in sides))
            weights = kernels * channels * size**2
            rows.append((shape, weights + kernels, weights * shape[1] * shape[2]))
        elif kind == "pool":
            shape = (shape[0], shape[1] // numbers[0], shape[2] // numbers[0])
            rows.append((shape, 0, 0))
        else:
            weights = numbers[0] * int(np.prod(shape))
            shape = (numbers[0],)
            rows.append((shape, weights + numbers[0], weights))
    return rows
    # END SOLUTION


# %%
counter = learn.check("29.count", count).working

# %% [markdown]
# Which part of LeNet has the most parameters? Write down a guess before you look.

# %%
guess = learn.predict("Most of LeNet's parameters are in", ["convolutions", "linear layers"])

# %%
kinds = [kind for kind, *_ in zoo["LeNet"]]
rows = counter(zoo["LeNet"], (1, 8, 8))
shares = {
    part: sum(row[1] for row, kind in zip(rows, kinds, strict=True) if kind == part)
    for part in ("conv", "linear")
}
print(shares)
guess.reveal("convolutions" if shares["conv"] > shares["linear"] else "linear layers")
table = build(zoo["LeNet"], nn.Tanh).summary(pictures[:1])
assert table.parameters == sum(row[1] for row in rows)
assert table.multiply_adds == sum(row[2] for row in rows)

# %% [markdown]
# The library counts the same, from the graph that one call records. Its table, and the graph folded
# to its layers:

# %%
build(zoo["LeNet"], nn.Tanh).summary(pictures[:1])

# %%
draw(build(zoo["LeNet"], nn.Tanh)(pictures[:1]), show=["scopes"], detail="compact", direction="TB")

# %% [markdown]
# ## An experiment: the zoo reads other people's digits
#
# Two hidden layers read 91 % of these (lesson 10). The convolutions assume that a stroke is the
# same everywhere; will that help with other people's strokes? A fifth, "CNN, moved", is the CNN
# again, shown each digit moved by up to one pixel, anew in every epoch (lesson 25). Which wins?

# %%
guess = learn.predict("The best of the five", ["LeNet", "CNN", "AlexNet", "VGG", "CNN, moved"])

# %%
moved = data.TensorDataset(*train_set.tensors, transform=data.transforms.RandomShift(1))
trainings = {"LeNet": 40, "AlexNet": 20, "VGG": 12}
sizes = {"CNN": sum(p.size for p in small.parameters())}
for name, epochs in trainings.items():
    manual_seed(0)
    network = build(zoo[name], nn.Tanh if name == "LeNet" else nn.ReLU)
    sizes[name] = sum(p.size for p in network.parameters())
    found[name] = train_it(network, train_set, epochs)
manual_seed(0)
found["CNN, moved"] = train_it(build(cnn), moved, 30, lr=4e-3)
sizes["CNN, moved"] = sizes["CNN"]
axes = plt.figure(figsize=(6.6, 3.2), layout="constrained").gca()
for (name, share), marker in zip(found.items(), "osD^v", strict=True):
    axes.semilogx(sizes[name], 100 * share, marker, ms=9, label=f"{name}, {share:.1%}")
axes.set(xlabel="parameters", ylabel="% of the digits read", xlim=(4e3, 2e5))
axes.legend(fontsize=9)
print({name: f"{share:.1%}" for name, share in found.items()})
goals = {"LeNet": 0.905, "CNN": 0.925, "AlexNet": 0.905, "VGG": 0.91, "CNN, moved": 0.95}
if learn.pick(full=True, quick=False):
    assert all(found[name] >= goal for name, goal in goals.items())
guess.reveal(max(found, key=found.get))

# %% [markdown]
# More parameters did not read better; digits moved a little did. With 1,437 examples the order of
# the layers matters less than knowing what may change in a picture without changing what it shows.
#
# How it is trained matters as much. Rows: two optimisers. Columns: nothing besides; weight decay
# (lesson 24); dropout before the last layer; digits moved. Nine epochs each:

# %%
ways = {
    "SGD, momentum": (optim.SGD, {"lr": 0.05, "momentum": 0.9}, 1e-3),
    "Adam": (optim.AdamW, {"lr": 5e-3, "weight_decay": 0.0}, 0.3),
}
columns = "none", "decay", "dropout", "moved"
grid = np.zeros((2, 4))
for i, (kind, options, decay) in enumerate(ways.values()):
    for j, column in enumerate(columns):
        manual_seed(0)
        hole = [("dropout", 0.3)] * (column == "dropout")
        used = {**options, "weight_decay": decay} if column == "decay" else options
        examples = moved if column == "moved" else train_set
        grid[i, j] = train_it(build([*cnn[:-1], *hole, cnn[-1]]), examples, 9, kind, **used)
    print(f"{[*ways][i]:14}", *(f"{c} {s:.1%}" for c, s in zip(columns, grid[i], strict=True)))
if learn.pick(full=True, quick=False):
    assert grid.min() > 0.88

# %% [markdown]
# All of them read about as much, and one run each shows no difference below a percent or two. Note
# two things all the same: tuned momentum is not behind Adam (as in lesson 16), and the moved
# digits, which won above after 30 epochs, need more time than 9 to pay.
#
# And the same network with more layers in a row before each pooling, and with more kernels. Which
# of the two would you make larger first?


# %%
def sized(depth, width):
    stages = [[("conv", width * k, 3, 1)] * depth + [("pool", 2)] for k in (1, 2)]
    return [*stages[0], *stages[1], ("linear", 10)]


depths, widths = (1, 2, 3), (4, 8, 16)
sweep = np.zeros((3, 3))
for i, depth in enumerate(depths):
    for j, width in enumerate(widths):
        manual_seed(0)
        sweep[i, j] = train_it(build(sized(depth, width)), train_set, 6, lr=4e-3)
axes = plt.figure(figsize=(4.2, 2.8), layout="constrained").gca()
axes.imshow(sweep, cmap="Blues", vmin=0.7, vmax=1.1)
for (i, j), share in np.ndenumerate(sweep):
    axes.text(j, i, f"{share:.1%}", ha="center", va="center")
axes.set(xlabel="kernels in the first half", ylabel="layers before each pooling")
axes.set_xticks(range(3), widths)
axes.set_yticks(range(3), depths)
if learn.pick(full=True, quick=False):
    assert sweep[:, 2].mean() > sweep[:, 0].mean()

# %% [markdown]
# Width helped; depth, at this size, little or not at all. One run each: differences
# below a percent mean nothing. That deeper is not simply better is where lesson 30 begins.
#
# ## Exercise B: how far does it see?
#
# VGG threw out every kernel above 3 by 3. Does it not see less? Write `reach(layers)`: on how many
# pixels a side, far from the border, can a single number of the last map depend? `layers` holds
# convolutions and poolings of any size. Two of 3 in a row: the upper one sees three numbers, and
# these together 5 pixels. (A pooling is a window like any other; after one of 2, neighbouring
# numbers come from places 2 pixels apart.)


# %% exercise="29.reach"
def reach(layers):
    # BEGIN SOLUTION
    pixels, step = 1, 1
    for kind, *numbers in layers:
        size = numbers[1] if kind == "conv" else numbers[0]
        pixels += (size - 1) * step
        if kind == "pool":
            step *= size
    return pixels
    # END SOLUTION


# %%
seen = learn.check("29.reach", reach).working
print({name: seen([x for x in layers if x[0] in ("conv", "pool")]) for name, layers in zoo.items()})
assert seen([("conv", 1, 3, 1)] * 2) == seen([("conv", 1, 5, 2)]) == 5

# %% [markdown]
# Explain it: two kernels of 3 by 3 see as far as one of 5 by 5, with $2 \cdot 9 = 18$ weights in
# place of 25 for each pair of channels, and they bend twice. That is VGG's whole argument.
#
# ## A mistake to make once
#
# Pooling halves a picture of 8 by 8 three times: 4, 2, 1. A fourth has nothing left to look at:

# %%
try:
    build([("pool", 2)] * 4 + [last])
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `model.summary(x)` | none; the package `torchinfo` has `summary(model, ...)` |
# | multiply-adds | "MACs"; "FLOPs" are twice as many, but many say FLOPs and mean these |
# | the zoo | `torchvision.models`: `alexnet`, `vgg16`, in their full size |

# %%
learn.beside_torch(small, Tensor(np.random.default_rng(0).random((8, 1, 8, 8))))  # the CNN

# %% [markdown]
# ## To read
#
# K. Simonyan and A. Zisserman, *Very deep convolutional networks for large-scale image
# recognition*, arXiv:1409.1556 (2014), section 2: the argument of Exercise B.
#
# ## Recap
#
# - Parameters $K(Ck^2 + 1)$; multiply-adds: the weights times the places.
# - Small kernels in a row see as far as a large one, with fewer weights.
# - In LeNet convolutions do most of the work, and linear layers hold most of the parameters.
# - On few examples, what may change in a picture teaches more than another layer does.
#
# Left out here: how to train networks of a hundred layers (lesson 30).
