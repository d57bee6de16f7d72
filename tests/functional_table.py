"""For every function of `nn.functional`, arguments to compare with PyTorch on.

``case(*operands, **options)``: operands with a floating dtype get gradients; arrays among the
options are constants, and are compared afterwards (running statistics change).
"""

from typing import Any, NamedTuple

import numpy as np
from samples import i, mask, x


class Case(NamedTuple):
    """Positional arguments and keyword arguments of one call."""

    args: tuple[Any, ...]
    options: dict[str, Any]


def case(*args: Any, **options: Any) -> Case:
    return Case(args, options)


def probabilities(*shape: int, axis: int = -1) -> np.ndarray:
    powers = np.exp(x(*shape))
    return powers / powers.sum(axis=axis, keepdims=True)


def signs(*shape: int) -> np.ndarray:
    return np.where(mask(*shape), 1.0, -1.0)


def elementwise(*choices: dict[str, Any]) -> list[Case]:
    """Five shapes, then a matrix under each choice of options."""
    shapes = [(), (5,), (2, 3), (0, 3), (2, 1, 4)]
    return [
        *(case(x(*shape, low=-5.0, high=7.0)) for shape in shapes),
        *(case(x(2, 4, low=-5.0, high=7.0), **choice) for choice in choices),
    ]


def pairs(*choices: dict[str, Any]) -> list[Case]:
    """Two operands of one shape: three shapes, three reductions, then each choice of options."""
    shapes: list[tuple[int, ...]] = [(5,), (2, 3), (2, 2, 2)]
    reductions = [{"reduction": r} for r in ("mean", "sum", "none")]
    return [
        *(case(x(*shape), x(*shape, low=-1.5)) for shape in shapes),
        *(case(x(2, 3), x(2, 3, low=-1.5), **choice) for choice in [*reductions, *choices]),
    ]


def along_an_axis() -> list[Case]:
    return [
        case(x(5), dim=0),
        case(x(2, 3), dim=1),
        case(x(2, 3), dim=0),
        case(x(2, 3, 4), dim=-2),
        case(x(2, 3, 4), dim=-1),
    ]


def pools(image: np.ndarray, *more: Case) -> list[Case]:
    return [
        case(image, 2),
        case(image, 3, 2),
        case(image, 3, 2, 1),
        case(image, kernel_size=2, stride=3, ceil_mode=True),
        case(image, 3, stride=2, padding=1, ceil_mode=True),
        *more,
    ]


classes = i(0, 2, 1, 2)

