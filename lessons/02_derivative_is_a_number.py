# %% [markdown]
# # 02 · A derivative is a number
#
# **Question.** A curve bends everywhere. What does it mean that it has *a* slope at one point, and
# how do you find that number when all you can do is evaluate the function?
#
# - builds: `numeric_grad`, `gradcheck`
# - uses: `draw`, `learn`
# - borrowed, built in 03: `Value` - the number that remembers how it was computed.
# - borrowed, built in 04: `Value.backward`, `Value.grad` - the exact slope, for comparison.
# - time: 30 minutes to read, 6 s to run
# - covers: A (matrix calculus), D (module 1), E (7_2), micrograd
#
# The end first. Below, the slope of $e^x$ at $x = 1$ was estimated with steps of every size, from
# $10^{-1}$ on the right to $10^{-15}$ on the left, in two ways. Height is the error, the distance
# from the exact slope, which for $e^x$ is $e^x$ itself: lower is better. Both axes go in powers of
# ten. Smaller steps help, and then they stop helping. By the end you can say why there is a V, and
# where its tip must lie.

# %%
import math

import matplotlib.pyplot as plt

from tinygrad_edu import Value, draw, gradcheck, learn, numeric_grad

learn.begin("02")
BLUE, ORANGE = "#0072B2", "#D55E00"
steps = [10 ** (-e / 4) for e in range(4, 61)]


def errors(estimate, f, x, right):
    return [abs(estimate(f, x, h) - right) for h in steps]


def show_errors(curves):
    axes = plt.figure(figsize=(6.4, 3.6), layout="constrained").gca()
    for (label, ys), colour, mark in zip(curves.items(), (BLUE, ORANGE), "o^", strict=False):
        axes.loglog(steps, ys, mark, color=colour, markersize=4, label=label)
    axes.set(xlabel="step h", ylabel="error of the slope")
    axes.grid(alpha=0.3)
    axes.legend()
    plt.show()


sides = {
    "one side: (f(x+h) - f(x)) / h": lambda f, x, h: (f(x + h) - f(x)) / h,
    "both sides: (f(x+h) - f(x-h)) / 2h": lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h),
}
show_errors({name: errors(way, math.exp, 1.0, math.e) for name, way in sides.items()})

# %% [markdown]
# ## By hand, with five numbers
#
# Take $f(x) = x^3$ at $x = 2$, and a step $h = 0.1$ to either side. Three values of the function:
#
# | $x$ | 1.9 | 2 | 2.1 |
# |---|---|---|---|
# | $x^3$ | 6.859 | 8 | 9.261 |
#
# - A step to the right: $f$ grows by $9.261 - 8 = 1.261$. Over the step of 0.1 that is **12.61**.
# - From the left to the right: $9.261 - 6.859 = 2.402$, over a way of $0.2$: **12.01**.
#
# Now shrink the step to 0.01. The first estimate becomes 12.0601, the second 12.0001. Both approach
# **12**, and that number is the derivative of $x^3$ at $x = 2$. It is one number; at another $x$ it
# is another number.
#
# ## In symbols
#
# $$f'(x) = \text{the number that } \frac{f(x + h) - f(x)}{h} \text{ approaches as } h
# \text{ shrinks to } 0$$
#
# For $x^3$ one can multiply out, and see exactly what each estimate gives:
#
# $$\frac{(x+h)^3 - x^3}{h} = 3x^2 + 3x\,h + h^2, \qquad
# \frac{(x+h)^3 - (x-h)^3}{2h} = 3x^2 + h^2 .$$
#
# Both contain the derivative $3x^2$, which is 12 at $x = 2$. The rest is the error. On one side it
# is about $6h$. On both sides the term with $h$ cancels, because a step to the left makes that
# error with the opposite sign, and $h^2$ is left. For $h = 0.01$ that is 0.06 against 0.0001. What
# holds for $x^3$ holds for every smooth curve (without jumps and corners): **an error like $h$ on
# one side, an error like $h^2$ with both.**
#
# ## In code

