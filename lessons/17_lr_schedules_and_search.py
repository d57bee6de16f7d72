# %% [markdown]
# # 17 · A rate that changes
#
# **Question.** A long step gets far and never settles; a short one settles and never gets far. Must
# one learning rate serve from the first step to the last, and how is it found?
#
# - builds: `lr_finder`, `lr_scheduler`, `sweep`
# - uses: `SGD`, `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `metrics`, `nn`, `no_grad`
# - borrowed, built in 20: `mnist1d` - ten digits, each drawn as a line of 40 numbers.
# - time: 35 minutes to read, 40 s to run
# - covers: B (scheduling), C (training), D (learning-rate schedules), E (8_1)
#
# The end first: a network is trained for a hundred steps, and in each the learning rate is a little
# larger. On the left nothing happens, in the middle it learns, on the right it is thrown out. The
# dashed line is where the loss falls fastest.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad
from tinygrad_edu.data import mnist1d
from tinygrad_edu.optim import SGD, lr_finder, lr_scheduler
from tinygrad_edu.train import fit, sweep

learn.begin("17")
epochs = learn.pick(full=50, quick=5)


# %%
def new_model(seed):
    manual_seed(seed)
    sizes = (nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
    return nn.Sequential(*sizes)


def batches(examples):
    return data.DataLoader(examples, batch_size=100, shuffle=True)


train_set, test_set = mnist1d()
model = new_model(0)
optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
options = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer}
curve = lr_finder(model, batches(train_set), start_lr=1e-4, end_lr=10.0, **options)
curve.plot()

# %%
lowest = curve.lrs[int(np.argmin(curve.losses))]
print(f"falls fastest at {curve.suggestion:.2g}, lowest at {lowest:.2g}")
assert 0.01 < curve.suggestion < lowest < 2

# %% [markdown]
# The data are MNIST-1D: 4,000 signals to learn from and 1,000 to test on, each a digit drawn as a
# line of 40 numbers. The model is as it was before the search; only the curve is kept. From step to
# step the rate grew by the same factor. The dashed line is a place to begin, not the best rate:
# what is worth trying lies around it.
#
# ## By hand, with five numbers
#
# Let the rate fall from 1 to 0 in four steps along half a wave of the cosine. $\cos$ goes from 1 to
# $-1$ while its angle goes from 0 to $\pi$; add 1 and halve:
#
# | step $t$ | 0 | 1 | 2 | 3 | 4 |
# |---|---|---|---|---|---|
# | angle $\pi t / 4$ | 0 | 0.785 | 1.571 | 2.356 | 3.142 |
# | its cosine | 1 | 0.707 | 0 | $-0.707$ | $-1$ |
# | rate $(1 + \cos)/2$ | **1** | **0.854** | **0.5** | **0.146** | **0** |
#
# It stays high for long, falls fast in the middle, and comes to rest gently.
#
# ## In symbols
#
# A **schedule** gives each step $t = 0, 1, 2, \dots$ its rate; in the race below $t$ counts epochs
# instead, and the rate stays as it is within one. At the start the weights are far from anything,
# and a long step may do harm: **warm up** by rising in a straight line for $w$ steps to the peak
# $\alpha$ ("alpha"). Then let the cosine bring it down, to reach 0 at step $T$:
#
# $$\alpha_t = \alpha\,\frac{t + 1}{w} \ \text{ for } t < w, \qquad
# \alpha_t = \frac{\alpha}{2}\left(1 + \cos \pi\,\frac{t - w}{T - w}\right) \ \text{ for } t \ge
# w.$$
#
# ## Exercise A: warm-up and cosine
#
# Write `rate(t, peak, warm, total)`: the rate $\alpha_t$, where `peak` is $\alpha$, `warm` is $w$
# and `total` is $T$. `math.cos` and `math.pi` are there.


# %% exercise="17.rate"
def rate(t, peak, warm, total):
    # BEGIN SOLUTION
    if t < warm:
        return peak * (t + 1) / warm
    return peak / 2 * (1 + math.cos(math.pi * (t - warm) / (total - warm)))
    # END SOLUTION


# %%
schedule = learn.check("17.rate", rate).working


def warm_cosine(optimizer, warm, total):
    rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / warm, total_iters=max(warm - 1, 1))
    falling = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warm)
    return lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[warm])


# %%
def rates_of(make, total):
    """The rates that a schedule of the library gives, from a peak of 0.2."""
    optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=0.2)
    scheduler, rates = make(optimizer), []
    for _ in range(total):
        rates += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    return rates


