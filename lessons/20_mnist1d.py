# %% [markdown]
# # 20 · A data set from a recipe
#
# **Question.** A network learns four thousand examples by heart, down to the last one. How much of
# that holds for a thousand it has never seen?
#
# - builds: `mnist1d`
# - introduces: `mnist1d_steps`, `mnist1d_templates`, `slides`
# - uses: `SGD`, `data`, `draw`, `fit`, `init`, `learn`, `lr_scheduler`, `manual_seed`, `nn`
# - time: 35 minutes to read, 10 s to run
# - covers: B (generalisation), D (generalisation), E (8_1)
#
# The end first: ten digits, drawn as one line each instead of a picture. Below each stands what the
# data set makes of it: stretched, moved, tilted, with noise. A whole data set from ten lines of
# numbers, made in a quarter of a second.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import data, draw, learn, manual_seed, nn
from tinygrad_edu.data import mnist1d, mnist1d_steps, mnist1d_templates
from tinygrad_edu.nn import init
from tinygrad_edu.optim import SGD, lr_scheduler
from tinygrad_edu.train import fit
from tinygrad_edu.widgets import slides

learn.begin("20")
BLUE, ORANGE = "#0072B2", "#D55E00"
templates = mnist1d_templates()
figure, panels = plt.subplots(2, 10, figsize=(10, 3), sharey="row", layout="constrained")
for digit, (top, below) in enumerate(panels.T):
    made = mnist1d_steps(digit, np.random.RandomState(digit))[-1][1]
    top.plot(templates[digit], range(12), color=BLUE)
    below.plot(made, range(40), color=ORANGE)
    top.set_title(digit)
    for axes in (top, below):
        axes.invert_yaxis()
        axes.axis("off")
plt.show()

# %% [markdown]
# This is **MNIST-1D**. Each line is a pen that goes from top to bottom. Now lay it on its side, and
# move the slider through the steps in which one signal is made:


# %%
stages = mnist1d_steps(3, np.random.RandomState(7))


def stage(i):
    name, signal = stages[i]
    figure = plt.figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.gca()
    axes.plot(signal, "o-", color=BLUE, markersize=3)
    axes.set(title=f"{i + 1}. {name}: {len(signal)} numbers", xlim=(-1, 73), ylim=(-1.2, 1.2))
    plt.close(figure)
    return figure


slides(stage, range(len(stages)), still=8)

# %% [markdown]
# ## By hand, with five numbers
#
# Take the signal 0, 1, 2, 1, 0.
#
# **Shift** by 2: the last two come to the front: 1, 0, 0, 1, 2. Nothing is lost; what leaves at one
# end enters at the other.
#
# **Shear** with slope 0.4: five places evenly from $-\frac{1}{2}$ to $\frac{1}{2}$ are $-0.5,
# -0.25, 0, 0.25, 0.5$. Times 0.4 they are a line from $-0.2$ to 0.2. Take it away from the signal:
# 0.2, 1.1, 2, 0.9, $-0.2$. It is tilted now.
#
# **Resample** to three numbers: read the line through the signal at the start, the middle and the
# end: 0, 2, 0.
#
# ## In symbols
#
# For a signal $x_0, \dots, x_{n-1}$, a shift by $k$ places and a shear with the slope $c$:
#
# $$\text{shift:}\ y_i = x_{(i - k) \bmod n}, \qquad
# \text{shear:}\ y_i = x_i - c\left(\frac{i}{n - 1} - \frac{1}{2}\right),$$
#
# where mod $n$ counts round in a circle: $-1$ is $n - 1$.
#
# ## Exercise A: two steps of the recipe
#
# Write `shift(x, k)`, for every `k` from 0 to $n - 1$, and `shear(x, slope)`. Return new arrays and
# leave `x` as it is.


# %% exercise="20.shift"
def shift(x, k):
    # BEGIN SOLUTION
    return np.roll(x, k)
    # END SOLUTION


# %% exercise="20.shear"
def shear(x, slope):
    # BEGIN SOLUTION
    return x - slope * np.linspace(-0.5, 0.5, len(x))
    # END SOLUTION


# %%
my_shift = learn.check("20.shift", shift).working
my_shear = learn.check("20.shear", shear).working


# %% [markdown]
# With yours, the whole recipe fits into a cell. `g` draws the random numbers, in the order of the
# authors' program: that is what makes our data equal to theirs. Noise goes only where the pen drew
# nothing; the `1e-8` tells a 0 that was drawn from an empty place.


# %%
def resample(x, size):
    return np.interp(np.linspace(0, 1, size), np.linspace(0, 1, len(x)), x)


def smooth(noise):
    """Each number becomes a mean of its neighbours, weighted with a bell two places wide."""
    bell = np.exp(-((np.arange(-8, 9) / 2) ** 2) / 2)
    return np.convolve(np.pad(noise, 8, mode="symmetric"), bell / bell.sum(), mode="valid")


def signal(template, g):
    x = np.concatenate([template + 1e-8, np.zeros(36 + int(g.rand() * 25))])
    x = resample(x, 72)
    x = x * (1 + 0.4 * (g.rand() - 0.5))
    x = my_shift(x, g.choice(48))
    noise = smooth(0.25 * g.randn(72))
    x = np.where(x != 0, x, noise) + 0.02 * g.randn(72)
    x = my_shear(x, 0.75 * (g.rand() - 0.5))
    return resample(x, 40)


