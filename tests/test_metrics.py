"""Metrics against scikit-learn's, where it has them, and against their definitions."""

import math
import re
import warnings

import numpy as np
import pytest

from tinygrad_edu import Tensor, metrics, ops

sklearn_metrics = pytest.importorskip("sklearn.metrics")

CASES = []
for seed in range(6):
    draw = np.random.default_rng(seed)
    classes, n = [2, 2, 3, 5, 10, 4][seed], [1, 40, 50, 7, 200, 30][seed]
    CASES.append((draw.normal(size=(n, classes)), draw.integers(classes, size=n)))


def kinds(scores, labels):
    """The same predictions as arrays, Tensors and lists."""
    yield scores, labels
    yield Tensor(scores, requires_grad=scores.dtype.kind == "f"), Tensor(labels)
    yield scores.tolist(), labels.tolist()


@pytest.mark.parametrize("case", range(len(CASES)))
def test_accuracy_and_confusion(case):
    scores, labels = CASES[case]
    found = scores.argmax(1)
    share = sklearn_metrics.accuracy_score(labels, found)
    matrix = sklearn_metrics.confusion_matrix(labels, found, labels=range(scores.shape[1]))
    for x, y in kinds(scores, labels):
        assert metrics.accuracy(x, y) == pytest.approx(share, rel=1e-12)
        assert metrics.confusion_matrix(x, y).tolist() == matrix.tolist()
    for x, y in kinds(found, labels):
        assert metrics.accuracy(x, y) == pytest.approx(share, rel=1e-12)
        assert metrics.confusion_matrix(x, y, scores.shape[1]).tolist() == matrix.tolist()


@pytest.mark.parametrize("case", range(2, len(CASES)))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_accuracy(case, k):
    scores, labels = CASES[case]
    every = np.arange(scores.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # k = C is a perfect score, it says
        expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=every)
    for x, y in kinds(scores, labels):
        assert metrics.top_k_accuracy(x, y, k) == pytest.approx(expected, rel=1e-12)


def test_equal_scores_go_to_the_first_class():
    flat = np.zeros((3, 4))
    assert metrics.top_k_accuracy(flat, [0, 1, 2], k=2) == pytest.approx(2 / 3)
    assert metrics.accuracy(flat, [0, 1, 2]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "binary", None])
def test_precision_recall_and_f1(case, average):
    scores, labels = CASES[case]
    if average == "binary" and scores.shape[1] > 2:
        with pytest.raises(ValueError, match="there are"):
            metrics.precision_recall_f1(scores, labels, average)
        return
    found = scores.argmax(1)
    expected = sklearn_metrics.precision_recall_fscore_support(
        labels,
        found,
        average=average,
        labels=range(scores.shape[1]) if average is None else None,
        zero_division=0,
    )[:3]
    for x, y in kinds(scores, labels):
        np.testing.assert_allclose(metrics.precision_recall_f1(x, y, average), expected, rtol=1e-12)


def test_classes_that_do_not_occur_are_left_out_of_the_mean():
    found = metrics.precision_recall_f1([0, 0, 7], [0, 7, 7])
    expected = sklearn_metrics.precision_recall_fscore_support(
        [0, 7, 7], [0, 0, 7], average="macro", zero_division=0
    )[:3]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_perplexity_is_e_to_the_cross_entropy(case):
    scores, labels = CASES[case]
    loss = ops.cross_entropy(Tensor(scores), Tensor(labels)).item()
    for x, y in kinds(scores, labels):
        assert metrics.perplexity(x, y) == pytest.approx(math.exp(loss), rel=1e-12)


def test_perplexity_of_extreme_scores():
    assert metrics.perplexity([[1e4, 0.0]], [0]) == 1.0
    assert metrics.perplexity([[1e4, 0.0]], [1]) == math.inf


def test_sequences_with_padding():
    scores = np.random.default_rng(0).normal(size=(4, 6, 5))
    labels = np.random.default_rng(1).integers(1, 5, size=(4, 6))
    labels[:, 4:] = 0
    for metric in (metrics.accuracy, metrics.perplexity):
        whole = metric(scores[:, :4].reshape(-1, 5), labels[:, :4].ravel())
        assert metric(scores, labels, ignore_index=0) == pytest.approx(whole, rel=1e-12)
        assert metric(scores, labels) != whole


ERRORS = {
    "shapes": (
        lambda: metrics.accuracy(np.ones((3, 2)), [1, 1]),
        "accuracy: scores of shape (3, 2) need labels of shape (3,), not (2,)",
    ),
    "lengths": (
        lambda: metrics.accuracy([1, 0, 1], [1, 1]),
        "accuracy: predictions of shape (3,) do not fit labels of shape (2,); they need the same "
        "shape, or one more axis of scores",
    ),
    "fractions": (
        lambda: metrics.accuracy([[0.5, 0.5]], [0.5]),
        "accuracy: labels are whole numbers, not float64 such as 0.5",
    ),
    "nothing": (
        lambda: metrics.accuracy([0, 0], [1, 1], ignore_index=1),
        "accuracy: none of the 2 labels counts",
    ),
    "k": (
        lambda: metrics.top_k_accuracy([[1.0, 2.0]], [0], k=3),
        "top_k_accuracy: k is 3; there are 2 classes",
    ),
    "class": (
        lambda: metrics.perplexity([[1.0, 2.0]], [2]),
        "perplexity: label 2 is not one of 2 classes, from 0",
    ),
    "negative": (
        lambda: metrics.confusion_matrix([0, -1], [0, 1]),
        "confusion_matrix: label -1 is not one of 2 classes, from 0",
    ),
    "average": (
        lambda: metrics.precision_recall_f1([0], [0], average="mean"),
        "precision_recall_f1: average is 'mean', not 'macro', 'weighted', 'micro', 'binary' or "
        "None",
    ),
    "binary": (
        lambda: metrics.precision_recall_f1([0, 2], [0, 1], average="binary"),
        "precision_recall_f1: average is 'binary', and there are 3 classes; use 'macro', "
        "'weighted', 'micro' or None",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, text = ERRORS[what]
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        call()
