# %% [markdown]
# # 41 · What a compiler does
#
# **Question.** You have written a network once, and the computer runs its graph a thousand times.
# What can be worked out beforehand, and how much of the work was never needed?
#
# - builds: `compile`
# - introduces: `trace`, `PASSES`
# - uses: `MLP`, `Tensor`, `Value`, `Value.backward`, `Value.grad`, `data`, `draw`, `floats`,
#   `learn`, `manual_seed`, `nn`, `ops`, `ops.cross_entropy`
# - time: 45 minutes to read, 15 s to run
# - covers: C (layers), D (frameworks, efficient training), E (automatic differentiation)
#
# The end first: the operations of one training step of a network for digits, forward and back, as
# they were recorded, and after each **pass** of the compiler, one after the other. A pass is a
# function from a program to a better one. Some shorten this one, `share` most; the others find
# nothing here, or save time or memory. None changes a single number, and `share` you will write.

# %%
import math
import re
import time
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, Value, compile, data, draw, learn, manual_seed, nn, ops, trace
from tinygrad_edu.namespaces import floats
from tinygrad_edu.nn.scalar import MLP
from tinygrad_edu.readers.program.passes import PASSES

learn.begin("41")


# %%
digits, _ = data.digits("strat", flat=True)
x, y = digits.batch(range(64))


def new_model(nn=nn):
    manual_seed(0)
    parts = [nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU()]
    parts += [nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(64, 10))


def step_of(model, passes=tuple(PASSES)):
    """The loss of a batch as a program."""
    return compile(lambda x, y: ops.cross_entropy(model(x), y), passes=passes)


def left(f):
    """How many operations the program of f has."""
    return int(re.search(r"([\d,]+) left", f.report())[1].replace(",", ""))


# %%
model, names = new_model(), list(PASSES)
counts = {}
for k in range(len(names) + 1):
    f = step_of(model, tuple(names[:k]))
    loss = f(x, y)
    counts["as recorded" if k == 0 else f"+ {names[k - 1]}"] = left(f), loss.item()
axes = plt.figure(figsize=(7.5, 0.6 + 0.4 * len(counts)), layout="constrained").subplots()
bars = axes.barh(list(counts), [n for n, _ in counts.values()], color="#0072B2")
axes.bar_label(bars, padding=3)
axes.invert_yaxis()
axes.set(xlabel="operations in the program, forward and back")
plt.show()
assert np.ptp([value for _, value in counts.values()]) < 1e-6  # the same loss
assert min(n for n, _ in counts.values()) < 0.85 * counts["as recorded"][0]

# %% [markdown]
# ## By hand, with five numbers
#
# Take $(x y) + \sin(x y)$ at $x = 2$, $y = 3$. As it is written, there are four operations: $x y =$
# **6**, again $x y =$ **6**, $\sin 6 =$ **-0.279**, and the sum **5.721**. The second product is
# the first: three operations suffice. In a long program nobody sees such things, least of all in
# the way back, which nobody wrote. But they are easy to find for a program, if it is *data*: a
# list of steps. So the first thing a compiler does is to **trace**: it runs the function once,
# and notes what was done. That is the graph you have drawn since lesson 00.

# %%
p, q = Value(2.0, name="x"), Value(3.0, name="y")
root = p * q + ops.sin(p * q)
for node in trace(root).nodes:
    print(node.index, node.op.name if node.op else "input", node.inputs, round(node.data, 3))
draw(root, detail="compact")


# %% [markdown]
# A toy compiler: `record` makes the list, one tuple `(operation, places of its operands...)` for
# each result; `write` turns it into Python, one line each; Python's own `exec` makes it a function.


# %%
def record(f, count):
    """The steps of f, a function of `count` numbers, inputs first; the last is its result."""
    inputs = [Value(1.5 + i, name=f"x{i}") for i in range(count)]
    nodes = trace(f(*inputs)).nodes
    place = {n.index: count + k for k, n in enumerate(n for n in nodes if n.op)}
    place |= {n.index: int(n.name[1:]) for n in nodes if not n.op}
    steps = [("input",)] * count
    return steps + [(n.op.name, *(place[i] for i in n.inputs)) for n in nodes if n.op]


def write(steps):
    """Source of a function that does the steps."""
    inputs = [f"t{i}" for i, step in enumerate(steps) if step[0] == "input"]
    lines = [f"def program({', '.join(inputs)}):"]
    for i, (name, *places) in enumerate(steps):
        if name != "input":
            lines.append(f"    t{i} = ops.{name}.forward(xp, {', '.join(f't{p}' for p in places)})")
    return "\n".join([*lines, f"    return t{len(steps) - 1}"])


