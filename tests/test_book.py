"""The book: what its pages are made of, and that its check finds what is wrong with a site."""

import doctest
import importlib
import inspect
import re
import subprocess
import types
from pathlib import Path

import check
import pytest
from pages import (
    docstrings,
    examples,
    formulas,
    house,
    inventory,
    landing,
    lessons,
    names,
    operations,
    pytorch,
    session,
    taught,
    themed,
)
from pages.repository import TEXTS
from pages.repository import pages as texts_of_the_repository

from tinygrad_edu import learn, nn
from tinygrad_edu.learn import notebooks

BOOK = Path(__file__).resolve().parent.parent / "docs" / "book"


class TestDocstrings:
    def test_examples_fields_and_headings(self):
        text = docstrings.markdown(
            "The sum_of *all*.\n\nParameters\n----------\nx, y : what is added,\n    or `not_`.\n\n"
            ">>> f(1)\n<BLANKLINE>\n\n    indented\n      more"
        )
        assert text == (
            "The sum\\_of \\*all\\*.\n\n**Parameters**\n\n"
            "- **`x, y`**: what is added, or `not_`.\n\n"
            "```pycon\n>>> f(1)\n```\n\n```text\nindented\n  more\n```"
        )

    @pytest.mark.parametrize(
        "module", [docstrings, formulas, session, taught, themed], ids=lambda x: x.__name__
    )
    def test_examples_of_the_pages_modules(self, module):
        assert doctest.testmod(module).attempted
        assert not doctest.testmod(module).failed

    def test_text_cannot_become_markup(self):
        assert docstrings.prose("<b>$x$</b> [a](b)") == "\\<b\\>\\$x\\$\\</b\\> \\[a\\](b)"


# Tuples of sizes, such as (N, C) and (...), that are not the arguments of a call.
_SIZE = r"(?:\.\.\.|\*?[A-Za-z_]\w*'?|\d+|[\w*]+ ?[*+/-] ?[\w*]+)"
SHAPE = re.compile(
    rf"(?<!\w)\((?:{_SIZE},(?: ?{_SIZE})?(?:, ?{_SIZE})*|\.\.\.)?\)|\b[Ss]hapes?\b|single number"
)
# Names that neither take nor give an array: numbers, texts, graphs, blocks, lessons, schedules.
WITHOUT_ARRAYS = {
    *(
        "Stepper",
        "Value",
        "detect_anomaly",
        "device",
        "diff",
        "keeps",
        "latex",
        "load",
        "manual_seed",
    ),
    *("no_grad", "op", "record_lines", "save", "scope", "story", "trace"),
    *("nn.ModuleDict", "nn.ModuleList", "nn.init.calculate_gain"),
    *("optim.LRCurve", "optim.armijo", "optim.bracket_search", "optim.lr_finder"),
    *("data.BytePairTokenizer", "data.CharTokenizer", "data.Tokenizer", "data.Vocabulary"),
    *("data.WordTokenizer", "data.place_names", "data.python_manual", "data.random_split"),
    *("data.tiny_shakespeare", "train.EarlyStopping", "train.History", "train.Run"),
    *("train.SweepError", "train.sweep", "plots.plot_history", "interop.Difference"),
}
ROOMS_WITHOUT_ARRAYS = ("learn.", "nn.scalar.", "optim.lr_scheduler.")


def wrong_examples(text):
    """What the examples on a page give otherwise than they say."""
    shown = []
    for block in re.findall(r"```pycon\n(.*?)```", text, re.S):
        example = doctest.DocTestParser().get_doctest(block, {}, "page", None, 0)
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(example, out=shown.append)
    return "".join(shown)


