# %% [markdown]
# # 04 · The chain rule, run backward
#
# **Question.** One number comes out of a graph. How much does every number inside it matter? One
# sweep from the result back to the inputs answers for all of them, if each node waits its turn.
#
# - builds: `Value.backward`, `Value.grad`, `topological`
# - uses: `Value`, `ops`, `floats`, `draw`, `Stepper`, `learn`
# - time: 40 minutes to read, 8 s to run
# - covers: A (automatic differentiation), B (backpropagation), D (module 1), E (lab 7_1), micrograd
#
# The end first: a graph in which the node `t` is used twice. Click into it and press → to step, or
# move the slider. The numbers go forward first; then each node in turn sends its gradient to the
# nodes it was made from. Follow the `grad` rows, and stop when `t` has received one of its two
# parts.

# %%
from tinygrad_edu import Stepper, Value, draw, learn, ops
from tinygrad_edu.engine.backprop import topological
from tinygrad_edu.namespaces import floats

learn.begin("04")


def diamond():
    x = Value(1.5, name="x")
    t = 2 * x
    u = t + 1
    v = t * 5
    y = u * v
    return {"x": x, "t": t, "u": u, "v": v, "y": y}


def send(node):
    """Pairs of an operand and what the rule of `node` sends it."""
    parts = node.op.rule(floats, node.grad, node.data, *[x.data for x in node.inputs])
    return [(x, part) for x, part in zip(node.inputs, parts, strict=True) if x.requires_grad]


d = diamond()
Stepper(d["y"], names=d)

# %% [markdown]
# ## By hand, with five numbers
#
# The five are $x = 1.5$, $t = 2x = 3$, $u = t + 1 = 4$, $v = 5t = 15$ and $y = u\,v = 60$. Let
# every node answer the question "if you change a little, how many times as much does $y$ change?",
# starting at the end:
#
# - $y$ changes as much as itself: **1**.
# - $u$ is multiplied by $v = 15$, so its answer is **15**. For $v$ it is $u = 4$: **4**.
# - $t$ is used twice. $u = t + 1$ changes as much as $t$, and $y$ changes 15 times as much as $u$:
#   $1 \cdot 15 = 15$. $v = 5t$ changes 5 times as much as $t$, and $y$ changes 4 times as much as
#   $v$: $5 \cdot 4 = 20$. Both happen at once when $t$ changes, so the answer is the sum, **35**.
# - $t$ changes twice as much as $x$, and $y$ changes 35 times as much as $t$: **70**.
#
# Check: $y = (2x + 1)\cdot 10x = 20x^2 + 10x$, whose slope is $40x + 10 = 70$ at $x = 1.5$.
#
# ## The chain rule, in symbols
#
# Write $\bar v$ ("v bar") for the gradient of a node $v$: a small change of $v$ changes the final
# result $L$ by $\bar v$ times as much. Then
#
# $$\bar L = 1, \qquad \bar v = \sum_{\text{out uses } v} \overline{\text{out}} \cdot
# \frac{\partial\, \text{out}}{\partial v} .$$
#
# The sign $\sum$ adds up one term for every result "out" that $v$ went into. Each term is what an
# operation **sends** to its operand: the $g$ of lesson 03, times the slope. That is what `send`, in
# the first cell, asks the rule for; it skips constants such as the 2, which need no gradient (their
# `requires_grad` is `False`). The sum has one consequence that decides everything below: $\bar v$
# is complete only when **every** use of $v$ has sent its part, and only a complete gradient may be
# sent on.
#
# ## What goes wrong without waiting
#
# It is tempting to write the sweep as a recursion: a node gets a part, adds it, and passes its
# gradient on at once.


# %%
def naive(node, part):
    node.grad += part
    if node.op:
        for x, sent in send(node):
            naive(x, sent)


guess = learn.predict(
    "In the diamond, naive recursion gives x the gradient", ["70", "less than 70", "more than 70"]
)

# %%
d = diamond()
naive(d["y"], 1.0)
wrong = d["x"].grad
guess.reveal("70" if wrong == 70 else f"{'less' if wrong < 70 else 'more'} than 70")
print("t:", d["t"].grad, " x:", wrong)