# %%
toy = record(lambda a, b: a * b + ops.sin(a * b) * ops.sin(a * b), 2)
print(toy)
print(write(toy))

# %% [markdown]
# ## Exercise A: the same thing twice
#
# Write `share(steps)`, the pass that compilers call *common subexpression elimination*. It returns
# a new list in which no two steps compute the same. Go through the old list in order; give operands
# their **new** places before you ask whether a step is there already (then $\sin(ab)$ twice is
# found too, for its operands have become one). Inputs are all different. The last step of the new
# list must be the result; so if that repeats an earlier step, append it all the same.


# %% exercise="41.share"
def share(steps):
    # BEGIN SOLUTION
    new, place, seen = [], [], {}
    for i, (name, *operands) in enumerate(steps):
        step = (name, *(place[p] for p in operands))
        if name == "input" or step not in seen or i == len(steps) - 1:
            seen[step] = len(new)
            new.append(step)
        place.append(seen[step] if name != "input" else len(new) - 1)
    return new
    # END SOLUTION


# %%
my_share = learn.check("41.share", share).working
print(f"{len(toy)} steps, then {len(my_share(toy))}:")
print(write(my_share(toy)))
made = {"ops": ops, "xp": floats}
exec(write(my_share(toy)), made)
assert math.isclose(made["program"](2.0, 3.0), 6 + math.sin(6) ** 2)

# %% [markdown]
# The library's pass does the same on its own list of steps:

# %%
learn.source(PASSES["share"])

# %% [markdown]
# ## In code: what comes out
#
# `compile(f)` traces forward *and* backward pass, runs all passes, writes, and keeps the program.
# `fold` and `literals` work out constants, `simplify` drops steps that change nothing, `dead` those
# that nothing reads; `keep less` and `checkpoints` save memory (lesson 26); `erf`, `loops` and
# `blocks` join steps that go element by element, so that numbers are fetched once (**fusion**).
# `f.source` is the program, `f.report()` says what was done. First with no pass, then with all:


# %%
def odd(x, w):
    h = ops.tanh(x * w)
    return (h * 1.0 + h * (2.0 * 3.0) + 0.0 * x.detach() * 0.0).sum()


w = Tensor(np.array([0.5, -1.0]), requires_grad=True, name="w")
a = Tensor(np.array([1.0, 2.0]), name="x")
plain, improved = compile(odd, passes=()), compile(odd)
outcomes = []
for f in (plain, improved):
    w.grad = None
    result = f(a, w)
    result.backward()
    outcomes.append([result.item(), *w.grad])
assert np.allclose(*outcomes, rtol=1e-12)
print(improved.source)
print(plain.report(), improved.report(), sep="\n\n")

# %%
draw(improved, detail="compact", direction="TB")

# %% [markdown]
# The `* 1.0` is gone, the products with 0.0 are not: Exercise B says why. Results with the same
# name share one piece of memory: one that nobody reads again is written over. For that, a compiler
# asks of each result who reads it last.
#
# ## Exercise: the last reader
#
# Write `last_reads(steps)`, a list: for each step of a toy program, the place of the last step that
# reads it: `len(steps)` for the result, read after the end; its own place for a step nobody reads.


# %% exercise="41.last_reads"
def last_reads(steps):
    # BEGIN SOLUTION
    last = list(range(len(steps)))
    for i, (_, *operands) in enumerate(steps):
        for p in operands:
            last[p] = i
    last[-1] = len(steps)
    return last
    # END SOLUTION


# %%
my_reads = learn.check("41.last_reads", last_reads).working
chain = record(lambda a: ops.exp(ops.sin(ops.tanh(ops.sin(a)))), 1)
alive = [sum(i <= t < end for i, end in enumerate(my_reads(chain))) for t in range(len(chain))]
print(f"a chain of {len(chain)} results; in memory at a time: {max(alive)}")

# %% [markdown]
# ## An experiment: how much faster?
#
# The scalar network of lesson 05, 2-16-16-1: hundreds of operations, each an object with a rule and
# a place in a graph. As a program they are lines of plain arithmetic: here for the sum of sixteen
# points, forward and back. And the lines of one point, given arrays in place of numbers, answer a
# thousand points at once: `vectorize()`. Each is then faster than the graph by how much?

# %%
guess = learn.predict("A thousand points at once: each is faster by", ["5 x", "50 x", "500 x"])

# %%
scalar = MLP(2, [16, 16, 1], generator=np.random.default_rng(0))
points = np.random.default_rng(0).normal(size=(1000, 2))
few = [[Value(a), Value(b)] for a, b in points[: learn.pick(full=16, quick=2)].tolist()]


def total(points):
    return sum(map(scalar, points))


def once(f, points):
    out = f(points)
    out.backward()
    return out.data


