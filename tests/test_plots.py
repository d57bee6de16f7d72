"""Plots: what stands in them, in both themes, and what they say to wrong input."""

import itertools
import re

import numpy as np
import pytest
from test_picture import contrast

from tinygrad_edu import Tensor, metrics, nn, plots
from tinygrad_edu.plots import style
from tinygrad_edu.readers.palette import PALETTE
from tinygrad_edu.train import History

pytest.importorskip("matplotlib")

THEMES = ("light", "dark")
RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(40, 2))
CLASSES = (POINTS[:, 0] > 0).astype(int)
ATTENTION = np.full((2, 3, 3), 1 / 3)


def line(points):
    """A model of the plane: positive right of the middle."""
    return points[:, 0]


def model():
    layers = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    layers(Tensor(POINTS.astype("f4"))).sum().backward()
    return layers


FIGURES = {
    "plot_history": lambda theme: plots.plot_history({"loss": [1.0, 0.5]}, theme=theme),
    "loss_landscape": lambda theme: plots.loss_landscape(
        lambda x, y: x * x + y * y, {"SGD": [(1.0, 1.0), (0.0, 0.0)]}, resolution=9, theme=theme
    ),
    "histograms": lambda theme: plots.histograms(model(), "grad", theme=theme),
    "decision_boundary": lambda theme: plots.decision_boundary(
        line, POINTS, CLASSES, resolution=9, theme=theme
    ),
    "confusion_matrix": lambda theme: plots.confusion_matrix(CLASSES, CLASSES, theme=theme),
    "embedding_map": lambda theme: plots.embedding_map(POINTS, CLASSES, theme=theme),
    "filters": lambda theme: plots.filters(nn.Conv2d(1, 4, 3).weight, theme=theme),
    "feature_maps": lambda theme: plots.feature_maps(RANDOM.random((3, 5, 5)), theme=theme),
    "attention_map": lambda theme: plots.attention_map(ATTENTION, theme=theme),
    "gates_over_time": lambda theme: plots.gates_over_time({"forget": [0.1, 0.9]}, theme=theme),
}


def rgb(colour):
    from matplotlib.colors import to_hex

    return to_hex(colour).upper()


def test_every_plot_is_among_these():
    assert set(FIGURES) == set(plots.__all__)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_plot_is_drawn_in_its_theme(name, theme):
    from matplotlib import pyplot

    figure = FIGURES[name](theme)
    figure.canvas.draw()
    ground = rgb(figure.get_facecolor())
    assert ground == PALETTE["paper"][theme == "dark"]
    for axes in figure.axes:
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            if not text.get_text():
                continue
            assert contrast(rgb(text.get_color()), ground) >= 4.5
    assert not pyplot.get_fignums()  # a notebook would show it twice


@pytest.mark.parametrize("name", FIGURES)
def test_unknown_themes_are_refused(name):
    with pytest.raises(ValueError, match="theme is 'blue', not 'light' or 'dark'"):
        FIGURES[name]("blue")


@pytest.mark.parametrize("theme", THEMES)
def test_series_can_be_seen_and_are_told_apart(theme):
    shades = [style.series(i, theme) for i in range(6)]
    ground = PALETTE["paper"][theme == "dark"]
    assert all(contrast(shade, ground) >= 3 for shade in shades)
    for one, other in itertools.combinations(shades, 2):
        assert min(distances(one, other)) > 10, (one, other)
    assert min(distances("#008000", "#A05A00")) < 10  # a green and a brown: the measure sees it


