"""A joint distribution from noisy tables: the maximum-entropy one whose tables come closest to them, and draws from it.

A junction tree carries the distribution as tables over its cliques (Lauritzen and Spiegelhalter 1988), mirror descent
finds them (McKenna, Sheldon and Miklau 2019, Graphical-model based estimation and inference for differential privacy,
algorithm 1). Everything here is post-processing of what was released with noise.

The model is that of the library mbi, whose estimator is the reference in the tests; it is compiled anew for every
structure, which takes seconds for each of the many small models of one selection.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Columns = tuple[int, ...]  # columns by number, ascending
_TOLERANCE = 1e-3  # relative gain of _PATIENCE steps below which the fit is done: more would only fit the noise
_PATIENCE = 20


@dataclass(frozen=True, eq=False)
class Noisy:
    """A table of counts as it was released: its cells (one axis per column) and the variance of the noise on each."""

    counts: NDArray[np.float64]
    variance: float


@dataclass(frozen=True)
class Tree:
    """A junction tree (or forest) over columns of *sizes* cells each; parents stand before their children."""

    sizes: tuple[int, ...]
    cliques: tuple[Columns, ...]
    parents: tuple[int, ...]  # -1 for a root

    @staticmethod
    def over(sizes: Sequence[int], tables: Sequence[Columns]) -> Tree:
        """The tree of a triangulation in which each of *tables*, and each column, is within a clique."""
        import networkx as nx  # type: ignore[import-untyped]

        graph = nx.Graph()
        graph.add_nodes_from(range(len(sizes)))
        for table in tables:
            graph.add_edges_from(itertools.combinations(table, 2))
        chordal, _ = nx.complete_to_chordal_graph(graph)
        cliques = sorted(tuple(sorted(c)) for c in nx.chordal_graph_cliques(chordal))
        joined = nx.Graph()
        joined.add_nodes_from(range(len(cliques)))
        for i, j in itertools.combinations(range(len(cliques)), 2):
            if shared := len(set(cliques[i]) & set(cliques[j])):
                joined.add_edge(i, j, weight=shared)
        spanning = nx.maximum_spanning_tree(joined)
        order: list[int] = []
        parent: dict[int, int] = {}
        for part in nx.connected_components(spanning):
            root = min(part)
            order.append(root)
            parent[root] = -1
            for above, below in nx.bfs_edges(spanning, root):
                order.append(below)
                parent[below] = above
        place = {clique: i for i, clique in enumerate(order)} | {-1: -1}
        return Tree(tuple(sizes), tuple(cliques[i] for i in order), tuple(place[parent[i]] for i in order))

    @property
    def cells(self) -> int:
        """How many numbers the cliques hold together."""
        return sum(math.prod(self.shape(clique)) for clique in self.cliques)

    def home(self, columns: Columns) -> int:
        """The smallest clique that holds all of *columns*; -1 if there is none."""
        homes = [i for i, clique in enumerate(self.cliques) if set(columns) <= set(clique)]
        return min(homes, key=lambda i: math.prod(self.shape(self.cliques[i])), default=-1)

    def shape(self, columns: Columns) -> tuple[int, ...]:
        """Cells of each of *columns*."""
        return tuple(self.sizes[c] for c in columns)

    def shared(self, i: int) -> Columns:
        """The columns of clique *i* that its parent has, too."""
        return tuple(c for c in self.cliques[i] if self.parents[i] >= 0 and c in self.cliques[self.parents[i]])

    def within(self, columns: Columns, clique: Columns) -> tuple[int, ...]:
        """The shape that makes a table over *columns* broadcast against one over *clique*."""
        return tuple(self.sizes[c] if c in columns else 1 for c in clique)

    @functools.cached_property
    def _plan(self) -> list[tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """For each clique its parent; the axes it and its parent sum out to agree; the shapes of what they agree on."""
        plan = []
        for i, clique in enumerate(self.cliques):
            above, shared = self.cliques[self.parents[i]], self.shared(i)
            out, out_above = without(clique, shared), without(above, shared)
            plan.append((self.parents[i], out, out_above, self.within(shared, above), self.within(shared, clique)))
        return plan

    def calibrated(self, logits: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """The probabilities of every clique under the density proportional to exp of the sum of *logits*."""
        import numpy as np

        up = list(logits)
        for i in range(len(up) - 1, -1, -1):
            parent, out, _, shape_above, _ = self._plan[i]
            highest = up[i].max(axis=out if parent >= 0 else None, keepdims=True)
            weight = np.exp(up[i] - highest)
            total = weight.sum(axis=out if parent >= 0 else None, keepdims=True)
            up[i] = weight / total  # given what the parent shares
            if parent >= 0:
                up[parent] = up[parent] + (np.log(total) + highest).reshape(shape_above)
        for i, (parent, _, out_above, _, shape) in enumerate(self._plan):
            if parent >= 0:
                up[i] = up[i] * up[parent].sum(axis=out_above).reshape(shape)
        return up


def without(clique: Columns, columns: Columns) -> tuple[int, ...]:
    """The axes of a table over *clique* to be summed for one over *columns*."""
    return tuple(i for i, c in enumerate(clique) if c not in columns)


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted distribution: *probabilities* of each clique of *tree*, and how many records there are in *total*."""

    tree: Tree
    probabilities: tuple[NDArray[np.float64], ...]
    total: float
    potentials: Mapping[Columns, NDArray[np.float64]]

    def table(self, columns: Columns) -> NDArray[np.float64]:
        """Expected counts over *columns*, whether they share a clique or not; one axis per column."""
        import numpy as np

        home = self.tree.home(columns)
        if home >= 0:
            held = self.probabilities[home]
            return self.total * np.asarray(held.sum(axis=without(self.tree.cliques[home], columns)))
        kept = self._between(columns)
        label = {c: k for k, c in enumerate(sorted({c for i in kept for c in self.tree.cliques[i]}))}
        operands: list[Any] = []
        for i in kept:
            operands += [self.probabilities[i], [label[c] for c in self.tree.cliques[i]]]
            if self.tree.parents[i] in kept:
                shared = self.tree.shared(i)
                p = self.probabilities[i].sum(axis=without(self.tree.cliques[i], shared))
                operands += [np.divide(1, p, out=np.zeros_like(p), where=p > 0), [label[c] for c in shared]]
        found: NDArray[np.float64] = np.einsum(*operands, [label[c] for c in columns], optimize="greedy")
        return self.total * found

    def _between(self, columns: Columns) -> set[int]:
        """The cliques that are left when those are cut off that tell nothing of *columns*, one leaf after the other."""
        tree, kept = self.tree, set(range(len(self.tree.cliques)))
        while True:
            for i in kept:
                ties = [tree.shared(i)] if tree.parents[i] in kept else []
                ties += [tree.shared(j) for j in kept if tree.parents[j] == i]
                if len(ties) < 2 and set(columns) & set(tree.cliques[i]) <= {c for tie in ties for c in tie}:
                    kept.remove(i)
                    break
            else:
                return kept

    def draw(self, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Cell numbers of *rows* records; shape (rows, columns).

        Draws are stratified: of the records that agree on what is conditioned on, each value gets its share up to
        rounding, so that little chance is added to that of the noise.
        """
        import numpy as np

        tree = self.tree
        codes = np.zeros((rows, len(tree.sizes)), dtype=np.int32)
        for i, clique in enumerate(tree.cliques):
            shared = tree.shared(i)
            new = tuple(c for c in clique if c not in shared)
            order = [clique.index(c) for c in (*shared, *new)]
            p = self.probabilities[i].transpose(order).reshape(math.prod(tree.shape(shared)), -1)
            given = np.zeros(rows, dtype=np.int64)
            for c in shared:
                given = given * tree.sizes[c] + codes[:, c]
            drawn = _stratified(p, given, rng)
            codes[:, new] = np.stack(np.unravel_index(drawn, tree.shape(new)), axis=1)
        return codes


@dataclass(frozen=True, eq=False)
class _Fit:
    """Where mirror descent stands: potentials and expected counts of what was measured, and how they miss it."""

    potentials: dict[Columns, NDArray[np.float64]]
    probabilities: list[NDArray[np.float64]]
    expected: dict[Columns, NDArray[np.float64]]
    slope: dict[Columns, NDArray[np.float64]]
    loss: float


def fit(
    sizes: Sequence[int], measured: Mapping[Columns, Noisy], total: float, steps: int, start: Model | None = None
) -> Model:
    """The distribution over columns of *sizes* cells whose tables come closest to those *measured*.

    Least squares weighted by the variances, by mirror descent of at most *steps* steps whose size is halved where it
    overshoots; *start* is a model to go on from.
    """
    import numpy as np

    tree = Tree.over(sizes, list(measured))
    homes = {columns: tree.home(columns) for columns in measured}
    shapes = {c: tree.within(c, tree.cliques[h]) for c, h in homes.items()}
    axes = {c: without(tree.cliques[h], c) for c, h in homes.items()}

    def at(potentials: dict[Columns, NDArray[np.float64]]) -> _Fit:
        logits = [np.zeros(tree.shape(clique)) for clique in tree.cliques]
        for c, potential in potentials.items():
            logits[homes[c]] += potential.reshape(shapes[c])
        p = tree.calibrated(logits)
        expected = {c: total * p[h].sum(axis=axes[c]) for c, h in homes.items()}
        slope = {c: (expected[c] - m.counts) / m.variance for c, m in measured.items()}
        loss = sum(m.variance * float((slope[c] ** 2).sum()) / 2 for c, m in measured.items())
        return _Fit(potentials, p, expected, slope, loss)

    old = start.potentials if start is not None else {}
    now = at({c: old[c] if c in old else np.zeros(tree.shape(c)) for c in measured})
    size = 1 / (total * max(1 / m.variance for m in measured.values()))
    losses = [now.loss]
    for _ in range(steps):
        tried = at({c: potential - size * now.slope[c] for c, potential in now.potentials.items()})
        gain = sum(float((now.slope[c] * (now.expected[c] - tried.expected[c])).sum()) for c in measured)
        if now.loss - tried.loss < size * gain / 2:
            size /= 2
            continue
        now, size = tried, 1.1 * size
        losses.append(now.loss)
        if len(losses) > _PATIENCE and losses[-_PATIENCE - 1] - now.loss <= _TOLERANCE * max(now.loss, 1):
            break
    return Model(tree, tuple(now.probabilities), total, now.potentials)


def _stratified(p: NDArray[np.float64], given: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One column of *p* for each row of it that *given* names, spread evenly over records with the same row."""
    import numpy as np

    rows, cells = p.shape
    sums = p.sum(axis=1, keepdims=True)
    share = np.divide(p, sums, out=np.full_like(p, 1 / cells), where=sums > 0)
    upto = np.minimum(share.cumsum(axis=1), 1) + np.arange(rows)[:, None]
    shuffled = rng.permutation(len(given))
    order = shuffled[np.argsort(given[shuffled], kind="stable")]
    many = np.bincount(given, minlength=rows)
    rank = np.empty(len(given))
    rank[order] = np.arange(len(given)) - np.repeat(many.cumsum() - many, many)
    u = (rank + rng.random(len(given))) / many[given]
    found = np.searchsorted(upto.ravel(), given + u, side="right") - given * cells
    return np.asarray(np.clip(found, 0, cells - 1))
