# %% [markdown]
# # 01 · The perceptron, and sixty years in one picture
#
# **Question.** In 1958 a machine learned to tell two kinds of pictures apart by one rule: *change
# something only after a mistake*. When is that enough, and what can it never learn?
#
# - builds: nothing
# - uses: `draw`, `learn`
# - borrowed, built in 03: `Value` - a number that remembers how it was computed, for one picture.
# - time: 30 minutes to read, 8 s to run
# - covers: B (perceptron), D (history, perceptron, convergence)
#
# The end first: two kinds of iris, by the lengths of their petals and sepals. Each panel shows the
# machine after one more mistake, the answer about the ringed flower. (The two cells make the
# picture; read past their code for now.) Dots are *setosa*, triangles *versicolor*; the tint says
# what the machine would now answer at each place: at first one answer everywhere, in the end one
# for each kind.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron
from sklearn.svm import SVC

from tinygrad_edu import Value, draw, learn

learn.begin("01")
BLUE, ORANGE = "#0072B2", "#D55E00"
iris = load_iris()


def flowers(first, second, columns=(0, 1, 2, 3)):
    """Measurements with a 1 at the end, and -1 or +1 for the kind."""
    kept = np.isin(iris.target, (first, second))
    x = iris.data[kept][:, columns]
    return np.column_stack([x, np.ones(len(x))]), np.where(iris.target[kept] == second, 1, -1)


def film(x, t):
    """The weights after each mistake, and which flower it was."""
    w, frames, wrong = np.zeros(x.shape[1]), [], True
    while wrong:
        wrong = False
        for i in range(len(x)):
            if t[i] * (w @ x[i]) <= 0:
                w, wrong = w + t[i] * x[i], True
                frames.append((w, i))
    return frames


# %%
def panel(axes, x, t, w, i):
    across, up = np.meshgrid(np.linspace(4, 7.2, 90), np.linspace(0.5, 5.5, 90))
    answers = w[0] * across + w[1] * up + w[2] > 0
    axes.contourf(across, up, answers, levels=[-0.5, 0.5, 1.5], colors=["#DCEBF5", "#FBE4D5"])
    for kind, colour, mark in ((-1, BLUE, "o"), (1, ORANGE, "^")):
        axes.plot(*x[t == kind, :2].T, mark, color=colour, markersize=3)
    axes.plot(*x[i, :2], "o", markersize=11, fillstyle="none", color="black")
    axes.set(xlim=(4, 7.2), ylim=(0.5, 5.5), xticks=[], yticks=[])


pair, kinds = flowers(0, 1, (0, 2))
frames = film(pair, kinds)
figure, grid = plt.subplots(2, 5, figsize=(9, 3.8), layout="constrained")
for n, (axes, (w, i)) in enumerate(zip(grid.flat, frames, strict=True), 1):
    panel(axes, pair, kinds, w, i)
    axes.set_title(f"mistake {n}", fontsize=9)
figure.supxlabel("sepal length")
figure.supylabel("petal length")
plt.show()

# %% [markdown]
# Where the tints meet is a straight line. After the tenth mistake it lies between the two kinds,
# and no flower is on the wrong side.
#
# ## By hand, with five numbers
#
# A **perceptron** multiplies each input by a weight, adds, and answers with the sign of the sum,
# written $w \cdot x$. Let the inputs be $x = (2,
# 1)$ and the weights $w = (1, -3)$. Five numbers: the two inputs, the two weights, and
#
# $$w \cdot x = 1 \cdot 2 + (-3) \cdot 1 = -1 ,$$
#
# so the answer is $-1$. Suppose that it should have been $+1$: a mistake. The rule is to **add the
# input to the weights**, $w \leftarrow w + x = (3, -2)$ (the arrow is read "becomes"). Now $w \cdot
# x = 6 - 2 = 4$, and the answer is $+1$. Had the answer been $+1$ and wrong, the input would have
# been subtracted.
#
# Why does that help? Adding $x$ changes $w \cdot x$ by $x \cdot x$, a sum of squares, which is
# never negative: the machine always moves the right way for the flower it got wrong (and perhaps
# the wrong way for others; they get their turn).
#
# ## In symbols
#
# Let $t$ be the right answer, $+1$ or $-1$. The product $t\,(w \cdot x)$ is positive when the
# answer is right. A sum of 0 is no answer, and counts as a mistake. So:
#
# $$\text{if } t\,(w \cdot x) \le 0: \qquad w \leftarrow w + t\,x .$$
#
# A line that need not pass through 0 has a constant in it, the **bias** $b$. It is the weight of an
# extra input that is always 1: $w_1 x_1 + w_2 x_2 + b \cdot 1$. As a graph:

# %%
x1, x2 = Value(2.0, name="x1"), Value(1.0, name="x2")
w1, w2, b = Value(1.0, name="w1"), Value(-3.0, name="w2"), Value(0.0, name="b")
sum_ = w1 * x1 + w2 * x2 + b
draw(sum_, names={"w . x": sum_}, show=["data"])

# %% [markdown]
# ## Exercise A: the update
#
# Write `update(w, x, t)`: the weights after the machine has seen the input `x` with the right
# answer `t`. `w` and `x` are NumPy arrays, rows of numbers that are added and multiplied place by
# place: `w + x`, `2 * x`; and `w @ x` is $w \cdot x$. Return an array, and leave `w` itself as it
# was. (The first cell did it in passing; write it from the formula.)


# %% exercise="01.update"
def update(w, x, t):
    # BEGIN SOLUTION
    return w + t * x if t * (w @ x) <= 0 else w
    # END SOLUTION


# %%
rule = learn.check("01.update", update).working


# %% [markdown]
# The check let your rule learn from random data in which a line had been hidden. (`rule` is your
# function once it passes, and a right one until then, so that the lesson can go on.) The same loop
# for the flowers, round after round (a round is called an **epoch**) until one passes without a
# mistake:


# %%
def train(x, t, epochs=200):
    w, counts = np.zeros(x.shape[1]), []  # mistakes of each epoch
    while len(counts) < epochs and 0 not in counts:
        counts.append(0)
        for row, right in zip(x, t, strict=True):
            new = rule(w, row, right)
            counts[-1] += not np.array_equal(new, w)
            w = new
    accuracy = np.mean(np.where(x @ w > 0, 1, -1) == t)
    return {"w": w, "epochs": len(counts), "mistakes": sum(counts), "accuracy": accuracy}


# %% [markdown]
# ## An experiment: real flowers
#
# All four measurements now, 50 *setosa* and 50 *versicolor*. How many mistakes until it makes no
# more?

# %%
guess = learn.predict("Mistakes until the machine separates 100 flowers?", ["5", "50", "500"])

# %%
x, t = flowers(0, 1)
easy = train(x, t)
guess.reveal(str(easy["mistakes"]))
print(f"{easy['epochs']} epochs, {easy['mistakes']} mistakes, {easy['accuracy']:.0%} right")
assert (easy["epochs"], easy["mistakes"], easy["accuracy"]) == (4, 5, 1.0)

# %% [markdown]
# Five. That the number is small is no accident. Let $R$ be the length of the longest input. Suppose
# some line leaves a gap of at least $\gamma$ ("gamma", the **margin**) on both sides, for weights
# of length 1. Novikoff proved in 1962 that then, whatever the order of the data,
#
# $$\text{mistakes} \le (R / \gamma)^2 .$$
#
# The proof takes two steps. Let $u$ be the weights of that good line, so that $|u| = 1$ ($|u|$ is
# the length) and $t\,(u \cdot x) \ge \gamma$ for every $x$. Start at $w = 0$. A mistake adds
# $t\,x$ to $w$, so $u \cdot w$ grows by at least $\gamma$: after $k$ mistakes it is at least
# $k\gamma$, and $|w|$, which is never less than $u \cdot w$, is too. The length grows slowly,
# though:
#
# $$|w + t\,x|^2 = |w|^2 + 2\,t\,(w \cdot x) + |x|^2 \le |w|^2 + R^2,$$
#
# for $t\,(w \cdot x) \le 0$ is what a mistake means. So after $k$ of them $|w|$ is at most
# $\sqrt{k}\,R$. Both hold only while $k\gamma \le \sqrt{k}\,R$, which is $k \le (R/\gamma)^2$.
# The better the line, the smaller the bound, so let scikit-learn find the line with the widest
# margin:

# %%
best = SVC(kernel="linear", C=1e6).fit(x[:, :4], t)
line = np.append(best.coef_, best.intercept_)
longest = np.linalg.norm(x, axis=1).max()
margin = (t * (x @ line)).min() / np.linalg.norm(line)
print(f"R = {longest:.2f}, margin = {margin:.2f}: at most {(longest / margin) ** 2:.0f} mistakes")
assert easy["mistakes"] <= (longest / margin) ** 2

hard = train(*flowers(1, 2))
print(f"versicolor, virginica: {hard['mistakes']} mistakes in {hard['epochs']} epochs,", end=" ")
print(f"{hard['accuracy']:.0%} right")
assert hard["epochs"] == 200
assert round(hard["accuracy"], 2) == 0.89

