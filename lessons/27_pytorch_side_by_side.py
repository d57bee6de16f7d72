# %% [markdown]
# # 27 · Side by side with PyTorch
#
# **Question.** Two libraries compute the same network. How near must their numbers be before you
# believe that both are right, and which one is wrong when they are not?
#
# - builds: `interop.parity`
# - introduces: `interop`, `operands`
# - uses: `NUMPY`, `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `learn`, `manual_seed`,
#   `nn`, `ops`, `ops.cross_entropy`, `optim`
# - time: 45 minutes to read, 12 s to run
# - covers: A (PyTorch basics), C (comparison with PyTorch), D (frameworks)
#
# The end first: every operation of this library, one per column; the brighter, the further apart.
# The top row is what rounding alone does: the same operation in single and in double precision
# (dark where nothing is rounded). If PyTorch is installed, the rows below are the distance to it,
# of results and of gradients, in both precisions. In the last row one square is too bright: why?

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, interop, learn, manual_seed, nn, ops, optim
from tinygrad_edu.interop.parity import operands
from tinygrad_edu.namespaces.arrays import NUMPY

learn.begin("27")
TORCH = learn.pick(full=importlib.util.find_spec("torch") is not None, quick=False)
ABSENT = "PyTorch is not installed (or this is the quick mode); with it, "
STEPS = learn.pick(full=300, quick=100)
RANDOM = ("uniform_like", "normal_like", "to_device")  # drawn, or only moved
NAMES = [op.name for op in ops.registered() if op.name not in RANDOM]


# %%
def rounding(name):
    """The distance between an operation's results in single and in double precision."""
    results = []
    for dtype in ("float32", "float64"):
        arrays, options = operands(name, dtype)
        out = getattr(ops, name)(*map(Tensor, arrays), **options)
        parts = out if isinstance(out, tuple) else (out,)
        results.append(np.concatenate([p.data.astype(float).ravel() for p in parts]))
    return abs(results[0] - results[1]).max() / max(1, abs(results[1]).max())


rows = {"float32 against float64": [rounding(name) for name in NAMES]}
found = interop.parity(NAMES) if TORCH else []
for dtype in ("float32", "float64") if TORCH else ():
    mine = [d for d in found if d.dtype == dtype]
    rows[f"PyTorch, {dtype}: results"] = [d.forward for d in mine]
    rows[f"PyTorch, {dtype}: gradients"] = [d.backward or 0.0 for d in mine]

# %%
figure = plt.figure(figsize=(10, 1.2 + 0.4 * len(rows)), layout="constrained")
axes = figure.subplots()
seen = axes.imshow(
    np.log10(np.maximum(list(rows.values()), 1e-17)), cmap="cividis", aspect="auto", vmin=-17
)
axes.set(yticks=range(len(rows)), xlabel=f"{len(NAMES)} operations, in the order of the table")
axes.set_yticklabels(rows)
figure.colorbar(seen, label="power of ten")
plt.show()
if not TORCH:
    print(ABSENT + "four more rows show the distance to PyTorch's results and gradients.")

# %% [markdown]
# ## By hand, with five numbers
#
# A `float32` has 24 binary digits. The next number after **1** is $1 + 2^{-23}$, about
# **1.2e-7** further; the next after **1000** is **6.1e-5** further. So 1000 and 1000.0001 differ by
# hardly two roundings, 1 and 1.0001 by eight hundred: a difference says something only beside the
# size of the numbers. Here it is divided by the largest of them, or by 1 if that is larger.
#
# A result takes a few roundings, so one asks for **1e-5** in `float32`. A `float64` has 53 digits,
# the next number after 1 is 2.2e-16 away, and one can ask for 1e-12.

# %%
print(np.spacing(np.float32(1)), np.spacing(np.float32(1000)), np.spacing(1.0))
assert max(rows["float32 against float64"]) < 1e-5

# %% [markdown]
# As a formula: $d(a, b) = \max_i |a_i - b_i| \,/\, \max(1, \max_i |b_i|)$.
#
# ## Exercise A: how far apart?
#
# Write `distance(a, b)` for two arrays, $b$ the one that is trusted. Mind the cases in which a
# comparison that is too friendly hides a mistake. Arrays of different **shape** or **dtype** are
# `np.inf` apart, and so are arrays of which only one has `nan` at some place. Where both have
# `nan`, they agree. The arrays have at least one number.


