# %% [markdown]
# # 06 · A tensor, and the same table of operations
#
# **Question.** A network with 337 weights makes nearly 70,000 values to look at 100 points once. Is
# there a way to keep everything you have built, and let one node do the work of thousands?
#
# - builds: `Tensor`, `ops.sum_to`
# - introduces: `NUMPY`
# - uses: `MLP`, `Value`, `Value.backward`, `Value.grad`, `draw`, `floats`, `gradcheck`,
#   `learn`, `ops`
# - time: 40 minutes to read, 10 s to run
# - covers: A (PyTorch basics), C (part 1), D (module 2), E (7_2)
#
# The end first. Two computations of the same four numbers: two inputs for two neurons, with single
# numbers and with arrays. The arrows of the first fold into the four nodes of the second.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from tinygrad_edu import Tensor, Value, draw, gradcheck, learn, ops
from tinygrad_edu.namespaces import floats
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.nn.scalar import MLP

learn.begin("06")
xs, ws = [[1.0, -1.0], [0.5, 2.0]], [[0.2, -0.3], [0.4, 0.1]]
columns = list(zip(*ws, strict=True))
cells = [(Value(a) * x1 + Value(b) * x2).tanh() for x1, x2 in xs for a, b in columns]
x, w = Tensor(xs, name="x"), Tensor(ws, name="w", requires_grad=True)
out = (x @ w).tanh()
assert np.allclose(out.data.ravel(), [cell.data for cell in cells])
pictures = [
    draw(cells, show=["data"], detail="compact"),
    draw(out, names=locals(), show=["data"]),
]
learn.Row(pictures, ["with numbers: four separate trees", "with arrays: one row of boxes"])

# %% [markdown]
# ## The same two functions
#
# In lesson 03 an operation was two functions with a namespace `xp` as their first argument; with
# `floats` they made a `Value`. Nothing in them says that a number has to be a *single* number:

# %%
print("floats:", ops.tanh.forward(floats, 0.5))
print("NumPy: ", ops.tanh.forward(NUMPY, np.array([0.5, -1.0, 2.0])))
out = np.tanh(np.array([0.5, -1.0, 2.0]))
print("rule:  ", ops.tanh.rule(NUMPY, np.ones(3), out, np.array([0.5, -1.0, 2.0]))[0])
learn.source(ops.tanh)

# %% [markdown]
# That is a **Tensor**: a node whose data is an array, and whose operations are those of the same
# table, read with arrays. Its **shape** is the sizes of its axes: `(100, 2)` is 100 rows of 2; an
# axis is counted from 0, so axis 0 goes down the rows. What lessons 03 and 04 built holds as it
# stands: recording, the order of the sweep, adding up. One question is new, and it is this
# lesson's.
#
# ## By hand, with five numbers
#
# Add one number $b = 10$ to three numbers $x = (1, 2, 3)$. NumPy answers $(11, 12, 13)$, as if $b$
# had been written three times. Five numbers: $b$, the three of $x$, and the sum $L = 11 + 12 + 13 =
# 36$.
#
# Let $b$ rise by 0.1. All three terms rise by 0.1, so $L$ rises by 0.3: the gradient of $b$ is
# **3**. But the rule of `add` sends each operand what has arrived, $g = (1, 1, 1)$. For $x$ that is
# right. For $b$ it has the wrong shape, and it is easy to see what is missing: $b$ was used three
# times, and parts are **added** (lesson 04): $1 + 1 + 1 = 3$.
#
# ## In symbols
#
# Writing a small array as if it were larger is called **broadcasting**. Shapes are compared from
# the *last* axis; a size of 1, or a missing axis, is stretched:
#
# | shapes | result | stretched |
# |---|---|---|
# | `(3,)` and `()` | `(3,)` | the second, along axis 0 |
# | `(4, 3)` and `(3,)` | `(4, 3)` | the second, along axis 0 |
# | `(4, 3)` and `(4, 1)` | `(4, 3)` | the second, along axis 1 |
#
# If $b$ was stretched along an axis, so that its copy $i$ received $\bar y_i$, then
#
# $$\bar b = \sum_i \bar y_i .$$
#
# ## Exercise A: undo the stretching
#
# Write `unbroadcast(g, shape)`: the array `g` summed over every axis along which an array of that
# `shape` was stretched. The result has exactly the shape `shape`. There are two kinds of such axes:
# those that were missing, at the front, and those that had size 1. (`g.sum(axis=0)` drops axis 0;
# `g.sum(axis=1, keepdims=True)` keeps it with size 1.)


