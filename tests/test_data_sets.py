"""The data sets that need no download: shapes, dtypes, what is in them, and that they repeat."""

import datetime
import re
import sys

import numpy as np
import pytest

from tinygrad_edu import data
from tinygrad_edu.data import sequences, texts

SETS = {
    "digits, strat": (lambda: data.digits()[0], [((1437, 1, 8, 8), "f4"), ((1437,), "i8")]),
    "digits, test": (lambda: data.digits(flat=True)[1], [((360, 64), "f4"), ((360,), "i8")]),
    "iris": (data.iris, [((150, 4), "f4"), ((150,), "i8")]),
    "wine": (data.wine, [((178, 13), "f4"), ((178,), "i8")]),
    "breast_cancer": (data.breast_cancer, [((569, 30), "f4"), ((569,), "i8")]),
    "diabetes": (data.diabetes, [((442, 10), "f4"), ((442,), "f4")]),
    "moons": (lambda: data.moons(50), [((50, 2), "f4"), ((50,), "i8")]),
    "circles": (lambda: data.circles(50), [((50, 2), "f4"), ((50,), "i8")]),
    "mnist1d": (lambda: data.mnist1d(100)[1], [((20, 40), "f4"), ((20,), "i8")]),
    "reversals": (lambda: data.reversals(50), [((50, 20), "i8"), ((50, 22), "i8")]),
    "dates": (lambda: data.dates(1000), [((1000, 26), "i8"), ((1000, 12), "i8")]),
    "adding": (lambda: data.adding_problem(50), [((50, 80, 2), "f4"), ((50, 1), "f4")]),
    "sentences": (lambda: data.sentences(500), [((500, 9), "i8")]),
}


@pytest.mark.parametrize("name", SETS)
def test_shapes_dtypes_and_repetition(name):
    make, expected = SETS[name]
    made, again = make(), make()
    assert [(t.shape, t.dtype) for t in made.tensors] == expected
    for a, b in zip(made.tensors, again.tensors, strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: data.digits(seed=seed)[1],
        lambda seed: data.moons(seed=seed),
        lambda seed: data.circles(seed=seed),
        lambda seed: data.mnist1d(100, seed=seed)[0],
        lambda seed: data.reversals(20, seed=seed),
        lambda seed: data.dates(20, seed=seed),
        lambda seed: data.adding_problem(20, seed=seed),
        lambda seed: data.sentences(20, seed=seed),
    ],
)
def test_another_seed_gives_other_examples(make):
    assert make(1).tensors[0].tolist() != make(2).tensors[0].tolist()


def rows(dataset):
    return {tuple(row) for row in dataset.tensors[0].data.reshape(len(dataset), -1).tolist()}


@pytest.mark.parametrize("split", ["strat", "writer"])
def test_digits_are_shared_out_whole(split):
    train, test = data.digits(split)
    both = np.concatenate([train.tensors[0].data, test.tensors[0].data])
    assert (both.min(), both.max()) == (0.0, 1.0)
    original = pytest.importorskip("sklearn.datasets").load_digits().data
    assert np.array_equal(
        np.sort(both.reshape(1797, 64), axis=0), np.sort(original / 16, axis=0).astype("f4")
    )
    assert not rows(train) & rows(test)


def test_the_two_splits_are_what_they_are_called():
    _, strat = data.digits("strat")
    counts = np.bincount(strat.tensors[1].data)
    assert counts.max() - counts.min() <= 2
    _, writer = data.digits("writer")
    labels = pytest.importorskip("sklearn.datasets").load_digits().target
    assert writer.tensors[1].tolist() == labels[-360:].tolist()


def test_a_photo_has_its_colours_first():
    picture = data.photo("china")
    assert picture.shape == (3, 427, 640)
    assert 0 <= picture.data.min() < picture.data.max() <= 1
    assert picture.dtype == np.float32


# Sequences


def test_pairs_are_what_a_decoder_reads_and_says():
    pairs = data.reversals(5, length=4)
    x, y = pairs.tensors
    assert pairs.source_tokenizer.decode(x[0]) == pairs.sources[0]
    assert pairs.target_tokenizer.decode(y[0]) == pairs.targets[0] == pairs.sources[0][::-1]
    begin, end = (pairs.target_tokenizer.vocabulary[token] for token in ("<bos>", "<eos>"))
    assert y[:, 0].tolist() == [begin] * 5
    assert y[:, -1].tolist() == [end] * 5


FORMS = {
    r"\d+ [A-Z][a-z]+ \d{4}": "%d %B %Y",
    r"[A-Z][a-z]+ \d+, \d{4}": "%B %d, %Y",
    r"[A-Z][a-z]+day, \d+ [A-Z][a-z]{2} \d{4}": "%A, %d %b %Y",
    r"the \d+(st|nd|rd|th) of [A-Z][a-z]+ \d{4}": "the %d of %B %Y",
    r"\d\d-[A-Z][a-z]{2}-\d\d": "%d-%b-%y",
    r"\d+\.\d+\.\d{4}": "%d.%m.%Y",
    r"\d+/\d+/\d{4}": "%m/%d/%Y",
    r"\d{8}": "%Y%m%d",
}


def read_date(text):
    """The date that a text in one of the eight formats means, read in another way."""
    (form,) = [form for pattern, form in FORMS.items() if re.fullmatch(pattern, text)]
    plain = re.sub(r"(?<=\d)(st|nd|rd|th)", "", text)
    date = datetime.datetime.strptime(plain, form).date()
    if form.endswith("%y"):
        date = date.replace(year=1950 + (date.year - 1950) % 100)
    return form, date