# %% exercise="27.distance"
def distance(a, b):
    # BEGIN SOLUTION
    if a.shape != b.shape or a.dtype != b.dtype or (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    a, b = np.nan_to_num(a, nan=0.0), np.nan_to_num(b, nan=0.0)
    return abs(a - b).max() / max(1, abs(b).max())
    # END SOLUTION


# %%
my_distance = learn.check("27.distance", distance).working

# %% [markdown]
# The harness runs an operation on the same arrays in both libraries, sends the same gradient back
# through both, and measures:

# %%
if TORCH:
    import torch

    arrays, _ = operands("tanh", "float64")
    ours, theirs = Tensor(arrays[0], requires_grad=True), torch.tensor(arrays[0]).requires_grad_()
    ops.tanh(ours).sum().backward()
    torch.tanh(theirs).sum().backward()
    print("tanh, my distance of the gradients:", my_distance(ours.grad, theirs.grad.numpy()))
    allowed = {"float32": 1e-5, "float64": 1e-12}
    far = {d.name: d.largest for d in found if d.largest > allowed[d.dtype]}
    print(f"{len(found)} comparisons; further apart than they should be: {far}")
    assert set(far) <= {"hardsigmoid"}
else:
    print(ABSENT + "every operation is compared, and one is found too far apart: hardsigmoid.")

# %% [markdown]
# Who is wrong? hardsigmoid is $x/6 + 1/2$ between $-3$ and $3$, so its slope there is exactly
# $1/6$. That needs no library as a judge:

# %%
x = Tensor(np.array([0.25]), requires_grad=True)
ops.hardsigmoid(x).backward()
print(f"here: off by {abs(x.grad[0] - 1 / 6):.1e};  1/6 rounded to float32: off by", end=" ")
print(f"{abs(float(np.float32(1 / 6)) - 1 / 6):.1e}")
assert x.grad[0] == 1 / 6
theirs = [d.backward for d in found if d.name == "hardsigmoid"][1:]
print("PyTorch, gradient: off by", theirs or "(not measured here)")

# %% [markdown]
# PyTorch, in the versions that show this, takes a $1/6$ in single precision for its gradients in
# double. It does no harm. But **two that disagree are no proof against either**: look for a third.
#
# ## Exercise: a script in another language
#
# Most code you will meet is written for PyTorch. Port these lines; `x` (rows, 3), `y` (rows, 2) and
# `w` (3, 2, with `requires_grad`) are Tensors of this library.
#
# ```python
# def train(x, y, w):
#     optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
#     losses = []
#     for _ in range(4):
#         optimizer.zero_grad()
#         out = (x @ w).clamp(min=-0.5)
#         out = (out - out.mean(dim=0, keepdim=True)) / (out.std(dim=0) + 1)
#         loss = torch.nn.functional.mse_loss(out, y)
#         loss.backward()
#         optimizer.step()
#         losses.append(loss.item())
#     return losses
# ```
#
# | PyTorch | here, as in NumPy |
# |---|---|
# | `dim=`, `keepdim=` | `axis=`, `keepdims=` |
# | `x.clamp(min=a)` | `ops.clip(x, min=a, max=b)`, or `ops.maximum(x, a)` |
# | `x.std(dim=0)` divides by $n - 1$ | `x.std(axis=0)` divides by $n$; `correction=1` for $n - 1$ |
# | `torch.cat(xs, dim=0)` | `ops.concat(xs[0], xs[1], axis=0)` |
# | `torch.nn.functional`, `torch.optim` | `nn.functional`, `optim`: the same names |


# %% exercise="27.port"
def train(x, y, w):
    # BEGIN SOLUTION
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        out = ops.maximum(x @ w, -0.5)
        out = (out - out.mean(axis=0, keepdims=True)) / (out.std(axis=0, correction=1) + 1)
        loss = nn.functional.mse_loss(out, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    # END SOLUTION


# %%
learn.check("27.port", train)
a = Tensor(np.array([[1.0], [2.0], [4.0]]), requires_grad=True, name="a")
draw((a - a.mean(axis=0)) / (a.std(axis=0, correction=1) + 1), detail="compact")

# %% [markdown]
# ## Exercise: one of our operations, inside PyTorch
#
# PyTorch asks for an operation and its derivative as two functions, and hands each a box, `ctx`, to
# carry things from one to the other: `ctx.save_for_backward(a, b, ...)` there,
# `ctx.saved_tensors` here. Write `as_function(op)`, which returns the two functions `forward(ctx,
# *xs)` and `backward(ctx, g)` for an operation of our table. Recall from lesson 06:
# `op.forward(NUMPY, *xs)` is the result, `op.rule(NUMPY, g, out, *xs)` the gradients, a tuple.
# (In a few rules, that of division for one, a function stands for a gradient that may not be
# wanted; here leave it as it is.)


# %% exercise="27.as_function"
def as_function(op):
    # BEGIN SOLUTION
    def forward(ctx, *xs):
        out = op.forward(NUMPY, *xs)
        ctx.save_for_backward(out, *xs)
        return out

    def backward(ctx, g):
        out, *xs = ctx.saved_tensors
        return op.rule(NUMPY, g, out, *xs)

    return forward, backward
    # END SOLUTION


# %%
my_function = learn.check("27.as_function", as_function).working

# %% [markdown]
# In PyTorch the two go into a class. Tensors become arrays on the way in and tensors on the way
# out; PyTorch's own gradient check then judges our rule:

# %%
if TORCH:
    forward, backward = my_function(ops.logaddexp)

    class Box:
        def save_for_backward(self, *arrays):
            self.saved_tensors = arrays

    class Ours(torch.autograd.Function):
        @staticmethod
        def forward(box, *tensors):
            box.own = Box()
            return torch.from_numpy(forward(box.own, *(x.detach().numpy() for x in tensors)))

        @staticmethod
        def backward(box, slope):
            return tuple(map(torch.from_numpy, backward(box.own, slope.numpy())))

    pair = [torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    print("PyTorch's gradcheck of our logaddexp:", torch.autograd.gradcheck(Ours.apply, pair))
else:
    print(ABSENT + "your two functions become a torch.autograd.Function and pass its gradcheck.")

# %% [markdown]
# ## An experiment: the same training, twice
#
# The same weights, the same batches, the same rule: 300 steps on the digits with both libraries, in
# single precision. (Without PyTorch: here, in single and in double precision.) After one step the
# weights differ by about 1e-8. After 300?

# %%
guess = learn.predict("After 300 steps the weights differ by", ["1e-8", "1e-6", "1e-2"])

# %%
digits, _ = data.digits("strat", flat=True)
images, labels = digits.batch(range(len(digits)))
manual_seed(0)
start = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)).state_dict()


def run(tensor, sgd, tanh, cross_entropy, dtype="float32"):
    weights = [tensor(p.data.astype(dtype)) for p in start.values()]
    for w in weights:
        w.requires_grad = True
    rule, path = sgd(weights, lr=0.1, momentum=0.9), []
    for i in range(STEPS):
        at = np.arange(64 * i, 64 * i + 64) % len(digits)
        h = tanh(tensor(images.data[at].astype(dtype)) @ weights[0].T + weights[1])
        rule.zero_grad()
        cross_entropy(h @ weights[2].T + weights[3], tensor(labels.data[at])).backward()
        rule.step()
        path.append(np.concatenate([w.detach().numpy().ravel() for w in weights]))
    return np.array(path)


# %%
ours = Tensor, optim.SGD, ops.tanh, ops.cross_entropy
here = run(*ours)
if TORCH:
    theirs = torch.tensor, torch.optim.SGD, torch.tanh, torch.nn.functional.cross_entropy
other = run(*theirs) if TORCH else run(*ours, dtype="float64")

# %%
apart = abs(here - other).max(axis=1)
axes = plt.figure(figsize=(7, 3.2), layout="constrained").subplots()
axes.semilogy(apart, color="#0072B2")
axes.set(xlabel="step", ylabel="largest difference of a weight")
plt.show()
print(f"after 1 step {apart[0]:.0e}, after {STEPS} {apart[-1]:.0e}")
assert apart[0] < 1e-6
assert apart[-1] < 1e-4
guess.reveal(min(guess.choices, key=lambda words: abs(np.log10(float(words) / apart[-1]))))

# %% [markdown]
# Fed back 300 times, roundings grow. So compare **one** step with a tight tolerance, not a whole
# training with a loose one: a loose one passes wrong rules.
#
# ## Exercise B: a mistake that hides
#
# Prove the last words. Write `hidden(xp, g, out, x)`, a rule for tanh that is **wrong**, and passes
# the tolerance 1e-5 in both precisions; only 1e-12 in `float64` finds it. It returns a tuple of one
# gradient, in the dtype of `g`.


# %% exercise="27.hidden"
def hidden(xp, g, out, x):
    # BEGIN SOLUTION
    return (g * (1 - out * out) * (1 + 1e-7),)
    # END SOLUTION


# %%
learn.check("27.hidden", hidden)

# %% [markdown]
# Explain it: rules are checked in `float64`, even if nobody will ever train in it. Why?
#
# ## A mistake to make once
#
# A tensor of the other library is no tensor of this one. The error says what to do:

# %%
try:
    interop.from_torch(Tensor([1.0]))
except (TypeError, ImportError) as error:
    print(f"{type(error).__name__}:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.testing.assert_close` has the tolerances, `torch.autograd.gradcheck` the check of a rule,
# `torch.autograd.Function` the two functions. `interop.from_torch` and `interop.to_torch` carry
# tensors over, sharing their memory, and a `state_dict` loads either way.
#
# ## To read
#
# D. Goldberg, *What every computer scientist should know about floating-point arithmetic*, ACM
# Computing Surveys 23 (1991): its first ten pages.
#
# ## Recap
#
# - Measure differences beside the size of the numbers, and let shape, dtype and nan count.
# - 1e-5 in `float32`, 1e-12 in `float64`; find wrong rules in `float64`.
# - Where two disagree, ask a third: a formula, a difference quotient.
# - Names carry over; defaults (`std`) may not.