# %%
for h in (0.1, 0.01, 0.001):
    right, both = [way(lambda x: x**3, 2.0, h) for way in sides.values()]
    print(f"h = {h:<5}  one side {right:.7f}   both sides {both:.7f}")

# %% [markdown]
# Before you go on, use the second formula. The step becomes ten times shorter:

# %%
guess = learn.predict(
    "h goes from 0.1 to 0.01. By what does the error of the two-sided estimate shrink?",
    ["10 times", "100 times", "1000 times"],
)

# %%
both = sides["both sides: (f(x+h) - f(x-h)) / 2h"]
errs = [abs(both(math.exp, 1.0, h) - math.e) for h in (0.1, 0.01)]
print(f"errors {errs[0]:.3e} and {errs[1]:.3e}: ratio {errs[0] / errs[1]:.1f}")
guess.reveal(f"{10 ** round(math.log10(errs[0] / errs[1]))} times")

# %% [markdown]
# ## Exercise A: from both sides
#
# Write `central(f, x, h)`: the two-sided estimate of the slope of `f` at `x` with the step `h`.
# This is the **central difference**. (The first cell had it in passing; write it without looking,
# from the formula above.)


# %% exercise="02.central"
def central(f, x, h):
    # BEGIN SOLUTION
    return (f(x + h) - f(x - h)) / (2 * h)
    # END SOLUTION


# %%
slope = learn.check("02.central", central).working

# %% [markdown]
# The check measured more than a few slopes. It halved the step again and again and looked at how
# fast your error fell: for a right answer, by 4 each time, as $h^2$ does. The exponent is
# called the **order** of a method: 2 here, 1 for the step to one side.
#
# ## An experiment: why not the smallest step of all?
#
# If shorter is better, why not $h = 10^{-15}$? Python's numbers have about 16 digits. Suppose
# $f(x + h)$ and $f(x - h)$ agree in their first 12 digits. Then their difference has only 4 digits
# left that mean anything, and it is divided by a tiny $h$. So there are two errors:
#
# $$\text{error} \approx \underbrace{h^2}_{\text{the curve bends}} +
# \underbrace{10^{-16} / h}_{\text{digits run out}}$$
#
# The first falls with $h$ and the second grows. They are equal where $h^3 = 10^{-16}$. Work out
# that step on paper, then run:

# %%
ys = errors(slope, math.exp, 1.0, math.e)
best = steps[ys.index(min(ys))]
inside = [(math.log10(h), math.log10(y)) for h, y in zip(steps, ys, strict=True) if h > 1e-4]
(h0, y0), (h1, y1) = inside[0], inside[-1]
order = (y0 - y1) / (h0 - h1)
print(f"best step {best:.1e}, error {min(ys):.0e}; order on the right side: {order:.3f}")
assert abs(order - 2.0) < 0.1
assert 1e-6 < best < 1e-4

# %% [markdown]
# The third root of $10^{-16}$ is about $5 \cdot 10^{-6}$, and the tip of the V lies near it. To the
# right of the tip the points fall in a straight line whose slope is the order, 2: ten times
# shorter, a hundred times better. To the left they rise, and they scatter, for rounding follows no
# rule. The best a central difference can do is about ten digits. Keep two numbers: **a step near
# $10^{-5}$, ten good digits.**
#
# ## Several inputs
#
# A function of several inputs has a slope for each: step in one, and leave the others alone. All of
# them together are called the gradient too. The library does this for numbers and arrays:

# %%
print("d/dx of x^3 at 2:       ", numeric_grad(lambda x: x**3, 2.0))
print("gradient of x*y at (2,3):", numeric_grad(lambda v: v[0] * v[1], [2.0, 3.0]))
assert abs(numeric_grad(math.exp, 1.0) - slope(math.exp, 1.0, 6e-6)) < 1e-9
learn.source(numeric_grad)