# %% exercise="06.unbroadcast"
def unbroadcast(g, shape):
    # BEGIN SOLUTION
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
    # END SOLUTION


# %%
fold = learn.check("06.unbroadcast", unbroadcast).working
print(fold(np.ones(3), ()), fold(np.ones((4, 3)), (4, 1)).ravel())

# %% [markdown]
# With it, a tensor engine fits into a few lines. `ToyTensor` records; `sweep` is that of lesson 04,
# except that every part is brought to the shape of its operand before it is added:


# %%
class ToyTensor:
    def __init__(self, data, op=None, inputs=()):
        self.data, self.op, self.inputs = np.asarray(data), op, inputs
        self.grad = np.zeros(self.data.shape)


def apply(op, *inputs):
    return ToyTensor(op.forward(NUMPY, *[x.data for x in inputs]), op, inputs)


def sweep(order):
    order[0].grad = np.ones(order[0].data.shape)
    for node in order:
        if node.op:
            parts = node.op.rule(NUMPY, node.grad, node.data, *[x.data for x in node.inputs])
            for operand, part in zip(node.inputs, parts, strict=True):
                operand.grad = operand.grad + fold(part, operand.data.shape)


# %%
a, b = ToyTensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), ToyTensor([10.0, 20.0, 30.0])
p = apply(ops.multiply, a, b)
s = apply(ops.tanh, apply(ops.multiply, p, ToyTensor(0.01)))
sweep([s, s.inputs[0], p, a, b])

ta, tb = Tensor(a.data, name="a", requires_grad=True), Tensor(b.data, name="b", requires_grad=True)
ts = (ta * tb * 0.01).tanh()
ts.backward(np.ones((2, 3)))
assert np.allclose(ta.grad, a.grad)
assert np.allclose(tb.grad, b.grad)
print("gradient of b, toy and library:", b.grad.round(3), tb.grad.round(3))
draw(ts, names={"y": ts}, show=["data", "grad"])

# %% [markdown]
# (The result here has six numbers, so `backward` is told the $g$ of each: ones.) In the library the
# same step stands in one place, so that no rule needs to think of it, and it is an operation of the
# table itself (with a rule: to sum and to stretch are each other's opposites). With `order=2`,
# `gradcheck` asks for gradients of gradients as well:

# %%
learn.source(ops.sum_to)
print(gradcheck(lambda x, y: (x * y).tanh(), [np.ones((2, 3)), np.full((3,), 0.3)], order=2))

# %% [markdown]
# ## One table, two engines
#
# If both engines read the same lines, they must give the same numbers. Eight operations, at random
# points, value and gradient:

# %%
points = np.random.default_rng(0).uniform(0.2, 2.0, 50)
for name in ("exp", "log", "sqrt", "sin", "tanh", "sigmoid", "relu", "softplus"):
    op = getattr(ops, name)
    many = Tensor(points, requires_grad=True)
    op(many).backward(np.ones(50))
    for i, point in enumerate(points):
        one = Value(point)
        op(one).backward()
        assert np.isclose(one.grad, many.grad[i], rtol=1e-12, atol=0)
print("eight operations agree at 50 points each")

# %% [markdown]
# ## An experiment: two moons, folded
#
# The network of lesson 05 has layers of 16, 16 and 1 neurons. It looks at 100 points of two moons;
# the loss is the mean of $\max(0, 1 - t \cdot \text{out})$. With values, one step of training
# records one node per multiplication, addition and so on, for each point. With tensors?

# %%
guess = learn.predict(
    "About how many nodes does one step record with tensors?", ["20", "400", "7,000", "70,000"]
)


# %%
def count(root):
    seen, found = {root}, [root]
    for node in found:
        new = [x for x in node.inputs if x not in seen]
        seen.update(new)
        found += dict.fromkeys(new)
    return len(found)


def network(x, parameters):
    (w1, b1), (w2, b2), (w3, b3) = parameters
    return (((x @ w1 + b1).tanh() @ w2 + b2).tanh() @ w3 + b3)[:, 0]


points, kinds = make_moons(learn.pick(full=100, quick=20), noise=0.1, random_state=1)
signs = 2.0 * kinds - 1.0
model = MLP(2, [16, 16, 1], generator=np.random.default_rng(0))
start = time.process_time()
terms = [(1.0 - t * model(list(p))).relu() for p, t in zip(points, signs, strict=True)]
scalar_loss = sum(terms, Value(0.0)) / len(terms)
scalar_loss.backward()
scalar_time = time.process_time() - start


# %% [markdown]
# Now the same weights as arrays: the neurons of a layer are the columns of its matrix.


