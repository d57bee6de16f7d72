# %% [markdown]
# # 03 · A value builds a graph
#
# **Question.** After `y = w * x + b` Python knows that `y` is 7, and has forgotten how it got
# there. What is the least a number must remember so that the whole computation can be found again?
#
# - builds: `Value`, `Op`, `ops`
# - introduces: `floats`
# - uses: `draw`, `gradcheck`, `learn`, `Stepper`
# - time: 35 minutes to read, 8 s to run
# - covers: A (automatic differentiation), D (module 1), E (lab 7_1), micrograd
#
# This is what remembering buys: an expression, written and computed as usual, and found again after
# the fact. By the end your own code records such a graph, and a larger one.

# %%
import math
from collections import namedtuple
from functools import partial

import tinygrad_edu as tg
from tinygrad_edu import gradcheck, learn, ops
from tinygrad_edu.namespaces import floats

learn.begin("03")
w0, b0, x = tg.Value(0.1), tg.Value(1.0), tg.Value(2.3)
w1, b1 = tg.Value(-0.4), tg.Value(2.0)
out = ops.exp(b1 + w1 * ops.sin(b0 + w0 * x))
tg.draw(out, names=locals(), show=["data"], detail="compact")

# %% [markdown]
# ## By hand, with five numbers
#
# Take $w = 3$, $x = 2$ and $b = 1$. Then $w\,x = 6$ and $y = w\,x + b = 7$. Five numbers; write
# each on a slip of paper. To be able to go back from the 7, note on a slip **what was done** and
# **to which slips**:
#
# | slip | number | what was done | to which slips |
# |---|---|---|---|
# | w | 3 | | |
# | x | 2 | | |
# | b | 1 | | |
# | p | 6 | multiply | w, x |
# | y | 7 | add | p, b |
#
# That is all. From `y` you get to `p` and `b`, from `p` to `w` and `x`, and there the trail ends.
# A slip is a **node**; "to which slips" are its **inputs**; a node without inputs is a **leaf**;
# what was done is an **operation**. The slips and their notes together are the **graph**.
#
# ## What an operation is
#
# An operation needs two things. The **forward** function computes the result: $\text{out} = x \cdot
# y$. The **rule** is for the way back. It is told a number $g$: a small change of out changes the
# final result of the whole expression $g$ times as much. It answers how many times as much a small
# change of each input changes that final result:
#
# $$g \cdot \frac{\partial\, \text{out}}{\partial x}\text{ for } x, \qquad
# g \cdot \frac{\partial\, \text{out}}{\partial y}\text{ for } y .$$
#
# With the numbers above, $\text{out} = w\,x = 3 \cdot 2$. A change of $w$ changes out 2 times as
# much, so the answer for $w$ is $g \cdot 2$; for $x$ it is $g \cdot 3$. For `add` both answers are
# $g$. Where $g$ comes from is lesson 04; until then, $g = 1$ gives the plain derivative.
#
# ## In code
#
# An `Op` is a name, a forward and a rule. The `REGISTRY` is the table of all of them, and a `Value`
# is a slip. The operators `+` and `*` look the operation up and record what they did. (`namedtuple`
# makes a class with these three fields; `*inputs` gathers all further arguments, and `f(*list)`
# hands over the elements of a list one by one.)

# %%
# forward(numbers) -> number;  rule(g, out, numbers) -> one answer for each number
Op = namedtuple("Op", ["name", "forward", "rule"])
REGISTRY = {}


def register(name, forward, rule):
    REGISTRY[name] = Op(name, forward, rule)


class Value:
    def __init__(self, data, op=None, inputs=()):
        self.data, self.op, self.inputs = data, op, inputs

    def __add__(self, other):
        return apply("add", self, other)

    def __mul__(self, other):
        return apply("multiply", self, other)


def apply(name, *inputs):
    op = REGISTRY[name]
    return Value(op.forward(*[node.data for node in inputs]), op, inputs)


# %% [markdown]
# The table is empty. Two entries make it work. (`lambda x, y: x + y` is a function without a
# name: it takes `x` and `y` and gives `x + y`.)

# %%
register("add", lambda x, y: x + y, lambda g, out, x, y: (g, g))
register("multiply", lambda x, y: x * y, lambda g, out, x, y: (g * y, g * x))

w, x, b = Value(3.0), Value(2.0), Value(1.0)
y = w * x + b
print(y.data, "was made by", y.op.name, "from", [node.data for node in y.inputs])