def distances(one, other):
    """How far apart two colours look without red, green and blue cones, in CIE Lab of 1976.

    The matrices for full dichromacy of Machado, Oliveira and Fernandes (2009).
    """
    missing = {
        "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998]],
        "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                  [-0.011820, 0.042940, 0.968881]],
        "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                 [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    for matrix in missing.values():
        seen = [np.clip(np.array(matrix) @ linear(c), 0, 1) for c in (one, other)]
        yield float(np.linalg.norm(lab(seen[0]) - lab(seen[1])))


def linear(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(to_xyz @ rgb / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


# Trainings


def test_a_history_has_a_panel_per_entry_and_validation_is_dashed():
    history = History()
    for i in range(3):
        history.add_epoch({"loss": 1 / (i + 1), "val_loss": 2.0, "lr": 0.1, "val_accuracy": 0.5})
    figure = plots.plot_history(history)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    training, validation = figure.axes[0].lines
    assert training.get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert [axes.get_ylabel() for axes in plots.plot_history(history, ["lr"]).axes] == ["lr"]


def test_several_runs_share_a_panel():
    runs = {"SGD": {"loss": [3.0, 2.0], "val_loss": [4.0, 3.0]}, "Adam": {"loss": [3.0, 1.0]}}
    (axes,) = plots.plot_history(runs).axes
    labels = ["SGD", "SGD, validation", "Adam"]
    assert [drawn.get_label() for drawn in axes.lines] == labels
    assert axes.lines[0].get_color() == axes.lines[1].get_color() != axes.lines[2].get_color()
    assert axes.lines[0].get_marker() != axes.lines[2].get_marker()


def test_histories_that_cannot_be_plotted():
    with pytest.raises(ValueError, match="no run has an entry 'accuracy'; there are loss"):
        plots.plot_history({"loss": [1.0]}, ["accuracy"])
    with pytest.raises(ValueError, match="has no epoch yet"):
        plots.plot_history({"loss": []})
    with pytest.raises(TypeError, match=r"takes a History or a mapping .*, not \[1\.0\]"):
        plots.plot_history([1.0])


def test_a_landscape_shows_the_way_of_each_optimiser():
    ways = {"SGD": [(1.5, 1.0), (0.5, 0.2), (0.1, 0.0)], "Adam": [(1.5, 1.0), (0.2, -0.1)]}
    figure = plots.loss_landscape(lambda x, y: x**2 + 3 * y**2, ways, resolution=21)
    axes = figure.axes[0]
    drawn = {entry.get_label(): entry for entry in axes.lines if entry.get_label() in ways}
    for name, way in ways.items():
        np.testing.assert_array_equal(drawn[name].get_xydata(), way)
    assert drawn["SGD"].get_linestyle() != drawn["Adam"].get_linestyle()
    assert {entry.get_marker() for entry in axes.lines} == {".", "o", "*"}


def test_a_landscape_of_a_function_of_two_numbers():
    def loss(x, y):
        if x > 0:  # an array has no truth value
            return Tensor(x * x)
        return -x

    figure = plots.loss_landscape(loss, resolution=5, logarithmic=True)
    assert figure.axes[1].get_ylabel() == "log10 of the loss"
    with pytest.raises(ValueError, match="the path w has 2 axes, and this has the shape"):
        plots.loss_landscape(lambda x, y: x + y, {"w": [1.0, 2.0]}, resolution=5)


def test_histograms_count_every_number_on_one_scale():
    layers = {"first": RANDOM.normal(size=(30, 10)), "second": Tensor([0.5, np.inf])}
    figure = plots.histograms(layers)
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [300, 1]
    widths = {axes.patches[0].get_width() for axes in figure.axes}
    assert len(widths) == 1
    mean = layers["first"].mean()
    assert (
        figure.axes[0]
        .get_xlabel()
        .startswith(f"mean {mean:.2g}, deviation {layers['first'].std():.2g}")
    )
    assert [axes.get_title() for axes in plots.histograms(model(), "grad").axes] == [
        *("0.weight", "0.bias", "2.weight", "2.bias"),
    ]
    with pytest.raises(ValueError, match=r"weight has no gradient yet: call backward\(\)"):
        plots.histograms(nn.Linear(2, 2), "grad")
    with pytest.raises(ValueError, match="of is 'size'"):
        plots.histograms(nn.Linear(2, 2), "size")
    with pytest.raises(ValueError, match="there are no layers"):
        plots.histograms({})


# Classes


def boundary(figure):
    """The points of the contour that a decision boundary is."""
    from matplotlib.contour import ContourSet

    (found,) = [c for c in figure.axes[0].collections if isinstance(c, ContourSet)]
    return np.concatenate([path.vertices for path in found.get_paths()])


def test_a_boundary_lies_where_the_score_is_zero():
    figure = plots.decision_boundary(lambda p: p[:, 0] - 0.25, POINTS, CLASSES, classes=["a", "b"])
    np.testing.assert_allclose(boundary(figure)[:, 0], 0.25, atol=1e-6)
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    shown = [c for c in figure.axes[0].collections if c.get_label() in ("a", "b")]
    assert [len(c.get_offsets()) for c in shown] == [(CLASSES == 0).sum(), (CLASSES == 1).sum()]


def test_boundaries_of_modules_scores_and_classes():
    layers = nn.Sequential(nn.Linear(2, 1)).double()
    layers[0].weight.data = np.array([[1.0, 0.0]])
    layers[0].bias.data = np.array([-0.5])
    one = boundary(plots.decision_boundary(layers, POINTS, CLASSES))
    np.testing.assert_allclose(one[:, 0], 0.5, atol=1e-6)
    for predict in (
        lambda p: np.stack([0 * p[:, 0], p[:, 0], -1 - p[:, 0]], axis=1),
        lambda p: (p[:, 0] > 0).astype(int),
    ):
        figure = plots.decision_boundary(predict, POINTS, resolution=40)
        assert len(figure.axes[0].collections) > 1
    with pytest.raises(ValueError, match="points of 2 numbers, not"):
        plots.decision_boundary(line, np.ones((3, 3)))
    with pytest.raises(ValueError, match="predict gave 3 answers to 25600 points"):
        plots.decision_boundary(lambda p: p[:3, 0], POINTS)


def test_a_confusion_matrix_shows_its_numbers():
    labels = RANDOM.integers(0, 3, 50)
    guesses = RANDOM.integers(0, 3, 50)
    counts = metrics.confusion_matrix(guesses, labels)
    shown = {
        text.get_position(): text.get_text()
        for text in plots.confusion_matrix(guesses, labels).axes[0].texts
    }
    assert shown == {(j, i): str(counts[i, j]) for i in range(3) for j in range(3)}
    axes = plots.confusion_matrix(guesses, labels, normalize=True, classes=["a", "b", "c"]).axes[0]
    for i in range(3):
        row = [float(t.get_text()) for t in axes.texts if t.get_position()[1] == i]
        assert sum(row) == pytest.approx(1, abs=0.02)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "label")
    with pytest.raises(ValueError, match="1 names for 3 classes"):
        plots.confusion_matrix(guesses, labels, classes=["a"])


def test_an_embedding_is_drawn_in_its_principal_axes():
    vectors = RANDOM.normal(size=(20, 5)) * [10.0, 5.0, 0.1, 0.1, 0.1]
    kinds = ["even", "odd"] * 10
    figure = plots.embedding_map(vectors, kinds, names=[str(i) for i in range(20)])
    axes = figure.axes[0]
    drawn = np.concatenate([c.get_offsets() for c in axes.collections])
    spread = np.linalg.norm(drawn - drawn.mean(0))
    assert spread == pytest.approx(np.linalg.norm(vectors - vectors.mean(0)), rel=1e-3)
    assert re.fullmatch(r"axis 1: \d+% of the variance", axes.get_xlabel())
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(20)]
    plain = plots.embedding_map(POINTS).axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(plain, POINTS)
    with pytest.raises(ValueError, match="2 labels for 20 vectors"):
        plots.embedding_map(vectors, ["a", "b"])


# Pictures


def test_filters_are_shown_on_one_scale_around_zero():
    weight = RANDOM.normal(size=(6, 2, 3, 3))
    *shown, _ = plots.filters(weight).axes
    pictures = [axes.images[0] for axes in shown]
    for picture, kernel in zip(pictures, weight.mean(1), strict=True):
        np.testing.assert_allclose(picture.get_array(), kernel)
    limits = {picture.get_clim() for picture in pictures}
    assert limits == {(-abs(weight.mean(1)).max(), abs(weight.mean(1)).max())}
    assert plots.filters(np.ones((3, 16))).axes[0].images[0].get_array().shape == (4, 4)
    assert plots.filters(np.ones((3, 8)), (2, 4)).axes[0].images[0].get_array().shape == (2, 4)
    with pytest.raises(ValueError, match=r"no pictures of 3 by 3; pass shape="):
        plots.filters(np.ones((3, 8)))
    with pytest.raises(ValueError, match="a weight has 2 or 4 axes"):
        plots.filters(np.ones(3))


def test_feature_maps_begin_at_zero_unless_some_are_negative():
    maps = RANDOM.random((1, 3, 4, 4))
    *shown, _ = plots.feature_maps(Tensor(maps)).axes
    assert [axes.get_title() for axes in shown] == ["0", "1", "2"]
    assert shown[0].images[0].get_clim()[0] == 0
    assert plots.feature_maps(-maps).axes[0].images[0].get_clim()[0] < 0
    with pytest.raises(ValueError, match="feature maps of 2 pictures; choose one"):
        plots.feature_maps(np.ones((2, 3, 4, 4)))


def test_attention_has_a_panel_per_head_and_names_on_both_sides():
    figure = plots.attention_map(ATTENTION[None], ["the", "cat", "sat"])
    first, second, _ = figure.axes
    assert (first.get_title(), second.get_title()) == ("head 0", "head 1")
    for ticks in (first.get_xticklabels(), first.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["the", "cat", "sat"]
    np.testing.assert_allclose(first.images[0].get_array(), ATTENTION[0])
    with pytest.raises(ValueError, match="2 names for 3 keys"):
        plots.attention_map(ATTENTION, keys=["a", "b"])
    with pytest.raises(ValueError, match="attention of 2 sequences; choose one"):
        plots.attention_map(np.ones((2, 1, 3, 3)))


def test_gates_have_a_row_each_and_states_a_scale_around_zero():
    gates = {"forget": RANDOM.random((5, 3)), "cell": Tensor(RANDOM.normal(size=(5, 3)))}
    figure = plots.gates_over_time(gates, list("hello"))
    rows = [axes for axes in figure.axes if axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in rows] == ["forget", "cell"]
    np.testing.assert_array_equal(rows[0].images[0].get_array(), gates["forget"].T)
    assert rows[0].images[0].get_clim() == (0, 1)
    low, high = rows[1].images[0].get_clim()
    assert low == -high
    assert [tick.get_text() for tick in rows[1].get_xticklabels()] == list("hello")
    for wrong, message in (
        (({"a": [1.0], "b": [1.0, 2.0]},), r"different lengths: \[1, 2\]"),
        (({"a": [1.0]}, ["x", "y"]), "2 tokens for 1 steps"),
        (({},), "there are no gates"),
    ):
        with pytest.raises(ValueError, match=message):
            plots.gates_over_time(*wrong)


def test_a_long_sequence_of_gates_is_wider_only_for_its_tokens():
    many = {"forget": RANDOM.random(80)}
    assert plots.gates_over_time(many).get_figwidth() <= 9
    assert plots.gates_over_time(many, ["a"] * 80).get_figwidth() > 16


def test_plots_draw_into_axes_of_the_caller():
    from matplotlib import pyplot

    figure, [left, right] = pyplot.subplots(1, 2)
    try:
        assert plots.decision_boundary(line, POINTS, resolution=9, ax=left) is figure
        assert plots.embedding_map(POINTS, ax=right, theme="dark") is figure
        assert left.collections
        assert rgb(right.get_facecolor()) == PALETTE["paper"][1]
    finally:
        pyplot.close(figure)