FUNCTIONS: dict[str, list[Case]] = {
    "relu": elementwise(),
    "leaky_relu": elementwise({"negative_slope": 0.3}),
    "elu": elementwise({"alpha": 0.5}),
    "selu": elementwise(),
    "celu": elementwise({"alpha": 2.0}),
    "gelu": elementwise({"approximate": "tanh"}, {"approximate": "none"}),
    "silu": elementwise(),
    "mish": elementwise(),
    "softplus": elementwise({"beta": 2.0}),
    "logsigmoid": elementwise(),
    "hardtanh": elementwise({"min_val": -2.0, "max_val": 0.5}),
    "relu6": elementwise(),
    "hardsigmoid": elementwise(),
    "hardswish": elementwise(),
    "softsign": elementwise(),
    "tanhshrink": elementwise(),
    "sigmoid": elementwise(),
    "tanh": elementwise(),
    "softmax": along_an_axis(),
    "log_softmax": along_an_axis(),
    "linear": [
        case(x(4, 3), x(2, 3)),
        case(x(4, 3), x(2, 3), x(2)),
        case(x(3), x(2, 3), x(2)),
        case(x(2, 4, 3), x(2, 3), x(2)),
        case(x(0, 3), x(2, 3), x(2)),
    ],
    "bilinear": [
        case(x(4, 3), x(4, 2), x(5, 3, 2)),
        case(x(4, 3), x(4, 2), x(5, 3, 2), x(5)),
        case(x(2, 2, 3), x(2, 2, 2), x(1, 3, 2), x(1)),
        case(x(1, 3), x(1, 2), x(2, 3, 2), x(2)),
        case(x(4, 1), x(4, 1), x(3, 1, 1), x(3)),
    ],
    "embedding": [
        case(i(1, 0, 1), x(3, 2)),
        case(np.array([[0, 2], [2, 2]]), x(3, 2)),
        case(i(1, 0, 1), x(3, 2), padding_idx=1),
        case(i(1, 2, 2), x(3, 2), padding_idx=-1),
        case(np.array(2), x(3, 4)),
    ],
    "one_hot": [
        case(i(0, 2)),
        case(i(0, 2), num_classes=5),
        case(np.array([[0, 1], [1, 1]])),
        case(np.array(1), num_classes=2),
        case(np.zeros((0,), int), num_classes=2),
    ],
    "conv1d": [
        case(x(2, 2, 6), x(3, 2, 3)),
        case(x(2, 2, 6), x(3, 2, 3), x(3)),
        case(x(2, 2, 6), x(4, 1, 2), x(4), 2, 1, 2, 2),
        case(x(1, 2, 6), x(1, 2, 3), padding="same", dilation=2),
        case(x(1, 1, 6), x(1, 1, 6), stride=(2,), padding="valid"),
    ],
    "conv2d": [
        case(x(2, 2, 5, 4), x(3, 2, 3, 2)),
        case(x(2, 2, 5, 4), x(3, 2, 3, 2), x(3)),
        case(x(2, 2, 5, 4), x(4, 1, 2, 2), x(4), (2, 1), (1, 0), (1, 2), 2),
        case(x(1, 2, 5, 4), x(1, 2, 3, 3), padding="same"),
        case(x(1, 1, 5, 4), x(1, 1, 5, 4), stride=2, padding="valid"),
    ],
    "conv_transpose1d": [
        case(x(2, 2, 4), x(2, 3, 3)),
        case(x(2, 2, 4), x(2, 3, 3), x(3)),
        case(x(2, 2, 4), x(2, 1, 2), x(2), 3, 1, 2, 2, 1),
        case(x(1, 1, 4), x(1, 1, 3), dilation=2),
        case(x(1, 1, 4), x(1, 2, 3), stride=(2,), output_padding=1),
    ],
    "conv_transpose2d": [
        case(x(2, 2, 3, 4), x(2, 3, 3, 2)),
        case(x(2, 2, 3, 4), x(2, 3, 3, 2), x(3)),
        case(x(2, 2, 3, 4), x(2, 1, 2, 2), x(2), (3, 2), (1, 0), (2, 1), 2, 1),
        case(x(1, 1, 3, 4), x(1, 1, 3, 3), dilation=2),
        case(x(1, 1, 3, 4), x(1, 2, 3, 3), stride=2, output_padding=(1, 0)),
    ],
    "max_pool1d": pools(x(2, 3, 7), case(x(2, 3, 7), 2, 3, 1, 2)),
    "max_pool2d": pools(x(2, 3, 7, 5), case(x(1, 2, 7, 5), (2, 3), (1, 2), (0, 1), (3, 1))),
    "avg_pool1d": pools(x(2, 3, 7), case(x(2, 3, 7), 3, 2, 1, True, False)),
    "avg_pool2d": pools(x(2, 3, 7, 5), case(x(1, 2, 7, 5), (2, 3), (3, 2), (0, 1), True, False)),
    "adaptive_avg_pool1d": [case(x(2, 3, 6), n) for n in (1, 2, 4, 6, (3,))],
    "adaptive_avg_pool2d": [case(x(2, 3, 4, 6), n) for n in (1, 2, 3, (2, 3), (4, 5))],
    "adaptive_max_pool1d": [case(x(2, 3, 6), n) for n in (1, 2, 4, 6, (3,))],
    "adaptive_max_pool2d": [case(x(2, 3, 4, 6), n) for n in (1, 2, 3, (2, 3), (4, 5))],
    "unfold": [
        case(x(2, 3, 5, 4), 2),
        case(x(2, 3, 5, 4), (2, 3)),
        case(x(2, 3, 5, 4), (2, 3), (2, 1), (1, 0), (2, 3)),
        case(x(1, 1, 5, 4), (5, 4)),
        case(x(1, 2, 5, 4), 3, padding=1, stride=2),
    ],
    "fold": [
        case(x(2, 12, 12), (5, 4), 2),
        case(x(2, 18, 8), (5, 4), (2, 3)),
        case(x(2, 18, 6), (5, 4), (2, 3), (2, 1), (1, 0), (2, 1)),
        case(x(1, 20, 1), (5, 4), (5, 4)),
        case(x(1, 18, 6), (5, 4), 3, padding=1, stride=2),
    ],
    "pad": [
        case(x(3), (1, 2)),
        case(x(2, 3), (1, 0)),
        case(x(2, 3), (0, 1, 2, 0), value=1.5),
        case(x(2, 2, 3), (1, 1), mode="replicate"),
        case(x(1, 2, 3), (2, 1), mode="reflect"),
        case(x(1, 1, 3, 3), (1, 1, 2, 0), mode="reflect"),
        case(x(1, 1, 3, 3), (1, 1, 2, 0), mode="circular"),
    ],
    "layer_norm": [
        case(x(4, 3), (3,)),
        case(x(4, 3), (3,), x(3)),
        case(x(4, 3), (3,), x(3), x(3)),
        case(x(4, 3), (3,), None, x(3)),
        case(x(2, 3, 4), (3, 4), x(3, 4), x(3, 4), eps=0.1),
    ],
    "rms_norm": [
        case(x(4, 3), (3,)),
        case(x(4, 3), (3,), x(3)),
        case(x(2, 3, 4), (3, 4), x(3, 4)),
        case(x(4, 3), (3,), eps=0.1),
        case(x(3), (3,), x(3), eps=0.5),
    ],
    "group_norm": [
        case(x(2, 4, 3), 2),
        case(x(2, 4, 3), 4, x(4)),
        case(x(2, 4, 3), 2, x(4), x(4)),
        case(x(2, 4, 2, 2), 1, x(4), x(4), eps=0.1),
        case(x(1, 6, 2), 3, x(6), x(6)),
    ],
    "batch_norm": [
        case(x(4, 3), None, None, training=True),
        case(x(4, 3), None, None, x(3), x(3), training=True),
        case(x(4, 3), running_mean=x(3), running_var=probabilities(3)),
        case(x(4, 3), weight=x(3), bias=x(3), running_mean=x(3), running_var=probabilities(3)),
        case(
            x(2, 3, 4),
            running_mean=x(3),
            running_var=probabilities(3),
            training=True,
            momentum=0.3,
            eps=0.1,
        ),
        case(x(2, 3, 2, 2), running_mean=x(3), running_var=probabilities(3), bias=x(3)),
        case(x(2, 3, 2, 2), running_mean=x(3), running_var=probabilities(3), training=True),
    ],
    "scaled_dot_product_attention": [
        case(x(3, 4), x(5, 4), x(5, 2)),
        case(x(2, 3, 4), x(2, 5, 4), x(2, 5, 2)),
        case(x(2, 2, 3, 4), x(2, 2, 3, 4), x(2, 2, 3, 4), is_causal=True),
        case(x(3, 4), x(5, 4), x(5, 2), x(3, 5)),
        case(x(3, 4), x(5, 4), x(5, 2), np.tri(3, 5, dtype=bool)),
        case(x(3, 4), x(5, 4), x(5, 2), scale=0.7),
    ],
    "dropout": [
        case(x(2, 3), training=False),
        case(x(2, 3), p=0.0),
        case(x(2, 3), 1.0),
        case(x(5), 0.9, False),
        case(x(2, 1, 3), p=0.0, training=True),
    ],
    "dropout2d": [
        case(x(2, 3, 2, 2), training=False),
        case(x(2, 3, 2, 2), p=0.0),
        case(x(2, 3, 2, 2), 1.0),
        case(x(2, 3, 1, 4), 0.9, False),
        case(x(1, 1, 2, 2), p=0.0, training=True),
    ],
    "interpolate": [
        case(x(2, 3, 4), 7),
        case(x(2, 3, 4), scale_factor=1.7),
        case(x(1, 2, 3, 4), (5, 2)),
        case(x(1, 2, 5, 4), scale_factor=(2.0, 0.6)),
        case(x(2, 3, 4), 7, mode="linear"),
        case(x(2, 3, 4), scale_factor=0.6, mode="linear"),
        case(x(2, 3, 4), 7, mode="linear", align_corners=True),
        case(x(1, 2, 3, 4), 6, mode="bilinear"),
        case(x(1, 2, 3, 4), scale_factor=(2.5, 0.5), mode="bilinear", align_corners=False),
        case(x(1, 2, 3, 4), (1, 9), mode="bilinear", align_corners=True),
    ],
    "normalize": [
        case(x(2, 3)),
        case(x(2, 3), dim=0),
        case(x(2, 3), p=1.0),
        case(x(2, 3, 4), p=3.0, dim=-1),
        case(x(2, 3), eps=2.0),
    ],
    "cosine_similarity": [
        case(x(2, 3), x(2, 3)),
        case(x(3), x(3), dim=0),
        case(x(2, 3, 4), x(2, 3, 4), dim=-1),
        case(x(2, 3), x(1, 3)),
        case(x(4, 2), x(4, 2), dim=-1, eps=1e-3),
    ],
    "mse_loss": pairs(),
    "l1_loss": pairs(),
    "smooth_l1_loss": pairs({"beta": 0.3}, {"beta": 0.0}, {"beta": 3.0, "reduction": "sum"}),
    "huber_loss": pairs({"delta": 0.3}, {"delta": 3.0, "reduction": "none"}),
    "cross_entropy": [
        case(x(4, 3), classes),
        case(x(3), np.array(1)),
        case(x(4, 3), probabilities(4, 3)),
        case(x(4, 3), classes, weight=np.array([0.5, 1.0, 2.0]), label_smoothing=0.1),
        case(x(4, 3), classes, ignore_index=2, reduction="sum"),
        case(x(2, 3, 2), np.array([[0, 1], [2, 2]]), reduction="none"),
    ],
    "nll_loss": [
        case(x(4, 3), classes),
        case(x(3), np.array(1)),
        case(x(4, 3), classes, weight=np.array([0.5, 1.0, 2.0])),
        case(x(4, 3), classes, weight=np.array([0.5, 1.0, 2.0]), reduction="none"),
        case(x(4, 3), classes, ignore_index=2, reduction="sum"),
        case(x(4, 3), i(0, -100, 1, -100)),
        case(x(2, 3, 2), np.array([[0, 1], [2, 2]]), reduction="none"),
    ],
    "binary_cross_entropy": [
        *(
            case(probabilities(2, 3), probabilities(2, 3), reduction=r)
            for r in ("mean", "sum", "none")
        ),
        case(probabilities(5), np.array([0.0, 1.0, 1.0, 0.0, 1.0])),
        case(probabilities(2, 3), probabilities(2, 3), weight=probabilities(2, 3)),
    ],
    "binary_cross_entropy_with_logits": [
        *(case(x(2, 3), probabilities(2, 3), reduction=r) for r in ("mean", "sum", "none")),
        case(x(2, 3), probabilities(2, 3), weight=probabilities(2, 3)),
        case(x(2, 3), probabilities(2, 3), pos_weight=np.array([0.5, 1.0, 2.0])),
    ],
    "kl_div": [
        *(
            case(x(2, 3), probabilities(2, 3), reduction=r)
            for r in ("mean", "sum", "none", "batchmean")
        ),
        case(x(2, 3), x(2, 3), reduction="batchmean", log_target=True),
        case(x(2, 3), x(2, 3), reduction="none", log_target=True),
    ],
    "hinge_embedding_loss": [
        *(case(x(2, 3), target=signs(2, 3), reduction=r) for r in ("mean", "sum", "none")),
        case(x(5), target=signs(5), margin=0.3),
        case(x(2, 2, 2), target=signs(2, 2, 2), margin=2.5),
    ],
    "margin_ranking_loss": [
        *(case(x(2, 3), x(2, 3), target=signs(2, 3), reduction=r) for r in ("mean", "sum", "none")),
        case(x(5), x(5), target=signs(5), margin=0.3),
        case(x(2, 2, 2), x(2, 2, 2), target=signs(2, 2, 2), margin=2.5),
    ],
}