class TestPages:
    def test_every_public_name_and_operation_has_one(self):
        made = names.pages() | operations.pages()
        files = [name.lower() for name in made]
        assert len(set(files)) == len(files)  # some disks tell no capitals
        for name in inventory.names():
            text = made[f"{name.page}.md"]
            assert f"({name.label})=" in text
            assert ">>>" in text, name.full
        for op in inventory.operations():
            text = made[f"operations/{op.name}.md"]
            assert f"(ops.{op.name})=" in text
            assert ">>>" in text
            assert "def " + op.forward.__name__ in text

    def test_every_docstring_says_shapes(self):
        docs = {name.short: name.doc for name in inventory.names()}
        docs |= {f"ops.{op.name}": inspect.getdoc(op) for op in inventory.operations()}
        silent = {short for short, doc in docs.items() if not SHAPE.search(doc.split(">>>")[0])}
        assert {x for x in silent if not x.startswith(ROOMS_WITHOUT_ARRAYS)} == WITHOUT_ARRAYS

    @pytest.mark.parametrize("text", ["(N, C)", "of shape (...)", "(batch, ...) -> ()", "(n + 1,)"])
    def test_shapes_are_told_from_calls(self, text):
        assert SHAPE.search(text)
        assert not SHAPE.search("f(x, y), in [0, 1), as (He et al. 2015, section 2) say; f()")

    def test_examples_made_for_pages_run(self, monkeypatch, tmp_path):
        """Those in docstrings are run by test_docs; these are of names whose text is another's."""
        monkeypatch.chdir(tmp_path)
        made = {n.full: examples.example(n) for n in inventory.names() if ">>>" not in n.doc}
        assert all(made.values())
        made |= {op.name: operations.example(op) for op in inventory.operations()}
        wrong = {name: wrong_examples(text) for name, text in made.items()}
        assert not {name: text for name, text in wrong.items() if text}
        assert wrong_examples("```pycon\n>>> 1 + 1\n3\n```")

    def test_every_name_and_its_lesson_link_to_each_other(self):
        made = names.pages() | operations.pages()
        pages = {f"{n.page}.md": n.label for n in inventory.names()}
        pages |= {f"operations/{op.name}.md": f"ops.{op.name}" for op in inventory.operations()}
        for file, label in pages.items():
            number = taught.lesson_of()[label].number
            assert f"](#lesson-{number})" in made[file], label
            assert f"](#{label})" in taught.linked(number), label
        assert "Built in lesson [07 · " in made["operations/matmul.md"]
        assert "Belongs to lesson [18 · " in made["reference/tinygrad_edu.nn/Hardswish.md"]

    def test_docstrings_name_the_lesson_that_the_lesson_names(self):
        for name in inventory.names():
            said = re.search(r"^Built in lesson (\d\d)\.$", name.doc, re.M)
            assert not said or said[1] == taught.lesson_of()[name.label].number, name.full

    @pytest.mark.parametrize(
        ("kinds", "message"),
        [
            ({"06": "tanh"}, "has no lesson: add it"),
            ({**taught.KINDS, "06": taught.KINDS["06"] + " tahn"}, "no name is spelt tahn"),
            ({**taught.KINDS, "06": taught.KINDS["06"] + " conv2d"}, "conv is in lesson 06 and in"),
        ],
    )
    def test_a_name_without_a_lesson_is_found(self, monkeypatch, kinds, message):
        monkeypatch.setattr(taught, "KINDS", kinds)
        with pytest.raises(KeyError, match=message):
            taught.lesson_of.__wrapped__()

    def test_a_long_signature_has_a_line_for_each_argument(self):
        text = names.signature("Conv2d", nn.Conv2d)
        assert text.startswith("Conv2d(\n    in_channels: int,\n")
        assert names.signature("f", lambda x=print: x) == "f(x=<built-in function print>)"

    def test_the_landing_page_says_what_the_readme_says(self):
        text = landing.pages()["index.md"]
        assert "<!--" not in text
        assert "tinygrad-edu start" in text
        assert "from tinygrad_edu import Value, draw" in text

    def test_the_house_is_the_ladder(self):
        assert house.imports()["namespaces"] == set()
        assert {"namespaces", "node", "ops"} <= house.imports()["engine"]
        assert house.picture().startswith("<svg")

    def test_links_of_the_repositorys_texts_stay_inside_the_book(self):
        made, pictures = texts_of_the_repository()
        assert set(made) == set(TEXTS.values())
        assert all(path.is_file() for path in pictures.values())
        assert "](#lesson-00)" in made["lessons/index.md"]
        assert ".py)" not in "".join(made.values())

    @pytest.mark.parity
    def test_names_of_pytorch_exist(self):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        for module in ("nn.grad", "optim.swa_utils", "utils.checkpoint"):
            importlib.import_module(f"torch.{module}")
        every = [pytorch.theirs(name) for name in inventory.names()]
        every += [pytorch.operation(op.name) for op in inventory.operations()]
        for name in filter(None, every):
            thing = torch
            for part in name.split(".")[1:]:
                thing = getattr(thing, part, None)
            assert thing is not None, name


class TestLessons:
    @pytest.fixture
    def executed(self):
        made = notebooks.notebook(learn.find(4), with_solutions=True)
        shown = {"image/png": "AAAA", lessons.WIDGET: {"model_id": "x"}}
        code = next(cell for cell in made["cells"] if cell["cell_type"] == "code")
        code["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": shown}]
        return made

    def test_what_needs_a_kernel_goes_and_pictures_say_what_they_are(self, executed):
        text = str(lessons.page(learn.find(4), executed))
        assert lessons.WIDGET not in text
        assert '<img alt="Plot. ' in text
        assert "[`Value.backward`](#tinygrad_edu.Value.backward)" in text
        assert "[`detect_anomaly`](#tinygrad_edu.detect_anomaly)" in text.partition("In the lib")[2]

    def test_solutions_are_folded(self, executed):
        cells = lessons.page(learn.find(4), executed)["cells"]
        code = "".join(str(c["source"]) for c in cells if c["cell_type"] == "code")
        folds = [c["source"] for c in cells if ":::{dropdown} A solution" in c["source"]]
        assert "order.append(x)" not in code
        assert len(folds) == len(learn.find(4).exercises)
        assert all(text.count(":::{dropdown} Hint") == 3 for text in folds)

    def test_a_notebook_of_another_version_is_refused(self, executed):
        executed["cells"][0]["source"] = "other"
        with pytest.raises(ValueError, match="lesson 04 is of another version"):
            lessons.page(learn.find(4), executed)


