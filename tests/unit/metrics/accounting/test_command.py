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
        {"technique": "dp-a", "task": "counts", "releases": 2, "epsilon": 0.5, "reason": None},
        {"technique": "dp-b", "task": "means", "releases": 1, "epsilon": 0.25, "reason": None},
    ]
    assert others["epsilon"] == pytest.approx(0.25)


def test_gaussian_releases_are_composed_and_not_just_added(run, capsys):
    pytest.importorskip("dp_accounting")
    from dp_accounting import get_epsilon_gaussian

    (book,) = books(capsys, run(*[("dp-g", GAUSSIAN, {}) for _ in range(4)]))
    assert book["delta"] == 4e-6 and book["delta from"] == "the sum of what the releases state"
    assert book["epsilon"] == pytest.approx(get_epsilon_gaussian(5.0, 4e-6), rel=2e-3)
    assert book["rdp"] > book["pld"] and book["added up"] is None
    assert book["reasons"] == {"added up": "a mechanism has no largest loss"}
    (book,) = books(capsys, run(*[("dp-g", GAUSSIAN, {}) for _ in range(4)]), "--delta", "1e-3")
    assert book["delta"] == 1e-3 and book["delta from"] == "--delta"
    assert book["epsilon"] == pytest.approx(get_epsilon_gaussian(5.0, 1e-3), rel=5e-3)


def own(epsilon, delta, *more):
    event = {"mechanism": "approx", "epsilon": epsilon, "delta": delta}
    return guarantee(event, *more, notion="approx-dp", epsilon=epsilon, delta=delta)


def test_deltas_of_their_own_add_up(run, capsys):
    directory = run(("dp-o", own(0.5, 1e-6), {}), ("dp-o", own(0.5, 1e-6), {}), ("dp-p", own(0.1, 3e-5), {}))
    (book,) = books(capsys, directory, "--budget", "2")
    assert book["delta"] == pytest.approx(3.2e-5) and book["verdict"] == "kept"
    assert book["epsilon"] == book["added up"] == pytest.approx(1.1) and book["reasons"] == {}
    assert main(["ledger", directory]) == 0
    assert "at delta = 3.2e-05, the sum of what the releases state; choose with --delta" in capsys.readouterr().out
    (book,) = books(capsys, directory, "--delta", "3.2e-5")
    assert book["epsilon"] == pytest.approx(1.1)


def test_failures_beyond_delta_are_told_in_a_sentence(run, capsys):
    directory = run(("dp-o", own(0.5, 1e-6), {}), ("dp-o", own(0.5, 1e-6), {}), ("dp-p", own(0.1, 3e-5), {}))
    said = "fail by themselves with probability 3.2e-05, more than delta = 1e-05: no epsilon holds; raise --delta to at"
    assert main(["ledger", directory, "--delta", "1e-5", "--budget", "2"]) == 1
    shown = capsys.readouterr().out
    assert f"together: the releases {said} least 3.2e-05" in shown and "inf" not in shown
    assert "no epsilon (it fails by itself with probability 3e-05, more than" in shown
    assert "budget epsilon = 2, delta = 1e-05: exceeded in delta, first by dp-p on counts, repeat 2" in shown
    (book,) = books(capsys, directory, "--delta", "1e-5", "--budget", "2", code=1)
    assert book["epsilon"] is book["pld"] is book["rdp"] is book["added up"] is None
    assert said in book["reasons"]["epsilon"] and "add up to more than" in book["reasons"]["added up"]
    assert book["exceeded"] == "delta" and [bool(r["reason"]) for r in book["releases"]] == [False, True]
    (book,) = books(capsys, directory, "--delta", "1e-5", "--budget", "0.4", code=1)
    assert book["exceeded"] == "epsilon" and book["first past the budget"] == "dp-o on counts, repeat 0"


def test_noise_that_states_no_delta_has_one(run, capsys):
    noise = guarantee({"mechanism": "zcdp", "rho": 0.01}, notion="zcdp", rho=0.01)
    (book,) = books(capsys, run(("dp-z", noise, {})))
    assert book["delta"] == 1e-6 and book["delta from"].endswith("and 1e-06 for noise that states none")
    (book,) = books(capsys, run(("dp-z", noise, {}), ("dp-o", own(0.5, 1e-5), {})))
    assert book["delta"] == pytest.approx(1.1e-5) and 0.5 < book["epsilon"] < 2
    (book,) = books(capsys, run(("dp-z", noise, {})), "--delta", "0", "--budget", "1", code=1)
    assert "raise --delta to more than 0" in book["reasons"]["epsilon"] and book["exceeded"] == "delta"


def test_certain_failures_have_no_epsilon(run, capsys):
    (book,) = books(capsys, run(("dp-o", own(0.5, 0.6), {}), ("dp-o", own(0.5, 0.6), {})), "--delta", "0.9")
    assert book["added up"] is None
    assert main(["ledger", run(("dp-o", own(0.5, 0.6), {}), ("dp-o", own(0.5, 0.6), {}))]) == 0
    capsys.readouterr()


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
    assert "budget epsilon = 2, delta = 0: exceeded in epsilon, first by dp-a on counts, repeat 4" in shown


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
    assert book["verdict"] == "void" and book["first past the budget"] is None
    assert main(["ledger", directory, "--publish", "raw", "--budget", "epsilon=1"]) == 1
    assert "budget epsilon = 1, delta = 0: void: raw has no guarantee" in capsys.readouterr().out
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
    assert book["reasons"]["epsilon"] == "no release has a guarantee"


def test_an_infinite_loss_is_no_guarantee(run, capsys):
    (book,) = books(capsys, run(("dp-a", guarantee(epsilon=math.inf), {})))
    assert book["epsilon"] is None and "epsilon must be" in book["no guarantee"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "epsilon=-1"], "--budget must be epsilon=E"),
        (["--budget", "epsilon=nan"], "--budget must be epsilon=E"),
        (["--budget", "rho=1"], "--budget must be epsilon=E"),
        (["--budget", "=1"], "--budget must be epsilon=E"),
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
