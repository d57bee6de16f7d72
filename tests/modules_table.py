"""For every module of `nn`, at least five configurations to compare with PyTorch on.

``made(*args, **options)(*inputs, **named)``: how the module is made, and what it is called with.
Inputs with a floating dtype get gradients, unless they are `Fixed`; they may stand in tuples, and
in a `Packed` batch.  A module that takes a module is made of a `part`.  The rows of layers over
sequences are in `modules_sequence`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from functional_table import probabilities, signs
from samples import i, x


class Fixed(NamedTuple):
    """An input without gradient."""

    array: np.ndarray


class Packed(NamedTuple):
    """An input that is packed: padded numbers, lengths, and the options of the packing."""

    padded: np.ndarray
    lengths: list[int]
    options: dict[str, Any]


class Part(NamedTuple):
    """A module among the arguments of another."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]


def part(name: str, *args: Any, **options: Any) -> Part:
    return Part(name, args, options)


class Config(NamedTuple):
    """Arguments of the constructor, and of the call."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    inputs: tuple[Any, ...]
    named: dict[str, Any]


def made(*args: Any, **options: Any) -> Callable[..., Config]:
    return lambda *inputs, **named: Config(args, options, inputs, named)


def activation(*choices: dict[str, Any]) -> list[Config]:
    """The defaults on four shapes, then a matrix under each choice of options."""
    return [
        *(made()(x(*shape, low=-5.0, high=7.0)) for shape in [(), (5,), (2, 3), (2, 1, 4)]),
        *(made(**choice)(x(2, 4, low=-5.0, high=7.0)) for choice in choices or [{}]),
    ]


def in_place(*choices: dict[str, Any]) -> list[Config]:
    return activation({"inplace": True}, *choices)


def along(shapes: list[tuple[int, ...]], axes: list[int]) -> list[Config]:
    return [made(dim=axis)(x(*shape)) for shape, axis in zip(shapes, axes, strict=True)]


def loss(*choices: dict[str, Any]) -> list[Config]:
    """Two operands of one shape: the defaults, three reductions, three axes, then each choice."""
    common = [{}, *({"reduction": r} for r in ("mean", "sum", "none"))]
    return [
        *(made(**choice)(x(2, 3), x(2, 3, low=-1.5)) for choice in [*common, *choices]),
        made()(x(2, 2, 2), x(2, 2, 2, low=-1.5)),
    ]


def pools(image: np.ndarray, *choices: dict[str, Any]) -> list[Config]:
    """A window of two, then other geometries, then each choice of options."""
    common: list[dict[str, Any]] = [
        {},
        {"stride": 3, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    ]
    return [made(**{"kernel_size": 2, **choice})(image) for choice in [*common, *choices]]


AXES = along([(5,), (2, 3), (2, 3), (2, 3, 4), (2, 3, 4)], [0, 0, 1, -2, -1])
CLASSES = i(0, 2, 1, 2)
WEIGHT = np.array([0.5, 1.0, 2.0])

PADS: list[Any] = [("Constant", 1.5), ("Zero",), ("Reflection",), ("Replication",)]

MODULES: dict[str, list[Config]] = {
    "ReLU": in_place(),
    "LeakyReLU": in_place({"negative_slope": 0.3}),
    "ELU": in_place({"alpha": 0.5}),
    "SELU": in_place(),
    "CELU": in_place({"alpha": 2.0}),
    "GELU": activation({"approximate": "tanh"}),
    "SiLU": in_place(),
    "Mish": in_place(),
    "Softplus": activation({"beta": 2.0}),
    "LogSigmoid": activation(),
    "Hardtanh": in_place({"min_val": -2.0, "max_val": 0.5}),
    "ReLU6": in_place(),
    "Hardsigmoid": in_place(),
    "Hardswish": in_place(),
    "Softsign": activation(),
    "Tanhshrink": activation(),
    "Sigmoid": activation(),
    "Tanh": activation(),
    "Softmax": AXES,
    "LogSoftmax": AXES,
    "Identity": [*activation(), made(54, unused=True)(x(2, 3))],
    "Flatten": [
        made()(x(2, 3, 4)),
        made(0)(x(5)),
        made(0)(x(2, 3, 4)),
        made(1, 2)(x(2, 3, 2, 2)),
        made(start_dim=-2)(x(2, 3, 4)),
        made(end_dim=-2)(x(2, 3, 2, 2)),
    ],
    "Conv1d": [
        made(2, 3, 3)(x(2, 2, 6)),
        made(2, 4, 2, stride=2, groups=2, bias=False)(x(2, 2, 6)),
        made(1, 2, 3, padding="same", dilation=2)(x(2, 1, 6)),
        made(2, 3, 4, padding="same", padding_mode="circular")(x(2, 2, 6)),
        made(2, 3, (3,), (2,), (2,), padding_mode="reflect")(x(2, 2, 6)),
        made(2, 3, 2, padding="valid", padding_mode="replicate")(x(2, 2, 6)),
    ],
    "Conv2d": [
        made(2, 3, 3)(x(2, 2, 5, 4)),
        made(2, 4, (2, 3), (2, 1), (1, 0), groups=2)(x(2, 2, 5, 4)),
        made(1, 2, 3, padding="same", bias=False)(x(2, 1, 5, 4)),
        made(2, 3, 3, padding=1, dilation=(2, 1))(x(2, 2, 5, 4)),
        made(2, 3, 2, padding=(2, 1), padding_mode="replicate")(x(1, 2, 5, 4)),
        made(2, 3, (3, 2), padding="same", padding_mode="reflect")(x(1, 2, 5, 4)),
        made(1, 3, 3, 2, (1, 2), padding_mode="circular")(x(1, 1, 5, 4)),
    ],
    "ConvTranspose1d": [
        made(2, 3, 3)(x(2, 2, 4)),
        made(2, 4, 2, stride=2, groups=2, bias=False)(x(2, 2, 4)),
        made(1, 2, 3, 2, 1, 1)(x(2, 1, 4)),
        made(2, 3, 3, dilation=2)(x(2, 2, 4)),
        made(in_channels=2, out_channels=1, kernel_size=1)(x(1, 2, 4)),
    ],
    "ConvTranspose2d": [
        made(2, 3, 3)(x(2, 2, 3, 4)),
        made(2, 4, (2, 3), (2, 1), groups=2, bias=False)(x(2, 2, 3, 4)),
        made(1, 2, 3, 2, 1, 1)(x(2, 1, 3, 4)),
        made(2, 3, 2, (3, 2), padding=(1, 0), output_padding=(2, 0))(x(2, 2, 3, 4)),
        made(2, 3, 2, dilation=(1, 2))(x(1, 2, 3, 4)),
    ],
    "MaxPool1d": pools(x(2, 3, 7), {"dilation": 2}),
    "MaxPool2d": pools(x(2, 3, 7, 5), {"kernel_size": (2, 3), "stride": (1, 2)}, {"dilation": 2}),
    "AvgPool1d": pools(x(2, 3, 7), {"padding": 1, "count_include_pad": False}),
    "AvgPool2d": pools(
        x(2, 3, 7, 5),
        {"kernel_size": (2, 3), "stride": (1, 2)},
        {"kernel_size": 3, "padding": (0, 1), "ceil_mode": True, "count_include_pad": False},
    ),
    "AdaptiveAvgPool1d": [made(n)(x(2, 3, 6)) for n in (1, 2, 4, 6, (3,))],
    "AdaptiveAvgPool2d": [made(n)(x(2, 3, 4, 6)) for n in (1, 2, 3, (2, 3), (4, 5))],
    "AdaptiveMaxPool1d": [made(n)(x(2, 3, 6)) for n in (1, 2, 4, 6, (3,))],
    "AdaptiveMaxPool2d": [made(n)(x(2, 3, 4, 6)) for n in (1, 2, 3, (2, 3), (4, 5))],
    "Upsample": [
        made(5)(x(2, 3, 4)),
        made(scale_factor=2)(x(1, 2, 3, 4)),
        made(scale_factor=(1.5, 2), mode="bilinear")(x(1, 2, 3, 4)),
        made((5, 3), None, "bilinear", True)(x(1, 2, 3, 4)),
        made(size=6, mode="linear", align_corners=False)(x(2, 3, 4)),
    ],
    **{
        f"{kind}Pad1d": [
            *(made(2, *more)(x(*shape)) for shape in [(1, 2, 4), (2, 1, 3)]),
            *(made(sides, *more)(x(2, 1, 4)) for sides in [(1, 0), (0, 2), (3, 1)]),
        ]
        for kind, *more in PADS
    },
    **{
        f"{kind}Pad2d": [
            *(made(2, *more)(x(*shape)) for shape in [(1, 2, 4, 3), (2, 1, 3, 3)]),
            *(
                made(sides, *more)(x(2, 1, 3, 3))
                for sides in [(1, 0, 0, 0), (0, 2, 1, 1), (0, 0, 2, 1)]
            ),
        ]
        for kind, *more in PADS
    },
    "Linear": [
        made(3, 2)(x(4, 3)),
        made(3, 2, bias=False)(x(4, 3)),
        made(3, 1)(x(3)),
        made(3, 5)(x(2, 4, 3)),
        made(in_features=1, out_features=4)(x(4, 1)),
    ],
    "Bilinear": [
        made(3, 2, 4)(x(5, 3), x(5, 2)),
        made(3, 2, 4, bias=False)(x(5, 3), x(5, 2)),
        made(3, 2, 1)(x(2, 5, 3), x(2, 5, 2)),
        made(1, 1, 3)(x(4, 1), x(4, 1)),
        made(in1_features=2, in2_features=2, out_features=2)(x(1, 2), x(1, 2)),
    ],
    "Embedding": [
        made(4, 3)(i(0, 2, 2)),
        made(4, 3)(np.array([[0, 1], [3, 3]])),
        made(4, 3, padding_idx=2)(i(0, 2, 2)),
        made(4, 3, -1)(i(0, 3, 3)),
        made(num_embeddings=2, embedding_dim=1)(np.array(1)),
    ],
    "BatchNorm1d": [
        made(3)(x(4, 3)),
        made(3)(x(4, 3, 2)),
        made(3, eps=0.1, momentum=0.4)(x(4, 3)),
        made(3, momentum=None)(x(4, 3)),
        made(3, affine=False)(x(4, 3)),
        made(3, track_running_stats=False)(x(4, 3, 2)),
        made(3, bias=False)(x(4, 3)),
    ],
    "BatchNorm2d": [
        made(3)(x(2, 3, 2, 2)),
        made(3, eps=0.1, momentum=0.4)(x(2, 3, 2, 2)),
        made(3, momentum=None)(x(2, 3, 2, 2)),
        made(3, affine=False)(x(2, 3, 2, 2)),
        made(3, track_running_stats=False)(x(2, 3, 2, 2)),
    ],
    "LayerNorm": [
        made(3)(x(4, 3)),
        made((3, 4))(x(2, 3, 4)),
        made(3, eps=0.1)(x(2, 4, 3)),
        made([3], elementwise_affine=False)(x(4, 3)),
        made(3, bias=False)(x(4, 3)),
    ],
    "RMSNorm": [
        made(3)(x(4, 3)),
        made((3, 4))(x(2, 3, 4)),
        made(3, eps=0.1)(x(2, 4, 3)),
        made([3], elementwise_affine=False)(x(4, 3)),
        made(3, 1e-3)(x(3)),
    ],
    "GroupNorm": [
        made(2, 4)(x(2, 4)),
        made(2, 4)(x(2, 4, 3)),
        made(1, 4, eps=0.1)(x(2, 4, 2, 2)),
        made(4, 4)(x(2, 4, 3)),
        made(2, 4, affine=False)(x(2, 4, 3)),
    ],
    "Dropout": [
        made(p=0.0)(x(2, 3)),
        made(p=1.0)(x(2, 3)),
        made(0.0, True)(x(2, 3)),
        made(1.0)(x(2, 1, 3)),
        made(0.0)(x(5)),
    ],
    "Dropout2d": [
        made(p=0.0)(x(2, 3, 2, 2)),
        made(p=1.0)(x(2, 3, 2, 2)),
        made(0.0, True)(x(2, 3, 2, 2)),
        made(1.0)(x(2, 1, 3, 1)),
        made(0.0)(x(1, 2, 2, 2)),
    ],
    "MSELoss": loss(),
    "L1Loss": loss(),
    "SmoothL1Loss": loss({"beta": 0.3}),
    "HuberLoss": loss({"delta": 0.3}),
    "CrossEntropyLoss": [
        made()(x(4, 3), CLASSES),
        made()(x(4, 3), probabilities(4, 3)),
        made(WEIGHT)(x(4, 3), CLASSES),
        made(weight=WEIGHT, label_smoothing=0.1)(x(4, 3), CLASSES),
        made(ignore_index=2, reduction="sum")(x(4, 3), CLASSES),
        made(reduction="none")(x(2, 3, 2), np.array([[0, 1], [2, 2]])),
    ],
    "NLLLoss": [
        made()(x(4, 3), CLASSES),
        made(WEIGHT)(x(4, 3), CLASSES),
        made(weight=WEIGHT, reduction="none")(x(4, 3), CLASSES),
        made(ignore_index=2, reduction="sum")(x(4, 3), CLASSES),
        made(reduction="none")(x(2, 3, 2), np.array([[0, 1], [2, 2]])),
    ],
    "BCELoss": [
        *(
            made(reduction=r)(probabilities(2, 3), probabilities(2, 3))
            for r in ("mean", "sum", "none")
        ),
        made(WEIGHT)(probabilities(2, 3), probabilities(2, 3)),
        made()(probabilities(5), np.array([0.0, 1.0, 1.0, 0.0, 1.0])),
    ],
    "BCEWithLogitsLoss": [
        *(made(reduction=r)(x(2, 3), probabilities(2, 3)) for r in ("mean", "sum", "none")),
        made(WEIGHT)(x(2, 3), probabilities(2, 3)),
        made(pos_weight=WEIGHT)(x(2, 3), probabilities(2, 3)),
    ],
    "KLDivLoss": [
        *(
            made(reduction=r)(x(2, 3), probabilities(2, 3))
            for r in ("mean", "sum", "none", "batchmean")
        ),
        made(log_target=True)(x(2, 3), x(2, 3)),
    ],
    "HingeEmbeddingLoss": [
        *(made(reduction=r)(x(2, 3), Fixed(signs(2, 3))) for r in ("mean", "sum", "none")),
        made(0.3)(x(5), Fixed(signs(5))),
        made(margin=2.5)(x(2, 2, 2), Fixed(signs(2, 2, 2))),
    ],
    "MarginRankingLoss": [
        *(made(reduction=r)(x(2, 3), x(2, 3), Fixed(signs(2, 3))) for r in ("mean", "sum", "none")),
        made(0.3)(x(5), x(5), Fixed(signs(5))),
        made(margin=2.5)(x(2, 2, 2), x(2, 2, 2), Fixed(signs(2, 2, 2))),
    ],
    "CosineSimilarity": [
        made()(x(2, 3), x(2, 3)),
        made(0)(x(3), x(3)),
        made(dim=-1)(x(2, 3, 4), x(2, 3, 4)),
        made()(x(2, 3), x(1, 3)),
        made(eps=1e-3)(x(2, 3), x(2, 3)),
    ],
}
