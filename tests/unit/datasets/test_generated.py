"""Generated data: the same by seed however it is cut, and with the probabilities that are published."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pets_datasets import population
from pets_datasets.network import BLOCK, Network, Node
from pets_eval.model import PetsEvalError
from pets_eval.registry import make_dataset

ROWS = 2 * BLOCK + 1234
FALSE_ALARM = 1e-7


def tiny() -> Network:
    """Two coins, the second bent by the first, and a number."""
    return Network(
        {
            "a": Node(np.array([0.25, 0.75]), values=("x", "y")),
            "b": Node(np.array([[0.9, 0.1], [0.2, 0.8]]), values=("No", "Yes"), parents=("a",)),
            "n": Node(np.array([[0.5, 0.5], [1.0, 0.0]]), edges=(0, 2, 7), parents=("b",)),
        }
    )


def test_joint_by_hand():
    joint = tiny().joint("a", "b")
    assert joint == pytest.approx(np.array([[0.225, 0.025], [0.15, 0.6]]))
    assert tiny().joint("n") == pytest.approx([0.375 * 0.5 + 0.625, 0.375 * 0.5])


def test_impossible_values_never_occur():
    table = pa.concat_tables(tiny().pieces(3, 50_000)).to_pandas()
    assert table.loc[table["b"] == "Yes", "n"].isin([0, 1]).all()
    assert set(table["n"]) == set(range(7))


def test_numbers_are_uniform_within_their_band():
    numbers = pa.concat_tables(tiny().pieces(4, BLOCK)).to_pandas()["n"]
    upper = numbers[numbers >= 2].value_counts()
    n = int(upper.sum())
    bound = math.sqrt(math.log(2 * 5 / FALSE_ALARM) / (2 * n))  # Hoeffding, five values
    assert (upper / n - 0.2).abs().max() < bound


@pytest.mark.parametrize("bad", [[[0.5, 0.6]], [0.5, 0.4], [1.5, -0.5]])
def test_a_table_that_is_no_distribution_is_refused(bad):
    with pytest.raises(ValueError, match="probabilit"):
        Node(np.array(bad), values=("x", "y"))


@pytest.mark.parametrize("size", [BLOCK, 2 * BLOCK, 10 * BLOCK])
def test_rows_do_not_depend_on_the_pieces(size):
    network = population.population()
    whole = pa.concat_tables(network.pieces(7, ROWS, size)).to_pandas()
    parts = [network.block(7, i, min(BLOCK, ROWS - i * BLOCK)) for i in (2, 0, 1)]  # in any order
    pd.testing.assert_frame_equal(whole, pa.concat_tables([parts[1], parts[2], parts[0]]).to_pandas())


def test_marginals_are_the_published_probabilities(tmp_path):
    """One-way and two-way shares against the network's exact ones.

    Hoeffding: a share of n rows is off by t with probability at most 2 exp(-2 n t^2); t is set so that all cells
    together are off with probability below 1e-7.
    """
    source = make_dataset("generated", {"rows": ROWS, "seed": 11})
    frame, schema = source.load(tmp_path, tmp_path / "g.parquet").frame(), source.schema()
    network = population.population()
    codes = {name: column.codes(frame[name]) for name, column in schema.columns.items()}
    asked = [(n,) for n in codes] + [(p, n) for n, node in network.nodes.items() for p in node.parents]
    cells = sum(network.joint(*names).size for names in asked)
    bound = math.sqrt(math.log(2 * cells / FALSE_ALARM) / (2 * ROWS))
    assert bound < 0.008
    for names in asked:
        exact = network.joint(*names)
        counts = np.zeros(exact.shape)
        np.add.at(counts, tuple(codes[n] for n in names), 1)
        assert np.abs(counts / ROWS - exact).max() < bound, names


def test_network_of_the_population_is_a_distribution():
    network = population.population()
    for name in network.nodes:
        assert network.joint(name).sum() == pytest.approx(1)
    by_region = network.joint("region", "age")
    shares = by_region / by_region.sum(axis=1, keepdims=True)
    assert np.abs(shares[0] - shares[-1]).sum() / 2 > 0.05  # silos are not alike


@pytest.mark.parametrize("name", ["generated", "hospitals", "visits"])
def test_seed_decides_the_rows(name, tmp_path):
    def rows(seed):
        return make_dataset(name, {"seed": seed}).load(tmp_path, tmp_path / f"{seed}.parquet").frame()

    pd.testing.assert_frame_equal(rows(5), rows(5))
    assert not rows(5).equals(rows(6))


def test_generated_is_streamed_to_the_target(tmp_path):
    target = tmp_path / "new" / "g.parquet"
    table = make_dataset("generated", {"rows": 1_000}).load(tmp_path, target)
    assert table.path == target
    assert len(table) == 1_000
    assert [p.name for p in target.parent.iterdir()] == ["g.parquet"]


def test_a_target_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "in_the_way").write_text("")
    with pytest.raises(PetsEvalError, match="cannot write"):
        make_dataset("generated", {"rows": 1_000}).load(tmp_path, tmp_path / "in_the_way" / "g.parquet")


@pytest.mark.parametrize("params", [{"rows": 999}, {"rows": 100_000_001}, {"seed": -1}])
def test_generated_refuses_params_out_of_range(params):
    with pytest.raises(PetsEvalError, match="parameter"):
        make_dataset("generated", params)


def test_hospitals_differ_as_much_as_asked(tmp_path):
    """Spread of prevalence over hospitals: none that chance does not explain at 0, and a large one at 1.

    At 0 all 20,000 patients share one rate; the four observed ones lie within t of each other but for 1e-7 (Hoeffding
    over four groups of at least 4,000).
    """

    def prevalence(heterogeneity):
        source = make_dataset("hospitals", {"rows": 20_000, "heterogeneity": heterogeneity})
        frame = source.load(tmp_path, tmp_path / "h").frame()
        grouped = (frame["readmitted"] == "Yes").groupby(frame["hospital"], observed=True)
        assert grouped.size().min() > (4_000 if heterogeneity == 0 else 500)
        return grouped.mean()

    t = math.sqrt(math.log(2 * 4 / FALSE_ALARM) / (2 * 4_000))
    assert np.ptp(prevalence(0.0)) < 2 * t
    assert np.ptp(prevalence(1.0)) > 0.4


def test_hospitals_have_as_many_silos_as_asked(tmp_path):
    source = make_dataset("hospitals", {"hospitals": 7, "rows": 5_000})
    frame = source.load(tmp_path, tmp_path / "h").frame()
    assert frame["hospital"].nunique() == len(source.schema().columns["hospital"].domain) == 7


def test_visits_keep_the_public_bound_and_the_person(tmp_path):
    source = make_dataset("visits", {"people": 1_000, "max_visits": 5})
    frame, schema = source.load(tmp_path, tmp_path / "v").frame(), source.schema()
    assert schema.unit == "person_id"
    counts = frame["person_id"].value_counts()
    assert len(counts) == 1_000
    assert counts.max() == schema.max_rows_per_unit == 5
    assert counts.mean() > 2
    same = frame.groupby("person_id")[["clinic", "sex", "age"]].nunique()
    assert (same == 1).all(axis=None)
    assert "person_id" not in schema.tabular()


def test_visits_of_the_frail_are_more_and_worse(tmp_path):
    frame = make_dataset("visits", {}).load(tmp_path, tmp_path / "v").frame()
    per_person = frame.groupby("person_id").agg(
        visits=("age", "size"), admitted=("admitted", lambda a: (a == "Yes").any())
    )
    assert per_person.groupby("admitted")["visits"].mean().diff().iloc[-1] > 1
