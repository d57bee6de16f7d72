"""How long does a convolution take, forward and backward?  Ours against NumPy by hand and PyTorch.

One step computes the output of a two-dimensional cross-correlation (stride 1, no padding) and, from
a given gradient of the output, those of the image and of the kernel, all in float32.  The three
programs in NumPy lay the windows out as a matrix (im2col) and differ in how: a row per window, a
column per window, or a matrix per image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import harness

TITLE = "conv2d, forward and backward"
Step = Callable[[], tuple[Any, Any, Any]]  # output, gradient of the image, gradient of the kernel


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """Images (count, channels, height, width), side of the square kernel, channels of the output.

    In the comments below N, C, K, k and P are the numbers of images, of channels in and out, the
    side of the kernel and the number of places it takes.
    """

    image: tuple[int, int, int, int]
    side: int
    channels: int

    @property
    def places(self) -> tuple[int, int]:
        """How many places the kernel takes, down and across."""
        return self.image[2] - self.side + 1, self.image[3] - self.side + 1

    def data(self) -> tuple[Any, Any, Any]:
        """Images, kernel and the gradient of the output, always the same."""
        draw = np.random.default_rng(0)
        shapes = [
            self.image,
            (self.channels, self.image[1], self.side, self.side),
            (self.image[0], self.channels, *self.places),
        ]
        x, w, g = (draw.standard_normal(shape).astype("f4") for shape in shapes)
        return x, w, g

    def shifts(self) -> list[tuple[int, int, slice, slice]]:
        """For each element (i, j) of the kernel, the rows and columns it sees."""
        down, across = self.places
        return [
            (i, j, slice(i, i + down), slice(j, j + across))
            for i in range(self.side)
            for j in range(self.side)
        ]


CASES = {
    "64x1x28x28, 5x5 to 16": Case((64, 1, 28, 28), 5, 16),
    "64x16x12x12, 5x5 to 32": Case((64, 16, 12, 12), 5, 32),
    "64x16x28x28, 3x3 to 32": Case((64, 16, 28, 28), 3, 32),
    "32x64x14x14, 3x3 to 64": Case((32, 64, 14, 14), 3, 64),
}


def row_per_window(case: Case) -> Step:
    """One product with a matrix (N P, C k k), copied from NumPy's view of the windows."""
    x, w, g = case.data()
    n, c, k = case.image[0], case.image[1], case.side

    def step() -> tuple[Any, Any, Any]:
        kernel = w.reshape(case.channels, -1)
        windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, c * k * k)
        out = (rows @ kernel.T).reshape(n, *case.places, -1).transpose(0, 3, 1, 2)
        g_rows = g.transpose(0, 2, 3, 1).reshape(-1, case.channels)
        dw = (g_rows.T @ rows).reshape(w.shape)
        d_rows = (g_rows @ kernel).reshape(n, *case.places, c, k, k)
        dx = np.zeros_like(x)
        for i, j, down, across in case.shifts():
            dx[:, :, down, across] += d_rows[..., i, j].transpose(0, 3, 1, 2)
        return out, dx, dw

    return step


def column_per_window(case: Case) -> Step:
    """One product with a matrix (C k k, N P), filled one element of the kernel at a time."""
    x, w, g = case.data()
    n, c, k = case.image[0], case.image[1], case.side

    def step() -> tuple[Any, Any, Any]:
        kernel = w.reshape(case.channels, -1)
        columns = np.empty((c, k, k, n, *case.places), x.dtype)
        for i, j, down, across in case.shifts():
            columns[:, i, j] = x[:, :, down, across].transpose(1, 0, 2, 3)
        columns = columns.reshape(c * k * k, -1)
        out = (kernel @ columns).reshape(-1, n, *case.places).transpose(1, 0, 2, 3)
        g_columns = g.transpose(1, 0, 2, 3).reshape(case.channels, -1)
        dw = (g_columns @ columns.T).reshape(w.shape)
        d_columns = (kernel.T @ g_columns).reshape(c, k, k, n, *case.places)
        dx = np.zeros((c, n, *x.shape[2:]), x.dtype)
        for i, j, down, across in case.shifts():
            dx[:, :, down, across] += d_columns[:, i, j]
        return out, dx.transpose(1, 0, 2, 3), dw

    return step