# %% [markdown]
# `y` remembers its operation and its two inputs. Following the inputs gives back the expression:


# %%
def tell(node):
    if node.op is None:
        return f"{node.data:g}"
    return f"{node.op.name}({', '.join(tell(x) for x in node.inputs)})"


print(tell(y))
print("rule of the product, g = 1:", REGISTRY["multiply"].rule(1.0, 6.0, 3.0, 2.0))

# %% [markdown]
# Now a question of the kind that decides whether a graph is right. The same slip may be used twice.
# In `t * t` with `t = w * x`, is `t` one node with two arrows leaving it, or two nodes?

# %%
guess = learn.predict(
    "t = w * x; s = t * t. How many nodes does the graph of s have?", ["3", "4", "5", "7"]
)


# %%
def nodes(root):
    found = [root]
    for node in found:
        found += [x for x in dict.fromkeys(node.inputs) if x not in found]  # each once
    return found


t = w * x
s = t * t
guess.reveal(str(len(nodes(s))))
t = tg.Value(3.0, name="w") * tg.Value(2.0, name="x")
s = t * t
tg.draw(s, names=locals(), show=["data"])

# %% [markdown]
# Four: `w`, `x`, `t` and `s`. `tell(s)` would print `multiply(3, 2)` twice, because text cannot
# share. A graph can, and it must: `t` was computed once.
#
# ## The library does the same
#
# Its `Value` records the same trail, which is what `draw` reads. Your toy and the library agree:

# %%
p = tg.Value(3.0, name="w") * tg.Value(2.0, name="x")
first = tg.draw(p, show=["data"])
theirs = p + tg.Value(1.0, name="b")
assert theirs.data == y.data
assert tell(theirs) == tell(y) == "add(multiply(3, 2), 1)"
learn.Row([first, tg.draw(theirs, show=["data"])], ["after `w * x`", "after `+ b`"])

# %% [markdown]
# `tell` was written for your `Value` and reads the library's as well: `data`, `op` and `inputs`
# mean the same there. And this is how the library writes an operation, from its own source:

# %%
learn.source(ops.multiply)

# %% [markdown]
# The two functions are yours with one more argument, `xp`: the **namespace**, a set of functions to
# compute with. For a `Value` it is `floats`, which holds Python's `math` functions. Lesson 06 hands
# the same two functions NumPy's, and they work on whole arrays. `@op(...)` puts the forward into
# the registry; `symbol` is what pictures show, and `latex` what formulas show.

# %%
print("sin(1) with xp = floats:", ops.sin.forward(floats, 1.0))

# %% [markdown]
# ## Exercise A: three entries for the table
#
# Add `sin`, `exp` and `cos`. An entry is what `register` takes: name, forward, rule. Each operation
# has one input `x`; the forwards are `math.sin`, `math.exp` and `math.cos`. The slopes are
# $\sin' = \cos$, $\exp' = \exp$, $\cos' = -\sin$. A rule takes `(g, out, x)` and returns a
# **tuple** with one answer in it; Python writes a tuple of one as `(something,)`. The rule of
# `exp` can use `out`, which is already $e^x$.

# %% exercise="03.entries"
entries = [
    # BEGIN SOLUTION instead of: # ("sin", math.sin, lambda g, out, x: ...),  and two more
    ("sin", math.sin, lambda g, out, x: (g * math.cos(x),)),
    ("exp", math.exp, lambda g, out, x: (g * out,)),
    ("cos", math.cos, lambda g, out, x: (-g * math.sin(x),)),
    # END SOLUTION
]

# %%
checked = learn.check("03.entries", entries)

# %% [markdown]
# The check compares your forwards with `math`, and your rules with a small step to either side, on
# 100 random inputs each. `checked.working` is your answer once it passes, and a right one until
# then, so that the rest of the lesson runs either way:

# %%
for entry in checked.working:
    register(*entry)

# %% [markdown]
# ## An experiment: the toy model of lab 7_1
#
# The first picture was the inner half of this function, from the notebook 7_1 of *Understanding
# Deep Learning*:
#
# $$f_3 = b_3 + w_3 \cos\bigl(b_2 + w_2 \exp(b_1 + w_1 \sin(b_0 + w_0\, x))\bigr)$$
#
# with $b = (1, 2, -3, 0.4)$, $w = (0.1, -0.4, 2, 3)$ and $x = 2.3$. It is to come near $y = 2$; the
# **loss** $(f_3 - y)^2$ says how far off it is. Before you run the next cells, work out the
# innermost bracket $f_0 = b_0 + w_0\,x$ on paper. (In the code, `partial(apply, "sin")` is `apply`
# with its first argument filled in.)


