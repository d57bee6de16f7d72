"""Dashboard: what it measures is true, and what it shows is what it measured."""

import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, data, metrics, nn, optim
from tinygrad_edu.train import fit
from tinygrad_edu.widgets import Dashboard, dashboard

pytest.importorskip("matplotlib")

MOONS = data.moons(40)


def model():
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))


class Witness:
    """Measures the same by hand."""

    def __init__(self, layers, lr):
        self.layers, self.lr = layers, lr
        self.gradients, self.updates = [], []

    def on_step_end(self, run):
        first = self.layers[0]
        grad = np.concatenate([first.weight.grad.ravel(), first.bias.grad])
        now = np.concatenate([first.weight.data.ravel(), first.bias.data])
        before = now + self.lr * grad  # gradient descent, undone
        self.gradients.append(np.linalg.norm(grad))
        self.updates.append(np.linalg.norm(self.lr * grad) / np.linalg.norm(before))


def trained(watched, layers, epochs=3, witness=None, **options):
    fit(
        layers,
        data.DataLoader(MOONS, batch_size=10),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(layers.parameters(), lr=0.1),
        epochs=epochs,
        callbacks=[watched, *([witness] if witness else [])],
        progress=False,
        **options,
    )
    return watched


def test_gradients_and_updates_are_those_of_the_training():
    layers = model().double()
    witness = Witness(layers, 0.1)
    seen = Dashboard(layers)
    trained(seen, layers, witness=witness)
    assert seen.steps == list(range(1, 13))
    assert set(seen.gradients) == set(seen.updates) == {"0", "2"}
    np.testing.assert_allclose(seen.gradients["0"], witness.gradients, rtol=1e-9)
    np.testing.assert_allclose(seen.updates["0"], witness.updates, rtol=1e-9)


def test_measurements_can_be_rare_and_say_the_same():
    results = []
    for every in (1, 5):
        from tinygrad_edu import manual_seed

        manual_seed(0)
        layers = model()
        results.append(trained(Dashboard(layers, every=every), layers))
    often, rarely = results
    assert rarely.steps == [5, 10]
    assert rarely.gradients["2"] == [often.gradients["2"][i - 1] for i in rarely.steps]
    assert rarely.updates["2"] == [often.updates["2"][i - 1] for i in rarely.steps]


def test_activations_are_those_of_the_layers_and_watching_ends():
    layers = model()
    seen = trained(Dashboard(layers), layers)
    assert set(seen.activations) == {"0", "1", "2"}
    np.testing.assert_array_equal(seen.activations["1"], np.tanh(seen.activations["0"]))
    assert not any(module._hooks for module in layers.modules())
    before = seen.activations["0"]
    layers(Tensor(np.ones((3, 2), "f4")))
    assert seen.activations["0"] is before


def test_watching_does_not_change_the_training():
    from tinygrad_edu import manual_seed

    weights = []
    for watched in (True, False):
        manual_seed(0)
        layers = model()
        witness = Witness(layers, 0.1)
        trained(Dashboard(layers, MOONS.tensors) if watched else witness, layers)
        weights.append(layers[0].weight.data)
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_figure_has_a_panel_for_each_question(theme):
    layers = model()
    seen = Dashboard(layers, MOONS.tensors, theme=theme)
    validation = data.DataLoader(MOONS, batch_size=20)
    trained(seen, layers, metrics={"accuracy": metrics.accuracy}, validation=validation)
    figure = seen.figure()
    figure.canvas.draw()
    labels = ["loss", "accuracy", "gradient norm", "update / weight", "share", "$x_2$"]
    assert [axes.get_ylabel() for axes in figure.axes] == labels
    loss, _, gradients, _, activations, _ = figure.axes
    assert len(loss.lines) == 2
    drawn = {line.get_label(): line.get_ydata().tolist() for line in gradients.lines}
    assert drawn == seen.gradients
    assert [text.get_text() for text in activations.get_legend().get_texts()] == ["0", "1", "2"]
    shares = [patch.get_data().values.sum() for patch in activations.patches]
    np.testing.assert_allclose(shares, 1)
    assert layers.training


def test_a_terminal_gets_a_table(capsys):
    layers = model()
    seen = trained(Dashboard(layers), layers)
    lines = capsys.readouterr().out.splitlines()
    assert lines == seen.text().splitlines()
    assert lines[0] == "3 epochs, 12 steps"
    assert lines[1].startswith("loss  █")
    assert lines[2].split() == ["layer", "gradient", "update/weight", "activations"]
    assert lines[3].split()[0] == "0"
    assert float(lines[3].split()[1]) == pytest.approx(seen.gradients["0"][-1], rel=1e-3)
    assert repr(seen) == "<Dashboard of Sequential after 3 epochs>"


def test_a_notebook_gets_one_picture_that_is_drawn_anew(monkeypatch, capsys):
    display = pytest.importorskip("IPython.display")
    shown, updates = [], []

    class Shown:
        def update(self, image):
            updates.append(image)

    def record(image, display_id):
        shown.append(image)
        return Shown()

    monkeypatch.setattr(display, "display", record)
    monkeypatch.setattr(dashboard, "_in_notebook", lambda: True)
    layers = model()
    trained(Dashboard(layers), layers)
    assert (len(shown), len(updates)) == (1, 2)
    assert all(image.data.startswith(b"\x89PNG") for image in [*shown, *updates])
    assert not capsys.readouterr().out


def test_what_cannot_be_shown():
    seen = Dashboard(model())
    for look in (seen.figure, seen.text):
        with pytest.raises(ValueError, match=r"seen no epoch yet: pass it to fit\(.*callbacks"):
            look()
    with pytest.raises(ValueError, match="every is 0"):
        Dashboard(model(), every=0)
    with pytest.raises(ValueError, match="points of 2 numbers"):
        Dashboard(model(), (np.ones((3, 3)), [0, 1, 0]))
    with pytest.raises(ValueError, match="theme is 'blue'"):
        Dashboard(model(), theme="blue")


def test_small_curves():
    assert dashboard._spark([0.0, 1.0, math.nan, 0.5]) == "▁█ ▅"
    assert dashboard._spark([2.0, 2.0]) == "▁▁"
    assert dashboard._spark([math.inf]) == " "
    assert len(dashboard._spark(list(range(100)))) == 24