PAGE = '<html><body style="color:#000"><h1 id="top">{}</h1></body></html>'


class TestCheck:
    @pytest.fixture
    def site(self, tmp_path):
        (tmp_path / "a.svg").write_text("<svg/>")
        (tmp_path / "index.html").write_text(
            PAGE.format('<a href="b.html#top">b</a><img alt="a" src="a.svg"><a href="https://x.y">')
        )
        (tmp_path / "b.html").write_text(PAGE.format('<a href="index.html">'))
        return tmp_path

    def test_a_good_site(self, site):
        assert list(check.problems(site)) == []

    @pytest.mark.parametrize(
        ("inside", "problem"),
        [
            ('<a href="c.html">c</a>', "there is no c.html"),
            ('<a href="index.html#end">c</a>', "index.html has no place #end"),
            ('<a href="#end">c</a>', "b.html has no place #end"),
            ('<img src="a.svg">', "does not say what it shows"),
            ('<iframe src="a.svg"></iframe>', "does not say what it shows"),
            ('<img alt="b" src="b.svg">', "there is no b.svg"),
            (
                '<script src="https://cdn.example/x.js"></script>',
                "fetches https://cdn.example/x.js",
            ),
            ('<link href="//cdn.example/x.css">', "fetches //cdn.example/x.css"),
            ("x" * check.LARGEST, "bytes, over 2,000,000"),
        ],
        ids=lambda x: x[:30],
    )
    def test_what_is_wrong_is_found(self, site, inside, problem):
        (site / "b.html").write_text(PAGE.format(inside))
        assert [x for x in check.problems(site) if x.startswith("b.html") and problem in x]

    def test_a_style_that_fetches_is_found(self, site):
        (site / "x.css").write_text("@import 'https://fonts.example/x.css';")
        assert list(check.problems(site)) == ["x.css: fetches https://fonts.example/x.css"]
        (site / "x.css").write_text('a { src: url("x.woff2"); b: url(data:x); c: url(a.svg) }')
        assert list(check.problems(site)) == ["x.css: there is no x.woff2"]

    def test_an_empty_site_is_no_site(self, tmp_path):
        assert list(check.problems(tmp_path)) == [f"there is no page in {tmp_path}"]

    @pytest.mark.browser
    def test_what_a_browser_shows(self, site, tmp_path_factory):
        from browser import browsing

        wide = '<p style="width:900px">wide</p>'
        pale = '<p style="color:#bbb;background:#fff">pale</p>'
        still = '<iframe title="x" srcdoc="&lt;input type=range value=3&gt;"></iframe>'
        (site / "index.html").write_text(PAGE.format(wide + pale + still))
        (site / "b.html").write_text(PAGE.format("<script>lost()</script>"))
        (site / "lessons").mkdir()
        cut = '<nav>n</nav><pre style="overflow:auto">' + "wide " * 200 + "</pre>"
        tall = '<img src="../a.svg" style="height:1200px">'
        (site / "lessons" / "00_cut.html").write_text(PAGE.format(cut + tall))
        with browsing(tmp_path_factory.mktemp("browser")) as browser:
            found = list(check.seen(site, browser))
        for part in (
            "index.html: wider than a phone",
            'index.html: in light, a contrast of 1.92 for "pale"',
            "b.html: Uncaught",
            "only 1 pages have a stepper, not 4",
            "index.html: its stepper does not answer",
            "00_cut.html, printed: pre  hides",
            "00_cut.html, printed: nav  is for the screen",
            "00_cut.html, printed: img  is taller than a sheet",
            "00_cut.html, printed: 1 sheets, not 3 to 30",
        ):
            assert [x for x in found if part in x], (part, found)
        assert not [x for x in found if x.startswith("b.html: wider")]


def test_the_command_says_where_it_works(monkeypatch, capsys):
    from tinygrad_edu import cli

    monkeypatch.setattr(cli, "_BOOK", Path("nowhere/build.py"))
    assert cli.main(["book"]) == 2
    assert "the book is built in a checkout of the repository" in capsys.readouterr().err
    called = []
    monkeypatch.setattr(cli, "_BOOK", BOOK / "build.py")
    done = types.SimpleNamespace(returncode=0)
    monkeypatch.setattr(subprocess, "run", lambda command: called.append(command) or done)
    assert cli.main(["book", "--output", "x"]) == 0
    assert called[0][1:] == [str(BOOK / "build.py"), "--open", "--output", "x"]