schedules = {
    "constant": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1.0),
    "halved": lambda o: lr_scheduler.StepLR(o, step_size=max(epochs // 5, 1), gamma=0.5),
    "1/sqrt": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / math.sqrt(1 + t)),
    "warm cosine": lambda o: warm_cosine(o, warm=3, total=epochs),
}
theirs = rates_of(schedules["warm cosine"], epochs)
assert np.allclose(theirs, [schedule(t, 0.2, 3, epochs) for t in range(epochs)])
axes = plt.figure(figsize=(6.4, 3), layout="constrained").gca()
for (name, make), style in zip(schedules.items(), ("-", "--", ":", "-."), strict=True):
    axes.plot(rates_of(make, epochs), style, label=name)
axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, 0.21))
axes.legend()
plt.show()

# %% [markdown]
# Your numbers are those of the library's two schedules, one after the other. Its cosine:

# %%
learn.source(lr_scheduler.CosineAnnealingLR.get_lr)

# %% [markdown]
# A schedule changes nothing in the graph of a step; it only says how far the step goes. This is the
# graph of the loss of four signals, as in every step that follows:

# %%
signals, labels = train_set.batch(range(4))
draw(nn.CrossEntropyLoss()(model(signals), labels), show=["scopes"], detail="compact")

# %% [markdown]
# ## An experiment: a race of schedules
#
# The network learns with momentum 0.9, once from a rate of 0.05 and once from 0.2, four times as
# much. From 0.2, how many points of test accuracy does the cosine gain over the constant rate?

# %%
guess = learn.predict("Gain of the cosine at 0.2", ["about 0 points", "about 8", "about 25"])


# %%
def run(peak, name, seed):
    trained = new_model(seed)
    optimizer = SGD(trained.parameters(), lr=peak, momentum=0.9)
    training = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "epochs": epochs}
    rates = schedules[name](optimizer)
    fit(trained, batches(train_set), scheduler=rates, progress=False, **training)
    return {part: score(trained, s) for part, s in (("train", train_set), ("test", test_set))}


def score(trained, examples):
    signals, labels = examples.batch(range(len(examples)))
    with no_grad():
        return 100 * metrics.accuracy(trained(signals), labels)


seeds = learn.pick(full=(0, 1, 2), quick=(0,))
race = sweep(run, {"peak": [0.05, 0.2], "name": [*schedules]}, seeds, progress=False)
print(race)

# %% [markdown]
# `sweep` calls a function for every point of a grid and every seed, and keeps what it returns; `±`
# is the spread over the seeds. Compare the two blocks.

# %%
low, high = (dict(zip(schedules, row, strict=True)) for row in race.mean("test"))
gain = high["warm cosine"] - high["constant"]
guess.reveal(guess.choices[int(gain > 3) + int(gain > 15)])
print(f"from 0.05: {low['warm cosine'] - low['constant']:+.1f} points; from 0.2: {gain:+.1f}")
if epochs == 50:
    trained = dict(zip(schedules, race.mean("train")[1], strict=True))
    assert trained["warm cosine"] > 99.5 > 95 > trained["constant"]
    assert gain > 4
    assert abs(low["warm cosine"] - low["constant"]) < 4
    assert low["constant"] > max(62, low["1/sqrt"])
assert high["warm cosine"] > learn.pick(full=66, quick=40)

# %% [markdown]
# From 0.05 the schedule hardly matters: the constant rate is short enough to settle, and
# $1/\sqrt{t}$, which shrinks from the first step, only loses time. From 0.2 the constant rate does
# not even settle on the training set, while the cosine learns it completely, and gains on the test
# set too. **A schedule is a way to afford a longer step.** And no schedule makes up for the wrong
# network: another kind reaches 94 % here (lesson 28).
#
# ## Searching at random
#
# Which rate, and how much weight decay? A grid of four times four tries sixteen settings and only
# four rates. Sixteen settings drawn at random try sixteen rates: if only one of the two matters,
# nothing is wasted. A rate matters by its factor, from 0.001 to 0.01 as from 0.1 to 1, so draw its
# **logarithm** evenly: half of all draws from 0.001 to 1 should lie below 0.0316, the geometric
# mean $\sqrt{0.001 \cdot 1}$.
#
# ## Exercise A, second part: draw and choose
#
# Write `log_uniform(u, low, high)`: `u` from 0 to 1 becomes a number from `low` to `high`, with
# evenly spread logarithm. And `choose(tried)`: from a list of dicts with "setting", "train",
# "validation" and "test", three accuracies, the **setting** you would use. "validation" was
# measured on examples that are in neither of the other two sets.


