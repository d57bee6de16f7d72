# %% [markdown]
# # 00 · Hello, graph
#
# **Question.** Some numbers go into an expression and one comes out. If one of the inputs rises a
# little, does the result rise or fall, and how fast?
#
# - builds: nothing
# - introduces: `draw`, `Stepper`, `explore`, `doctor`, `learn`
# - uses: nothing
# - borrowed, built in 03: `Value` - the number that remembers how it was computed.
# - borrowed, built in 04: `Value.backward`, `Value.grad` - how the answer reaches every input.
# - time: 20 minutes to read, 5 s to run
# - covers: A (automatic differentiation), D (module 1), E (7_1), micrograd
#
# Here is where this lesson ends: an expression as a picture, with the answer written into it. Run
# the cell (Shift+Enter).

# %%
from tinygrad_edu import Stepper, Value, draw, explore, learn
from tinygrad_edu.doctor import doctor

learn.begin("00")
a = Value(2.0, name="a")
b = Value(-3.0, name="b")
c = Value(10.0, name="c")
y = a * b + c
y.backward()
draw(y, names=locals())

# %% [markdown]
# Read it from left to right. The boxes on the left are the **inputs** `a`, `b` and `c`. Each box
# further right is the **result** of one operation, which is written on its left edge, and the
# arrows say what went into it. (`names=locals()` lets the picture use the names of your variables.)
# Two rows stand in every box: **data** is the number itself, and **grad** is the answer to the
# question above. This picture is called the **graph** of the expression. (The small numbers on the
# arrows, such as $\times{-3}$, say how each operation passes a change on; lesson 04 is about them.)
#
# ## First, your installation
#
# `doctor()` looks at what is installed and says what is missing and how to get it. Lines marked
# `without` are optional.

# %%
doctor()

# %% [markdown]
# ## By hand, with five numbers
#
# There are five numbers in $y = a\,b + c$: the inputs $a = 2$, $b = -3$, $c = 10$, the product
# $a\,b = -6$, and the result $y = 4$. Let $a$ rise by a tenth, and leave $b$ and $c$ alone:
#
# | | $a$ | $a\,b$ | $y$ |
# |---|---|---|---|
# | before | 2 | $-6$ | 4 |
# | after | 2.1 | $-6.3$ | 3.7 |
# | change | $+0.1$ | $-0.3$ | $\mathbf{-0.3}$ |
#
# The result fell, and three times as fast as $a$ rose: $-0.3$ divided by 0.1 is $\mathbf{-3}$. Look
# at the `grad` row of `a` in the picture.
#
# ## In symbols
#
# Write $\Delta a$ ("delta a") for a small change of $a$, and $\Delta y$ for the change of $y$ that
# follows.
#
# $$\frac{\partial y}{\partial a} = \text{the value that } \frac{\Delta y}{\Delta a}
# \text{ approaches as } \Delta a \text{ shrinks to } 0$$
#
# The left side is read "the change of $y$ per change of $a$"; the round $\partial$ says that the
# other inputs stay as they are. This number is the **gradient** of $y$ with respect to $a$. Its
# sign says whether $y$ rises (+) or falls ($-$) as $a$ rises, and its size says how fast. Every
# input has a gradient of its own:
#
# $$\frac{\partial y}{\partial a} = b = -3 \qquad
# \frac{\partial y}{\partial b} = a = 2 \qquad
# \frac{\partial y}{\partial c} = 1$$
#
# ## In code
#
# A `Value` holds one number. Arithmetic on values gives values, so an expression is written as
# usual, and afterwards its graph is still there. Here is the same table for all three inputs,
# found by changing them one at a time:


# %%
def f(a, b, c):
    return a * b + c


start = {"a": 2.0, "b": -3.0, "c": 10.0}
for name in start:
    raised = {**start, name: start[name] + 0.1}
    change = f(**raised) - f(**start)
    print(f"{name} rises by 0.1, y changes by {change:+.2f}: gradient {change / 0.1:+.1f}")

# %% [markdown]
# Three inputs took three more runs of `f`. A network has millions of inputs, and nobody can wait
# for millions of runs. `backward()` finds all gradients in **one** sweep over the graph, from the
# result back to the inputs. Lesson 04 builds it; here you only watch it work.
#
# Below is another expression, $y = (a - b)\,c$ with $a = 1$, $b = 4$ and $c = -2$. Before you run
# the cell, make a prediction. There is no penalty; a guess that turns out wrong is remembered best.

# %%
guess = learn.predict(
    "y = (a - b) * c at a = 1, b = 4, c = -2. If b rises, does y rise or fall?", ["rise", "fall"]
)

# %%
a, b, c = Value(1.0, name="a"), Value(4.0, name="b"), Value(-2.0, name="c")
y = (a - b) * c
before = draw(y, names=locals())
y.backward()
after = draw(y, names=locals())
learn.Row([before, after], ["before `backward()`: no gradient yet", "after it: all of them"])

