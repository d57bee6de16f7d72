# %% [markdown]
# # 09 · Losses, and reading digits with one layer
#
# **Question.** A classifier says "7" and is wrong. *How* wrong is it? The answer is one number, and
# choosing that number well decides whether a network learns at all.
#
# - builds: `ops.cross_entropy`, `ops.log_softmax`, `ops.binary_cross_entropy_with_logits`
# - uses: `Tensor`, `Value`, `Value.backward`, `Value.grad`, `draw`, `gradcheck`, `learn`, `ops`
# - time: 40 minutes to read, 8 s to run
# - covers: B (logistic regression), C (part 1), D (cross-entropy, assignment 1), E (chapter 5)
#
# The end first: ten pictures that a single layer has learned, one for each digit. Purple pixels
# speak for the digit and orange ones against it. With these it reads 24 of 25 digits correctly.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from tinygrad_edu import Tensor, Value, draw, gradcheck, learn, ops

learn.begin("09")
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)
split = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)


def fit(x, y, loss, outputs, epochs, lr=0.5):
    """One layer, trained in small batches."""
    random = np.random.default_rng(0)
    w = Tensor(np.zeros((x.shape[1], outputs), x.dtype), requires_grad=True)
    b = Tensor(np.zeros(outputs, x.dtype), requires_grad=True)
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(x)), len(x) // 32):
            w.grad = b.grad = None
            loss(Tensor(x[batch]) @ w + b, y[batch]).backward()
            w.data, b.data = w.data - lr * w.grad, b.data - lr * b.grad
    return w, b


# %%
def class_loss(z, y):
    return ops.cross_entropy(z, Tensor(y))


def show_weights(w):
    _, row = plt.subplots(1, 10, figsize=(9.6, 1.4), layout="constrained")
    for digit, axes in enumerate(row):
        axes.imshow(w[:, digit].reshape(8, 8), cmap="PuOr", vmin=-3, vmax=3)
        axes.set(title=digit, xticks=[], yticks=[])
    plt.show()


epochs = learn.pick(full=30, quick=12)
w, b = fit(split[0], split[2], class_loss, 10, epochs)
show_weights(w.data)

# %% [markdown]
# ## By hand, with five numbers
#
# A layer gives three numbers for three classes: $z = (2, 1, 0)$. They are called **logits**, and
# may be anything. **Softmax** (lesson 07) makes probabilities of them: $e^2 = 7.39$, $e^1 = 2.72$,
# $e^0 = 1$, together 11.11, so
#
# $$p = (0.665,\ 0.245,\ 0.090) .$$
#
# Suppose that class 0 is right. The **cross-entropy** is minus the logarithm of the probability
# that was given to the right class: $-\ln 0.665 = \mathbf{0.408}$. Had class 2 been right, it would
# have been $-\ln 0.090 = \mathbf{2.408}$. Certainty costs 0, a guess among ten classes $\ln 10 =
# 2.303$, and being sure of something false costs without bound. (Five numbers: three logits, two
# losses.)
#
# ## In symbols
#
# With $y$ the right class, and $t$ the list with a 1 at place $y$ and 0 elsewhere:
#
# $$L = -\ln p_y = \ln \sum_k e^{z_k} - z_y, \qquad \bar z = p - t .$$
#
# The first is the definition with softmax written out. The second follows in one line: the slope of
# $\ln \sum e^{z_k}$ for $z_j$ is $p_j$ (lesson 07), and $-z_y$ adds $-1$ at the right class. So the
# gradient is **what was said, minus what is true**. Above it is $(-0.335, 0.245, 0.090)$: push the
# right logit up, and the others down in proportion to their share.

# %%
z = [Value(number, name=f"z{i}") for i, number in enumerate((2.0, 1.0, 0.0))]
loss = ops.log(z[0].exp() + z[1].exp() + z[2].exp()) - z[0]
loss.backward()
print("loss", round(loss.data, 3), " gradients", [round(v.grad, 3) for v in z])
draw(loss, names={"loss": loss})