def fastest(*functions):
    """The least processor time of each, in turns, in seconds."""
    times = [[] for _ in functions]
    for _ in range(learn.pick(full=30, quick=5)):
        for f, kept in zip(functions, times, strict=True):
            f()  # the first call traces; each brings near what it reads
            began = time.process_time()
            f()
            kept.append(time.process_time() - began)
    return [min(kept) for kept in times]


# %%
program, results = compile(total), []
for f in (total, program):
    scalar.zero_grad()
    results.append([once(f, few), *(p.grad for p in scalar.parameters())])
assert np.allclose(*results, rtol=1e-12, atol=1e-15)

many = compile(lambda a, b: scalar([a, b])).vectorize()
assert np.allclose(many.values(*points[:5].T), [scalar(p).data for p in points[:5].tolist()])
times = fastest(
    lambda: once(total, few),
    lambda: once(program, few[:1]),
    lambda: once(program, few),
    lambda: many(*points.T).backward(),
)
eager, alone, together, array = np.array(times) / [len(few), 1, len(few), len(points)]
print(f"microseconds a point: the graph {1e6 * eager:.0f}; a program of one {1e6 * alone:.0f},")
print(f"of {len(few)} {1e6 * together:.0f} ({eager / together:.0f} x), of arrays {1e6 * array:.1f}")
assert eager / alone > 3
assert eager / together > learn.pick(full=20, quick=5)
assert eager / array > 20
guess.reveal(min(guess.choices, key=lambda words: abs(math.log(float(words[:-2]) * array / eager))))

# %% [markdown]
# A call also hands each of 337 weights its gradient, which takes longer than the lines of one
# point do. The sixteen pay for it once.
#
# And for tensors? There each operation is one call of NumPy on many numbers already, and the graph
# around it costs little. What is left to save is steps, and memory traffic.


# %%
def loss_of(x, y):
    return ops.cross_entropy(model(x), y)


def slopes(f):
    """The slopes of the batch's loss, forward and back."""
    model.zero_grad()
    f(x, y).backward()
    return [p.grad for p in model.parameters()]


compiled = compile(loss_of)
found = [slopes(loss_of), slopes(compiled)]
slow, quick = fastest(lambda: slopes(loss_of), lambda: slopes(compiled))
print(f"digits: eager {1e3 * slow:.2f} ms, compiled {1e3 * quick:.2f} ms: {slow / quick:.1f} x")

# %%
if find_spec("torch") and learn.pick(full=True, quick=False):
    import torch

    theirs = new_model(torch.nn)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    out, kinds = theirs(torch.tensor(x.numpy())), torch.tensor(y.numpy())
    torch.nn.functional.cross_entropy(out, kinds).backward()
    found.append([p.grad.numpy() for p in theirs.parameters()])
for each in zip(*found, strict=True):
    assert all(np.allclose(g, each[0], rtol=1e-4, atol=1e-6) for g in each)
print(f"{len(found)} ways, the same {len(found[0])} gradients")

# %% [markdown]
# ## Exercise B: improvements that are none
#
# Break it. Each of these rewrites is right in algebra and wrong for some number of a computer:
# $x \cdot 0 \to 0$, $x + 0 \to x$, $x / x \to 1$. Write `caught()`, which returns three numbers,
# one for each, for which the two sides differ. 0.0 and -0.0 count as different (their reciprocals
# are), `nan` and `nan` as the same. `math.inf` and `math.nan` are numbers too; $0/0$ is `nan`.


# %% exercise="41.caught"
def caught():
    # BEGIN SOLUTION
    return math.inf, -0.0, 0.0
    # END SOLUTION


# %%
learn.check("41.caught", caught)

# %% [markdown]
# Explain it: why may a compiler replace $x \cdot 1$ by $x$, and $x - 0$ by $x$?
#
# ## A mistake to make once
#
# A program must hold for every value; a function that looks at one cannot be traced:

# %%
try:
    compile(lambda v: v if v.sum() > 0 else -v)(a)
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.compile(f)` traces as well, writes C++ or Triton, and splits a function where it looks at a
# value ("graph break"). JAX's `jax.jit` refuses, as here; its `jax.make_jaxpr(f)(x)` is `f.source`.
#
# ## To read
#
# A. Aho, M. Lam, R. Sethi and J. Ullman, *Compilers: principles, techniques, and tools*, 2006,
# section 8.5, where blocks of steps become graphs.
#
# ## Recap
#
# - Trace once: a program is data, and a pass is a function from programs to programs.
# - Common subexpressions, constants, dead code; memory written over after its last reader.
# - A pass may change nothing, to the last bit. Algebra is not enough.
# - Scalars gain most, for there the graph was the work.