# %% [markdown]
# *Versicolor* and *virginica* overlap: no line separates them, there is no $\gamma$, and the rule
# never rests. It goes on making mistakes for ever, and where it stands after 200 epochs is chance.
#
# scikit-learn has the same machine. Its weights are yours, to the last digit:

# %%
theirs = Perceptron(shuffle=False, tol=None, max_iter=4, fit_intercept=False).fit(x, t)
assert np.allclose(theirs.coef_[0], easy["w"])
print("scikit-learn:", theirs.coef_[0].round(1))
print("yours:       ", easy["w"].round(1))

# %% [markdown]
# ## What it can never learn
#
# XOR ("either, but not both") answers $+1$ for $(0, 1)$ and $(1, 0)$, and $-1$ for $(0, 0)$ and
# $(1, 1)$. A line would need four things at once:
#
# $$b < 0, \qquad w_1 + w_2 + b < 0, \qquad w_1 + b > 0, \qquad w_2 + b > 0 .$$
#
# Add the first two: $w_1 + w_2 + 2b < 0$. Add the last two: $w_1 + w_2 + 2b > 0$. Both cannot be.

# %%
corners = np.array([[0, 0, 1.0], [0, 1, 1.0], [1, 0, 1.0], [1, 1, 1.0]])
xor = np.array([-1, 1, 1, -1])
stuck = train(corners, xor)
print(f"XOR: {stuck['mistakes']} mistakes in {stuck['epochs']} epochs; weights", stuck["w"])
assert stuck["epochs"] == 200

# %% [markdown]
# ## Exercise B: break the barrier
#
# Give the machine one more number. Write `third(x1, x2)` so that a perceptron whose inputs are
# $x_1$, $x_2$, `third` and 1 learns XOR. Not every number helps: before you check, say why $x_1 +
# x_2$ cannot.


# %% exercise="01.third"
def third(x1, x2):
    # BEGIN SOLUTION
    return x1 * x2
    # END SOLUTION


# %%
extra = learn.check("01.third", third).working

# %%
wider = np.column_stack([corners, [extra(a, b) for a, b, _ in corners]])
solved = train(wider, xor)
print(f"with one more number: {solved['mistakes']} mistakes, then none")
assert solved["accuracy"] == 1.0

# %% [markdown]
# You invented the number. A network with a **hidden layer** invents such numbers itself. But the
# rule of this lesson cannot train one: after a mistake it does not say *which* weight in the
# middle was to blame. That question waited for decades for its answer, and the answer is the
# subject of this course: the gradient of every weight, in one backward sweep.

# %%
years = {
    1943: "McCulloch, Pitts: a neuron as logic",
    1958: "Rosenblatt: the perceptron",
    1969: "Minsky, Papert: what it cannot learn",
    1970: "Linnainmaa: the backward sweep (lesson 04)",
    1986: "Rumelhart, Hinton, Williams: hidden layers learn (08)",
    1989: "LeCun: reading zip codes by convolution (28)",
    1997: "Hochreiter, Schmidhuber: LSTM (33)",
    2012: "Krizhevsky, Sutskever, Hinton: AlexNet (29)",
    2017: "Vaswani and others: the transformer (36)",
}
axes = plt.figure(figsize=(9, 3.0), layout="constrained").gca()
axes.plot([0] * len(years), range(len(years)), "o-", color=BLUE)
for row, (year, what) in enumerate(years.items()):
    axes.text(-0.06, row, year, ha="right", va="center")
    axes.text(0.06, row, what, va="center")
axes.set(xlim=(-1, 5), ylim=(len(years) - 0.5, -0.5))
axes.axis("off")
plt.show()

# %% [markdown]
# ## A mistake to make once
#
# The bias is a weight like the others, and needs its input of 1. Forget it, and the shapes say so:

# %%
try:
    rule(easy["w"], iris.data[0], -1)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | the weighted sum $w \cdot x + b$ | `torch.nn.Linear(4, 1)` |
# | the rule | none: the sign has slope 0, so it has no useful gradient (lesson 05) |
# | an epoch | an epoch |
#
# ## To read
#
# F. Rosenblatt, *The perceptron: a probabilistic model for information storage and organization in
# the brain*, Psychological Review 65 (1958). Then M. Minsky and S. Papert, *Perceptrons* (1969),
# the introduction.
#
# ## Recap
#
# - A perceptron answers with the sign of a weighted sum, and learns from mistakes only.
# - If a line separates the data with margin $\gamma$, it makes at most $(R/\gamma)^2$ mistakes.
# - If none does, it never rests; XOR is the smallest such case.
# - One more number can make the impossible easy. Hidden layers find such numbers themselves.
#
# Left out here: probabilities instead of signs (lesson 09), and lines that keep the widest margin.