# %% [markdown]
# ## Why not the squared error?
#
# One could also square the distance between $p$ and $t$. Look at one class against the rest: the
# right answer is 1, and the logit runs from "surely not" on the left to "surely" on the right.

# %%
logits = np.linspace(-8, 8, 200)
chance = 1 / (1 + np.exp(-logits))
_, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.9), layout="constrained")
left.plot(logits, -np.log(chance), "-", color="#0072B2", label="cross-entropy")
left.plot(logits, (chance - 1) ** 2, "--", color="#D55E00", label="squared error")
right.plot(logits, chance - 1, "-", color="#0072B2")
right.plot(logits, 2 * (chance - 1) * chance * (1 - chance), "--", color="#D55E00")
left.set(xlabel="logit", title="loss")
right.set(xlabel="logit", title="its slope")
left.legend()
plt.show()

# %% [markdown]
# On the far left the answer is completely wrong. The cross-entropy then has slope $-1$: change
# this! The squared error is flat there: where the mistake is worst, nothing is learned from it.
#
# ## A trap in the arithmetic
#
# The formula is simple; the computer is not. For the logits $(1000, 0)$, with class 0 right, the
# loss is $-\ln 1 = 0$. What does `-np.log(np.exp(z[0]) / np.exp(z).sum())` give?

# %%
guess = learn.predict("The plain formula at the logits (1000, 0)", ["0", "1000", "inf", "nan"])

# %%
z = np.array([1000.0, 0.0])
with np.errstate(all="ignore"):
    plain = -np.log(np.exp(z[0]) / np.exp(z).sum())
guess.reveal(f"{plain:.0f}")

# %% [markdown]
# $e^{1000}$ is too large for a float, so it becomes `inf`, and `inf / inf` is "not a number". One
# `nan` in a gradient, and all weights are `nan` a step later. The cure costs one subtraction:
# softmax does not change if the same number is subtracted from all logits of a row, so subtract
# their **largest**, $m$. Then no power exceeds 1:
#
# $$\ln \sum_k e^{z_k} = m + \ln \sum_k e^{z_k - m} .$$
#
# ## Exercise A: a cross-entropy that can be trusted
#
# Write `cross_entropy(z, y)` in NumPy. `z` has the shape `(N, C)`: a row of logits for each
# example; `y` holds N whole numbers, the right classes. Return the mean over the examples. It must
# be right for logits of any size. (`z[np.arange(len(y)), y]` takes from each row the entry of its
# class.)


# %% exercise="09.cross_entropy"
def cross_entropy(z, y):
    # BEGIN SOLUTION
    m = z.max(axis=1, keepdims=True)
    log_sum = m[:, 0] + np.log(np.exp(z - m).sum(axis=1))
    return np.mean(log_sum - z[np.arange(len(y)), y])
    # END SOLUTION


# %%
stable = learn.check("09.cross_entropy", cross_entropy).working
z, y = 300 * np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 3, 1, 2, 2, 0])
theirs = ops.cross_entropy(Tensor(z, requires_grad=True), Tensor(y))
print("yours", stable(z, y), " library", theirs.item())
assert np.isclose(stable(z, y), theirs.item())
learn.source(ops.log_softmax)

# %% [markdown]
# The library's works on tensors, and its gradient is $p - t$, divided by N for the mean:

# %%
z = Tensor(np.random.default_rng(1).normal(size=(6, 4)), requires_grad=True)
ops.cross_entropy(z, Tensor(y)).backward()
p = np.exp(z.data) / np.exp(z.data).sum(axis=1, keepdims=True)
assert np.allclose(z.grad, (p - np.eye(4)[y]) / 6)
print(gradcheck(lambda z: ops.cross_entropy(z, Tensor(y)), [z.data], order=2))

# %% [markdown]
# ## An experiment: digits, and other people's digits
#
# The layer from the first cell, tested in two ways. **strat**: 360 digits drawn at random, so that
# every writer is in both parts. **writer**: the last 360 of the file, which come from people the
# machine has never seen. Guess both numbers before you run it.

