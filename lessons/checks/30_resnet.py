"""The exercises of lesson 30."""

import zlib

import numpy as np

from tinygrad_edu import Tensor, nn
from tinygrad_edu.learn.exercises import Exercise, Wrong


def _batch_norm(x, weight, bias):
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    each = (None, slice(None), None, None)
    return (x - mean[each]) / np.sqrt(variance[each] + 1e-5) * weight[each] + bias[each]


def _conv(x, weight, bias, stride):
    padding = (weight.shape[2] - 1) // 2
    edge = (padding, padding)
    x = np.pad(x, ((0, 0), (0, 0), edge, edge))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    out = np.einsum("ncrqij,kcij->nkrq", windows[:, :, ::stride, ::stride], weight)
    return out + bias[None, :, None, None]


class _Slipped(nn.Module):
    """A block with the mistake called `slip`."""

    slip = None

    def __init__(self, inputs, outputs, stride, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = norm(outputs)
        needed = {
            "always_projects": True,
            "never_projects": False,
            "projects_for_stride": stride != 1,
            "projects_for_channels": inputs != outputs,
        }.get(self.slip, inputs != outputs or stride != 1)
        self.project = nn.Conv2d(inputs, outputs, 1, stride=stride) if needed else None

    def forward(self, x):
        out = self.norm1(self.conv1(x))
        out = out if self.slip == "straight" else out.relu()
        out = self.conv2(out) if self.slip == "norm_forgotten" else self.norm2(self.conv2(out))
        shortcut = x if self.project is None else self.project(x)
        if self.slip == "no_shortcut":
            return out.relu()
        if self.slip == "relu_before":
            return shortcut + out.relu()
        if self.slip == "no_last_relu":
            return shortcut + out
        return (shortcut + out).relu()


def _slips(name):
    return type(name, (_Slipped,), {"slip": name})


class Block(Exercise):
    id = "30.block"
    answer = "Block"
    hints = (
        "Begin `__init__` with `super().__init__()`. Then five attributes; the last one is None "
        "if x can be added as it is, which needs the same channels and the same sides.",
        "`self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)`, "
        "`self.norm1 = norm(outputs)`, and conv2 and norm2 with `outputs` on both sides. A "
        "projection is `nn.Conv2d(inputs, outputs, 1, stride=stride)`.",
        "In `forward`: `out = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))`; add `x`, "
        "or `self.project(x)` if there is one; and only then `.relu()` of the sum.",
    )
    wrong = (
        Wrong(
            "no_shortcut",
            _slips("no_shortcut"),
            "The input is not added: this is the plain pair of convolutions.",
        ),
        Wrong(
            "relu_before",
            _slips("relu_before"),
            "You bend F(x) and then add. So a block could only ever make its input larger; add "
            "first, and bend the sum.",
        ),
        Wrong(
            "no_last_relu",
            _slips("no_last_relu"),
            "The relu after the sum is missing.",
        ),
        Wrong(
            "straight",
            _slips("straight"),
            "There is no relu between the convolutions, so together they do no more than one.",
        ),
        Wrong(
            "norm_forgotten",
            _slips("norm_forgotten"),
            "The second convolution is not normalised before the sum.",
        ),
        Wrong(
            "always_projects",
            _slips("always_projects"),
            "You project even where x fits as it is. Then nothing is passed on unchanged, which "
            "was the point.",
        ),
        Wrong(
            "never_projects",
            _slips("never_projects"),
            "Where the channels or the sides change, x cannot be added: project it.",
        ),
        Wrong(
            "projects_for_stride",
            _slips("projects_for_stride"),
            "With a stride you project, and with another number of channels alone you do not; x "
            "does not fit then either.",
        ),
        Wrong(
            "projects_for_channels",
            _slips("projects_for_channels"),
            "With other channels you project, and with a stride alone you do not; x has more "
            "places then than F(x).",
        ),
    )

    def given(self):
        return {"nn": nn}

    def cases(self, rng):
        def case(inputs, outputs, stride):
            return rng.randrange(2**31), inputs, outputs, stride

        yield [case(2, 2, 1), case(3, 3, 1)]
        yield [case(2, 4, 2), case(2, 3, 1), case(3, 3, 2)]

    def _made(self, case, kind):
        seed, inputs, outputs, stride = case
        block = kind(inputs, outputs, stride).double()
        for name, p in block.named_parameters():  # by name, so that the order does not matter
            random = np.random.default_rng([seed, zlib.crc32(name.encode())])
            p.data = random.normal(size=p.shape)
        x = np.random.default_rng(seed).normal(size=(3, inputs, 5, 4))
        return block, x

    def outcome(self, answer, case):
        block, x = self._made(case, answer)
        names = sorted(name for name, _ in block.named_parameters())
        return {"parameters": names, "out": block(Tensor(x)).data}

    def judge(self, case, outcome):
        block, x = self._made(case, _Slipped)
        p = {name: parameter.data for name, parameter in block.named_parameters()}
        if outcome["parameters"] != sorted(p):
            return (
                f"For {self.describe(case)} the parameters are {', '.join(sorted(p))}; yours are "
                f"{', '.join(outcome['parameters'])}."
            )
        stride = case[-1]
        out = _conv(x, p["conv1.weight"], p["conv1.bias"], stride)
        out = np.maximum(_batch_norm(out, p["norm1.weight"], p["norm1.bias"]), 0)
        out = _conv(out, p["conv2.weight"], p["conv2.bias"], 1)
        out = _batch_norm(out, p["norm2.weight"], p["norm2.bias"])
        if "project.weight" in p:
            x = _conv(x, p["project.weight"], p["project.bias"], stride)
        right = np.maximum(out + x, 0)
        if outcome["out"].shape != right.shape:
            found = outcome["out"].shape
            return f"For {self.describe(case)} the shape is {right.shape}, not {found}."
        if not np.allclose(outcome["out"], right):
            off = np.abs(outcome["out"] - right).max()
            return f"For {self.describe(case)} a number that comes out is off by {off:.3g}."
        return None

    def describe(self, case):
        _, inputs, outputs, stride = case
        return f"{inputs} channels in, {outputs} out and stride {stride}"


def _gradient(model, picture, score):
    x = Tensor(picture, requires_grad=True)
    score(model(x)).backward()
    return x.grad[0, 0]


class Saliency(Exercise):
    id = "30.saliency"
    answer = "saliency"
    hints = (
        "The score is one number that the network computed from the picture: where does `backward` "
        "leave its derivative for the pixels?",
        "`x = Tensor(picture, requires_grad=True)`, then `model(x)[0, digit].backward()`; the "
        "derivative is `x.grad`, of shape (1, 1, 8, 8).",
        "After `backward`: `return abs(x.grad[0, 0])`.",
    )
    wrong = (
        Wrong(
            "with_sign",
            lambda model, picture, digit: _gradient(model, picture, lambda s: s[0, digit]),
            "These are the derivatives with their signs; their sizes were asked for.",
        ),
        Wrong(
            "all_scores",
            lambda model, picture, digit: abs(_gradient(model, picture, lambda s: s.sum())),
            "You took the sum of all scores; the score of `digit` alone was asked for.",
        ),
        Wrong(
            "largest_score",
            lambda model, picture, digit: abs(_gradient(model, picture, lambda s: s.max())),
            "You took the largest score, whichever it is, and not that of `digit`.",
        ),
        Wrong(
            "probability",
            lambda model, picture, digit: abs(
                _gradient(model, picture, lambda s: s.softmax(axis=-1)[0, digit])
            ),
            "That is the derivative of the probability after softmax, which is nearly 0 for a sure "
            "network. The score itself was asked for.",
        ),
        Wrong(
            "times_the_pixel",
            lambda model, picture, digit: abs(
                _gradient(model, picture, lambda s: s[0, digit]) * picture[0, 0]
            ),
            "You multiplied by the pixels. That is another map, in use as well; here white paper "
            "may matter too.",
        ),
    )

    def given(self):
        return {"Tensor": Tensor, "np": np}

    def cases(self, rng):
        yield [(rng.randrange(2**31), digit) for digit in rng.sample(range(5), 3)]

    def _drawn(self, case):
        random = np.random.default_rng(case[0])
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, 5))
        model = model.double().eval()
        for p in model.parameters():
            p.data = random.normal(size=p.shape) / 3
        return model, random.random((1, 1, 8, 8))

    def outcome(self, answer, case):
        model, picture = self._drawn(case)
        return np.asarray(answer(model, picture.copy(), case[1]))

    def judge(self, case, outcome):
        model, picture = self._drawn(case)
        if outcome.shape != (8, 8):
            return f"The shape is (8, 8), not {outcome.shape}."
        steps = 1e-5 * np.eye(64).reshape(64, 1, 8, 8)
        above, below = (model(Tensor(picture + way * steps)).data for way in (1, -1))
        right = abs((above - below)[:, case[1]] / 2e-5).reshape(8, 8)
        if not np.allclose(outcome, right, rtol=1e-5, atol=1e-7):
            row, column = np.unravel_index(np.abs(outcome - right).argmax(), (8, 8))
            return (
                f"A small change of pixel ({row}, {column}) changes the score of {case[1]} at a "
                f"rate of {right[row, column]:.6g}; you have {outcome[row, column]:.6g}."
            )
        return None

    def describe(self, case):
        return f"a small network and the digit {case[1]}"
