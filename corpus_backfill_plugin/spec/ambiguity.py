"""In how many ways a pattern can match the same text: what a backtracking matcher may have to try.

After Weideman et al., "Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers by Using
Ambiguity of NFA" (2016): a loop that can be gone through in two ways for one text costs exponential time;
a chain of k loops that can share one text costs time to the power of k. The second is judged by the
characters alone, so that it is rather called slow than fast.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from corpus_backfill_plugin.spec.automaton import Automaton

_Node = TypeVar("_Node", bound="Hashable")

_BUDGET = 200_000
"""Pairs of steps that are followed; a pattern with more is not judged."""


class TooComplicatedError(ValueError):
    """The pattern has too many combinations for its cost to be told."""


def components(nodes: Iterable[_Node], after: Callable[[_Node], Iterable[_Node]]) -> list[list[_Node]]:
    """Return a graph's strongly connected components, later ones first (Tarjan's algorithm)."""
    index: dict[_Node, int] = {}
    low: dict[_Node, int] = {}
    stack: list[_Node] = []
    found: list[list[_Node]] = []
    for root in nodes:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        work = [(root, iter(after(root)))]
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    work.append((successor, iter(after(successor))))
                    break
                low[node] = min(low[node], low[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component: list[_Node] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        low[component[-1]] = sys.maxsize  # closed: counts no longer
                    found.append(component)
    return found


def loops(automaton: Automaton) -> list[list[int]]:
    """Return the steps of each loop, earlier loops first."""
    edges = automaton.edges
    parts = components(range(len(edges)), lambda p: edges[p])
    return [part for part in reversed(parts) if len(part) > 1 or part[0] in edges[part[0]]]


def pairs(automaton: Automaton) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Return which pairs of steps two ways through one text can be at, and which can come next.

    Raises:
        TooComplicatedError: there are too many.
    """
    steps, edges = automaton.steps, automaton.edges
    first = list(automaton.whole.first)
    waiting = [(p, q) for p in first for q in first if p <= q and steps[p] & steps[q]]
    waiting += [(p, p) for p in range(len(steps))]
    graph: dict[tuple[int, int], set[tuple[int, int]]] = {}
    work = 0
    while waiting:
        pair = waiting.pop()
        if pair in graph:
            continue
        work += len(edges[pair[0]]) * len(edges[pair[1]]) + 1
        if work > _BUDGET:
            raise TooComplicatedError
        graph[pair] = {
            (min(p, q), max(p, q)) for p in edges[pair[0]] for q in edges[pair[1]] if steps[p] & steps[q]
        }
        waiting.extend(graph[pair])
    return graph


def is_exponential(
    automaton: Automaton, graph: dict[tuple[int, int], set[tuple[int, int]]], found: list[list[int]]
) -> bool:
    """Whether some loop can be gone through in two ways for the same text."""
    for loop in found:
        inside = set(loop)
        if any(n > 1 for p in loop for q, n in automaton.edges[p].items() if q in inside):
            return True
    return any(
        any(p == q for p, q in part) and any(p != q for p, q in part)
        for part in components(graph, lambda pair: graph[pair])
    )


def meetings(graph: dict[tuple[int, int], set[tuple[int, int]]], found: list[list[int]]) -> int:
    """Return at how many steps outside of loops two ways for the same text meet again.

    Each may double what has to be tried.
    """
    looping = {p for loop in found for p in loop}
    meeting = {p for (one, other), after in graph.items() if one != other for p, q in after if p == q}
    return len(meeting - looping)


def degree(automaton: Automaton, found: list[list[int]]) -> int:
    """Return the power of a text's length that matching may cost: the longest chain of sharing loops."""
    longest = [1] * len(found)
    for later in range(len(found)):
        for earlier in range(later):
            if longest[earlier] >= longest[later] and _share(automaton, found[earlier], found[later]):
                longest[later] = longest[earlier] + 1
    return max(longest, default=0)


def _share(automaton: Automaton, one: list[int], other: list[int]) -> bool:
    """Whether a text that the loop `one` takes can lead into `other`, and be taken by that as well."""
    steps, edges = automaton.steps, automaton.edges
    common = _union(steps, one) & _union(steps, other)
    if not common:
        return False
    goal, waiting = set(other), [step for step in one if steps[step] & common]
    seen = set(waiting)
    while waiting:
        for step in edges[waiting.pop()]:
            if step in goal and steps[step] & common:
                return True
            if step not in seen and steps[step] & common:
                seen.add(step)
                waiting.append(step)
    return False


def _union(steps: list[int], loop: list[int]) -> int:
    characters = 0
    for step in loop:
        characters |= steps[step]
    return characters