# %%
guess = learn.predict(
    "Reading strangers' writing costs about", ["0 points", "7 points", "30 points"]
)

# %%
accuracies = {}
parts = {"strat": split, "writer": (images[:1437], images[1437:], labels[:1437], labels[1437:])}
for name, (x_train, x_test, y_train, y_test) in parts.items():
    w, b = fit(x_train, y_train, class_loss, 10, epochs)
    accuracies[name] = np.mean((x_test @ w.data + b.data).argmax(axis=1) == y_test)
    print(f"{name}: {accuracies[name]:.1%}")
assert accuracies["strat"] >= learn.pick(full=0.95, quick=0.94)
assert accuracies["writer"] >= learn.pick(full=0.88, quick=0.86)
cost = 100 * (accuracies["strat"] - accuracies["writer"])
guess.reveal(min(guess.choices, key=lambda words: abs(int(words.split()[0]) - cost)))

# %% [markdown]
# The same model, the same number of examples, and a different question. Which of the two numbers
# one should report depends on who will use it.
#
# **Two classes** need one logit $z$: its **sigmoid**, $1 / (1 + e^{-z})$, is the probability of
# "yes". The loss is the **binary cross-entropy**, again written for logits, so that nothing
# overflows. Tumours, malignant or not, from thirty measurements:

# %%
x, y = load_breast_cancer(return_X_y=True)
x = (x - x.mean(axis=0)) / x.std(axis=0)
x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=0)


def yes_or_no(z, y):
    return ops.binary_cross_entropy_with_logits(z[:, 0], Tensor(y.astype(float)))


w, b = fit(x_train, y_train, yes_or_no, 1, 20, lr=0.1)
correct = np.mean(((x_test @ w.data + b.data)[:, 0] > 0) == y_test)
print(f"{correct:.1%} of {len(y_test)} tumours")
assert correct >= 0.95

# %% [markdown]
# ## Exercise B: right, and far too sure
#
# Accuracy asks which logit is the largest; the loss asks how sure the machine was. They can
# disagree. Take a classifier that is right most of the time, and whose probabilities can be
# trusted: where it says 80 %, it is right in 80 % of the cases. Choose `factor`, by which all its
# logits are multiplied, so that it becomes **surer**, the **accuracy stays exactly the same** and
# the **loss at least doubles**.

# %% exercise="09.factor"
# BEGIN SOLUTION instead of: factor = 1.0
factor = 20.0
# END SOLUTION

# %%
learn.check("09.factor", factor)

# %% [markdown]
# Explain it: which examples make the loss so large? And what would a user of the machine rather
# have, one that is wrong in one case of ten and says "90 %", or one that says "100 %"?
#
# ## A mistake to make once
#
# Classes are whole numbers. Given as floats, they would be taken for probabilities, and the shapes
# say that they are none:

# %%
try:
    ops.cross_entropy(Tensor(np.zeros((4, 3))), Tensor([0.0, 1.0, 2.0, 1.0]))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `ops.cross_entropy(z, y)` | `torch.nn.functional.cross_entropy(z, y)`: takes logits, too |
# | `ops.log_softmax(z, axis=1)` | `torch.log_softmax(z, dim=1)` |
# | `ops.binary_cross_entropy_with_logits` | the same name in `torch.nn.functional` |
#
# ## To read
#
# J. S. Bridle, *Probabilistic interpretation of feedforward classification network outputs, with
# relationships to statistical pattern recognition* (1990), where softmax got its name.
#
# ## Recap
#
# - Logits are turned into probabilities by softmax; the loss is minus the log of the right one.
# - Its gradient is $p - t$: never flat where the answer is wrong.
# - Subtract the largest logit first; take logits, not probabilities, into a loss.
# - Accuracy and loss measure different things, and so do *strat* and *writer*.
#
# Left out here: layers between (lesson 10), and how to make probabilities honest again.
