# %% [markdown]
# # 05 · A network of single numbers
#
# **Question.** You have values that know their gradients. How do you get from there to something
# that learns, and how many numbers does it take to tell two moons apart?
#
# - builds: `MLP`, `Neuron`
# - introduces: `grad`
# - uses: `Value`, `Value.backward`, `Value.grad`, `draw`, `learn`, `ops`
# - borrowed, built in 41: `compile` - a function's graph, written out once as a plain program.
# - time: 40 minutes to read, 12 s to run
# - covers: B (multi-layer perceptron), D (module 1), E (chapter 3), micrograd
#
# The end first: 100 points on two moons, which no straight line can separate. The tint is what the
# network answers, after 0, 5, 20 and 60 steps of learning. (`grad(total, parameters)` is `backward`
# that hands the gradients over as a list.)

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from tinygrad_edu import Value, compile, draw, grad, learn, ops
from tinygrad_edu.nn.scalar import MLP, Neuron

learn.begin("05")
points, kinds = make_moons(100, noise=0.1, random_state=1)
signs = 2.0 * kinds - 1.0
side = learn.pick(full=40, quick=12)
across, up = np.linspace(-1.6, 2.6, side), np.linspace(-1.1, 1.6, side)


def panel(axes, answer, title):
    heights = [[answer(a, b) for a in across] for b in up]
    tints = np.array(heights) > 0
    axes.contourf(across, up, tints, levels=[-0.5, 0.5, 1.5], colors=["#DCEBF5", "#FBE4D5"])
    for kind, colour, mark in ((-1, "#0072B2", "o"), (1, "#D55E00", "^")):
        axes.plot(*points[signs == kind].T, mark, color=colour, markersize=3)
    axes.set(xticks=[], yticks=[], title=title)


# %%
def fast(model):
    """The model as a compiled program: numbers in, number out."""
    program = compile(lambda a, b: model([a, b]))
    return lambda a, b: program(Value(a), Value(b)).data


def train(model, steps, show_at=()):
    program = compile(lambda a, b, t: (1.0 - t * model([a, b])).relu())
    for step in range(steps + 1):
        if step in show_at:
            panel(next(row), fast(model), f"{step} steps")
        data = zip(points, signs, strict=True)
        total = sum((program(Value(a), Value(b), Value(t)) for (a, b), t in data), Value(0.0))
        for p, slope in zip(model.parameters(), grad(total, model.parameters()), strict=True):
            p.data -= 0.5 * slope.data / len(points)


shown = learn.pick(full=(0, 5, 20, 60), quick=(0, 2, 4, 6))
row = iter(plt.subplots(1, 4, figsize=(9.6, 2.3), layout="constrained")[1])
trained = MLP(2, [16, 16, 1], generator=np.random.default_rng(0))
train(trained, shown[-1], show_at=shown)
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# A **neuron** is the weighted sum of lesson 01, followed by a function that bends it. Here that is
# $\tanh$, which presses every number between $-1$ and $1$, and near 0 hardly changes it. Take the
# inputs $x = (1, -2)$, the weights $w = (0.5, 0.25)$, and no bias:
#
# $$0.5 \cdot 1 + 0.25 \cdot (-2) = 0, \qquad \tanh(0) = 0 .$$
#
# Five numbers: two inputs, two weights, one answer. The point should be answered with $t = 1$. How
# wrong is 0? Let the **loss** be $\max(0,\ 1 - t \cdot \text{out})$, here $1$: nothing to pay once
# the answer has the right sign and is at least 1 in size. (In code $\max(0, z)$ is `relu(z)`.) Now
# the gradients, by the chain rule: the loss falls as out rises, slope $-1$; $\tanh$ has slope 1 at
# 0; $w_1$ was multiplied by 1 and $w_2$ by $-2$. So $\bar w = (-1, 2)$.
#
# **Step against the gradient**, a tenth of it: $w_1$ becomes $0.5 + 0.1 = 0.6$, and $w_2$ becomes
# $0.25 - 0.2 = 0.05$. The sum is now $0.6 - 0.1 = 0.5$, the answer $\tanh(0.5) = 0.46$, and the
# loss $0.54$. It learned something.
#
# ## In symbols
#
# $$\text{out} = \tanh(w_1 x_1 + w_2 x_2 + b), \qquad w \leftarrow w - \text{lr} \cdot \bar w .$$
#
# The second formula is **gradient descent**, and lr is the **learning rate**, 0.1 above. A
# **layer** is several neurons with the same inputs. A **multi-layer perceptron** (MLP) feeds the
# answers of one layer into the next; its last layer does not bend.
#
# ## In code
#
# Three ideas, three definitions:


# %%
def neuron(w, b, x):
    total = b
    for weight, number in zip(w, x, strict=True):
        total = total + weight * number
    return total


def layer(neurons, x, bend):
    sums = [neuron(w, b, x) for w, b in neurons]
    return [ops.tanh(s) for s in sums] if bend else sums


def mlp(layers, x):
    for i, neurons in enumerate(layers):
        x = layer(neurons, x, bend=i < len(layers) - 1)
    return x[0]


# %% [markdown]
# A network with two hidden neurons, for one point, and its loss as a graph. Follow one weight from
# the left edge to the loss: that is the path along which its gradient comes back.

# %%
random = np.random.default_rng(1)


def neurons(n, m):
    return [([Value(random.uniform(-1, 1)) for _ in range(n)], Value(0.0)) for _ in range(m)]


