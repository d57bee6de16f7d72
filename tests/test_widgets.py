"""Stepping and exploring in a notebook: what is shown, and what Python answers."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from browser import browsing
from test_picture import neuron

from tinygrad_edu import Stepper, Tensor, Value, explore, plots
from tinygrad_edu.readers.page import script, style
from tinygrad_edu.widgets import descent, slides
from tinygrad_edu.widgets.stepper import widget


@pytest.fixture
def sent(monkeypatch):
    """The messages a widget sends to the page."""
    pytest.importorskip("anywidget")
    from ipywidgets import Widget

    messages = []
    monkeypatch.setattr(Widget, "send", lambda self, content, *rest: messages.append(content))
    return messages


def test_the_widget_is_made_of_the_pages_own_parts(sent):
    view = widget(Stepper(neuron(), mode="what-if"))
    assert str(view._esm) == script()
    assert str(view._css) == style()
    assert "what-if" in view.markup
    assert view.markup.count("data-leaf=") == 5
    assert view.story["mode"] == "what-if"


def test_python_answers_with_new_numbers(sent):
    root = neuron()
    stepper = Stepper(root, mode="what-if")
    view = widget(stepper)
    place = stepper.names.index("b")
    view._handle_custom_msg({"place": place, "value": 5.0}, [])
    [fresh] = sent
    assert set(fresh) == {"nodes", "fields", "events", "differences"}
    assert fresh["nodes"][place]["data"] == ["5"]
    last = [row for row in fresh["events"] if row[0] == "forward"][-1]
    assert last[fresh["fields"].index("wanted")] == [round(float(np.tanh(-1.0)), 6)]
    assert next(x for x in root.inputs[0].inputs if x.name == "b").data == 6.8813735870195432


def test_without_the_widget_there_is_the_page(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stepper = Stepper(neuron(), mode="what-if")
    with pytest.raises(NotImplementedError):
        stepper._ipython_display_()
    assert "<iframe" in stepper._repr_mimebundle_()["text/html"]
    with pytest.raises(NotImplementedError):
        Stepper(neuron())._ipython_display_()


def test_a_widget_is_shown_beside_what_needs_no_kernel(monkeypatch):
    pytest.importorskip("anywidget")
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: "a shell")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    Stepper(neuron(), mode="what-if")._ipython_display_()
    alone, alive = shown
    assert "tinygrad-edu-alone" in alone["text/html"]
    assert "<iframe" in alone["text/html"]
    assert "<img" in alone["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in alive


def test_without_a_notebook_a_widget_is_its_text(capsys):
    pytest.importorskip("anywidget")
    stepper = Stepper(neuron(), mode="what-if")
    stepper._ipython_display_()
    assert capsys.readouterr().out == f"{stepper.text()}\n"


# Exploring


def f(a, b):
    return (a * b).tanh()


def test_values_and_slopes_follow():
    explorer = explore(f, a=(-5, 5, 0.5), b=2.0)
    assert repr(explorer) == "<Explorer: f = 0.761594 at a = 0.5, b = 2; slopes 0.839949, 0.209987>"
    explorer.move(b=0.0)
    assert explorer.result == 0.0
    assert explorer.slopes == {"a": 0.0, "b": 0.5}
    assert explorer.moved == "b"
    assert explorer.ranges == {"a": (-5.0, 5.0), "b": (-2.0, 6.0)}


def test_the_curve_and_the_slope_are_those_of_f():
    explorer = explore(f, a=(-1, 1), b=(0.0, 2.0, 1.0))
    arguments, results = explorer.curve()
    np.testing.assert_allclose(results, np.tanh(arguments), rtol=1e-12)
    figure = pytest.importorskip("matplotlib") and explorer.plot()
    curve, tangent, point = figure.axes[0].lines
    (x0, x1), (y0, y1) = tangent.get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(explorer.slopes["a"])
    assert point.get_data()[1][0] == explorer.result
    np.testing.assert_array_equal(curve.get_ydata(), results)


def test_sliders_move_what_is_shown(sent):
    explorer = explore(f, a=(-5, 5), b=2.0)
    box = explorer.widget()
    slider = box.children[0].children[0].children[0]
    before = box.children[1].value
    slider.value = 1.0
    assert explorer.values["a"] == 1.0
    assert box.children[1].value != before


def test_what_cannot_be_explored():
    with pytest.raises(ValueError, match="explore needs an input by name"):
        explore(f)
    for given in ((1, 1), (2, 1), (0, 1, 3), float("nan"), (0, float("inf"))):
        with pytest.raises(ValueError, match="is no range"):
            explore(f, a=given, b=1.0)
    with pytest.raises(TypeError, match="a function that returns a Value, not a Tensor"):
        explore(lambda a: Tensor([1.0], requires_grad=True), a=1.0)
    with pytest.raises(ValueError, match="no input is called 'c'"):
        explore(f, a=1.0, b=1.0).move(c=2.0)
    assert Value(1.0).grad == 0.0


# Slides


def one_square(shade):
    return plots.feature_maps([[[shade]]])


def test_the_slider_changes_the_picture(sent):
    pytest.importorskip("matplotlib")
    shown = slides(lambda n: plots.feature_maps([[[n, 1]]]), [0, 1, 2])
    box = shown.widget()
    slider, image = box.children
    before = image.value
    slider.value = 2
    assert image.value == shown.picture(2) != before
    assert 'alt="3 of 3"' in image.value


def test_a_picture_is_drawn_once_and_a_few_stay():
    pytest.importorskip("matplotlib")
    drawn = []

    def f(n):
        drawn.append(n)
        return one_square(n)

    shown = slides(f, range(1, 11))
    assert drawn == []
    page = shown._repr_mimebundle_()["text/html"]
    assert drawn == [1, 5, 10]
    assert page.count("<img") == 3
    assert shown._repr_mimebundle_()["text/html"] == page
    assert drawn == [1, 5, 10]
    assert slides(f, [7], still=5).stills == [0]


def test_slides_without_the_widget(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotImplementedError):
        slides(one_square, [1])._ipython_display_()


def test_slides_that_show_nothing():
    with pytest.raises(ValueError, match="slides of 0 values with 3 to keep show nothing"):
        slides(one_square, [])
    with pytest.raises(ValueError, match="slides of 1 values with 0 to keep show nothing"):
        slides(one_square, [1], still=0)


WAYS = {"short": [(1.5, 1.0), (0.5, 0.2)], "long": [(1.5, 1.0), (0.0, 1.0), (0.0, -0.5), (0, 0)]}


def bowl(x, y):
    return x**2 + 3 * y**2


def test_a_descent_stops_each_way_at_the_step():
    pytest.importorskip("matplotlib")
    shown = descent(bowl, WAYS, resolution=9)
    for step, (left, right) in enumerate(((1, 1), (2, 2), (2, 3), (2, 4))):
        axes = shown.figure(step).axes[0]
        drawn = {line.get_label().partition(":")[0]: line.get_xydata() for line in axes.lines}
        np.testing.assert_array_equal(drawn["short"], WAYS["short"][:left])
        np.testing.assert_array_equal(drawn["long"], WAYS["long"][:right])
        assert axes.get_title() == f"after {step} steps"
    labels = [text.get_text() for text in shown.figure(2).axes[0].get_legend().get_texts()]
    assert labels == ["short: 0.37", "long: 0.75"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_descent_begins_and_stays_at_its_end(sent, theme):
    pytest.importorskip("matplotlib")
    shown = descent(bowl, WAYS, resolution=9, theme=theme)
    slider, image = shown.widget().children
    assert (slider.value, slider.max, slider.description) == (3, 3, "step")
    assert shown._repr_mimebundle_()["text/html"] == f"<div>{shown.picture(3)}</div>"
    slider.value = 0
    assert image.value == shown.picture(0) != shown.picture(3)


def test_a_long_descent_keeps_its_first_and_last_step():
    way = np.linspace((1.0, 1.0), (0.0, 0.0), 251)
    steps = descent(bowl, {"way": way}).values
    assert (steps[:2], steps[-1], len(steps)) == ([0, 3], 250, 85)
    assert descent(bowl, {"still": way[:1]}).values == [0]


def test_a_descent_without_a_way():
    with pytest.raises(ValueError, match="there is no path to show"):
        descent(bowl, {})
    with pytest.raises(ValueError, match=r"the path w has the shape \(1, 3\), not \(points, 2\)"):
        descent(bowl, {"w": [(1, 2, 3)]})


# In JupyterLab

CELLS = [
    "from tinygrad_edu import Stepper, Value\n"
    'a, b = Value(0.5, name="a"), Value(-1.0, name="b")\n'
    'y = (a * b).tanh()\ny.name = "y"',
    "Stepper(y)",
    'Stepper(y, mode="what-if")',
]
TRUST = (
    "import sys; from nbformat.sign import TrustNotebookApp as App; sys.argv[0] = 'trust'; "
    "App.launch_instance()"
)


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a folder with one notebook, and an address for that."""
    pytest.importorskip("jupyterlab")
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    (tmp_path / "work").mkdir()
    nbformat.write(notebook, tmp_path / "work" / "n.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    }
    environment = {**os.environ, **folders, "JUPYTER_PREFER_ENV_PATH": "1"}
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", f"--port={port}"]
    options += ["--IdentityProvider.token=", "--ServerApp.password="]
    options += [f"--ServerApp.root_dir={tmp_path / 'work'}", "--LabApp.news_url="]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api").close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/n.ipynb?reset", tmp_path / "work", environment
    finally:
        server.terminate()
        server.wait()


PANEL = "[...jupyterapp.shell.widgets('main')].find(widget => widget.sessionContext)"
OUTPUTS = (
    "[...document.querySelectorAll('.jp-OutputArea-child')].filter(e => e.offsetHeight > 40)"
    ".map(e => [e.querySelectorAll('iframe').length, "
    "[...e.querySelectorAll('img')].filter(i => i.offsetHeight).length, "
    "e.querySelectorAll('.tinygrad-edu-stepper').length])"
)


@pytest.mark.browser
@pytest.mark.slow
def test_in_jupyterlab_live_untrusted_and_reopened(lab, tmp_path):
    address, folder, environment = lab
    notebook = "window.jupyterapp && document.querySelector('.jp-Notebook')"
    with browsing(tmp_path / "browser") as browser:
        size = {"width": 1300, "height": 3000, "deviceScaleFactor": 1, "mobile": False}
        browser.send("Emulation.setDeviceMetricsOverride", **size)
        browser.open(address)
        browser.until(notebook)
        browser.until(f"{PANEL}?.sessionContext.session?.kernel?.connectionStatus === 'connected'")
        browser.js("void jupyterapp.commands.execute('notebook:run-all-cells')")
        browser.until("document.querySelector('.tinygrad-edu-stepper')")
        browser.until("document.querySelector('iframe')")
        assert browser.js(OUTPUTS) == [[1, 0, 0], [0, 0, 1]]

        browser.js("document.querySelector('.tinygrad-edu-stepper').focus()")
        browser.key("End")
        assert browser.text(".tinygrad-edu-stepper output") == "6 / 6"
        assert browser.js("document.querySelectorAll('.jp-Cell').length") >= 3  # no key reached Lab
        browser.js(
            "(slider => { slider.value = 2; slider.dispatchEvent(new Event('input', "
            "{bubbles: true})) })(document.querySelector('[data-leaf]'))"
        )
        browser.until("document.querySelector('tr:nth-child(2) td').textContent !== '0.5'")
        moved = browser.js("+document.querySelector('[data-leaf]').value")
        last = browser.text("tr:last-child td").replace("\u2212", "-")
        assert float(last) == pytest.approx(np.tanh(-moved), rel=1e-3)

        grounds = []
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            browser.js(
                f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})"
            )
            dark = theme.endswith("Dark")
            browser.until(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
            time.sleep(0.5)
            grounds.append(
                browser.js(
                    "getComputedStyle(document.querySelector('.tinygrad-edu-stepper'))"
                    ".backgroundColor"
                )
            )
        assert grounds == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
        browser.js(f"{PANEL}.context.save()")
        saved = folder / "n.ipynb"

        text = saved.read_text("utf-8")  # as if it came from elsewhere, and no kernel knew it
        nbformat = pytest.importorskip("nbformat")
        stranger = nbformat.reads(text, 4)
        stranger.metadata["title"] = "a copy"
        stranger.cells.append(nbformat.v4.new_markdown_cell("from elsewhere"))
        for copy, trusted in (("untrusted", False), ("trusted", True)):
            path = folder / f"{copy}.ipynb"
            stranger.metadata["title"] = copy
            nbformat.write(stranger, path)
            if trusted:
                subprocess.run([sys.executable, "-c", TRUST, path], env=environment, check=True)
            browser.open(address.replace("n.ipynb", path.name))
            browser.until(notebook)
            browser.until(f"{OUTPUTS}.length === 2")
            expected = [[1, 0, 0], [1, 0, 0]] if trusted else [[0, 1, 0], [0, 1, 0]]
            browser.until(f"JSON.stringify({OUTPUTS}) === '{str(expected).replace(' ', '')}'")