# %%
def as_arrays(layer):
    weights = np.array([[w.data for w in neuron.w] for neuron in layer.neurons]).T
    biases = np.array([neuron.b.data for neuron in layer.neurons])
    return [Tensor(weights, requires_grad=True), Tensor(biases, requires_grad=True)]


parameters = [as_arrays(layer) for layer in model.layers]
x, t = Tensor(points), Tensor(signs)


def step():
    loss = (1.0 - t * network(x, parameters)).relu().mean()
    loss.backward()
    return loss


loss = step()
choices = {"20": 20, "400": 400, "7,000": 7000, "70,000": 70000}
guess.reveal(min(choices, key=lambda words: abs(choices[words] - count(loss))))
print(f"values: {count(scalar_loss)} nodes; tensors: {count(loss)} nodes")
assert np.isclose(loss.item(), scalar_loss.data, rtol=1e-6)

# %% [markdown]
# Two dozen nodes for all the points together, and the same loss. And the same gradients: here for
# every weight of the first layer.

# %%
by_hand = np.array([[w.grad for w in neuron.w] for neuron in model.layers[0].neurons]).T
assert np.allclose(by_hand, parameters[0][0].grad, rtol=1e-5, atol=1e-7)
draw(loss, show=["data"], detail="compact", direction="TB")

# %% [markdown]
# Training is a loop over `step`. Three hundred steps, and the answer at every place of the plane:

# %%
start = time.process_time()
for _ in range(300):
    for pair in parameters:
        for p in pair:
            p.grad = None
    step()
    for pair in parameters:
        for p in pair:
            p.data = p.data - 0.5 * p.grad
tensor_time = (time.process_time() - start) / 300
right = np.mean((network(x, parameters).data > 0) == (signs > 0))
print(
    f"{right:.0%} right; one step takes {scalar_time / tensor_time:.0f} times less than with values"
)
assert right >= 0.95

# %%
across, up = np.meshgrid(np.linspace(-1.6, 2.6, 120), np.linspace(-1.1, 1.6, 90))
plane = Tensor(np.column_stack([across.ravel(), up.ravel()]))
heights = network(plane, parameters).data.reshape(across.shape)
axes = plt.figure(figsize=(5.6, 3.4), layout="constrained").gca()
axes.contourf(across, up, heights > 0, levels=[-0.5, 0.5, 1.5], colors=["#DCEBF5", "#FBE4D5"])
for kind, colour, mark in ((-1, "#0072B2", "o"), (1, "#D55E00", "^")):
    axes.plot(*points[signs == kind].T, mark, color=colour, markersize=4)
axes.set(xticks=[], yticks=[])
plt.show()


# %% [markdown]
# ## Exercise B: the silent mistake
#
# Broadcasting is convenient, and the most expensive mistake in this course hides in it. Take
# predictions `p` of shape `(n, 1)`, a column, and targets `y` of shape `(n,)`. What is the shape of
# `p - y`? Work it out with the table above, then write `mse(p, y)`: the mean of the squared
# differences between each prediction and *its* target. Both are tensors; `p[:, 0]` is a column as a
# plain list of n.


# %% exercise="06.mse"
def mse(p, y):
    # BEGIN SOLUTION
    return ((p[:, 0] - y) ** 2).mean()
    # END SOLUTION


# %%
learn.check("06.mse", mse)

# %% [markdown]
# The careless version compares every prediction with every target. It runs, it gives a number, and
# its gradient pulls every prediction towards the mean of all targets. Explain to yourself why the
# loss then falls at first, and why it stops.
#
# ## A mistake to make once
#
# When shapes do not fit, the error says which sizes differ, and what to look at:

# %%
try:
    Tensor(np.ones((3, 4))) + Tensor(np.ones(5))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `Tensor(a, requires_grad=True)` | `torch.tensor(a, requires_grad=True)` |
# | `x @ w + b`, `.tanh()`, `.mean()` | the same |
# | `axis=`, `keepdims=` | `dim=`, `keepdim=` |
# | `ops.sum_to(g, shape=...)` | `g.sum_to_size(...)` |
#
# ## To read
#
# C. R. Harris and others, *Array programming with NumPy*, Nature 585 (2020): shapes, strides and
# broadcasting, by those who made them.
#
# ## Recap
#
# - A tensor is a node that holds an array; its operations are the same table, read with arrays.
# - Broadcasting uses an element several times, so its gradient is the sum over the copies.
# - The engine undoes broadcasting in one place; no rule thinks of it.
# - One node per operation on all data, instead of one per number: thousands of times faster.
#
# Left out here: the rule of `@` (lesson 07), and how arrays lie in memory.