# %%
def model(v, x, sin, exp, cos):
    f0 = v["b0"] + v["w0"] * x
    h1 = sin(f0)
    f1 = v["b1"] + v["w1"] * h1
    h2 = exp(f1)
    f2 = v["b2"] + v["w2"] * h2
    h3 = cos(f2)
    f3 = v["b3"] + v["w3"] * h3
    return {"f0": f0, "h1": h1, "f1": f1, "h2": h2, "f2": f2, "h3": h3, "f3": f3}


start = {"b0": 1.0, "b1": 2.0, "b2": -3.0, "b3": 0.4, "w0": 0.1, "w1": -0.4, "w2": 2.0, "w3": 3.0}
published = {"f0": 1.230, "h1": 0.942, "f1": 1.623, "h2": 5.068, "f2": 7.137, "h3": 0.657}
published |= {"f3": 2.372, "loss": 0.139}
yours = {name: Value(number) for name, number in start.items()}
sin, exp, cos = [partial(apply, name) for name in ("sin", "exp", "cos")]
toy = model(yours, Value(2.3), sin, exp, cos)
miss = toy["f3"] + Value(-2.0)
toy["loss"] = miss * miss
for name, expected in published.items():
    print(f"{name:>4} = {toy[name].data:6.3f}   published {expected:6.3f}")
    assert round(toy[name].data, 3) == expected

# %% [markdown]
# All eight, to the last printed digit, with operations you registered. The same `model`, given the
# library's values and operations, gives the same number and this graph:

# %%
theirs = {name: tg.Value(number, name=name) for name, number in start.items()}
found = model(theirs, tg.Value(2.3, name="x"), ops.sin, ops.exp, ops.cos)
assert found["f3"].data == toy["f3"].data
tg.draw(found["f3"], names=found, show=["data"], detail="compact", direction="TB")

# %% [markdown]
# The same numbers, one step at a time: click into it, then press →. When all values are there it
# goes on, from right to left; that half is lesson 04.

# %%
tg.Stepper(found["f3"], names=found)

# %% [markdown]
# ## Exercise B: fool a check
#
# How can one trust a rule? By comparing it with a small step at some point. Suppose a careless
# check tries the rule of `sin` at the single point $x = 0$, with any $g$. Break it: write a rule
# that gives the right answer at $x = 0$ and a wrong one elsewhere.


# %% exercise="03.fool"
def fool(g, out, x):
    # BEGIN SOLUTION
    return (g * (1.0 - x),)
    # END SOLUTION


# %%
learn.check("03.fool", fool)

# %% [markdown]
# Now explain it: why does one point prove so little, and why do many random points prove much more?
# Any two curves may cross at a point; a wrong formula that crosses the right one at 100 points
# chosen by chance is hard to write even on purpose. The library's own check is `gradcheck`:

# %%
print(gradcheck(ops.sin, tg.Value(0.7)))

# %% [markdown]
# ## A mistake to make once
#
# `math.sin` knows nothing of your table. Given a `Value`, it stops:

# %%
try:
    math.sin(Value(1.0))
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# Be glad of that error. The library's `Value` can be turned into a plain number, so there
# `math.sin(value)` gives a number without complaint, and the trail is cut: a number has no inputs.
# On values, use `ops.sin(value)` or `value.sin()`.
#
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `Value`, a node | `torch.Tensor` with `requires_grad=True` |
# | `node.op`, `node.inputs` | `tensor.grad_fn`, `tensor.grad_fn.next_functions` |
# | forward and rule of an `Op` | `forward` and `backward` of a `torch.autograd.Function` |
# | a leaf | a leaf: `tensor.is_leaf` |
#
# ## To read
#
# R. E. Wengert, *A simple automatic derivative evaluation program*, Communications of the ACM 7
# (1964), two pages: the list of elementary operations behind every expression, before the word
# graph was used for it.
#
# ## Recap
#
# - A node remembers its number, its operation and its inputs. That is a graph.
# - An operation is a forward function and a rule; the table of them is the registry.
# - A node used twice is one node with two arrows.
# - A rule is trusted after many random points, not after one.
#
# Left out here: numbers on either side (`2 * x`; try it on your toy), and how the rules are put to
# work together, which is lesson 04.
