# %% [markdown]
# # 07 · Matrix calculus without tears
#
# **Question.** A layer multiplies a matrix of inputs by a matrix of weights. What is the gradient
# of a *matrix*, and how can you find its formula without computing thousands of slopes one by one?
#
# - builds: `ops.matmul`, `ops.softmax`, `ops.logsumexp`
# - uses: `NUMPY`, `Tensor`, `Value.backward`, `Value.grad`, `draw`, `gradcheck`, `learn`, `ops`
# - time: 40 minutes to read, 6 s to run
# - covers: A (matrix calculus), B (backpropagation), C (part 1), D (module 1), E (7_2)
#
# The end first: in a product of matrices the sizes must fit, and so they must in its gradients.
# Each coloured side below meets a side of the same colour and length. There is only one way to
# put the pieces together, and it is the right formula.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from tinygrad_edu import Tensor, draw, gradcheck, learn, ops
from tinygrad_edu.namespaces.arrays import NUMPY

learn.begin("07")
SIZES = {"n": (1.0, "#0072B2"), "k": (1.6, "#D55E00"), "m": (0.7, "#007A59")}


# %%
def equation(axes, pieces):
    """Rectangles in a row, each (label, rows, columns); the first is the result."""
    x = 0.0
    for i, (label, rows, columns) in enumerate(pieces):
        (height, down), (width, along) = SIZES[rows], SIZES[columns]
        axes.add_patch(plt.Rectangle((x, -height / 2), width, height, color="#8882"))
        axes.plot([x, x], [-height / 2, height / 2], color=down, linewidth=3)
        axes.plot([x, x + width], [height / 2] * 2, color=along, linewidth=3)
        axes.text(x + width / 2, 0, label, ha="center", va="center", fontsize=12)
        axes.text(x - 0.1, 0, rows, color=down, ha="right", va="center")
        axes.text(x + width / 2, height / 2 + 0.06, columns, color=along, ha="center")
        x += width + (0.95 if i == 0 else 0.5)
        if i == 0:
            axes.text(x - 0.6, 0, "=", fontsize=14, va="center", ha="center")
    axes.set(xlim=(-0.4, 5.2), ylim=(-1.0, 1.1), aspect="equal")
    axes.axis("off")


_, row = plt.subplots(1, 3, figsize=(9.6, 2.2), layout="constrained")
equation(row[0], [("$C$", "n", "m"), ("$A$", "n", "k"), ("$B$", "k", "m")])
equation(row[1], [(r"$\bar A$", "n", "k"), (r"$\bar C$", "n", "m"), ("$B^T$", "m", "k")])
equation(row[2], [(r"$\bar B$", "k", "m"), ("$A^T$", "k", "n"), (r"$\bar C$", "n", "m")])
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# Start small: a row $a = (1, 2)$ times a column $b = (3, 4)$ is one number, $c = 1 \cdot 3 + 2
# \cdot 4 = 11$. Those are the five. If $a_1$ rises by 0.1, $c$ rises by $0.1 \cdot 3$; if $a_2$
# does, by $0.1 \cdot 4$. So the gradient of $a$ is $(3, 4)$, which is $b$; and the gradient of $b$
# is $(1, 2)$, which is $a$. It is the rule of the product from lesson 03, element by element.
#
# As always, $g$ says how much the final result changes per change of $c$: the answers are $g\,b$
# and $g\,a$.
#
# ## In symbols
#
# The **gradient of a matrix** is a matrix of the same shape. Each element says how much the final
# result $L$ changes per change of that one element. Write $\bar A$ for the gradient of $A$. For $C
# = AB$, an element of $C$ is row $i$ of $A$ times column $j$ of $B$:
#
# $$C_{ij} = \sum_k A_{ik} B_{kj}, \qquad
# \bar A_{ik} = \sum_j \bar C_{ij}\, B_{kj} .$$
#
# The second formula is the chain rule of lesson 04: $A_{ik}$ is used in row $i$ of $C$ only, once
# in each column $j$, with the slope $B_{kj}$. Now read it as a product of matrices. The sum runs
# over $j$, the *last* index of $\bar C$. In $B_{kj}$ the $j$ comes last too, so $B$ must be turned
# around:
#
# $$\bar A = \bar C\, B^T, \qquad \bar B = A^T\, \bar C .$$
#
# That is the picture. There is a trick for remembering it: write down the shapes, and there is only
# one way for them to fit.
#
# ## In code
#
# Before you trust it, a prediction. `X` holds 442 patients with 10 measurements each, `r` one
# number per patient. A gradient for the 10 weights must have the shape `(10,)`.

