"""The metrics recomputed-epsilon and implied-risk, as a study and a notebook call them; and how light all of it is."""

import math
import subprocess
import sys

import pytest

import pets_metrics
from pets_eval.model import Guarantee, Unsupported
from pets_metrics.privacy.accounting.metrics import implied_risk, recomputed_epsilon

pytest.importorskip("riskcal")

GAUSSIAN = {"mechanism": "gaussian", "scale": 1.0, "sensitivity": 1.0, "norm": "l2"}


def g(*events, notion="approx-dp", status="proven", **parameters):
    return Guarantee(
        notion=notion, unit="record", adjacency="add-remove", parameters=parameters, events=events, status=status
    )


def test_it_says_how_cautious_a_claim_is():
    found = recomputed_epsilon(g(GAUSSIAN, epsilon=4.7284, delta=1e-5))
    assert {name: round(e.value, 3) for name, e in found.items()} == {
        "pld": 4.377, "rdp": 4.729, "claimed": 4.728, "excess": -0.351, "proven excess": -0.351,
    }  # fmt: skip
    assert found["pld"].note == "dp-accounting at delta = 1e-05 per record, add-remove"
    assert found["excess"].note == ""


def test_it_says_that_a_claim_is_optimistic():
    found = recomputed_epsilon(g(GAUSSIAN, epsilon=4.0, delta=1e-5))
    assert found["excess"].value == pytest.approx(0.377, abs=1e-3) and "does not hold for them" in found["excess"].note
    assert found["proven excess"].value == found["excess"].value
    opaque = recomputed_epsilon(g({"mechanism": "pure", "epsilon": 1.0, "times": 2}, notion="pure-dp", epsilon=1.0))
    assert opaque["excess"].value == 1.0 and "a proof of its own" in opaque["excess"].note
    assert opaque["proven excess"].value == 0.0


def test_what_is_only_stated_is_not_confirmed():
    third = {"mechanism": "pure", "epsilon": 10 * (1 - 1e-9) / 3}
    claim = math.nextafter(math.fsum([third["epsilon"]] * 3), math.inf)
    found = recomputed_epsilon(g(third, third, third, notion="pure-dp", epsilon=claim))
    assert found["excess"].value == found["proven excess"].value == 0.0  # and no noise of the sum
    assert math.copysign(1, found["excess"].value) == 1
    assert "taken as stated, nothing was reckoned anew" in found["pld"].note
    noise = {"mechanism": "laplace", "scale": 1.0, "sensitivity": 1.0, "norm": "l1"}
    mixed = recomputed_epsilon(g(third, noise, notion="pure-dp", epsilon=5.0))
    assert "reckoned anew" not in mixed["pld"].note


def test_what_is_not_known_is_not_measured_and_says_so():
    found = recomputed_epsilon(g({"mechanism": "zcdp", "rho": 0.5}, notion="zcdp", rho=0.5, delta=1e-5))
    assert math.isnan(found["claimed"].value) and "states no epsilon" in found["claimed"].note
    assert math.isnan(found["excess"].value)
    step = {"mechanism": "subsampled-gaussian", "noise_multiplier": 2.0, "sampling_rate": 0.1, "steps": 10}
    replaced = Guarantee(notion="approx-dp", unit="record", adjacency="replace",
                         parameters={"epsilon": 3.0, "delta": 1e-5}, events=(step,))  # fmt: skip
    assert math.isnan(recomputed_epsilon(replaced)["rdp"].value) and recomputed_epsilon(replaced)["rdp"].note


@pytest.mark.parametrize(
    "guarantee",
    [
        g(notion="k-anonymity", k=5),
        g(notion="none"),
        g(notion="pure-dp", epsilon=1.0, status="heuristic"),
        g({"mechanism": "laplace", "scale": 1e-9, "sensitivity": 1.0}, notion="pure-dp", epsilon=1e9),
    ],
)
@pytest.mark.parametrize("metric", [recomputed_epsilon, implied_risk])
def test_without_a_proven_guarantee_they_do_not_apply(metric, guarantee):
    with pytest.raises(Unsupported):
        metric(guarantee)
    with pytest.raises(Unsupported, match="describes no mechanism"):
        recomputed_epsilon(g(notion="pure-dp", epsilon=1.0))


def test_risk_stands_beside_its_source():
    found = implied_risk(g(GAUSSIAN, epsilon=4.7284, delta=1e-5))
    assert found["advantage"].value == pytest.approx(0.3829, abs=1e-3)
    assert found["posterior from 1%"].value < found["posterior from 50%"].value < 1
    assert "events" in found["advantage"].note and "per record, add-remove" in found["advantage"].note


def test_they_are_called_by_name_with_a_guarantee_alone():
    claim = g(GAUSSIAN, epsilon=4.7284, delta=1e-5)
    table = pets_metrics.evaluate(metrics=["recomputed-epsilon", "implied-risk"], guarantee=claim)
    assert len(table) == 10 and table["value"].notna().all()


def test_importing_it_brings_nothing_heavy():
    heavy = "torch opacus opendp dp_accounting riskcal polars jax"
    code = (
        "import sys\nimport pets_metrics.privacy.accounting as a\n"
        "names = [getattr(a, n) for n in a.__all__]\n"
        "import pets_metrics.privacy.accounting.metrics, pets_metrics.privacy.accounting.command\n"
        f"print(len(names), *set({heavy!r}.split()) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["28"]
