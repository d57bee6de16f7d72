"""How good predictions are: small functions of Tensors or arrays that give a number or an array.

Where scores are asked for, (N, C), they are what a network gives before or after a softmax: only
their order counts.  Labels are whole numbers (N,), or (N, T) beside scores (N, T, C); more axes are
taken likewise.

>>> from tinygrad_edu import Tensor
>>> accuracy(Tensor([[2.0, 1.0], [0.0, 3.0]]), [0, 0])
0.5
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import Array, namespace_of


class PrecisionRecallF1(NamedTuple):
    """What `precision_recall_f1` returns: numbers, or arrays (C,) of float64 without an average.

    >>> PrecisionRecallF1(0.5, 1.0, 0.75).recall
    1.0
    """

    precision: Any
    recall: Any
    f1: Any


def accuracy(predictions: Any, labels: Any, *, ignore_index: int | None = None) -> float:
    """The share of labels that are predicted.

    predictions : scores (..., C), or labels in the shape of `labels`.
    ignore_index : a label that does not count, such as that of padding.

    scikit-learn: ``accuracy_score``.  Raises ValueError if shapes differ or no label counts.

    >>> accuracy([2, 1, 0], [2, 1, 1])
    0.6666666666666666
    """
    labels = _labels(labels, "accuracy")
    found = _predicted(predictions, labels, "accuracy")
    counts = _counting(labels, ignore_index, "accuracy")
    return float((found == labels)[counts].mean())


def top_k_accuracy(scores: Any, labels: Any, k: int = 5) -> float:
    """The share of labels that are among the `k` classes of highest score.

    scores : (..., C).  A class with the score of the label's counts as higher only if its number is
    lower.  scikit-learn: ``top_k_accuracy_score``, where ties are decided the other way.

    Raises ValueError unless k is from 1 to C, and for labels that are no class.

    >>> top_k_accuracy([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], [2, 1], k=2)
    0.5
    """
    labels = _labels(labels, "top_k_accuracy")
    values = _scores(scores, labels, "top_k_accuracy")
    classes = values.shape[-1]
    if not 1 <= k <= classes:
        raise ValueError(f"top_k_accuracy: k is {k}; there are {classes} classes")
    _check_classes(labels, classes, "top_k_accuracy")
    own = numpy.take_along_axis(values, labels[..., None], -1)
    earlier = numpy.arange(classes) < labels[..., None]
    better = (values > own) | ((values == own) & earlier)
    return float((better.sum(-1) < k).mean())


def confusion_matrix(predictions: Any, labels: Any, num_classes: int | None = None) -> Array:
    """How often each label was predicted as each class: (C, C) of int64, [label, prediction].

    num_classes : C; by default as many as the scores have, or one more than the largest label.

    scikit-learn: ``confusion_matrix``, with the arguments the other way round.

    >>> confusion_matrix([0, 1, 1], [0, 0, 1]).tolist()
    [[1, 1], [0, 1]]
    """
    labels = _labels(labels, "confusion_matrix")
    found = _predicted(predictions, labels, "confusion_matrix")
    if num_classes is None:
        shape = numpy.shape(_array(predictions))
        highest = int(max(found.max(initial=-1), labels.max(initial=-1))) + 1
        num_classes = shape[-1] if len(shape) > labels.ndim else highest
    for values in (found, labels):
        _check_classes(values, num_classes, "confusion_matrix")
    pairs = labels.ravel() * num_classes + found.ravel()
    counts = numpy.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def precision_recall_f1(
    predictions: Any, labels: Any, average: str | None = "macro", num_classes: int | None = None
) -> PrecisionRecallF1:
    """Precision, recall and F1, together: of each class, or averaged over the classes.

    ::

        precision = right predictions of the class / predictions of the class
        recall    = right predictions of the class / labels of the class
        F1        = 2 precision recall / (precision + recall)

    and 0 where the denominator is 0.

    average : "macro" takes the mean over the classes that occur, "weighted" the mean weighted by
        the number of labels, "micro" adds the counts of all classes first, "binary" is of class 1
        of two, None gives arrays (C,).

    scikit-learn: ``precision_recall_fscore_support`` with ``zero_division=0``.

    >>> scores = precision_recall_f1([1, 0, 1, 1], [1, 0, 0, 1], average="binary")
    >>> round(scores.precision, 3), scores.recall, round(scores.f1, 3)
    (0.667, 1.0, 0.8)
    """
    matrix = confusion_matrix(predictions, labels, num_classes)
    right, predicted, real = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    if average == "micro":
        right, predicted, real = (numpy.array([v.sum()]) for v in (right, predicted, real))
    parts = (_ratio(right, predicted), _ratio(right, real), _ratio(2 * right, predicted + real))
    if average is None:
        return PrecisionRecallF1(*parts)
    if average == "binary":
        if len(matrix) > 2:
            raise ValueError(
                f"precision_recall_f1: average is 'binary', and there are {len(matrix)} classes; "
                "use 'macro', 'weighted', 'micro' or None"
            )
        weights = numpy.array([0, 1])[: len(matrix)]
    elif average == "weighted":
        weights = real
    elif average in ("macro", "micro"):
        weights = predicted + real > 0
    else:
        raise ValueError(
            f"precision_recall_f1: average is {average!r}, not 'macro', 'weighted', 'micro', "
            "'binary' or None"
        )
    return PrecisionRecallF1(*(float(_ratio((p * weights).sum(), weights.sum())) for p in parts))


def perplexity(scores: Any, labels: Any, *, ignore_index: int | None = None) -> float:
    """How many equally likely tokens would be as hard to guess: e to the mean cross-entropy.

    scores : (..., C) before the softmax.  labels : (...).
    ignore_index : a label that does not count, such as that of padding.

    inf where the mean cross-entropy, in nats, is above 709.  Raises ValueError for labels that are
    no class.

    >>> perplexity([[0.0, 0.0, 0.0, 0.0]], [2])
    4.0
    """
    labels = _labels(labels, "perplexity")
    values = _scores(scores, labels, "perplexity").astype(numpy.float64)
    counts = _counting(labels, ignore_index, "perplexity")
    values, labels = values[counts], labels[counts]
    _check_classes(labels, values.shape[-1], "perplexity")
    values = values - values.max(-1, keepdims=True)
    own = numpy.take_along_axis(values, labels[..., None], -1)[..., 0]
    nats = float((numpy.log(numpy.exp(values).sum(-1)) - own).mean())
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def _array(x: Any) -> Any:
    if isinstance(x, Tensor):
        return namespace_of(x._data).to_device(x._data, device="cpu")
    return numpy.asarray(x)


def _labels(x: Any, name: str) -> Array:
    array = _array(x)
    if array.dtype.kind not in "iub":
        whole = array.astype(numpy.int64)
        if not (whole == array).all():
            raise ValueError(f"{name}: labels are whole numbers, not {array.dtype} such as 0.5")
        array = whole
    return array.astype(numpy.int64)


def _scores(x: Any, labels: Array, name: str) -> Array:
    values = _array(x)
    if values.shape[:-1] != labels.shape or values.ndim == 0:
        raise ValueError(
            f"{name}: scores of shape {values.shape} need labels of shape {values.shape[:-1]}, not "
            f"{labels.shape}"
        )
    return values


def _predicted(predictions: Any, labels: Array, name: str) -> Array:
    """The predicted labels: of scores, the classes of the highest."""
    values = _array(predictions)
    if values.ndim == labels.ndim + 1:
        return _scores(values, labels, name).argmax(-1)
    if values.shape != labels.shape:
        raise ValueError(
            f"{name}: predictions of shape {values.shape} do not fit labels of shape "
            f"{labels.shape}; they need the same shape, or one more axis of scores"
        )
    return _labels(values, name)


def _counting(labels: Array, ignore_index: int | None, name: str) -> Array:
    """Which labels count."""
    counts = labels != ignore_index if ignore_index is not None else numpy.ones_like(labels, bool)
    if not counts.any():
        raise ValueError(f"{name}: none of the {labels.size} labels counts")
    return counts


def _check_classes(labels: Array, classes: int, name: str) -> None:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise ValueError(f"{name}: label {wrong.flat[0]} is not one of {classes} classes, from 0")


def _ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 where y is 0."""
    return numpy.where(y == 0, 0.0, x / numpy.where(y == 0, 1, y))
