"""Windows: convolution against loops and its definition, adjoints, layouts, ties, errors."""

import itertools
import re

import checks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import x
from table import TABLE

from tinygrad_edu import Tensor, Value, grad, ops, trace
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.ops import lookup, windows

CONVOLUTIONS = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]
CONVOLUTIONS += ["conv_weight1d", "conv_weight2d"]


def by_loops(x, w, stride, pads, dilation, groups):
    """A convolution over two axes as six loops and nothing else."""
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    images, _, height, width = x.shape
    kernels, channels, down, across = w.shape
    rows = (height - dilation[0] * (down - 1) - 1) // stride[0] + 1
    columns = (width - dilation[1] * (across - 1) - 1) // stride[1] + 1
    out = np.zeros((images, kernels, rows, columns))
    for n, k, r, q in np.ndindex(out.shape):
        first = k // (kernels // groups) * channels  # of the channels that kernel k sees
        for c, i, j in np.ndindex(w.shape[1:]):
            row, column = r * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
            out[n, k, r, q] += w[k, c, i, j] * x[n, first + c, row, column]
    return out


def by_definition(x, w, stride, pads, dilation, groups):
    """Unfold and one matrix product, on nodes: what a convolution is, in four operations."""
    padded = ops.pad(x, widths=((0, 0), (0, 0), *pads))
    windows = ops.unfold(padded, size=w.shape[2:], stride=stride, dilation=dilation)
    n, channels, rows, columns = windows.shape[:4]
    split = windows.reshape(n, groups, channels // groups, rows, columns, *w.shape[2:])
    kernels = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    out = ops.einsum(split, kernels, subscripts="ngcrqij,gkcij->ngkrq")
    return out.reshape(n, w.shape[0], rows, columns)


@st.composite
def geometries(draw):
    """Shapes and options of a convolution over two axes whose kernel fits."""
    groups = draw(st.integers(1, 3))
    channels, kernels = (groups * draw(st.integers(1, 3)) for _ in range(2))
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    size, stride, dilation = draw(two), draw(two), draw(two)
    side = st.tuples(st.integers(0, 2), st.integers(0, 2))
    pads = draw(st.tuples(side, side))
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    sizes = [
        max(1, r - a - b) + draw(st.integers(0, 3)) for r, (a, b) in zip(reach, pads, strict=True)
    ]
    shapes = ((draw(st.integers(0, 2)), channels, *sizes), (kernels, channels // groups, *size))
    return shapes, (stride, pads, dilation, groups)


def options_of(geometry):
    return dict(zip(("stride", "padding", "dilation", "groups"), geometry, strict=True))


@given(geometries())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_convolution_is_six_loops(drawn):
    (of_x, of_w), geometry = drawn
    image, kernel = x(*of_x), x(*of_w)
    out = ops.conv2d(Tensor(image), Tensor(kernel), **options_of(geometry))
    np.testing.assert_allclose(out.data, by_loops(image, kernel, *geometry), rtol=1e-10, atol=1e-12)


@given(geometries())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_gradients_are_those_of_the_definition(drawn):
    (of_x, of_w), geometry = drawn
    nodes = [Tensor(x(*shape), requires_grad=True) for shape in (of_x, of_w)]
    fast = ops.conv2d(*nodes, **options_of(geometry))
    plain = by_definition(*nodes, *geometry)
    np.testing.assert_allclose(fast.data, plain.data, rtol=1e-10, atol=1e-12)
    g = x(*fast.shape)
    for mine, theirs in zip(grad(fast, nodes, g), grad(plain, nodes, g), strict=True):
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-10, atol=1e-12)


@given(geometries())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_three_maps_are_adjoint(drawn):
    (of_x, of_w), geometry = drawn
    stride, pads, dilation, _ = geometry
    image, kernel = Tensor(x(*of_x)), Tensor(x(*of_w))
    options = options_of(geometry)
    out = ops.conv2d(image, kernel, **options)
    y = Tensor(x(*out.shape))
    unseen = tuple(
        n + a + b - (places - 1) * step - gap * (k - 1) - 1
        for n, (a, b), places, step, gap, k in zip(
            of_x[2:], pads, y.shape[2:], stride, dilation, of_w[2:], strict=True
        )
    )
    product = (out * y).sum().item()
    to_image = ops.conv_transpose2d(y, kernel, output_padding=unseen, **options)
    to_kernel = ops.conv_weight2d(image, y, size=of_w[2:], **options)
    assert (to_image * image).sum().item() == pytest.approx(product, rel=1e-10, abs=1e-10)
    assert (to_kernel * kernel).sum().item() == pytest.approx(product, rel=1e-10, abs=1e-10)


def test_one_axis_is_two_axes_with_height_1():
    for sample in TABLE["conv1d"]:
        flat = [Tensor(a) for a in sample.args]
        tall = [flat[0].reshape(*flat[0].shape[:2], 1, -1) if flat[0].size else None]
        if tall[0] is None:
            continue
        tall += [flat[1].reshape(*flat[1].shape[:2], 1, -1), *flat[2:]]
        options = dict(sample.options)
        for name in ("stride", "dilation"):
            if name in options:
                options[name] = (1, options[name])
        padding = options.get("padding", 0)
        if not isinstance(padding, str):
            pairs = padding if isinstance(padding, tuple) else ((padding, padding),)
            options["padding"] = ((0, 0), *pairs)
        out = ops.conv2d(*tall, **options)
        expected = ops.conv1d(*flat, **sample.options)
        np.testing.assert_allclose(out.data[:, :, 0], expected.data, rtol=1e-12)


# Layouts

LAYOUTS = [
    pytest.param(stacked, last, id=f"{'stacked' if stacked else 'bands'}-{'last' if last else ''}")
    for stacked, last in itertools.product((False, True), repeat=2)
]


@pytest.fixture
def layout(monkeypatch):
    """A function that forces the layout of every convolution, and blocks of single images."""
    choose = windows._layout

    def force(stacked, channels_last):
        def forced(*args):
            return choose(*args)._replace(stacked=stacked, channels_last=channels_last)

        monkeypatch.setattr(windows, "_layout", forced)
        monkeypatch.setattr(windows, "_BLOCK", 1)

    return force


@pytest.mark.parametrize(("stacked", "last"), LAYOUTS)
def test_every_layout_gives_the_same(layout, stacked, last):
    expected = {}
    for name in CONVOLUTIONS:
        op = lookup(name)
        for number, sample in enumerate(TABLE[name]):
            out = checks.forward(op, sample.args, checks.filled(op, sample))
            expected[name, number] = [*out, *gradients(op, sample)]
    layout(stacked, last)
    for (name, number), before in expected.items():
        op, sample = lookup(name), TABLE[name][number]
        out = checks.forward(op, sample.args, checks.filled(op, sample))
        for now, then in zip([*out, *gradients(op, sample)], before, strict=True):
            np.testing.assert_allclose(now, then, rtol=1e-10, atol=1e-12)


def gradients(op, sample):
    args, options = checks.operands(sample), checks.filled(op, sample)
    g = checks.weights_like(checks.forward(op, args, options))
    return [part.data for part in checks.engine_gradients(op, args, options, g)]


@pytest.mark.parametrize(("stacked", "last"), LAYOUTS)
def test_every_layout_has_a_right_expansion(layout, stacked, last):
    layout(stacked, last)
    for name in CONVOLUTIONS:
        for sample in TABLE[name][:4]:
            checks.check_expansion(lookup(name), sample)
            checks.check_vocabulary(lookup(name), sample)
            checks.check_purity(lookup(name), sample)


def test_each_layout_is_chosen_somewhere():
    chosen = {
        windows._layout(windows._window((3, 3), 1, 1), channels, 1, (8, places))[2:]
        for channels, places in [(1, 9), (1, 1), (16, 24), (16, 8)]
    }
    assert len(chosen) == 4


def test_a_batch_is_computed_in_blocks(monkeypatch):
    image, kernel = Tensor(x(7, 2, 5, 5)), Tensor(x(3, 2, 2, 2))
    whole = ops.conv2d(image, kernel)
    elements = 2 * 4 * 16  # of unfolded windows, per image
    monkeypatch.setattr(windows, "_BLOCK", 3 * elements)
    window = windows._window((2, 2), 1, 1)
    pieces = [len(block) for (block,) in windows._blocks(NUMPY, window, 2, (4, 4), image.data)]
    assert pieces == [3, 3, 1]
    np.testing.assert_array_equal(ops.conv2d(image, kernel).data, whole.data)


# What is recorded


def test_the_trio_is_closed_under_differentiation():
    image, kernel = (
        Tensor(x(*shape), requires_grad=True) for shape in [(1, 2, 4, 4), (3, 2, 2, 2)]
    )
    out = ops.conv2d(image, kernel, stride=2)
    g = Tensor(x(*out.shape), requires_grad=True)
    firsts = grad((out * g).sum(), [image, kernel], create_graph=True)
    assert [node.op.name for node in firsts] == ["conv_transpose2d", "conv_weight2d"]
    of_image = grad((firsts[0] * x(*image.shape)).sum(), [g, kernel], create_graph=True)
    assert "conv2d" in recorded(of_image[0])
    assert of_image[1].op.name == "conv_weight2d"
    of_kernel = grad((firsts[1] * x(*kernel.shape)).sum(), [image, g], create_graph=True)
    assert of_kernel[0].op.name == "conv_transpose2d"
    assert "conv2d" in recorded(of_kernel[1])


def recorded(node):
    """The names of the operations under a node."""
    return {n.op.name for n in trace(node).nodes if n.op}


def test_a_gradient_nobody_needs_is_not_computed(monkeypatch):
    def refuse(*operands, **options):
        raise AssertionError("computed")

    image, kernel = Tensor(x(1, 1, 3, 3)), Tensor(x(1, 1, 2, 2), requires_grad=True)
    monkeypatch.setattr(windows.conv_transpose2d, "forward", refuse)
    ops.conv2d(image, kernel).sum().backward()
    assert kernel.grad.shape == (1, 1, 2, 2)
    image.requires_grad_()
    with pytest.raises(AssertionError, match="computed"):
        ops.conv2d(image, kernel).sum().backward()


# Padding


def test_padding_in_every_form():
    image, kernel = Tensor(x(1, 1, 5, 6)), Tensor(x(1, 1, 3, 2))
    same = ops.conv2d(image, kernel, padding="same")
    assert same.shape == (1, 1, 5, 6)
    pairs = ops.conv2d(image, kernel, padding=((1, 1), (0, 1)))
    np.testing.assert_array_equal(same.data, pairs.data)
    plain = ops.conv2d(image, kernel, padding="valid")
    np.testing.assert_array_equal(plain.data, ops.conv2d(image, kernel).data)
    both = ops.conv2d(image, kernel, padding=(2, 1))
    by_hand = ops.pad(image, widths=((0, 0), (0, 0), (2, 2), (1, 1)))
    np.testing.assert_array_equal(both.data, ops.conv2d(by_hand, kernel).data)


# Pooling


def test_equal_largest_elements_share_evenly():
    image = Tensor([[[[3.0, 3.0, 1.0, 2.0], [3.0, 0.0, 2.0, 2.0]]]], requires_grad=True)
    ops.max_pool2d(image, kernel_size=2).backward(np.array([[[[6.0, 9.0]]]]))
    third, half = 6.0 / 3, 9.0 / 3
    expected = [[[[third, third, 0.0, half], [third, 0.0, half, half]]]]
    np.testing.assert_allclose(image.grad, expected, rtol=1e-6)


def test_padding_never_wins():
    image = Tensor([[[-5.0, -7.0]]], requires_grad=True)
    out = ops.max_pool1d(image, kernel_size=2, stride=1, padding=1)
    assert out.tolist() == [[[-5.0, -5.0, -7.0]]]
    out.sum().backward()
    assert image.grad.tolist() == [[[2.0, 1.0]]]


def test_overlapping_windows_add_up():
    image = Tensor([[[1.0, 5.0, 2.0]]], requires_grad=True)
    ops.max_pool1d(image, kernel_size=2, stride=1).sum().backward()
    assert image.grad.tolist() == [[[0.0, 2.0, 0.0]]]


def test_padded_zeros_count_or_not():
    image = Tensor([[[2.0, 4.0]]])
    options = {"kernel_size": 2, "stride": 1, "padding": 1}
    assert ops.avg_pool1d(image, **options).tolist() == [[[1.0, 3.0, 2.0]]]
    alone = ops.avg_pool1d(image, count_include_pad=False, **options)
    assert alone.tolist() == [[[2.0, 3.0, 4.0]]]


def test_adaptive_pooling_of_equal_bins_is_average_pooling():
    image = Tensor(x(2, 3, 6, 4), requires_grad=True)
    adaptive = ops.adaptive_avg_pool2d(image, output_size=(3, 2))
    assert adaptive.op.name == "avg_pool2d"
    expected = ops.avg_pool2d(image, kernel_size=2)
    np.testing.assert_array_equal(adaptive.data, expected.data)
    everything = ops.adaptive_avg_pool2d(image, output_size=1)
    np.testing.assert_allclose(everything.data[:, :, 0, 0], image.data.mean(axis=(2, 3)))


# Unfold and fold


def test_folding_what_was_unfolded_counts_the_windows():
    ones = Tensor(np.ones((5, 6)))
    unfolded = ops.unfold(ones, size=(2, 3), stride=(1, 2))
    counts = ops.fold(unfolded, shape=(5, 6), size=(2, 3), stride=(1, 2))
    down, across = [1, 2, 2, 2, 1], [1, 1, 2, 1, 1, 0]
    np.testing.assert_array_equal(counts.data, np.outer(down, across))


def test_fold_takes_any_order_of_memory_and_repeated_elements():
    windows = x(4, 3, 2, 2)
    expected = ops.fold(Tensor(windows), shape=(5, 4), size=(2, 2)).data
    for axes in itertools.permutations(range(4)):
        turned = np.ascontiguousarray(windows.transpose(axes)).transpose(np.argsort(axes))
        out = NUMPY.fold(turned, (5, 4), (2, 2), (1, 1), (1, 1))
        np.testing.assert_allclose(out, expected, rtol=1e-12)
    repeated = np.broadcast_to(windows[..., :1], windows.shape)
    expected = NUMPY.fold(repeated.copy(), (5, 4), (2, 2), (1, 1), (1, 1))
    np.testing.assert_allclose(NUMPY.fold(repeated, (5, 4), (2, 2), (1, 1), (1, 1)), expected)


# Errors

MESSAGES = [
    (
        lambda: ops.conv2d(Tensor(x(1, 3, 8, 8)), x(2, 4, 3, 3)),
        "cannot apply conv2d to shapes (1, 3, 8, 8) and (2, 4, 3, 3): x has 3 channels, and w "
        "expects 4; check the layer sizes, or which axis of x is that of the channels",
    ),
    (
        lambda: ops.conv2d(Tensor(x(1, 4, 8, 8)), x(6, 4, 3, 3), groups=2),
        "cannot apply conv2d to shapes (1, 4, 8, 8) and (6, 4, 3, 3) with groups=2: x has 4 "
        "channels, and w expects 8 (4 in each of 2 groups); check the layer sizes, or which axis "
        "of x is that of the channels",
    ),
    (
        lambda: ops.conv2d(Tensor(x(1, 4, 8, 8)), x(5, 2, 3, 3), groups=2),
        "cannot apply conv2d to shapes (1, 4, 8, 8) and (5, 2, 3, 3) with groups=2: 2 groups do "
        "not divide 5, the first size of w; change one of them",
    ),
    (
        lambda: ops.conv2d(Tensor(x(3, 8, 8)), x(2, 3, 3, 3)),
        "cannot apply conv2d to shapes (3, 8, 8) and (2, 3, 3, 3): x and w have 4 axes each, those "
        "of the batch and the channels first; a single image is a batch of one, x[None]",
    ),
    (
        lambda: ops.conv2d(Tensor(x(1, 1, 2, 9)), x(1, 1, 3, 3), dilation=2, padding=1),
        "cannot apply conv2d to shapes (1, 1, 2, 9) and (1, 1, 3, 3) with padding=1, dilation=2: a "
        "window spans 5 elements of spatial axis 0, which has 4, padding included; use a smaller "
        "window, or more padding",
    ),
    (
        lambda: ops.conv1d(Tensor(x(1, 1, 5)), x(2, 1, 3), x(3)),
        "cannot apply conv1d to shapes (1, 1, 5), (2, 1, 3) and (3,): a bias is a number per "
        "channel, of shape (2,), not (3,)",
    ),
    (
        lambda: ops.conv2d(Tensor(x(1, 1, 5, 5)), x(1, 1, 3, 3), stride=0),
        "cannot apply conv2d to shapes (1, 1, 5, 5) and (1, 1, 3, 3) with stride=0: stride is a "
        "whole number of at least 1, or 2 of them; it is 0",
    ),
    (
        lambda: ops.conv1d(Tensor(x(1, 1, 5)), x(1, 1, 3), stride=1.5),
        "cannot apply conv1d to shapes (1, 1, 5) and (1, 1, 3) with stride=1.5: stride is a whole "
        "number of at least 1; it is 1.5",
    ),
    (
        lambda: ops.conv1d(Tensor(x(1, 1, 5)), x(1, 1, 3), padding="same", stride=2),
        "cannot apply conv1d to shapes (1, 1, 5) and (1, 1, 3) with stride=2, padding='same': "
        "padding 'same' needs stride 1, not (2,); pad by hand",
    ),
    (
        lambda: ops.conv2d(Tensor(x(1, 1, 5, 5)), x(1, 1, 3, 3), padding=((1, 1),)),
        "cannot apply conv2d to shapes (1, 1, 5, 5) and (1, 1, 3, 3) with padding=((1, 1),): "
        "padding has 1 pairs, (before, after), for 2 axes",
    ),
    (
        lambda: ops.conv_transpose2d(Tensor(x(1, 3, 4, 4)), x(4, 2, 3, 3)),
        "cannot apply conv_transpose2d to shapes (1, 3, 4, 4) and (4, 2, 3, 3): x has 3 channels, "
        "and w expects 4; check the layer sizes, or which axis of x is that of the channels",
    ),
    (
        lambda: ops.conv_transpose1d(Tensor(x(1, 1, 4)), x(1, 1, 3), stride=2, output_padding=2),
        "cannot apply conv_transpose1d to shapes (1, 1, 4) and (1, 1, 3) with stride=2, "
        "output_padding=2: output_padding (2,) is not less than stride or dilation; increase x",
    ),
    (
        lambda: ops.conv_transpose1d(Tensor(x(1, 1, 1)), x(1, 1, 2), padding=1),
        "cannot apply conv_transpose1d to shapes (1, 1, 1) and (1, 1, 2) with padding=1: the "
        "result would have the sizes (0,); use less padding",
    ),
    (
        lambda: ops.conv_weight1d(Tensor(x(1, 1, 6)), x(1, 1, 6), size=3),
        "cannot apply conv_weight1d to shapes (1, 1, 6) and (1, 1, 6) with size=3: the windows of "
        "x have (4,) places, and y has (6,)",
    ),
    (
        lambda: ops.max_pool2d(Tensor(x(1, 1, 4, 4)), kernel_size=2, padding=2),
        "cannot apply max_pool2d to shape (1, 1, 4, 4) with padding=2, kernel_size=2: padding "
        "(2, 2) is more than half of kernel_size (2, 2); use less",
    ),
    (
        lambda: ops.avg_pool1d(Tensor(x(1, 1, 2)), kernel_size=3),
        "cannot apply avg_pool1d to shape (1, 1, 2) with kernel_size=3: a window spans 3 elements "
        "of spatial axis 0, which has 2, padding included; use a smaller window, or more padding",
    ),
    (
        lambda: ops.unfold(Tensor(x(3, 4)), size=(2, 5)),
        "cannot apply unfold to shape (3, 4) with size=(2, 5): a window spans 5 elements of "
        "spatial axis 1, which has 4, padding included; use a smaller window, or more padding",
    ),
    (
        lambda: ops.fold(Tensor(x(5, 2)), shape=(5,), size=2),
        "cannot apply fold to shape (5, 2) with shape=(5,), size=2: the windows of an image of "
        "(5,) have the shape (4, 2)",
    ),
]


@pytest.mark.parametrize(("mistake", "text"), MESSAGES)
def test_errors_say_what_and_what_to_do(mistake, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        mistake()


def test_a_value_is_no_image():
    with pytest.raises(TypeError, match="conv2d needs an array, and a Value is one number"):
        ops.conv2d(Value(1.0), Value(2.0))


# A planted bug


def test_the_six_loops_find_a_forgotten_dilation(monkeypatch):
    image, kernel = x(1, 16, 6, 6), x(1, 16, 2, 2)
    geometry = ((1, 1), ((0, 0), (0, 0)), (2, 2), 1)
    expected = by_loops(image, kernel, *geometry)
    right = windows._Layout._moves

    def forgets(layout, places):
        window = layout.window._replace(dilation=(1, 1))
        return right(layout._replace(window=window), places)

    monkeypatch.setattr(windows._Layout, "_moves", forgets)
    out = ops.conv2d(Tensor(image), Tensor(kernel), **options_of(geometry))
    with pytest.raises(AssertionError, match="Not equal"):
        np.testing.assert_allclose(out.data, expected, rtol=1e-10, atol=1e-12)