def matrix_per_image(case: Case) -> Step:
    """A product per image with a matrix (C k k, P): nothing is transposed in memory."""
    x, w, g = case.data()
    n, c, k = case.image[0], case.image[1], case.side

    def step() -> tuple[Any, Any, Any]:
        kernel = w.reshape(case.channels, -1)
        windows = np.empty((n, c, k, k, *case.places), x.dtype)
        for i, j, down, across in case.shifts():
            windows[:, :, i, j] = x[:, :, down, across]
        matrices = windows.reshape(n, c * k * k, -1)
        out = (kernel @ matrices).reshape(g.shape)
        g_matrices = g.reshape(n, case.channels, -1)
        dw = (g_matrices @ matrices.transpose(0, 2, 1)).sum(axis=0).reshape(w.shape)
        d_windows = (kernel.T @ g_matrices).reshape(windows.shape)
        dx = np.zeros_like(x)
        for i, j, down, across in case.shifts():
            dx[:, :, down, across] += d_windows[:, :, i, j]
        return out, dx, dw

    return step


def tinygrad_edu(case: Case) -> Step:
    """This library."""
    from tinygrad_edu import Tensor, ops

    x, w, g = case.data()
    x, w = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)

    def step() -> tuple[Any, Any, Any]:
        x.grad = w.grad = None
        out = ops.conv2d(x, w)
        out.backward(g)
        return out.data, x.grad, w.grad

    return step


def pytorch(case: Case) -> Step:
    """PyTorch, eager, on the CPU."""
    import torch

    x, w, g = map(torch.from_numpy, case.data())
    x.requires_grad_()
    w.requires_grad_()

    def step() -> tuple[Any, Any, Any]:
        x.grad = w.grad = None
        out = torch.nn.functional.conv2d(x, w)
        out.backward(g)
        return out.detach(), x.grad, w.grad

    return step


FORMULATIONS: dict[str, Callable[[Case], Step]] = {
    "NumPy, row per window": row_per_window,
    "NumPy, column per window": column_per_window,
    "NumPy, matrix per image": matrix_per_image,
}
ENGINES = {**FORMULATIONS, "tinygrad_edu": tinygrad_edu, "PyTorch": pytorch}
LIMIT = 1.0  # the target: time / the best of the formulations


def compared(results: tuple[Any, Any, Any]) -> float:
    """One number that depends on every element of the output and of both gradients."""
    draw = np.random.default_rng(1)
    flat = (np.asarray(result, "f8").ravel() for result in results)
    return float(sum(a @ draw.standard_normal(a.size) / a.size**0.5 for a in flat))


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    parts = [
        harness.conditions(["torch"]),
        "Shapes are images x channels x height x width, then the kernel and the channels out; "
        "stride 1, no padding. The best of the three programs in NumPy is the reference.",
    ]
    for threads in (1, 2):
        for name in CASES:
            rows = harness.compare("conv2d", name, list(ENGINES), threads=threads, rounds=rounds)
            *by_hand, ours, torch = rows
            best = min(by_hand, key=lambda row: row.ratio(rows[0]))
            verdicts = [harness.verdict(f"time / {best.engine}", ours.ratio(best), LIMIT)]
            if not torch.failure:
                verdicts.append(f"- time / PyTorch: {ours.ratio(torch):.2f}, no target")
            heading = f"### {name}; {threads} thread{'s' * (threads > 1)}"
            table = harness.rows_table(rows, reference=best.engine)
            parts += [heading, table, "\n".join(verdicts)]
    return "\n\n".join(parts)
