"""Parts of a graph that lie on a cycle once the nodes in them are taken together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


def without_cycles(part: list[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """The partition of the nodes with all parts that lie on a cycle as one.

    part : for each node a number; nodes of the same number are one part.  edges : (from, to).

    The method of Tarjan (1972) for strongly connected components, without recursion.

    >>> without_cycles([0, 1, 0], [(0, 1), (1, 2)])
    [0, 0, 0]
    """
    out: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        if part[a] != part[b]:
            out[part[a]].append(part[b])
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    component: dict[int, int] = {}
    path: list[int] = []  # visited, not yet in a component
    for start in dict.fromkeys(part):
        if start in number:
            continue
        work = [(start, 0)]
        while work:
            v, i = work.pop()
            if v not in number:
                number[v] = low[v] = len(number)
                path.append(v)
            for place in range(i, len(out[v])):
                w = out[v][place]
                if w not in number:
                    work += [(v, place), (w, 0)]
                    break
                if w not in component:
                    low[v] = min(low[v], low[w])
            else:
                if low[v] == number[v]:
                    while path:
                        w = path.pop()
                        component[w] = v
                        if w == v:
                            break
    return [component[p] for p in part]