def test_every_date_means_its_iso_form():
    pairs = data.dates(4000)
    read = [read_date(text) for text in pairs.sources]
    assert [date.isoformat() for _, date in read] == [*pairs.targets]
    assert {form for form, _ in read} == {*FORMS.values()}
    assert len({*pairs.sources}) == 4000
    assert {len(text) for text in pairs.targets} == {10}


def test_all_dates_of_one_format_are_different_and_ordinals_are_english():
    assert len({*data.dates(20000).sources}) == 20000
    written = [sequences._ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31)]
    assert " ".join(written) == "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 31st"


def test_the_adding_problem_marks_one_number_in_each_half():
    dataset = data.adding_problem(2000, length=7)
    x, y = (t.data for t in dataset.tensors)
    marks = x[..., 1]
    assert {*np.unique(marks)} == {0.0, 1.0}
    assert marks[:, :3].sum(1).tolist() == marks[:, 3:].sum(1).tolist() == [1.0] * 2000
    np.testing.assert_allclose((x[..., 0] * marks).sum(1), y[:, 0], rtol=1e-6)
    assert ((y - 1) ** 2).mean() == pytest.approx(1 / 6, rel=0.1)


def test_windows_give_each_token_its_successor():
    windows = data.TokenWindows(np.arange(11), length=4, stride=3)
    assert [x.tolist() for x, _ in windows] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    for x, y in (*windows, windows.batch(np.array([2, 0])), windows[-1]):
        assert (y.data == x.data + 1).all()
        assert x.dtype == y.dtype == np.int64
    loader = data.DataLoader(windows, batch_size=2)
    assert [x.shape for x, _ in loader] == [(2, 4), (1, 4)]


def vectors(toy):
    """A vector of each word: the main directions of how much oftener words meet than by chance."""
    size = len(toy.tokenizer)
    met = np.zeros((size, size))
    for row in toy.tensors[0].tolist():
        row = [word for word in row if word]
        for i, word in enumerate(row):
            for other in row[max(0, i - 3) : i] + row[i + 1 : i + 4]:
                met[word, other] += 1
    met = met[1:, 1:]
    with np.errstate(divide="ignore"):
        more = np.log(met * met.sum() / (met.sum(0) * met.sum(1)[:, None]))
    u, s, _ = np.linalg.svd(np.maximum(more, 0))
    found = u[:, :24] * np.sqrt(s[:24])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_planted_classes_and_analogies_are_in_the_sentences():
    toy = data.sentences()
    v, words = vectors(toy), [*toy.tokenizer.vocabulary.tokens[1:]]
    kinds = [toy.kinds.get(word) for word in words]
    near = v @ v.T
    np.fill_diagonal(near, -np.inf)
    planted = [i for i, kind in enumerate(kinds) if kind]
    near = near[:, planted]
    same = [kinds[i] == kinds[planted[near[i].argmax()]] for i in planted]
    assert len(planted) == 58
    assert np.mean(same) >= 0.95
    men, women = (sequences._CLASSES[kind].split() for kind in ("male", "female"))
    right = []
    for a, b in [(a, b) for a in range(6) for b in range(6) if a != b]:
        i, j, k = (words.index(w) for w in (women[a], men[a], men[b]))
        score = v @ (v[i] - v[j] + v[k])
        score[[i, j, k]] = -np.inf
        right.append(words[score.argmax()] == women[b])
    assert np.mean(right) >= 0.95


# Texts


def test_place_names_are_letters_alone():
    names = data.place_names()
    assert 4000 < len(names) < 6000
    assert all(re.fullmatch("[a-z]+", name) for name in names)
    assert [*names] == sorted({*names})
    assert {"bayern", "seki", "zurich", "badenwurttemberg"} <= {*names}


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Łódzkie", "lodzkie"),
        ("Þingeyjarsveit", "thingeyjarsveit"),
        ("Ağcabədi", "agcabedi"),
        ("I\u011fd\u0131r", "igdir"),
        ("İzmir", "izmir"),
        ("Æbeltoft [x]", "aebeltoft"),
        ("Sint Maarten (Dutch part)", "sintmaarten"),
        ("Stînga Nistrului, unitatea", "stinganistrului"),
        ("北京", ""),
    ],
)
def test_folding(name, folded):
    assert texts.fold(name) == folded


def test_the_manual_is_long_and_english():
    manual = data.python_manual()
    assert len(manual) > 300_000
    assert manual.count(" the ") > 3000
    assert len({*manual}) < 200


@pytest.mark.parametrize(
    ("package", "make", "command"),
    [
        ("sklearn.datasets", data.digits, "tinygrad_edu[data]"),
        ("pycountry", data.place_names, "tinygrad_edu[data]"),
    ],
)
def test_a_missing_package_is_named_with_its_command(package, make, command, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=re.escape(command)):
        make()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: data.digits("random"), "digits: split is 'random', not 'strat' or 'writer'"),
        (lambda: data.photo("moon"), "photo: name is 'moon', not 'china' or 'flower'"),
        (lambda: data.dates(300000), "there are 36525 dates in 8 formats, 292200 in all"),
        (lambda: data.adding_problem(5, length=1), "length is 1; two numbers are to be marked"),
        (
            lambda: data.TokenWindows([1, 2, 3], 3),
            "tokens of shape (3,) do not give windows of 3 tokens with one more after them",
        ),
    ],
)
def test_errors_say_what_and_what_next(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