# %% [markdown]
# In the first picture every gradient is a dash: none has been computed, which is not the same as 0.
# In the second all of them are there. (The small 1 and 2 beside the minus say which operand comes
# first.)

# %%
guess.reveal("rise" if b.grad > 0 else "fall")

# %% [markdown]
# Why does $y$ rise with $b$? See how the answer gets there, one step at a time. Click into the
# picture below and press the arrow key →, or use the buttons: first the numbers go forward, from
# left to right, then the gradients come back. The line under the picture says what happens at each
# step.

# %%
Stepper(y, names=locals())

# %% [markdown]
# Raising $b$ makes $a - b$ smaller. That is multiplied by $c$, which is negative, so the product
# becomes larger. Two reversals cancel.
#
# ## Exercise A: three signs
#
# Now without a picture, and with an input that is used twice: $y = a\,b - c\,a$ at $a = 2$, $b =
# 1$, $c = 4$. Reason as in the lines above and replace each `"?"` by `"+"` (y rises as this input
# rises) or `"-"` (y falls). When unsure, make the table of five numbers.

# %% exercise="00.signs"
# BEGIN SOLUTION instead of: signs = {"a": "?", "b": "?", "c": "?"}
signs = {"a": "-", "b": "+", "c": "-"}
# END SOLUTION

# %%
learn.check("00.signs", signs)

# %% [markdown]
# Stuck? `learn.hint("00.signs")` gives a hint; call it again for a clearer one, there are three.
# `learn.solution("00.signs")` opens after one attempt. When it passes, look at the graph: two
# arrows leave `a`, and the gradient of `a` is made of both. How, is the subject of lesson 04.

# %%
a, b, c = Value(2.0, name="a"), Value(1.0, name="b"), Value(4.0, name="c")
y = a * b - c * a
y.backward()
draw(y, names=locals())

# %% [markdown]
# ## An experiment: how far does a gradient reach?
#
# Take $y = a^2$ at $a = 2$. A small step shows the gradient: $2.01^2 = 4.0401$, a change of 0.0401
# for a step of 0.01, so about 4. Suppose you trust that and step by a whole 1, from 2 to 3. You
# predict a change of $4 \cdot 1 = 4$, which is $y = 8$. Write down your guess of the true value,
# then run:

# %%
a = Value(2.0, name="a")
y = a * a
y.backward()
for step in (0.01, 0.1, 1.0):
    predicted = y.data + a.grad * step
    actual = (a.data + step) ** 2
    print(f"step {step}: predicted {predicted:.4f}, actual {actual:.4f}")

# %% [markdown]
# Move the slider in the next picture and watch the straight line. It touches the curve at $a$, and
# its slope is the gradient: near $a$ the two can hardly be told apart, further off they part.

# %%
explore(lambda a: a * a, a=(-3, 3, 2))

# %% [markdown]
# The short step is right to three decimals; the long one is off by 1. **A gradient is a statement
# about small steps.** That is why networks are trained in many small steps, and why lesson 12 asks
# how long a step may be.
#
# ## Exercise B: turn one sign around
#
# Back to $y = a\,b + c$ at $a = 2$, $b = -3$, $c = 10$. Its gradient with respect to $a$ is $-3$:
# raising $a$ lowers $y$. Change **exactly one** of the three numbers so that raising $a$ *raises*
# $y$. Before you check, say in one sentence why your change works, and why the other two numbers
# cannot do it.

# %% exercise="00.flip"
# BEGIN SOLUTION instead of: changed = {"a": 2.0, "b": -3.0, "c": 10.0}
changed = {"a": 2.0, "b": 5.0, "c": 10.0}
# END SOLUTION

# %%
learn.check("00.flip", changed)

# %% [markdown]
# ## A mistake to make once
#
# Text that looks like a number is not a number. The error says what was expected:

# %%
try:
    Value("2")
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `Value(2.0)` | `torch.tensor(2.0, requires_grad=True)` |
# | `y.backward()` | `y.backward()` |
# | `a.grad` (0.0 before any, drawn as a dash) | `a.grad` (`None` before any) |
# | `draw(y)` | not included |
#
# ## To read
#
# A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, *Automatic Differentiation in Machine
# Learning: a Survey*, Journal of Machine Learning Research 18 (2018), section 2: two other ways to
# get a derivative, small steps and algebra, and why this one is neither.
#
# ## Recap
#
# - An expression is a graph: inputs, operations, a result.
# - The gradient of a result with respect to an input says which way, and how fast, the result moves
#   when that input rises a little.
# - `backward()` finds the gradients of all inputs at once.
# - A gradient holds for small steps only.
#
# Left out here: how a value remembers its graph (lesson 03), how `backward()` works (lesson 04),
# and what a perceptron is (lesson 01).
