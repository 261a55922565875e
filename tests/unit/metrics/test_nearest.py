"""Nearest records: the compiled search, numpy's and brute force agree, whatever the tables look like."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from pets_metrics import nearest as module
from pets_metrics.nearest import Index, coordinates, nearest
from pets_metrics.tables import align


def brute(queries, references, k):
    """The k smallest distances of each query, by the definition."""
    gaps = np.abs(queries[:, None, :] - references[None, :, :])
    sums = np.minimum(gaps, 1).mean(axis=2)
    return np.sort(sums, axis=1)[:, :k], sums


def table(rng, rows, *, numbers=3, texts=3, missing=0.1):
    frame = {f"n{i}": rng.normal(size=rows).round(int(rng.integers(0, 4))) for i in range(numbers)}
    frame |= {f"t{i}": rng.choice(list("abcdefgh")[: 2 + 2 * i], rows) for i in range(texts)}
    frame = pd.DataFrame(frame).astype({f"n{i}": float for i in range(numbers)})
    return frame.mask(rng.random(frame.shape) < missing)


def points(seed, rows, others, **kinds):
    rng = np.random.default_rng(seed)
    t = align(table(rng, others, **kinds), table(rng, rows, **kinds))
    references, queries = coordinates(t.schema, t.real, t.synthetic)
    return queries, references


@pytest.fixture(params=["numba", "numpy"])
def path(request, monkeypatch):
    """Search with the compiled loops, then with numpy."""
    if request.param == "numpy":
        monkeypatch.setattr(module, "_compiled", lambda: None)
    else:
        pytest.importorskip("numba")
        assert module._compiled() is not None
    return request.param


def agree(queries, references, k=1):
    distances, rows = nearest(queries, references, k)
    expected, sums = brute(queries, references, k)
    assert distances.shape == rows.shape == (len(queries), k)
    np.testing.assert_allclose(distances, expected, atol=1e-9)
    named = np.take_along_axis(sums, rows, axis=1)
    np.testing.assert_allclose(named, distances, atol=1e-9, err_msg="the rows that are named are at that distance")
    for mine in rows:
        assert len(set(mine.tolist())) == k, "no reference is named twice"


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
def test_mixed_tables_with_missing_values(path, seed, k):
    agree(*points(seed, 300, 1500), k)


@pytest.mark.parametrize("kinds", [{"numbers": 0}, {"texts": 0}, {"missing": 0.0}, {"missing": 0.9}])
def test_tables_of_one_kind_and_tables_that_are_mostly_empty(path, kinds):
    agree(*points(5, 200, 900, **kinds), 3)


def test_many_ties_and_equal_rows(path):
    rng = np.random.default_rng(0)
    references = rng.integers(0, 2, (2000, 3)) * 2.0
    agree(rng.integers(0, 2, (100, 3)) * 2.0, references, 5)
    agree(np.zeros((10, 3)), np.zeros((1000, 3)), 4)


def test_one_row_and_constant_columns(path):
    agree(np.array([[0.3, 2.0]]), np.array([[0.1, 4.0]]))
    frame = pd.DataFrame({"c": [3.5] * 5, "n": [0.5, 1.5, 2.5, 3.5, 4.5]})
    t = align(frame, pd.DataFrame({"c": [3.5, 4.5, None], "n": [0.5, 0.5, 0.5]}))
    references, queries = coordinates(t.schema, t.real, t.synthetic)
    assert nearest(queries, references)[0][:, 0].tolist() == [0, 0.5, 0.5], "another constant, or none, is different"


def test_a_column_without_any_value(path):
    t = align(pd.DataFrame({"n": [0.5, 1.5, 2.5], "e": [1.5, None, None]}), pd.DataFrame({"n": [0.5], "e": [None]}))
    references, queries = coordinates(t.schema, t.real, t.synthetic, scale=t.real.iloc[1:])
    assert nearest(queries, references)[0].tolist() == [[0.5]]


def test_fewer_references_than_asked_for():
    with pytest.raises(ValueError, match="3 neighbours were asked for among 2"):
        nearest(np.zeros((1, 2)), np.zeros((2, 2)), 3)
    with pytest.raises(ValueError, match="0 neighbours"):
        nearest(np.zeros((1, 2)), np.zeros((2, 2)), 0)


def test_as_many_references_as_asked_for(path):
    agree(np.array([[0.0], [0.4]]), np.array([[0.5], [0.1], [0.2]]), 3)


def test_both_paths_are_the_same_on_more_than_one_piece_of_work(monkeypatch):
    pytest.importorskip("numba")
    queries, references = points(9, 6000, 3000)
    compiled = nearest(queries, references, 2)[0]
    monkeypatch.setattr(module, "_compiled", lambda: None)
    np.testing.assert_allclose(nearest(queries, references, 2)[0], compiled, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_of_equally_near_rows_the_first_are_named_by_every_path_and_number_of_threads(monkeypatch, k):
    rng = np.random.default_rng(0)
    for references in (rng.integers(0, 3, (3000, 4)) * 2.0, rng.integers(0, 9, (1500, 2)) / 8, np.zeros((700, 2))):
        queries = references[rng.integers(len(references), size=600)] + rng.choice([0.0, 2.0, 0.0625], (600, 1))
        sums = np.zeros((600, len(references)))
        for c in range(references.shape[1]):  # the sums of both paths, bit by bit
            sums += np.minimum(np.abs(queries[:, c, None] - references[:, c]), 1)
        first = sums.argsort(axis=1, kind="stable")[:, :k]
        for compiled in (module._compiled(), None):
            with monkeypatch.context() as patch:
                patch.setattr(module, "_compiled", lambda compiled=compiled: compiled)
                for threads in (1, 8):
                    np.testing.assert_array_equal(Index(references).search(queries, k, threads)[1], first)


def test_one_index_serves_many_searches_and_threads():
    queries, references = points(4, 5000, 700)
    index = Index(references)
    one = index.search(queries, 2, threads=1)
    several = index.search(queries, 2, threads=3)
    np.testing.assert_array_equal(one[0], several[0])
    np.testing.assert_array_equal(one[1], several[1])


def test_the_order_of_rows_and_columns_does_not_matter(path):
    queries, references = points(6, 100, 800)
    rng = np.random.default_rng(0)
    columns, rows = rng.permutation(6), rng.permutation(800)
    expected = nearest(queries, references, 2)[0]
    found = nearest(queries[:, columns], references[rows][:, columns], 2)[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_memory_does_not_grow_with_the_product_of_the_tables(path):
    queries, references = points(1, 6000, 6000, missing=0.0)
    nearest(queries[:10], references)
    tracemalloc.start()
    nearest(queries, references)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 6000, "one byte per pair would be 36 MB"


def test_distances_are_gowers():
    t = align(pd.DataFrame({"n": [0.5, 10.5], "t": ["x", "y"]}), pd.DataFrame({"n": [3.0, None], "t": ["x", "z"]}))
    references, queries = coordinates(t.schema, t.real, t.synthetic)
    distances, rows = nearest(queries, references)
    assert distances[:, 0].tolist() == pytest.approx([0.25 / 2, 1.0])
    assert rows[0, 0] == 0


def test_numbers_far_from_zero_are_not_taken_for_missing():
    t = align(pd.DataFrame({"n": -1e9 + np.array([0.5, 0.75, 1.5])}), pd.DataFrame({"n": [-1e9 + 0.625, None]}))
    references, queries = coordinates(t.schema, t.real, t.synthetic)
    assert nearest(queries, references)[0][:, 0].tolist() == [0.125, 1]