# %% [markdown]
# `t` has 35, yet `x` has 100. When the first part, 15, reached `t`, it was passed on: $15 \cdot 2 =
# 30$. When the second part came, `t` stood at 35 and passed on 35: another 70. The first 15 was
# counted twice. `t` should have waited for both parts, as in the stepper at the top: after "v gives
# t its share" `t` stands at 20, marked 1/2 for one of two parts, and nothing has gone to `x`.
#
# ## Exercise A: the order of the sweep
#
# Write `toposort(root)`: a list of **every node** under `root`, root first, in which each node
# comes **after all nodes that use it**. (Such an order is called topological.) A way that never
# recurses:
#
# 1. Find all nodes, and count for each how many arrows leave it (`x * x` counts as two). A list
#    that grows while a `for` walks it does this: start it as `[root]`; for each node, go through
#    its `inputs`, count each, and append those met for the first time.
# 2. Start the order as `[root]`. Walk it while it grows: for each node, take one off the count of
#    each of its `inputs`. A node whose count has come down to 0 has no use left to wait for: append
#    it.
#
# Nodes can be the keys of a `dict`. Two nodes are the same if they are the same object.


# %% exercise="04.toposort"
def toposort(root):
    # BEGIN SOLUTION
    uses, found = {root: 0}, [root]
    for node in found:
        for x in node.inputs:
            if x not in uses:
                uses[x] = 0
                found.append(x)
            uses[x] += 1
    order = [root]
    for node in order:
        for x in node.inputs:
            uses[x] -= 1
            if uses[x] == 0:
                order.append(x)
    return order
    # END SOLUTION


# %%
in_order = learn.check("04.toposort", toposort).working

# %%
d = diamond()
names = {node: name for name, node in d.items()}
print([names.get(node, "constant") for node in in_order(d["y"])])

# %% [markdown]
# The check tries random graphs, and then a chain of 50,000 operations. There a recursive answer
# ends in a `RecursionError`: Python allows about 1,000 calls inside one another, and a scalar
# network of modest size is deeper than that. (`in_order` is your function once it passes, and a
# right one until then, so that the lesson can go on.)
#
# ## Exercise A, second part: the sweep
#
# Now `backward(root)`, which leaves in `.grad` of every node what the picture shows. You have
# `in_order` and `send`. Take care of four things:
#
# - The root starts with 1.
# - Parts are **added**: a node may receive several.
# - A leaf **keeps** what it has from earlier calls and adds to it.
# - A result (a node with an `op`) starts every call at 0: its old gradient belongs to an old sweep.
#
# Only results send; a leaf has nothing to send to.


# %% exercise="04.backward"
def backward(root):
    # BEGIN SOLUTION
    order = in_order(root)
    for node in order:
        if node.op:
            node.grad = 0.0
    root.grad = 1.0
    for node in order:
        if node.op:
            for operand, sent in send(node):
                operand.grad += sent
    # END SOLUTION


# %%
sweep = learn.check("04.backward", backward).working

# %%
d = diamond()
sweep(d["y"])
print("t:", d["t"].grad, " x:", d["x"].grad)

# %% [markdown]
# ## A second call
#
# Why should leaves keep what they have? A network is often asked for gradients in portions, for
# example of 32 pictures and then of 32 more, whose gradients are to be added. So calling `backward`
# twice on one graph doubles the leaves, and nothing else. Who wants to start afresh says so:

# %%
sweep(d["y"])
print("second call   t:", d["t"].grad, " x:", d["x"].grad)


def zero_grad(*leaves):
    for leaf in leaves:
        leaf.grad = None  # a dash in pictures: nothing has arrived


zero_grad(d["x"])
sweep(d["y"])
print("after zero_grad, x:", d["x"].grad)

# %% [markdown]
# ## An experiment: the fifteen gradients of lab 7_1
#
# In lesson 03 the toy model of *Understanding Deep Learning* remembered how its loss was computed:
# $f_3 = b_3 + w_3 h_3$ and $\text{loss} = (f_3 - y)^2$, with $f_3 = 2.372$ and $y = 2$. Before you
# run the cell, work out two of the fifteen on paper: $\bar f_3$, which is the slope of
# $(f_3 - y)^2$, and then $\bar b_3$.