# %%
g = np.random.RandomState(42)
each = learn.pick(full=500, quick=50)
made = np.array([signal(template, g) for template in templates for _ in range(each)])
order = g.permutation(len(made))
made, digits = made[order], np.repeat(np.arange(10), each)[order]
made = (made - made.mean()) / made.std()
train_set, test_set = mnist1d(num_samples=10 * each, dtype="float64")
both = [examples.batch(range(len(examples))) for examples in (train_set, test_set)]
theirs, labels = (np.concatenate([x.data for x in part]) for part in zip(*both, strict=True))
print("largest difference:", abs(made - theirs).max())
assert abs(made - theirs).max() < 1e-12
assert (digits == labels).all()

# %% [markdown]
# Your data set is the library's. Four fifths are for training, one fifth for the test.
#
# ## An experiment: the lab 8_1
#
# A network 40-100-100-10 with He's start (lesson 18), momentum, and a rate of 0.05 that is halved
# every ten epochs, learns for 50 epochs. As a graph, with the number of weights beside each layer:


# %%
def new_model(seed):
    manual_seed(seed)
    layers = [nn.Linear(40, 100), nn.Linear(100, 100), nn.Linear(100, 10)]
    for layer in layers:
        init.kaiming_normal_(layer.weight, nonlinearity="relu")
        init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


train_set, test_set = mnist1d()
model = new_model(0)
x, y = train_set.batch(range(100))
draw(nn.CrossEntropyLoss()(model(x), y), show=["scopes"], detail="compact")

# %% [markdown]
# By the end it makes no mistake on the 4,000 signals it learns from. On the test, where guessing is
# wrong in 90 % of all cases, it will be wrong in ...

# %%
guess = learn.predict("Error on the test", ["about 5 %", "about 37 %", "about 65 %"])


# %%
def error(out, labels):
    return 100 * float((out.numpy().argmax(axis=1) != labels.numpy()).mean())


def train(seed):
    model = new_model(seed)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    return fit(
        model,
        data.DataLoader(train_set, batch_size=100, shuffle=True),
        validation=data.DataLoader(test_set, batch_size=1000),
        loss=nn.CrossEntropyLoss(),
        metrics={"error": error},
        optimizer=optimizer,
        scheduler=lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5),
        epochs=learn.pick(full=50, quick=6),
        progress=False,
    )


histories = [train(seed) for seed in learn.pick(full=(0, 1, 2), quick=(0,))]
for history in histories:
    print(f"train error {history['error'][-1]:.2f} %, test error {history['val_error'][-1]:.1f} %")

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for axes, name in zip(panels, ("error", "loss"), strict=True):
    axes.plot(histories[0][name], "-", color=BLUE, label="train")
    axes.plot(histories[0][f"val_{name}"], "--", color=ORANGE, label="test")
    axes.set(xlabel="epoch", ylabel="error, %" if name == "error" else name, ylim=(0, None))
panels[0].legend()
plt.show()
ends = {name: np.mean([h[name][-1] for h in histories]) for name in ("error", "val_error")}
guess.reveal(guess.choices[int(ends["val_error"] > 20) + int(ends["val_error"] > 50)])
assert ends["error"] < learn.pick(full=0.5, quick=60)
assert 34 < ends["val_error"] < learn.pick(full=40, quick=55)
losses = histories[0]["val_loss"]
assert learn.pick(full=losses[-1] > 1.15 * min(losses), quick=True)

# %% [markdown]
# The distance between the two lines is the **generalisation gap**, and the subject of the next five
# lessons. Look at the loss on the right: on the test it goes down, and then **up again**, while the
# error stays. The network grows ever more certain, also where it is wrong, and cross-entropy
# charges for certainty.
#
# ## Exercise B: the same places, mixed
#
# Break the data: put the 40 numbers of every signal into another order, the same for all. A human
# reads nothing any more. This network does not even notice. Show it: `w` is the first layer's
# weight, (units, 40), `p` the order, so that a signal `x` has become `x[p]`. Write `rewired(w, p)`,
# weights that give for `x[p]` exactly what `w` gave for `x`.


# %% exercise="20.rewired"
def rewired(w, p):
    # BEGIN SOLUTION
    return w[:, p]
    # END SOLUTION


# %%
learn.check("20.rewired", rewired)

# %% [markdown]
# Explain it: what does a network know about signals, if it cannot tell which numbers are
# neighbours? One that can reaches 94 % on these data (lesson 28).
#
# ## A mistake to make once
#
# The ten digits come equally often, so the number of signals is a multiple of ten:

# %%
try:
    mnist1d(num_samples=4005)
except ValueError as error_:
    print("ValueError:", error_)

# %% [markdown]
# ## What PyTorch calls this
#
# PyTorch has none of it. The authors' own package is called `mnist1d`; its data are ours, number by
# number, and its `get_dataset_args` are the options of `data.mnist1d`.
#
# ## To read
#
# S. Greydanus and D. Kobak, *Scaling down deep learning with MNIST-1D*, ICML 2024: why a small data
# set is a good instrument.
#
# ## Recap
#
# - A recipe and a seed are a data set that everybody can make again.
# - Learning the training set by heart says nothing about the test.
# - The test's loss may rise while its error stays.
# - A network of full layers does not know which inputs are neighbours.
#
# Left out here: where the gap comes from (lesson 21), and what narrows it (lessons 24 and 25).
