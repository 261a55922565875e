"""Marginals against pandas' cross tables and counts made by hand."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.marginals import Marginals
from pets_eval.checks import toy
from pets_eval.model import MISSING, Answer, Column, PetsEvalError, Release, Schema, Table


def small():
    schema = Schema(
        {
            "sex": Column("categorical", domain=("F", "M")),
            "age": Column("integer", bounds=(0, 99), bins=(0, 18, 65, 100), nullable=True),
        }
    )
    frame = pd.DataFrame({"sex": ["F", "F", "M", "F"], "age": [17, 18, None, 70]})
    return Table(schema, data=schema.conform(frame, where="test"))


def test_counts_by_hand():
    table = small()
    answer = Marginals().answer(Release("microdata", table), table.schema, None)
    counts = {cell: int(v) for (_, cell, _), v in answer.table["value"].items()}
    assert counts == {
        "F | [0, 18)": 1,
        "F | [18, 65)": 1,
        "F | [65, 100]": 1,
        f"F | {MISSING}": 0,
        "M | [0, 18)": 0,
        "M | [18, 65)": 0,
        "M | [65, 100]": 0,
        f"M | {MISSING}": 1,
    }


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equals_a_pandas_cross_table(k):
    data = toy()
    columns = ("sex", "region", "children", "sick")
    task = Marginals(columns=columns, k=k)
    answer = task.compute(data).table["value"]
    frame = data.train.frame()
    texts = frame[list(columns)].astype(object)
    texts["children"] = frame["children"].astype(int).astype(str)
    texts = texts.where(texts.notna(), MISSING)
    assert len(task.blocks(data.schema)) == {1: 4, 2: 6, 3: 4}[k]
    for block in task.blocks(data.schema):
        expected = texts.groupby(list(block)).size()
        found = answer.xs((" x ".join(block), "count"), level=("block", "statistic"))
        assert found.sum() == len(frame)
        positive = found[found > 0]
        names = [c if isinstance(c, str) else " | ".join(c) for c in expected.index]
        assert positive.to_dict() == dict(zip(names, expected.astype(float)))


def test_a_file_in_pieces_gives_the_same_counts(tmp_path, monkeypatch):
    data = toy()
    path = tmp_path / "people.parquet"
    pq.write_table(pa.Table.from_pandas(data.train.frame()), path)
    monkeypatch.setattr(tabulate, "_BATCH", 7)
    task = Marginals()
    from_file = task.answer(Release("microdata", Table(data.schema, path=path)), data.schema, None)
    assert from_file.table.equals(task.compute(data).table)


def test_each_sampled_row_stands_for_its_weight():
    table = small()
    answer = Marginals(columns=("sex",), k=1).answer(Release("microdata", table, weight=2.5), table.schema, None)
    assert list(answer.values) == [7.5, 2.5]


def test_microdata_with_a_domain_of_its_own_is_counted_by_the_study_s_domain():
    table = small()
    theirs = Schema({"sex": Column("categorical", domain=("M", "F")), "age": table.schema.columns["age"]})
    released = Table(theirs, data=theirs.conform(table.frame(), where="test"))
    task = Marginals()
    assert (
        task.answer(Release("microdata", released), table.schema, None).values.tolist()
        == task.answer(Release("microdata", table), table.schema, None).values.tolist()
    )


def test_microdata_outside_the_domain_is_refused_without_quoting_it():
    table = small()
    theirs = Schema({"sex": Column("categorical", domain=("F", "M", "planted"))})
    released = Table(theirs, data=theirs.conform(pd.DataFrame({"sex": ["planted"]}), where="test"))
    with pytest.raises(PetsEvalError, match="outside the public domain") as error:
        Marginals(columns=("sex",), k=1).answer(Release("microdata", released), table.schema, None)
    assert "planted" not in str(error.value)


def test_an_answer_is_aligned_and_its_gaps_are_not_filled():
    table = small()
    task = Marginals(columns=("sex",), k=1)
    only = Answer.of(task.cells(table.schema)[1:], [3.0])
    values = task.answer(Release("answer", only), table.schema, None).values
    assert pd.isna(values[0]) and values[1] == 3


def test_what_techniques_are_told():
    schema = toy().schema
    task = Marginals(tables=(("sex", "age"), ("sex",), ("sick", "sex")))
    task.needs(schema)
    assert task.touched(schema) == 3
    assert task.columns_used(schema) == ["sex", "age", "sick"]
    assert len(task.cells(schema)) == 2 * 10 + 2 + 4


@pytest.mark.parametrize(
    "params, words",
    [
        ({"columns": ("sexx", "age")}, "no column 'sexx' (did you mean 'sex'?)"),
        ({"columns": ("person", "age")}, "column 'person' is an id"),
        ({"columns": ("sex",)}, "need at least 2 columns"),
        ({"columns": ("sex", "sex")}, "'sex' is named twice"),
        ({"tables": (("sex",), ("sex",))}, "asked for twice"),
        ({"tables": ((),)}, r"tables[0] is empty"),
        ({"tables": (("sex",),), "columns": ("sex",)}, "not both"),
    ],
)
def test_impossible_questions_are_refused(params, words):
    with pytest.raises(PetsEvalError) as error:
        Marginals(**params).needs(toy().schema)
    assert words in str(error.value)


def test_an_absurd_number_of_cells_is_refused_before_any_is_made():
    wide = Schema({f"c{i}": Column("categorical", domain=tuple(map(str, range(50)))) for i in range(5)})
    with pytest.raises(PetsEvalError, match=r"312,500,000 public cells are more than 5,000,000"):
        Marginals(columns=tuple(wide.columns), k=5).needs(wide)
