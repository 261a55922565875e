"""What every technique promises."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

from pets_eval.checks.asked import asked
from pets_eval.checks.spec import check_bad_parameters, check_spec
from pets_eval.checks.toy import MemoryContext, run, same
from pets_eval.model import Dataset, Guarantee, MissingExtra, Release, Table, Task, Technique
from pets_eval.model.claims import Adversary, Objective, Protects, TrustModel
from pets_eval.registry import check_installed

_DP = ("pure-dp", "approx-dp", "zcdp", "gdp", "rdp")


def check_claims(plugin: Technique) -> None:
    """The claims use the known words, say what is covered and what is left, and whoever protects has an objective."""
    claims = plugin.claims()
    assert claims.protects <= set(get_args(Protects)), f"unknown protection in {sorted(claims.protects)}"
    assert claims.trust_model in get_args(TrustModel), f"unknown trust model {claims.trust_model!r}"
    assert claims.adversary in get_args(Adversary), f"unknown adversary {claims.adversary!r}"
    assert set(claims.objectives) <= set(get_args(Objective)), f"unknown objective in {claims.objectives}"
    assert claims.objectives or not claims.protects, "a technique that protects something serves an objective"
    assert claims.covers.strip(), "the claims do not say what is covered"
    assert claims.leaves.strip(), "the claims do not say what is NOT protected"
    assert plugin.claims() == claims, "the claims change from call to call"


def check_supports(plugin: Technique) -> None:
    """For every registered task it either applies or says why not."""
    for task, dataset in asked("techniques", plugin.name):
        reason = plugin.supports(task, dataset.schema, dataset.parties)
        assert reason is None or reason.strip(), f"{plugin.name} does not do {task.name} and gives no reason"


def check_repeatable(plugin: Technique) -> None:
    """It repeats itself where it claims to, and a formal guarantee does not rest on randomness that repeats."""
    claims = plugin.claims()
    for task, dataset in _done(plugin):
        first, _ = run(plugin, task, dataset, 1)
        if claims.deterministic:
            assert same(first, run(plugin, task, dataset, 2)[0]), (
                f"{plugin.name} claims to be deterministic, and is not"
            )
        elif claims.seeded:
            assert same(first, run(plugin, task, dataset, 1)[0]), f"{plugin.name} claims to be seeded, and is not"
        elif _formal(first.guarantee):
            again = run(plugin, task, dataset, 1)[0]
            assert not same(first, again), f"{plugin.name} releases the same noise twice, which voids its guarantee"


def check_inputs_untouched(plugin: Technique) -> None:
    """A run leaves every holding as it was."""
    for task, dataset in _done(plugin):
        before = {name: part.frame() for name, part in dataset.parts.items()}
        run(plugin, task, dataset, 1)
        for name, part in dataset.parts.items():
            assert part.frame().equals(before[name]), f"{plugin.name} changed the table of {name!r}"


def check_release(plugin: Technique) -> None:
    """The release answers every cell that has a true value, and is of the kind it says."""
    for task, dataset in _done(plugin):
        release, context = run(plugin, task, dataset, 1)
        kind = {"answer": "Answer", "microdata": "Table"}.get(release.kind, "model")
        assert kind == "model" or type(release.value).__name__ == kind, f"a released {release.kind} must be a {kind}"
        assert release.weight > 0 and math.isfinite(release.weight), "the weight of a released row must be positive"
        truth = task.compute(dataset)
        answer = task.answer(release, dataset.schema, dataset.query())
        assert answer.table.index.equals(truth.table.index), f"{plugin.name} answers other cells than {task.name} has"
        if release.kind == "answer":
            open_cells = answer.table["value"].isna() & truth.table["value"].notna()
            assert not open_cells.any(), f"{plugin.name} leaves cells of {task.name} unanswered"
        if isinstance(release.value, Table):
            table = release.value
            table.schema.conform(table.frame(), where=f"microdata of {plugin.name}")
        names = {party.name for party in dataset.parties}
        for message in context.messages:
            assert {message.sender, message.receiver} <= names, f"{message.label!r} went between unknown parties"


def check_guarantee(plugin: Technique) -> None:
    """A guarantee names its unit and adjacency, has finite parameters, and carries data-dependent bounds as hazards."""
    for unit in ("record", "person"):
        for from_data in (False, True):
            for task, dataset in _done(plugin, unit=unit, from_data=from_data):
                guarantee = run(plugin, task, dataset, 1)[0].guarantee
                if guarantee is not None:
                    _complete(guarantee, unit)
                    if guarantee.notion in _DP:
                        flagged = bool(guarantee.hazards)
                        assert flagged or not from_data, f"{plugin.name} hides that bounds were read from the data"


def check_prepared(plugin: Technique) -> None:
    """Where it can be prepared, one mechanism gives as many releases as are asked for."""
    if not hasattr(plugin, "prepare"):
        return
    import numpy as np

    for task, dataset in _done(plugin):
        with tempfile.TemporaryDirectory() as folder:
            context = MemoryContext(np.random.default_rng(1), Path(folder))
            mechanism = cast(Any, plugin).prepare(task, dataset.schema, context)
            assert not context.messages, f"{plugin.name} exchanges messages while it is prepared"
            releases = mechanism.run_many(task.setup(dataset, context.rng), 3)
        assert len(releases) == 3, f"{plugin.name} was asked for 3 releases and gave {len(releases)}"
        assert all(isinstance(r, Release) for r in releases)


CHECKS = (
    check_spec,
    check_bad_parameters,
    check_claims,
    check_supports,
    check_repeatable,
    check_inputs_untouched,
    check_release,
    check_guarantee,
    check_prepared,
)


def _complete(guarantee: Guarantee, unit: str) -> None:
    assert guarantee.notion and guarantee.adjacency, "the guarantee names no notion or no adjacency"
    assert guarantee.unit == unit, f"the guarantee protects {guarantee.unit!r} where the unit of privacy is {unit!r}"
    for name, value in guarantee.parameters.items():
        assert math.isfinite(value) and value >= 0, f"the guarantee's {name} is {value}"
    if guarantee.notion in _DP:
        assert guarantee.parameters, "a differential-privacy guarantee states its parameters"
        assert guarantee.events, "a differential-privacy guarantee describes its mechanisms"
    for event in guarantee.events:
        assert event.get("mechanism"), "an event names its mechanism"


def _formal(guarantee: Guarantee | None) -> bool:
    return guarantee is not None and guarantee.status == "proven" and guarantee.notion in _DP


def _done(plugin: Technique, **toy_facts: Any) -> Iterator[tuple[Task, Dataset]]:
    """Those that *plugin* supports; skips the test if its packages are missing or there are none."""
    import pytest

    try:
        check_installed(plugin)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    applies = [
        (task, data)
        for task, data in asked("techniques", plugin.name, **toy_facts)
        if plugin.supports(task, data.schema, data.parties) is None
    ]
    if not applies:
        pytest.skip(f"{plugin.name} applies to no task on the toy data")
    yield from applies
