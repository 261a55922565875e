"""`pets-eval ledger`: what the records of a run cost together, and whether that is within a budget."""

import json
import math

import pytest

from pets_eval.cli import main
from pets_eval.model import Guarantee
from pets_eval.model.record import GuaranteeRow, Manifest, Planned, RunRecord, Spec
from pets_eval.model.study import Study

pytest.importorskip("dp_accounting")


def guarantee(*events, unit="person", adjacency="add-remove", notion="pure-dp", status="proven", **parameters):
    made = Guarantee(notion=notion, unit=unit, adjacency=adjacency, parameters=parameters, events=events, status=status)
    return GuaranteeRow.of(made)


def laplace(epsilon, **more):
    event = {"mechanism": "laplace", "scale": 1 / epsilon, "sensitivity": 1.0, "norm": "l1"}
    return guarantee(event, epsilon=epsilon, **more)


GAUSSIAN = guarantee(
    {"mechanism": "gaussian", "scale": 10.0, "sensitivity": 1.0, "norm": "l2"},
    notion="approx-dp", epsilon=0.5, delta=1e-6,
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A function that writes a run of (technique, guarantee row, facts of the cell) and gives its directory."""

    def write(*cells):
        (tmp_path / "cells").mkdir(exist_ok=True)
        plan = []
        for i, (technique, row, more) in enumerate(cells):
            facts = {"dataset": "people", "task": "counts", "repeat": i, "status": "finished", **more}
            status = facts.pop("status")
            spec = Spec(technique=technique, label=technique, family="dp", **facts)
            identity = f"{i:064x}"
            record = RunRecord(identity=identity, spec=spec, status=status, guarantee=row)
            (tmp_path / "cells" / f"{identity}.json").write_text(record.model_dump_json(by_alias=True))
            plan.append(Planned(identity=identity, spec=spec))
        study = Study.model_validate(STUDY)
        manifest = Manifest(study=study, created="2026-01-01", pets_eval="0", plan=plan)
        (tmp_path / "run.json").write_text(manifest.model_dump_json(by_alias=True))
        return str(tmp_path)

    return write


STUDY = {
    "schema": "pets-eval/study/1",
    "name": "test",
    "datasets": [{"use": "fair"}],
    "tasks": [{"use": "marginals"}],
    "techniques": [{"use": "raw"}],
}


def books(capsys, *arguments, code=0):
    assert main(["ledger", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_all_releases_are_added_up_per_data_set(run, capsys):
    directory = run(
        ("dp-a", laplace(0.5), {}),
        ("dp-a", laplace(0.5), {}),
        ("dp-b", laplace(0.25), {"task": "means"}),
        ("dp-b", laplace(0.25), {"dataset": "others"}),
        ("dp-b", laplace(4.0), {"status": "failed"}),
    )
    people, others = books(capsys, directory)
    assert people["dataset"] == "people" and people["unit"] == "person" and people["delta"] == 0
    assert people["epsilon"] == pytest.approx(1.25) and people["accountants agree"]
    assert people["releases"] == [
        {"technique": "dp-a", "task": "counts", "releases": 2, "epsilon": 0.5},
        {"technique": "dp-b", "task": "means", "releases": 1, "epsilon": 0.25},
    ]
    assert others["epsilon"] == pytest.approx(0.25)


def test_gaussian_releases_are_composed_and_not_just_added(run, capsys):
    pytest.importorskip("dp_accounting")
    from dp_accounting import get_epsilon_gaussian

    (book,) = books(capsys, run(*[("dp-g", GAUSSIAN, {}) for _ in range(4)]))
    assert book["delta"] == 1e-6
    assert book["epsilon"] == pytest.approx(get_epsilon_gaussian(5.0, 1e-6), rel=2e-3)
    assert book["rdp"] > book["pld"] and book["added up"] == "Infinity"
    (book,) = books(capsys, run(*[("dp-g", GAUSSIAN, {}) for _ in range(4)]), "--delta", "1e-3")
    assert book["delta"] == 1e-3 and book["epsilon"] == pytest.approx(get_epsilon_gaussian(5.0, 1e-3), rel=5e-3)


def test_the_first_release_past_the_budget_is_named(run, capsys):
    directory = run(*[("dp-a", laplace(0.5), {}) for _ in range(7)])
    (book,) = books(capsys, directory, "--budget", "epsilon=2", code=1)
    assert book["first past the budget"] == "dp-a on counts, repeat 4"
    (book,) = books(capsys, directory, "--budget", "3.5")
    assert book["first past the budget"] is None
    assert main(["ledger", directory, "--budget", "epsilon=2"]) == 1
    shown = capsys.readouterr().out
    assert "people, per person (add-remove), at delta = 0" in shown
    assert "7 releases of epsilon 0.5" in shown and "together: epsilon 3.5 " in shown
    assert "budget epsilon = 2: exceeded, first by dp-a on counts, repeat 4" in shown


def test_only_what_is_published_counts(run, capsys):
    directory = run(("dp-a", laplace(0.5), {}), ("dp-b", laplace(1.0), {}), ("dp-c", laplace(2.0), {}))
    (book,) = books(capsys, directory, "--publish", "dp-a", "--publish", "dp-b", "--budget", "epsilon=1.5")
    assert book["epsilon"] == pytest.approx(1.5) and len(book["releases"]) == 2


def test_what_has_no_guarantee_voids_the_composition(run, capsys):
    cells = (
        ("raw", None, {"anchor": True}),
        ("sampling", None, {}),
        ("k-anon", guarantee(notion="k-anonymity", k=5), {}),
        ("dp-a", laplace(0.5), {}),
        ("dp-new", guarantee({"mechanism": "new"}, epsilon=0.5), {}),
    )
    directory = run(*cells)
    (book,) = books(capsys, directory, "--budget", "epsilon=1")
    named = {row["technique"]: row["reason"] for row in book["no guarantee"]}
    assert set(named) == {"sampling", "k-anon", "dp-new"}  # anchors are published only by those who name them
    assert named["sampling"] == "it states none" and "k-anonymity is no guarantee" in named["k-anon"]
    (book,) = books(capsys, directory, "--publish", "dp-a", "--publish", "raw", "--budget", "epsilon=1", code=1)
    assert book["first past the budget"] == "raw on counts, repeat 0"
    assert main(["ledger", directory, "--publish", "raw"]) == 0
    assert "raw: no guarantee: composition is void if it is published (it states none)" in capsys.readouterr().out


def test_units_and_adjacencies_are_kept_apart(run, capsys):
    directory = run(
        ("dp-a", laplace(0.5), {}),
        ("dp-a", laplace(0.5, unit="household"), {}),
        ("dp-local", laplace(0.5, adjacency="replace"), {}),
    )
    found = books(capsys, directory)
    assert [(b["unit"], b["adjacency"], b["epsilon"]) for b in found] == [
        ("person", "add-remove", 0.5), ("household", "add-remove", 0.5), ("person", "replace", 0.5),
    ]  # fmt: skip


def test_it_survives_runs_without_releases(run, capsys):
    assert books(capsys, run()) == []
    assert main(["ledger", run(("dp-a", None, {"status": "failed"}))]) == 0
    assert "nothing to add up" in capsys.readouterr().out
    (book,) = books(capsys, run(("sampling", None, {})))
    assert book["epsilon"] is None and book["no guarantee"]


def test_an_infinite_loss_is_no_guarantee(run, capsys):
    (book,) = books(capsys, run(("dp-a", guarantee(epsilon=math.inf), {})))
    assert book["epsilon"] is None and "epsilon must be" in book["no guarantee"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "epsilon=-1"], "--budget must be epsilon=E"),
        (["--budget", "epsilon=nan"], "--budget must be epsilon=E"),
        (["--budget", "rho=1"], "--budget must be epsilon=E"),
        (["--delta", "1"], "delta must be at least 0 and below 1"),
        (["--delta", "nan"], "delta must be at least 0 and below 1"),
        (["--publish", "dp-b"], "no release of this run is by 'dp-b' (did you mean 'dp-a'?)"),
    ],
)
def test_bad_input_is_one_sentence(run, capsys, arguments, said):
    assert main(["ledger", run(("dp-a", laplace(0.5), {})), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path, run, capsys):
    assert main(["ledger", str(tmp_path)]) == 2
    assert "is not a run of pets-eval" in capsys.readouterr().err
    directory = run(("dp-a", laplace(0.5), {}))
    (tmp_path / "cells" / f"{0:064x}.json").write_text("{")
    assert main(["ledger", directory]) == 2
    assert "is damaged" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("[]")
    assert main(["ledger", directory]) == 2
    assert "damaged or of another version" in capsys.readouterr().err
