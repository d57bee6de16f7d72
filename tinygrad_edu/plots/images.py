"""Plots of arrays as pictures: filters, feature maps, attention, gates over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from tinygrad_edu.plots.style import array, check_theme, colour_bar, diverging, sequential
from tinygrad_edu.readers.panels import panels


def filters(
    weight: Any,
    shape: tuple[int, int] | None = None,
    *,
    columns: int = 8,
    most: int = 64,
    theme: str = "light",
) -> Any:
    """The filters of a layer as small pictures on one scale, as a Figure.

    weight : (K, C, H, W) of a convolution, whose channels are averaged where there is more than
        one, or (K, D) of a linear layer on pictures of the given `shape`.
    most : how many filters are shown at most.

    >>> from tinygrad_edu import nn
    >>> len(filters(nn.Conv2d(1, 6, 5).weight).axes)  # six, and the scale
    7
    """
    data = array(weight, "a weight", 2, 4).astype(float)
    if data.ndim == 2:
        side = round(data.shape[1] ** 0.5)
        shape = shape or (side, side)
        if shape[0] * shape[1] != data.shape[1]:
            raise ValueError(
                f"rows of {data.shape[1]} numbers are no pictures of {shape[0]} by {shape[1]}; "
                "pass shape=(height, width)"
            )
        data = data.reshape(-1, 1, *shape)
    pictures = data.mean(1)[:most]
    return _pictures(pictures, [f"{i}" for i in range(len(pictures))], columns, theme, around=True)


def feature_maps(maps: Any, *, columns: int = 8, most: int = 64, theme: str = "light") -> Any:
    """What a layer made of one picture, a small picture per channel on one scale, as a Figure.

    maps : (C, H, W), or (1, C, H, W).

    >>> import numpy
    >>> [axes.get_title() for axes in feature_maps(numpy.ones((2, 4, 4))).axes][:2]
    ['0', '1']
    """
    data = array(maps, "feature maps", 3, 4).astype(float)
    if data.ndim == 4:
        if len(data) != 1:
            raise ValueError(f"feature maps of {len(data)} pictures; choose one: maps[0]")
        data = data[0]
    around = bool((data < 0).any())
    names = [f"{i}" for i in range(min(len(data), most))]
    return _pictures(data[:most], names, columns, theme, around=around)


def _pictures(data: Any, names: list[str], columns: int, theme: str, *, around: bool) -> Any:
    """Small pictures in rows, on one scale that is symmetric `around` zero or begins at zero."""
    check_theme(theme)
    figure, row = panels(len(data), theme, columns=columns, size=(1.0, 1.15), grid=False)
    reach = float(abs(data[numpy.isfinite(data)]).max(initial=0.0)) or 1.0
    low, colours = (-reach, diverging()) if around else (0.0, sequential(theme))
    for axes, picture, name in zip(row, data, names, strict=True):
        image = axes.imshow(picture, cmap=colours, vmin=low, vmax=reach)
        axes.set_title(name, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    colour_bar(figure, image, row, theme)
    return figure


def attention_map(
    weights: Any,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    *,
    columns: int = 4,
    theme: str = "light",
) -> Any:
    """Which position looks at which, as a Figure with a panel per head; a row adds up to 1.

    weights : (T, S), (heads, T, S), or (1, heads, T, S): a query per row, a key per column.
    queries, keys : what stands at each position; keys are the queries by default where T is S.

    >>> import numpy
    >>> figure = attention_map(numpy.eye(3), ["a", "b", "c"])
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['a', 'b', 'c']
    """
    data = array(weights, "attention weights", 2, 3, 4).astype(float)
    if data.ndim == 4:
        if len(data) != 1:
            raise ValueError(f"attention of {len(data)} sequences; choose one: weights[0]")
        data = data[0]
    heads = data[None] if data.ndim == 2 else data
    count, (rows, across) = len(heads), heads.shape[1:]
    if keys is None and rows == across:
        keys = queries
    for what, names, size in (("queries", queries, rows), ("keys", keys, across)):
        if names is not None and len(names) != size:
            raise ValueError(f"{len(names)} names for {size} {what}")
    check_theme(theme)
    side = min(max(2.4, 0.22 * max(rows, across) + 1.0), 6.0)
    figure, row = panels(count, theme, columns=columns, size=(side, side), grid=False)
    for i, (axes, head) in enumerate(zip(row, heads, strict=True)):
        image = axes.imshow(head, cmap=sequential(theme), vmin=0.0, vmax=max(1.0, head.max()))
        if keys is not None:
            axes.set_xticks(range(across), [str(k) for k in keys], rotation=90, fontsize=8)
        if queries is not None:
            axes.set_yticks(range(rows), [str(q) for q in queries], fontsize=8)
        axes.set(xlabel="looked at (key)", ylabel="looks (query)")
        if count > 1:
            axes.set_title(f"head {i}", fontsize=9)
    colour_bar(figure, image, row, theme, "attention")
    return figure


def gates_over_time(
    gates: Mapping[str, Any], tokens: Sequence[str] | None = None, *, theme: str = "light"
) -> Any:
    """The gates of a recurrent cell over a sequence, as a Figure with a row per gate.

    gates : names to (T,) or (T, units) of numbers from 0 (closed) to 1 (open); others, such as a
        cell's state, get a scale around zero.
    tokens : what stands at each of the T steps.

    >>> figure = gates_over_time({"forget": [0.9, 0.1], "input": [0.2, 0.8]}, ["a", "b"])
    >>> [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    ['forget', 'input']
    """
    check_theme(theme)
    if not gates:
        raise ValueError("there are no gates, so there is nothing to plot")
    data = {}
    for name, values in gates.items():
        found = array(values, name, 1, 2).astype(float)
        data[name] = found[None] if found.ndim == 1 else found.T  # (units, T)
    steps = {x.shape[1] for x in data.values()}
    if len(steps) > 1:
        raise ValueError(f"the gates have different lengths: {sorted(steps)}")
    length = steps.pop()
    if tokens is not None and len(tokens) != length:
        raise ValueError(f"{len(tokens)} tokens for {length} steps")
    width = max(5.0, 0.2 * length + 1.5)  # room for a token at every step
    if tokens is None:
        width = min(width, 9.0)
    figure, rows = panels(len(data), theme, columns=1, size=(width, 1.3), grid=False)
    for axes, (name, values) in zip(rows, data.items(), strict=True):
        inside = values.min() >= 0.0 and values.max() <= 1.0
        reach = 1.0 if inside else float(abs(values).max())
        colours = sequential(theme) if inside else diverging()
        image = axes.imshow(
            values, cmap=colours, vmin=0.0 if inside else -reach, vmax=reach, aspect="auto"
        )
        axes.set_ylabel(name)
        axes.set_yticks([])
        axes.set_xticks(range(length) if tokens is not None and axes is rows[-1] else [])
        colour_bar(figure, image, axes, theme)
    if tokens is not None:
        rows[-1].set_xticklabels([str(t) for t in tokens], fontsize=8)
    rows[-1].set_xlabel("step")
    return figure