small = [neurons(2, 2), neurons(2, 1)]
loss = ops.relu(1.0 - 1.0 * mlp(small, [1.0, -2.0]))
loss.backward()
draw(loss, names={"loss": loss}, detail="compact", direction="TB")

# %% [markdown]
# The library has the same as `Neuron` and `MLP`, which also keep a list of their parameters. Given
# your weights, it gives your answer:

# %%
theirs = MLP(2, [2, 1], generator=np.random.default_rng(1))
flat = [p for stage in small for w, b in stage for p in (*w, b)]
for p, q in zip(theirs.parameters(), flat, strict=True):
    p.data = q.data
assert theirs([1.0, -2.0]).data == mlp(small, [1.0, -2.0]).data
learn.source(Neuron.__call__)

# %% [markdown]
# ## Exercise A: one step of learning
#
# Write `step(parameters, loss, lr)`. `parameters` is a list of Values. Calling `loss()` computes
# the loss afresh and returns it as a Value. Do these things, in an order that is right:
#
# - forget the old gradients (`p.grad = None`): leaves add up, as lesson 04 showed;
# - compute the loss, and its gradients;
# - move every parameter against its gradient: change `p.data`.
#
# Return the loss (the Value you computed).


# %% exercise="05.step"
def step(parameters, loss, lr):
    # BEGIN SOLUTION
    for p in parameters:
        p.grad = None
    computed = loss()
    computed.backward()
    for p in parameters:
        p.data = p.data - lr * p.grad
    return computed
    # END SOLUTION


# %%
one_step = learn.check("05.step", step).working

# %% [markdown]
# ## An experiment: two moons
#
# A network with 16, 16 and 1 neurons. The loss is the mean over all 100 points. Every
# multiplication, addition and `tanh` of every neuron and every point is a node. How many in one
# step?

# %%
guess = learn.predict("Nodes in one step", ["3,000", "70,000", "2,000,000"])


# %%
def count(root):
    seen, found = {root}, [root]
    for node in found:
        new = [x for x in dict.fromkeys(node.inputs) if x not in seen]
        seen.update(new)
        found += new
    return len(found)


model = MLP(2, [16, 16, 1], generator=np.random.default_rng(2))


def moons_loss():
    terms = [ops.relu(1.0 - t * model([a, b])) for (a, b), t in zip(points, signs, strict=True)]
    return sum(terms, Value(0.0)) / len(terms)


first = one_step(model.parameters(), moons_loss, 0.5)
for _ in range(learn.pick(full=9, quick=1)):
    last = one_step(model.parameters(), moons_loss, 0.5)
print(f"{len(model.parameters())} parameters, {count(last):,} nodes", end="; ")
print(f"loss {first.data:.3f} -> {last.data:.3f}")
assert last.data < first.data
size = count(last)
guess.reveal(min(guess.choices, key=lambda words: abs(int(words.replace(",", "")) - size)))

# %% [markdown]
# Each step makes 70,000 nodes and throws them away, only to make the same graph again with other
# numbers. That is why the first cell used `compile`: it looks at the graph once, writes it out as
# plain Python, and runs that from then on. How, is lesson 41; lesson 06 has another way. With it,
# 60 steps take a second or two, and the network from the first cell has learned the moons:

# %%
answer = fast(trained)
right = np.mean([(answer(a, b) > 0) == (t > 0) for (a, b), t in zip(points, signs, strict=True)])
print(f"{right:.0%} of the points are on the right side")
assert right >= learn.pick(full=0.95, quick=0.8)

# %% [markdown]
# ## Exercise B: neurons that think alike
#
# The weights above began at random. Is that necessary? Break it: write `start(k, n)`, the list of
# the `n` starting weights of neuron number `k` (of the hidden layer), so that the hidden neurons
# **do learn, and stay copies of each other for ever**. The neuron that reads them starts with equal
# weights as well, `start(0, n)[0]` for each.


# %% exercise="05.start"
def start(k, n):
    # BEGIN SOLUTION
    return [0.5] * n
    # END SOLUTION


# %%
learn.check("05.start", start)

# %% [markdown]
# Explain it: what would have to differ for two neurons to get different gradients? A layer of
# sixteen copies can do no more than a single neuron. Chance, at the start, is what makes neurons
# different; how much of it is best is the subject of lesson 18.
#
# ## A mistake to make once
#
# A neuron has one weight for each input. With another number of inputs there is no sensible answer,
# and the library says so, where a plain `zip` would silently drop one:

# %%
try:
    Neuron(2)([1.0, 2.0, 3.0])
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `MLP(2, [16, 16, 1])` | `nn.Sequential(nn.Linear(2, 16), nn.Tanh(), ...)` |
# | `p.grad = None` for all | `optimizer.zero_grad()` |
# | `p.data -= lr * p.grad` for all | `optimizer.step()` with `torch.optim.SGD` |
# | `compile(f)` | `torch.compile(f)` |
#
# ## To read
#
# W. S. McCulloch and W. Pitts, *A logical calculus of the ideas immanent in nervous activity*
# (1943), the first two pages; then compare their neuron with yours.
#
# ## Recap
#
# - A neuron is a weighted sum that is bent; layers of them make a network.
# - Learning is a loop: forget, compute the loss, go backward, step against the gradient.
# - A loss says how wrong an answer is, with a slope that says which way is better.
# - Neurons that start alike stay alike.
#
# Left out here: how to choose the learning rate (lesson 12), and other losses (lesson 09).