# %% exercise="17.log_uniform"
def log_uniform(u, low, high):
    # BEGIN SOLUTION
    return low * (high / low) ** u
    # END SOLUTION


# %% exercise="17.choose"
def choose(tried):
    # BEGIN SOLUTION
    return max(tried, key=lambda entry: entry["validation"])["setting"]
    # END SOLUTION


# %%
drawn = learn.check("17.log_uniform", log_uniform).working
best_of = learn.check("17.choose", choose).working

# %% [markdown]
# The test set may be looked at once, at the end. To choose by it is to fit it. So the last thousand
# signals of the training set become the **validation** set, by which the choice is made:


# %%
signals, labels = train_set.batch(range(4000))
learning, judging = (
    data.TensorDataset(signals[a:b], labels[a:b]) for a, b in ((0, 3000), (3000, 4000))
)


def trial(lr, decay, seed):
    trained = new_model(seed)
    optimizer = SGD(trained.parameters(), lr=lr, momentum=0.9, weight_decay=decay)
    length = learn.pick(full=20, quick=3)
    training = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "epochs": length}
    rates = warm_cosine(optimizer, warm=2, total=length)
    with np.errstate(all="ignore"):  # some of the rates drawn are far too long
        fit(trained, batches(learning), scheduler=rates, progress=False, **training)
    parts = {"train": learning, "validation": judging, "test": test_set}
    return {name: score(trained, examples) for name, examples in parts.items()}


draws = np.random.default_rng(0)
grid = [
    {"lr": drawn(draws.random(), 1e-3, 1.0), "decay": drawn(draws.random(), 1e-6, 1e-2)}
    for _ in range(learn.pick(full=16, quick=3))
]
tried = [{"setting": p, **found} for p, _, found in sweep(trial, grid, seeds=[0], progress=False)]

# %%
axes = plt.figure(figsize=(6.4, 3), layout="constrained").gca()
places = [entry["setting"]["lr"] for entry in tried]
for part, marker in (("train", "^"), ("validation", "o"), ("test", "x")):
    axes.semilogx(places, [entry[part] for entry in tried], marker, label=part)
axes.set(xlabel="learning rate", ylabel="accuracy, %")
axes.legend()
plt.show()
chosen = best_of(tried)
found = next(entry for entry in tried if entry["setting"] == chosen)
print({name: round(value, 4) for name, value in chosen.items()}, f"test {found['test']:.1f} %")
assert 0.01 < chosen["lr"] < 1
assert found["test"] > learn.pick(full=60, quick=20)

# %% [markdown]
# The rate decides, the decay hardly. With a grid of four rates you would have seen four columns.
#
# ## Exercise B: the rate that averages
#
# Why must a rate fall at all? Measurements $y_0, y_1, \dots$ of one number come in; start at $x =
# 0$, and after each take a step on the loss $\frac{1}{2}(x - y_t)^2$, that is $x \leftarrow x -
# \alpha_t (x - y_t)$. Every constant rate follows the last measurements for ever. Write
# `averaging(t)`, the rate $\alpha_t$ for $t = 0, 1, 2, \dots$ with which $x$ is, after **every**
# step, exactly the mean of all measurements so far.


# %% exercise="17.averaging"
def averaging(t):
    # BEGIN SOLUTION
    return 1 / (t + 1)
    # END SOLUTION


# %%
learn.check("17.averaging", averaging)

# %% [markdown]
# Explain it: what is the rate after a million measurements, and what if the measured number itself
# begins to move? That is why long trainings fall more slowly than this.
#
# ## A mistake to make once
#
# A rate that falls needs to know when to arrive:

# %%
try:
    lr_scheduler.CosineAnnealingLR(SGD([Tensor([0.0], requires_grad=True)], lr=0.1), T_max=0)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.optim.lr_scheduler` has the same schedules under the same names; `scheduler.step()` comes
# after `optimizer.step()`. It has no `lr_finder` and no `sweep`.
#
# ## To read
#
# J. Bergstra and Y. Bengio, *Random search for hyper-parameter optimization*, JMLR 13 (2012): its
# first figure is the argument above. The cosine is from I. Loshchilov and F. Hutter, *SGDR*, 2017.
#
# ## Recap
#
# - A short run with a growing rate shows which rates are worth trying.
# - Warm up, stay long, come down: a schedule affords a longer step.
# - Search at random, on a logarithmic scale, and choose by a validation set.
#
# Left out here: how the weights begin (lesson 18).
