"""The exercises of lesson 29."""

import math

import numpy as np

from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _count(layers, shape, slip=None):
    rows = []
    for kind, *numbers in layers:
        inputs = math.prod(shape)
        if kind == "conv":
            kernels, size, padding = numbers
            channels = 1 if slip == "one_channel" else shape[0]
            around = padding if slip == "padded_once" else 2 * padding
            places = [side + around - size + 1 for side in shape[1:]]
            weights = kernels * channels * size**2
            seen = shape[1:] if slip == "places_before" else places
            work = weights if slip == "shared_work" else weights * math.prod(seen)
            shape = (kernels, *places)
            bias = {"no_bias": 0, "bias_per_place": kernels * math.prod(places)}.get(slip, kernels)
            rows.append((shape, weights + bias, work))
        elif kind == "pool":
            shape = (shape[0], *(side // numbers[0] for side in shape[1:]))
            rows.append((shape, 0, 0))
        else:
            (units,) = numbers
            if slip == "linear_sees_channels":
                inputs = shape[0]
            shape = (units,)
            rows.append((shape, units * inputs + units * (slip != "no_bias"), units * inputs))
    return rows


def _slips(name):
    return lambda layers, shape: _count(layers, shape, name)


class Count(Exercise):
    id = "29.count"
    answer = "count"
    hints = (
        "Go through the layers with the shape in hand: each row is worked out from the shape that "
        "comes in, and leaves the shape that goes out.",
        "Without a stride a side of H becomes H + 2 * padding - size + 1. A convolution has "
        "`kernels * channels * size**2` weights, a bias for each kernel, and uses each weight once "
        "at every place it gives out. Pooling divides the sides: `//`.",
        "A linear layer has `m * np.prod(shape)` weights (all numbers that come in), m biases, and "
        "as many multiply-adds as weights; then `shape = (m,)`.",
    )
    wrong = (
        Wrong(
            "no_bias",
            _slips("no_bias"),
            "You count the weights and leave out the biases: one for each kernel, one for each "
            "unit of a linear layer.",
        ),
        Wrong(
            "one_channel",
            _slips("one_channel"),
            "A kernel looks at all channels that come in, so it has a square of weights for each.",
        ),
        Wrong(
            "padded_once",
            _slips("padded_once"),
            "The padding comes on both sides: a side grows by twice as much.",
        ),
        Wrong(
            "places_before",
            _slips("places_before"),
            "The shapes and parameters are right. For the work count the places that the layer "
            "gives out, not those that come in.",
        ),
        Wrong(
            "shared_work",
            _slips("shared_work"),
            "The weights are shared by all places and counted once, but at every place they are "
            "multiplied anew.",
        ),
        Wrong(
            "bias_per_place",
            _slips("bias_per_place"),
            "The bias is shared like the weights: one for each kernel, whatever the places.",
        ),
        Wrong(
            "linear_sees_channels",
            _slips("linear_sees_channels"),
            "A linear layer takes every number of the maps that come in, C * H * W of them, and "
            "not only one for each channel.",
        ),
    )

    def given(self):
        return {"np": np}

    def cases(self, rng):
        def case():
            shape = rng.randint(2, 3), rng.randint(12, 14), rng.randint(15, 18)
            first = ("conv", rng.randint(2, 5), rng.choice([3, 4]), 1)
            second = ("conv", rng.randint(2, 5), rng.choice([2, 3]), 0)
            end = ("linear", rng.randint(2, 9)), ("linear", rng.randint(2, 9))
            return [first, ("pool", rng.choice([2, 3])), second, *end], shape

        yield [case() for _ in range(4)]

    def outcome(self, answer, case):
        layers, shape = case
        rows = answer([*layers], shape)
        return [[list(map(int, row[0])), int(row[1]), int(row[2])] for row in rows]

    def judge(self, case, outcome):
        right = self._counted(case)
        if len(outcome) != len(right):
            return f"For {len(right)} layers there are {len(outcome)} rows."
        for layer, row, (shape, parameters, work) in zip(case[0], outcome, right, strict=True):
            names = "shape", "number of parameters", "number of multiply-adds"
            for name, found, there in zip(names, row, (shape, parameters, work), strict=True):
                if found != there:
                    of = f"{self.describe(case)}, the {name} of {layer}"
                    return f"For {of} is {there}; you have {found}."
        return None

    def _counted(self, case):
        """The rows as the library counts them, of real layers that are called."""
        layers, shape = case
        x, rows = Tensor(np.zeros((1, *shape), "float32")), []
        for kind, *numbers in layers:
            if kind == "conv":
                kernels, size, padding = numbers
                layer = nn.Conv2d(x.shape[1], kernels, size, padding=padding)
            elif kind == "pool":
                layer = nn.MaxPool2d(*numbers)
            else:
                x = x.reshape(1, -1)
                layer = nn.Linear(x.shape[1], *numbers)
            table = layer.summary(x)
            x = layer(x)
            rows.append([list(x.shape[1:]), table.parameters, table.multiply_adds])
        return rows

    def describe(self, case):
        return f"{case[0]} on pictures of shape {case[1]}"


def _reach(layers, slip=None):
    reach, step = 1, 1
    for kind, *numbers in layers:
        size = numbers[1] if kind == "conv" else numbers[0]
        if kind == "pool" and slip == "step_first":
            step *= size
        more = size if slip == "whole_kernels" else size - 1
        reach += more * (1 if slip == "no_step" else step)
        if kind == "pool" and slip != "step_first":
            step = step + size - 1 if slip == "steps_added" else step * size
    return step if slip == "step_only" else reach


class Reach(Exercise):
    id = "29.reach"
    answer = "reach"
    hints = (
        "Keep two numbers: how many pixels a number sees, 1 at the start, and how many pixels lie "
        "between two neighbours of the present map, also 1 at the start.",
        "A window of `size` neighbours sees `size - 1` neighbours more than one number does, and "
        "these lie `step` pixels apart.",
        "For each layer `reach += (size - 1) * step`; after pooling neighbours lie further apart: "
        "`step *= size`.",
    )
    wrong = (
        Wrong(
            "whole_kernels",
            lambda layers: _reach(layers, "whole_kernels"),
            "You add the whole size of each window. One of its places was there already: a window "
            "of 3 adds 2.",
        ),
        Wrong(
            "no_step",
            lambda layers: _reach(layers, "no_step"),
            "After pooling, neighbours in the map are further apart in the picture: a window adds "
            "size - 1 times that distance.",
        ),
        Wrong(
            "step_first",
            lambda layers: _reach(layers, "step_first"),
            "For the window of the pooling itself neighbours still lie as they did before it; the "
            "distance grows after that.",
        ),
        Wrong(
            "steps_added",
            lambda layers: _reach(layers, "steps_added"),
            "You add the steps of several poolings. Two poolings of 2 make neighbours 4 apart, and "
            "three 8: steps are multiplied.",
        ),
        Wrong(
            "step_only",
            lambda layers: _reach(layers, "step_only"),
            "That is how far apart the pixels of two neighbours lie. The number of pixels that one "
            "of them sees was asked for.",
        ),
    )

    def cases(self, rng):
        def case():
            conv = [("conv", 4, rng.choice([3, 4, 5]), 1) for _ in range(4)]
            pool = [("pool", rng.choice([2, 3])) for _ in range(3)]
            return [conv[0], conv[1], pool[0], conv[2], pool[1], conv[3], pool[2]]

        yield [case() for _ in range(3)]

    def outcome(self, answer, case):
        return int(answer([*case]))

    def judge(self, case, outcome):
        pixels = Tensor(np.zeros((1, 1, 400)), requires_grad=True)
        x = pixels
        for kind, *numbers in case:
            if kind == "conv":
                x = ops.conv1d(x, Tensor(np.ones((1, 1, numbers[1]))))
            else:
                x = ops.avg_pool1d(x, kernel_size=numbers[0])
        x[0, 0, x.shape[-1] // 2].backward()
        seen = int(np.count_nonzero(pixels.grad))
        if outcome != seen:
            return f"With {self.describe(case)} a number sees {seen} pixels a side, not {outcome}."
        return None

    def describe(self, case):
        return ", ".join(f"{kind} {n[1] if kind == 'conv' else n[0]}" for kind, *n in case)
