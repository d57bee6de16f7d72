"""A layered layout in plain Python, for where there is no Graphviz or it takes too long.

The method of Sugiyama, Tagawa and Toda (1981) in its simplest form: nodes get ranks by longest
path, long edges get a bend in each rank they cross, the order within a rank is improved by
barycentres, and places are the closest to the neighbours' that keep the order.  Everything is a
sweep over ranks: no recursion, and time grows with the number of nodes, bends and edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
Edge = tuple[int, int]

_BENDS = 4  # bends allowed per node; beyond that long edges run straight
_SWEEPS = 6


def ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """For each of `count` nodes, the length of the longest path that leads to it.

    A node without incoming edges stands just before the first node that uses it, and so does a
    tree of nodes that nothing else needs.

    >>> ranks(4, [(0, 1), (1, 2), (3, 2)])
    [0, 1, 2, 1]
    """
    into, out = _neighbours(count, edges)
    waiting = [len(sources) for sources in into]
    order = [v for v in range(count) if not waiting[v]]
    rank = [0] * count
    for v in order:
        for w in out[v]:
            rank[w] = max(rank[w], rank[v] + 1)
            waiting[w] -= 1
            if not waiting[w]:
                order.append(w)
    free = [True] * count  # to move: all that leads here leads nowhere else
    for v in order:
        free[v] = all(free[w] and (not into[w] or len(out[w]) == 1) for w in into[v])
    for v in reversed(order):
        if free[v] and out[v]:
            rank[v] = min(rank[w] for w in out[v]) - 1
    return rank


def arrange(
    sizes: Sequence[Point], edges: Sequence[Edge], *, between_ranks: float, between_nodes: float
) -> tuple[list[Point], list[list[Point]]]:
    """Centres of the nodes, and for each edge the points its curve passes, from left to right.

    sizes : (width, height) of each node, in any unit; the result is in the same one.  Ranks
    follow each other to the right.
    """
    rank = ranks(len(sizes), edges)
    heights = [height for _, height in sizes]
    chains = _bend(rank, heights, edges)
    links = [link for chain in chains for link in pairwise(chain)]
    into, out = _neighbours(len(rank), links)

    layers: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for v, r in enumerate(rank):
        layers[r].append(v)
    y = [0.0] * len(rank)
    for layer in layers:
        _place(layer, y, heights, between_nodes, {})
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else layers[::-1]:
            wanted = {}
            for v in layer:
                near = (into if forward else out)[v] or (out if forward else into)[v]
                if near:
                    wanted[v] = sum([y[w] for w in near]) / len(near)
            places = [(wanted.get(v, y[v]), i, v) for i, v in enumerate(layer)]
            layer[:] = [v for _, _, v in sorted(places)]
            _place(layer, y, heights, between_nodes, wanted)

    left, start = [], 0.0
    for layer in layers:
        width = max([sizes[v][0] for v in layer if v < len(sizes)], default=0.0)
        left.append(start + width / 2)
        start += width + between_ranks
    x = [left[r] for r in rank]
    centres = [(x[v], y[v]) for v in range(len(sizes))]
    paths = []
    for (a, b), chain in zip(edges, chains, strict=True):
        ends = (x[a] + sizes[a][0] / 2, y[a]), (x[b] - sizes[b][0] / 2, y[b])
        paths.append([ends[0], *((x[v], y[v]) for v in chain[1:-1]), ends[1]])
    return centres, paths


def _neighbours(count: int, edges: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    into: list[list[int]] = [[] for _ in range(count)]
    out: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        into[b].append(a)
        out[a].append(b)
    return into, out


def _bend(rank: list[int], heights: list[float], edges: Sequence[Edge]) -> list[list[int]]:
    """For each edge the nodes it visits, one of height 0 added in each rank it crosses."""
    crossed = sum(max(rank[b] - rank[a] - 1, 0) for a, b in edges)
    bends = crossed <= _BENDS * len(rank)
    chains = []
    for a, b in edges:
        chain = [a]
        if bends:
            for r in range(rank[a] + 1, rank[b]):
                chain.append(len(rank))
                rank.append(r)
                heights.append(0.0)
        chains.append([*chain, b])
    return chains


def _place(
    layer: list[int], y: list[float], heights: list[float], gap: float, wanted: dict[int, float]
) -> None:
    """Give the nodes of a layer, top to bottom, the places nearest to `wanted` that fit.

    Least squares under an order is isotonic regression: neighbours that would overlap are pooled
    into a block, which stands at the mean of what its members want.
    """
    offsets, total = [], 0.0
    for i, v in enumerate(layer):
        if i:
            total += (heights[layer[i - 1]] + heights[v]) / 2 + gap
        offsets.append(total)
    blocks: list[tuple[float, int]] = []  # (sum of wants, members)
    for v, offset in zip(layer, offsets, strict=True):
        want, members = wanted.get(v, y[v]) - offset, 1
        while blocks and blocks[-1][0] * members >= want * blocks[-1][1]:
            earlier, more = blocks.pop()
            want, members = want + earlier, members + more
        blocks.append((want, members))
    i = 0
    for want, members in blocks:
        for v, offset in zip(layer[i : i + members], offsets[i : i + members], strict=True):
            y[v] = want / members + offset
        i += members
