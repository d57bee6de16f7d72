"""Samples of the operations on windows; see `samples`."""

import itertools

from samples import s, x

# stride, padding, dilation, groups: each in turn, and together
GEOMETRY = [
    {},
    {"stride": 2},
    {"stride": 3, "padding": 1},
    {"padding": 1},
    {"padding": "same"},
    {"padding": "valid"},
    {"dilation": 2, "padding": 2},
    {"groups": 2},
    {"groups": 2, "stride": 2, "padding": 1, "dilation": 2},
]
TRANSPOSED = [
    {},
    {"stride": 2},
    {"stride": 3, "padding": 1},
    {"stride": 2, "output_padding": 1},
    {"stride": 3, "output_padding": 2, "padding": 1},
    {"dilation": 2, "output_padding": 1},
    {"groups": 2},
    {"groups": 2, "stride": 2, "padding": 1, "dilation": 2},
]
POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3},
    {"kernel_size": 1},
    {"kernel_size": 2, "stride": 1},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
]


def _conv(*sizes, kernel, more=()):
    axes = len(sizes)
    return [
        *(s(x(2, 2, *sizes), x(2, 2 // o.get("groups", 1), *kernel), **o) for o in GEOMETRY),
        s(x(1, 1, *sizes), x(3, 1, *kernel), x(3)),
        s(x(1, 2, *sizes), x(2, 1, *(1,) * axes), x(2), groups=2),
        s(x(0, 1, *sizes), x(2, 1, *kernel)),
        *more,
    ]


def _transposed(*places, kernel, more=()):
    return [
        *(s(x(1, 2, *places), x(2, 1, *kernel), **o) for o in TRANSPOSED),
        s(x(2, 1, *places), x(1, 2, *kernel), x(2)),
        s(x(1, 2, *places), x(2, 1, *kernel), x(2), groups=2),
        s(x(0, 1, *places), x(1, 2, *kernel)),
        *more,
    ]


def _weight(*sizes, kernel):
    from tinygrad_edu import Tensor, ops

    conv = ops.conv1d if len(sizes) == 1 else ops.conv2d
    rows = []
    for o in [*GEOMETRY, {"stride": 2, "dilation": 2}]:
        image, w = x(2, 2, *sizes), x(2, 2 // o.get("groups", 1), *kernel)
        out = conv(Tensor(image), Tensor(w), **o)
        rows.append(s(image, x(*out.shape), size=kernel, **o))
    return rows


def _pools(*sizes, more=({},)):
    shapes = [(1, 2, *sizes), (2, 1, *(n + 1 for n in sizes))]
    both = itertools.product(shapes, POOLS, more)
    return [s(x(*shape), **options, **extra) for shape, options, extra in both]


def _bins(*sizes, counts):
    return [s(x(*lead, *sizes), output_size=count) for lead in [(1, 2), (2, 1)] for count in counts]


SAMPLES = {
    "unfold": [
        s(x(5), size=2),
        s(x(5), size=2, stride=2),
        s(x(6), size=2, stride=3, dilation=2),
        s(x(5), size=5),
        s(x(5), size=1),
        s(x(2, 6), size=3),
        s(x(3, 4), size=(2, 2)),
        s(x(3, 4), size=(2, 3), stride=(1, 2)),
        s(x(2, 3, 4), size=(2, 2), stride=2),
        s(x(1, 5, 4), size=(2, 2), dilation=(2, 1)),
        s(x(0, 4), size=2),
    ],
    "fold": [
        s(x(4, 2), shape=(5,), size=2),
        s(x(2, 2), shape=(5,), size=2, stride=2),
        s(x(2, 2), shape=(6,), size=2, stride=3, dilation=2),
        s(x(1, 5), shape=(5,), size=5),
        s(x(5, 1), shape=(5,), size=1),
        s(x(2, 4, 3), shape=(2, 6), size=3),
        s(x(2, 3, 2, 2), shape=(3, 4), size=(2, 2)),
        s(x(2, 1, 2, 3), shape=(3, 4), size=(2, 3), stride=(1, 2)),
        s(x(2, 1, 2, 2, 2), shape=(2, 3, 4), size=(2, 2), stride=2),
        s(x(1, 3, 3, 2, 2), shape=(1, 5, 4), size=(2, 2), dilation=(2, 1)),
        s(x(0, 3, 2), shape=(0, 4), size=2),
    ],
    "conv1d": _conv(6, kernel=(3,), more=[s(x(1, 1, 3), x(1, 1, 4), padding=((0, 2),))]),
    "conv2d": _conv(
        *(4, 3),
        kernel=(2, 2),
        more=[
            s(x(1, 1, 3, 4), x(2, 1, 1, 3), stride=(1, 2)),
            s(x(1, 1, 2, 4), x(2, 1, 3, 2), padding=((1, 0), (0, 2)), dilation=(1, 3)),
            s(x(1, 2, 3, 3), x(4, 1, 3, 3), padding=1, groups=2),
            s(x(1, 16, 3, 3), x(1, 16, 2, 2), x(1)),  # so many channels: row by row
        ],
    ),
    "conv_transpose1d": _transposed(3, kernel=(3,)),
    "conv_transpose2d": _transposed(
        *(2, 2),
        kernel=(2, 3),
        more=[
            s(x(1, 1, 2, 2), x(1, 2, 3, 1), stride=(1, 3), padding=(1, 0), output_padding=(0, 2)),
            s(x(1, 1, 2, 2), x(1, 16, 2, 2)),
        ],
    ),
    "conv_weight1d": _weight(6, kernel=(3,)),
    "conv_weight2d": _weight(4, 3, kernel=(2, 2)),
    "max_pool1d": [*_pools(6), s(x(1, 1, 7), kernel_size=2, dilation=3)],
    "max_pool2d": [*_pools(4, 3), s(x(1, 1, 5, 5), kernel_size=(2, 1), dilation=2)],
    "avg_pool1d": _pools(6, more=({}, {"count_include_pad": False})),
    "avg_pool2d": _pools(4, 3, more=({}, {"count_include_pad": False})),
    "adaptive_avg_pool1d": _bins(6, counts=[1, 2, 4, 6, 9]),
    "adaptive_avg_pool2d": _bins(4, 3, counts=[1, 2, 3, (1, 2), (4, 5)]),
    "adaptive_max_pool1d": _bins(6, counts=[1, 2, 4, 6, 9]),
    "adaptive_max_pool2d": _bins(4, 3, counts=[1, 2, 3, (1, 2), (4, 5)]),
}