# %%
guess = learn.predict(
    "X is (442, 10), r is (442,). Which product can be the gradient of 10 weights?",
    ["X r", "X^T r", "r r^T"],
)

# %%
X, r = np.ones((442, 10)), np.ones(442)
guess.reveal("X^T r" if (X.T @ r).shape == (10,) else "X r")

# %% [markdown]
# ## Exercise A: the rule of the product
#
# Write `product_rule(g, a, b)` for matrices: the pair of the gradients of `a` and `b`, when the
# gradient `g` of `a @ b` has arrived. Use `@` and `.T`.


# %% exercise="07.product"
def product_rule(g, a, b):
    # BEGIN SOLUTION
    return g @ b.T, a.T @ g
    # END SOLUTION


# %%
rule = learn.check("07.product", product_rule).working

# %% [markdown]
# Your rule can go to work at once. `use_mine` puts it into the library's own `matmul`, under
# everything that multiplies matrices, until the end of the `with` block:


# %%
def mine(xp, g, out, x, y):
    return rule(g, x, y)


def three_layers(x, a, b, c):
    return ((x @ a).tanh() @ b).tanh() @ c


random = np.random.default_rng(0)
shapes = [(5, 4), (4, 3), (3, 3), (3, 2)]
arrays = [random.normal(size=shape) for shape in shapes]
with learn.use_mine("matmul", ops.matmul.forward, mine):
    print("your rule under three layers:", gradcheck(three_layers, arrays))
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    three_layers(*tensors).sum().backward()
print("back to the library's:", gradcheck(three_layers, arrays))
again = [Tensor(a, requires_grad=True) for a in arrays]
three_layers(*again).sum().backward()
assert all(np.allclose(p.grad, q.grad) for p, q in zip(tensors, again, strict=True))

# %%
x, w = Tensor(arrays[0], name="x"), Tensor(arrays[1], name="w", requires_grad=True)
y = x @ w
y.sum().backward()
draw(y, names=locals(), show=["data", "grad"])

# %% [markdown]
# ## Six more, by the same method
#
# Write one element of the result, see where the input occurs in it, sum over all its uses, and read
# the sum as matrices. Two of the six in full:
#
# - **Transpose**, $C = A^T$: $C_{ij} = A_{ji}$, so $\bar A_{ji} = \bar C_{ij}$, which is $\bar A =
#   \bar C^T$.
# - **Softmax**, $s_i = e^{x_i} / \sum_k e^{x_k}$: positive numbers that add up to 1. Raising $x_j$
#   raises $s_j$ and lowers all others, since the sum stays 1. Dividing out gives $\partial s_i /
#   \partial x_j = s_i (\delta_{ij} - s_j)$, where $\delta_{ij}$ is 1 for $i = j$ and 0 otherwise.
#   Summed with the $g_i$: $\bar x_j = \sum_i g_i s_i (\delta_{ij} - s_j) = s_j (g_j - \sum_i g_i
#   s_i)$.
#
# The others are yours. Fill in `rules`; each gets `g` and the inputs, as NumPy arrays, and returns
# the gradient of the first input:
#
# | entry | result | hint |
# |---|---|---|
# | `transpose` | `a.T` | above |
# | `softmax` | `np.exp(x) / np.exp(x).sum()` | above; `x` and `g` are vectors |
# | `column_sums` | `a.sum(axis=0)`, from (n, m) to (m,) | every row gets the same |
# | `trace` | the sum of the diagonal, one number | `np.eye(n)` has ones there |
# | `quadratic` | `x @ a @ x`, one number, with the inputs `x`, `a` | `x` is used twice |
# | `logsumexp` | `np.log(np.exp(x).sum())`, one number | you have seen its slope |

# %% exercise="07.rules"
rules = {
    # BEGIN SOLUTION instead of: "transpose": lambda g, a: ...,  # and five more
    "transpose": lambda g, a: g.T,
    "softmax": lambda g, x: (s := np.exp(x) / np.exp(x).sum()) * (g - (g * s).sum()),
    "column_sums": lambda g, a: np.broadcast_to(g, a.shape),
    "trace": lambda g, a: g * np.eye(len(a)),
    "quadratic": lambda g, x, a: g * (a + a.T) @ x,
    "logsumexp": lambda g, x: g * np.exp(x) / np.exp(x).sum(),
    # END SOLUTION
}

# %%
right = learn.check("07.rules", rules).working

# %% [markdown]
# With the two of the product that makes eight. Each was held against central differences, one
# element at a time, in the way of lesson 02. The library's rules say the same, and are written to
# work on whole batches, and along any axis:

# %%
s = ops.softmax.forward(NUMPY, np.array([1.0, 2.0, 3.0]))
g = np.array([1.0, 0.0, -1.0])
(theirs,) = ops.softmax.rule(NUMPY, g, s, None, axis=-1)
print("yours: ", right["softmax"](g, np.array([1.0, 2.0, 3.0])))
print("theirs:", theirs)
assert np.allclose(theirs, right["softmax"](g, np.array([1.0, 2.0, 3.0])))
learn.source(ops.softmax)

# %% [markdown]
# The forward subtracts the largest element first. It changes nothing in the result, and keeps
# $e^{1000}$ from overflowing; lesson 09 is about that.
#
# ## An experiment: the best line through 442 patients
#
# With these rules one can do by hand what a library does. Let $L(w) = \frac{1}{n} |Xw - y|^2$ be
# the mean squared error of a linear prediction. Its gradient is $\bar w = \frac{2}{n} X^T (Xw -
# y)$. Where the gradient is 0, $X^T X w = X^T y$: equations that can be solved at once. Gradient
# descent has to arrive at the same place. The data: how far diabetes has progressed after a year,
# from ten measurements.

# %%
X, y = load_diabetes(return_X_y=True)
X, y = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
w = Tensor(np.zeros(10), name="w", requires_grad=True)
n = len(y)
by_hand = 2 / n * X.T @ (X @ w.data - y)
((Tensor(X) @ w - Tensor(y)) ** 2).mean().backward()
print("largest difference, by hand and by backward():", np.abs(by_hand - w.grad).max())
assert np.allclose(by_hand, w.grad)

# %%
solved = np.linalg.solve(X.T @ X, X.T @ y)
descended = np.zeros(10)
for _ in range(learn.pick(full=20_000, quick=5_000)):
    descended = descended - 0.2 * (2 / n) * X.T @ (X @ descended - y)
explained = 1 - np.mean((X @ solved - y) ** 2) / np.mean(y**2)
print(f"explained: {explained:.1%}; distance to the descended weights:", end=" ")
print(f"{np.linalg.norm(X @ (solved - descended)) / np.linalg.norm(X @ solved):.1e}")
assert round(explained, 3) == 0.518
assert np.linalg.norm(X @ (solved - descended)) < 1e-2 * np.linalg.norm(X @ solved)

# %% [markdown]
# Half of what differs between patients is explained by a line, and both ways find it.
#
# ## Exercise B: shapes are no proof
#
# "Only one way to fit" is a way to remember a formula, and it can fail. Break it: choose `sizes =
# (n, k, m)` for which the **wrong** formula $\bar A = \bar C\, B$ (without turning $B$ around) has
# the shape of $A$, and gives wrong numbers.

# %% exercise="07.sizes"
# BEGIN SOLUTION instead of: sizes = ("?", "?", "?")
sizes = (2, 3, 3)
# END SOLUTION

# %%
learn.check("07.sizes", sizes)

# %% [markdown]
# Explain it: which two sizes have to be equal for that? And why does that make it a good habit to
# test with sizes that are all different? Tests of this library do.
#
# ## A mistake to make once
#
# Multiply in the wrong order, and the error names the two sizes that do not meet:

# %%
try:
    Tensor(np.ones((442, 10))) @ Tensor(np.ones(442))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `a @ b`, `ops.matmul` | `a @ b`, `torch.matmul` |
# | `ops.softmax(x, axis=-1)` | `torch.softmax(x, dim=-1)` |
# | `ops.logsumexp(x)` | `torch.logsumexp(x, dim=0)` |
# | a rule | the formula in `derivatives.yaml`, in C++ |
#
# ## To read
#
# T. Parr and J. Howard, *The matrix calculus you need for deep learning*, arXiv:1802.01528 (2018).
# For the index method in general: M. Giles, *Collected matrix derivative results for forward and
# reverse mode algorithmic differentiation* (2008), where inverse and determinant are too.
#
# ## Recap
#
# - The gradient of a matrix has its shape; each element answers for one element.
# - Write one element, sum over its uses, read the sum as matrices.
# - $\bar A = \bar C B^T$ and $\bar B = A^T \bar C$: the only way the shapes fit, if all differ.
# - A formula is believed after `gradcheck`, not after it fits.
#
# Left out here: inverse and determinant ($\bar A = -A^{-T} \bar C A^{-T}$ and $\bar A = g\,A^{-T}$
# for $C = A^{-1}$ and $\ln\det A$), and products of batches of matrices.