# %%
start = {"b0": 1.0, "b1": 2.0, "b2": -3.0, "b3": 0.4, "w0": 0.1, "w1": -0.4, "w2": 2.0, "w3": 3.0}


def model():
    v = {name: Value(number, name=name) for name, number in start.items()}
    v["f0"] = v["b0"] + v["w0"] * 2.3
    v["h1"] = ops.sin(v["f0"])
    v["f1"] = v["b1"] + v["w1"] * v["h1"]
    v["h2"] = ops.exp(v["f1"])
    v["f2"] = v["b2"] + v["w2"] * v["h2"]
    v["h3"] = ops.cos(v["f2"])
    v["f3"] = v["b3"] + v["w3"] * v["h3"]
    v["loss"] = ops.square(v["f3"] - 2.0)
    return v


published = {"f3": 0.745, "h3": 2.234, "f2": -1.683, "h2": -3.366, "f1": -17.060, "h1": 6.824}
published |= {"f0": 2.281, "b3": 0.745, "w3": 0.489, "b2": -1.683, "w2": -8.530, "b1": -17.060}
published |= {"w1": -16.079, "b0": 2.281, "w0": 5.246}
m = model()
sweep(m["loss"])
for name, expected in published.items():
    print(f"{name}: {m[name].grad:8.3f}   published {expected:8.3f}")
    assert round(m[name].grad, 3) == expected

# %% [markdown]
# All fifteen, to the last printed digit. Which number should be turned to lower the loss fastest?
# The largest gradients in size are those of `b1` and `w1`: they act before the exponential, which
# enlarges what comes before it. In the picture, ∇ marks a gradient. Below it the same computation
# asks *you* for each number before it shows it: type it in, to two digits. `?` gives the keys.

# %%
draw(m["loss"], names=m, detail="compact", direction="TB")

# %%
Stepper(m["loss"], names=m, mode="predict")

# %% [markdown]
# ## The library does the same
#
# `loss.backward()` gives the same numbers as your function, to the last bit:

# %%
theirs = model()
theirs["loss"].backward()
assert all(theirs[name].grad == m[name].grad for name in theirs)
learn.source(topological)

# %% [markdown]
# The same promise, kept another way: a node is put down once everything under it has been, and at
# the end the list is turned round. No count is needed, and what was computed last comes first, so
# the sweep meets the nodes as they lie in memory. Leaves are left out, since they send nothing.
# The sweep itself is `walk`, in the same file.
#
# ## Exercise B: set a trap
#
# `naive` was wrong in the diamond. Break it again, with less: write `trap(x)`, an expression of one
# `Value` with **at most two operations**, for which `naive` and `backward` give `x` different
# gradients. Use `+`, `*` or `ops.sin`. Try `naive` on your first ideas, and explain to yourself why
# sharing `x` alone is not enough.


# %% exercise="04.trap"
def trap(x):
    # BEGIN SOLUTION
    twice = x + x
    return twice * twice
    # END SOLUTION


# %%
learn.check("04.trap", trap)

# %% [markdown]
# ## A mistake to make once
#
# The rules read the numbers of the forward pass. If one is changed before the sweep, the gradients
# would belong to no expression at all. The library notices:

# %%
a = Value(2.0, name="a")
y = a * a
a.data = 5.0
try:
    y.backward()
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `y.backward()` | `y.backward()`; a second call needs `retain_graph=True` |
# | `leaf.grad` adds up | `leaf.grad` adds up |
# | `zero_grad` | `optimizer.zero_grad()` |
# | gradients of results are kept | only after `tensor.retain_grad()` |
#
# ## To read
#
# D. E. Rumelhart, G. E. Hinton, R. J. Williams, *Learning representations by back-propagating
# errors*, Nature 323 (1986): the sweep of this lesson, in four pages, on layers of units.
#
# ## Recap
#
# - A gradient is the sum over all uses of a node: gradient of the user, times the slope.
# - A node may send only when all its uses have sent: topological order, outputs first.
# - Leaves add up over calls; results start afresh.
# - Nodes are visited, not paths, and nothing recurses, so neither sharing nor depth is a danger.
#
# Left out here: rules with parts that are computed only on demand (division, powers), and gradients
# that are themselves graphs.
