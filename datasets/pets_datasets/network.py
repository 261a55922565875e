"""A small Bayesian network over public probabilities, sampled by inverse distribution functions, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import ascii_letters
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 100_000  # rows drawn from one seed: fixed, so that rows do not depend on how a file is cut into pieces
_PIECE = 1_000_000


@dataclass(frozen=True, eq=False)
class Node:
    """A variable: its values, or the edges of its bands of whole numbers, and its probabilities given its parents.

    `table` has one axis per parent and a last axis over the values; each row along it sums to 1. With `edges`, value
    i stands for a whole number from edges[i] to edges[i + 1] - 1, each as likely as the others.
    """

    table: NDArray[np.float64]
    values: tuple[str, ...] = ()
    edges: tuple[int, ...] = ()
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        size = len(self.values) or len(self.edges) - 1
        if self.table.shape[-1] != size or self.table.ndim != len(self.parents) + 1:
            raise ValueError("a probability table must have one axis per parent and one for the values")
        if (self.table < 0).any() or not np.allclose(self.table.sum(axis=-1), 1.0, atol=1e-12):
            raise ValueError("probabilities must sum to 1 for each combination of parents")

    @cached_property
    def thresholds(self) -> NDArray[np.float32]:
        """Cumulative probabilities but the last, shape (values - 1, combinations of parents)."""
        flat = self.table.reshape(-1, self.table.shape[-1])
        return np.ascontiguousarray(flat.cumsum(axis=1)[:, :-1].T, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes by name, parents before children."""

    nodes: Mapping[str, Node]

    def joint(self, *names: str) -> NDArray[np.float64]:
        """The exact joint probabilities of *names*, one axis each: what the table's marginals tend to."""
        letter = dict(zip(self.nodes, ascii_letters))
        terms = ["".join(letter[n] for n in (*node.parents, name)) for name, node in self.nodes.items()]
        asked = "".join(letter[n] for n in names)
        tables = [node.table for node in self.nodes.values()]
        joint: NDArray[np.float64] = np.einsum(f"{','.join(terms)}->{asked}", *tables, optimize=True)
        return joint

    def codes(self, rng: np.random.Generator, rows: int) -> dict[str, NDArray[np.uint8]]:
        """*rows* independent draws, as the number of the value of each node; shape (rows,) each."""
        drawn: dict[str, NDArray[np.uint8]] = {}
        for name, node in self.nodes.items():
            which = np.zeros(rows, dtype=np.intp)
            for parent, size in zip(node.parents, node.table.shape):
                which = which * size + drawn[parent]
            u = rng.random(rows, dtype=np.float32)
            code = np.zeros(rows, dtype=np.uint8)
            for threshold in node.thresholds:
                code += u >= (threshold[which] if node.parents else threshold[0])
            drawn[name] = code
        return drawn

    def block(self, seed: int, number: int, rows: int) -> pa.Table:
        """Block *number* of the table with *seed*, of *rows* rows (`BLOCK`, or fewer in the last one)."""
        import pyarrow as pa

        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        columns: dict[str, pa.Array] = {}
        for name, code in self.codes(rng, rows).items():
            node = self.nodes[name]
            if node.edges:
                low, width = np.asarray(node.edges[:-1]), np.diff(node.edges)
                offset = (rng.random(rows, dtype=np.float32) * width[code].astype(np.float32)).astype(np.int32)
                # a float32 just under 1 times the width may round up to the width itself
                columns[name] = pa.array(
                    low[code].astype(np.int32) + np.minimum(offset, width[code] - 1).astype(np.int32)
                )
            else:
                columns[name] = pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int8)), list(node.values))
        return pa.table(columns)

    def pieces(self, seed: int, rows: int, size: int = _PIECE) -> Iterator[pa.Table]:
        """The table of *rows* rows in pieces of *size* rows (rounded up to whole blocks)."""
        import pyarrow as pa

        blocks = range(0, rows, BLOCK)
        per_piece = -(-size // BLOCK)
        for start in range(0, len(blocks), per_piece):
            some = blocks[start : start + per_piece]
            yield pa.concat_tables([self.block(seed, at // BLOCK, min(BLOCK, rows - at)) for at in some])