# %% [markdown]
# Around your formula there is a loop over the elements, and one subtlety: it divides by `width`,
# the step that was really made after rounding.
#
# ## What it is good for
#
# Not for training: a million inputs would need two million evaluations for one gradient. It is good
# for **checking**. Whoever claims to know a gradient can be held to it. In lesson 00 `backward()`
# claimed one in a single sweep:

# %%
x = Value(2.0, name="x")
y = x**3
y.backward()
print("claimed:", x.grad, "  measured:", round(numeric_grad(lambda t: t**3, 2.0), 6))
draw(y, names=locals())

# %% [markdown]
# Such a check fits in five lines. `gradcheck_toy` compares a claimed derivative with a measured one
# at several points, and demands agreement to a millionth:


# %%
def gradcheck_toy(f, claimed, points):
    for x in points:
        measured = slope(f, x, 1e-5)
        if abs(claimed(x) - measured) > 1e-6 * max(1.0, abs(measured)):
            return f"at {x} you claim {claimed(x):.6g}, and measured is {measured:.6g}"
    return True


points = [-2.0, -0.5, 0.3, 1.7]
print("sin' = cos:     ", gradcheck_toy(math.sin, math.cos, points))
print("cos' = sin:     ", gradcheck_toy(math.cos, math.sin, points))
assert gradcheck_toy(math.sin, math.cos, points) == gradcheck(lambda x: x.sin(), Value(0.3))

# %% [markdown]
# The library's `gradcheck` does the same for anything made of its values, whatever `backward()`
# claims, with as many inputs as you like. Every operation in this course has passed it.
#
# ## Exercise B: a slope where there is none
#
# A check is only as good as its assumption, here that the curve is smooth. Break it: write
# `kinked(x)`, a function without a jump, for which the central difference at $x = 0$ gives **0 for
# every step**, although the curve has no slope there: to the right of 0 it rises, with a slope
# between a half and 2.


# %% exercise="02.kinked"
def kinked(x):
    # BEGIN SOLUTION
    return abs(x)
    # END SOLUTION


# %%
learn.check("02.kinked", kinked)

# %% [markdown]
# Explain it to yourself: what do the left and the right side contribute? Networks are full of such
# corners (the function `relu` of lesson 05 has one), so a check has to stay away from them, or say
# that it met one. `gradcheck` compares the two sides and says "kink".
#
# ## A mistake to make once
#
# A step to either side leaves the place where you stand, and the function may not exist there:

# %%
print("sqrt at 1:", slope(math.sqrt, 1.0, 1e-5))
try:
    slope(math.sqrt, 0.0, 1e-5)
except ValueError as error:
    print("ValueError:", error)
print("exp at 1, h = 1e-17:", slope(math.exp, 1.0, 1e-17))

# %% [markdown]
# The error is the friendlier case. The last line gave no error, and is wrong: $1 + 10^{-17}$ is
# rounded to 1, nothing moved, and the "slope" is 0.
#
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `numeric_grad(f, x)` | `torch.autograd.gradcheck.get_numerical_jacobian`, internal |
# | `gradcheck(f, inputs)` | `torch.autograd.gradcheck(f, inputs)`, in float64 too |
#
# ## To read
#
# N. J. Higham, *Accuracy and Stability of Numerical Algorithms* (2nd edition, SIAM 2002), section
# 1.7: why a difference of nearly equal numbers loses digits, and what to do about it.
#
# ## Recap
#
# - A derivative is one number: what the ratio of changes approaches as the step shrinks.
# - A step to one side errs like $h$, a step to both sides like $h^2$.
# - Too short a step runs out of digits; near $10^{-5}$ both errors are small together.
# - Differences are too slow for training and just right for checking.
#
# Left out here: derivatives by algebra, which need no step (lesson 03 gives each operation its
# own), and derivatives of derivatives.
