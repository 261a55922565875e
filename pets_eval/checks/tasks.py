"""What every task promises."""

from __future__ import annotations

import numpy as np

from pets_eval.checks.spec import check_bad_parameters, check_spec
from pets_eval.checks.toy import toy
from pets_eval.model import Answer, Column, Dataset, PetsEvalError, Release, Schema, Task


def check_needs(plugin: Task) -> None:
    """It refuses a table that has nothing to ask about with one clear sentence, and says nothing where it applies."""
    try:
        plugin.needs(Schema({"person": Column("id", roles=("identifier",))}))
    except PetsEvalError as error:
        assert plugin.name in str(error) and "\n" not in str(error), "the reason must name the task, in one line"
    else:
        raise AssertionError(f"{plugin.name} accepts a table with nothing but ids")
    _asked(plugin)


def check_cells(plugin: Task) -> None:
    """Its cells come from the schema alone, are distinct, and are those that the truth is given for."""
    data = _asked(plugin)
    cells = plugin.cells(data.schema)
    assert tuple(cells.names) == ("block", "cell", "statistic"), f"the index of {plugin.name} has levels {cells.names}"
    assert cells.equals(plugin.cells(data.schema)), f"the cells of {plugin.name} change from call to call"
    truth = plugin.compute(data)
    assert truth.table.index.is_unique, f"{plugin.name} has two cells of one name"
    assert len(truth.table), f"{plugin.name} has no cells"
    if len(cells):  # empty: one cell per person to be scored
        assert truth.table.index.equals(cells), f"the truth of {plugin.name} is not on its cells"


def check_data_answers_truly(plugin: Task) -> None:
    """From the data themselves a reader arrives at the truth; for predictions, at an answer for everybody."""
    data = _asked(plugin)
    truth = plugin.compute(data)
    answer = plugin.answer(Release("microdata", data.train), data.schema, data.query())
    assert answer.table.index.equals(truth.table.index), f"{plugin.name} answers other cells than it has"
    if len(plugin.cells(data.schema)):
        np.testing.assert_allclose(answer.values, truth.values, rtol=1e-9)
    else:
        assert np.isfinite(answer.values).all(), f"{plugin.name} leaves people unscored"


def check_answers_are_aligned(plugin: Task) -> None:
    """A released answer is read by the names of its cells, not by their order."""
    data = _asked(plugin)
    truth = plugin.compute(data)
    shuffled = Answer(truth.table.iloc[::-1])
    answer = plugin.answer(Release("answer", shuffled), data.schema, data.query())
    np.testing.assert_array_equal(answer.values, truth.values)


def check_data_untouched(plugin: Task) -> None:
    """Computing and answering leave the data as they are."""
    data = _asked(plugin)
    before = data.train.frame()
    plugin.compute(data)
    plugin.answer(Release("microdata", data.train), data.schema, data.query())
    assert data.train.frame().equals(before), f"{plugin.name} changes the data"


CHECKS = (
    check_spec,
    check_bad_parameters,
    check_needs,
    check_cells,
    check_data_answers_truly,
    check_answers_are_aligned,
    check_data_untouched,
)


def _asked(plugin: Task) -> Dataset:
    """The toy data, which the task must be able to ask; skips the test if it is made for other columns."""
    import pytest

    data = toy()
    try:
        plugin.needs(data.schema)
    except PetsEvalError as error:
        pytest.skip(f"the toy data do not suit this task: {error}")
    return data
