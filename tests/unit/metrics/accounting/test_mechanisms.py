"""Every event of the vocabulary, against the library's own distributions, closed forms and whole enumerations."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import logsumexp

from pets_eval.model import Guarantee, PetsEvalError, Unsupported
from pets_metrics.privacy.accounting import compose
from pets_metrics.privacy.accounting.mechanisms import part, parts
from pets_metrics.privacy.accounting.renyi import ORDERS

library = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")


def laplace(scale, sensitivity=1.0, **more):
    return {"mechanism": "laplace", "scale": scale, "sensitivity": sensitivity, "norm": "l1", **more}


def gaussian(scale, sensitivity=1.0, **more):
    return {"mechanism": "gaussian", "scale": scale, "sensitivity": sensitivity, "norm": "l2", **more}


def discrete_gaussian(scale, reach=40.0):
    k = np.arange(-int(reach * scale) - 2, int(reach * scale) + 3)
    log = -(k**2) / (2 * scale**2)
    return k, log - logsumexp(log)


# -- Laplace --------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("delta", [0.0, 1e-4, 0.05])
def test_laplace_is_the_librarys(epsilon, delta):
    found = compose([laplace(2 / epsilon, 2.0)], delta)
    theirs = library.from_laplace_mechanism(2 / epsilon, 2.0, value_discretization_interval=1e-4)
    assert found.agree and found.exact
    if delta:
        assert found.pld == pytest.approx(theirs.get_epsilon_for_delta(delta), abs=2e-4)
    else:  # where the library's distribution has lost its last digit to infinity
        assert found.pld == pytest.approx(epsilon, rel=1e-15)


@pytest.mark.parametrize("epsilon", [1e-3, 0.2, 5.0])
def test_laplace_has_the_librarys_divergences(epsilon):
    rdp = pytest.importorskip("dp_accounting.rdp.rdp_privacy_accountant")
    found = part(laplace(1 / epsilon)).renyi
    for order in (1.1, 1.5, 4.0, 32.0):
        assert found[ORDERS.index(order)] == pytest.approx(rdp._laplace_rdp(epsilon, order), rel=1e-6)


@pytest.mark.parametrize(("scale", "sensitivity"), [(1.0, 1), (2.5, 3), (10.0, 4)])
@pytest.mark.parametrize("delta", [1e-6, 0.01, 0.1])
def test_discrete_laplace_is_the_librarys(scale, sensitivity, delta):
    found = compose([laplace(scale, sensitivity, discrete=True, count=7)], delta)
    theirs = library.from_discrete_laplace_mechanism(1 / scale, sensitivity, use_connect_dots=True)
    assert found.pld == pytest.approx(theirs.get_epsilon_for_delta(delta), abs=3e-4)


@pytest.mark.parametrize("shifts", [(3,), (2, 1), (1, 1, 1)])
def test_one_number_is_the_worst_vector_of_discrete_laplace_noise(shifts):
    """The exact delta of a vector moved by `shifts`, enumerated, is at most that of one number moved by their sum."""
    scale, k = 1.3, np.arange(-60, 61)
    log = np.log(np.tanh(1 / (2 * scale))) - np.abs(k) / scale
    losses, masses = np.zeros(1), np.ones(1)
    for shift in shifts:
        loss = (np.abs(k - shift) - np.abs(k)) / scale
        kinds = np.unique(loss.round(9))
        by_kind = np.array([np.exp(log)[loss.round(9) == x].sum() for x in kinds])
        losses = (losses[:, None] + kinds).ravel()
        masses = (masses[:, None] * by_kind).ravel()
    profile = part(laplace(scale, sum(shifts), discrete=True)).profile
    for e in (0.0, 0.4, 1.0, 2.0):
        true = (masses * np.maximum(-np.expm1(e - losses), 0)).sum()
        ours = float(profile(np.array([e]))[0])
        assert true <= ours + 1e-9
        if len(shifts) == 1:
            assert true == pytest.approx(ours, abs=1e-9)


def test_wide_noise_on_a_fine_grid_is_quick_and_right():
    """Sums in steps of a grid move by a million steps; the epsilon is the plain quotient."""
    found = compose([laplace(2_097_152.0, 1_048_576.0, discrete=True, count=12, steps={"count": 1e-6})], 0.0)
    assert found.pld == 0.5 == found.basic


# -- Gaussian -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "delta"), [(0.1, 1e-3), (1.0, 1e-9), (3.0, 1e-5)])
def test_gaussian_is_exact(mu, delta):
    accounting = pytest.importorskip("dp_accounting")
    found = compose([gaussian(3.0, 3.0 * mu)], delta)
    assert found.pld == pytest.approx(accounting.get_epsilon_gaussian(1 / mu, delta), rel=2e-3)
    assert found.rdp > found.pld and found.agree


def test_discrete_gaussian_noise_is_not_dominated_by_continuous():
    """Why a vector of it is accounted with less variance: on one number of scale 1 it costs 4.430, not 4.377."""
    one = compose([gaussian(1.0, 1, discrete=True, count=1)], 1e-5)
    assert one.pld == pytest.approx(4.430, abs=1e-3)
    assert one.pld > compose([gaussian(1.0)], 1e-5).pld + 0.05
    assert one.pld < one.rdp


@pytest.mark.parametrize("scale", [6.0, 15.0, 60.0])
@pytest.mark.parametrize("shifts", [(1,) * 9, (3,), (2, 2, 1), (2, 1, 1, 1, 1, 1)])
@pytest.mark.parametrize("delta", [1e-3, 1e-6])
def test_vectors_of_discrete_gaussian_noise_cost_no_more_than_accounted(scale, shifts, delta):
    """The exact distribution of the loss of each vector of L2 norm 3, by the library, is within ours, and close."""
    true = library.identity(1e-4)
    for shift, times in ((s, shifts.count(s)) for s in set(shifts)):
        one = library.from_discrete_gaussian_mechanism(scale, shift, use_connect_dots=True)
        true = true.compose(one.self_compose(times))
    found = compose([gaussian(scale, 3.0, discrete=True, count=40)], delta)
    exact = true.get_epsilon_for_delta(delta)
    assert exact <= found.pld + 3e-4
    assert found.pld <= 1.05 * exact + 1e-3
    assert found.pld < found.rdp and not found.exact


def test_narrow_discrete_noise_is_accounted_by_zcdp():
    found = compose([gaussian(2.0, 1.5, discrete=True, count=40)], 1e-6)
    assert found.pld == pytest.approx(found.rdp, rel=1e-3)
    assert "by its zCDP alone" in found.notes[0]


@pytest.mark.parametrize("scale", [0.8, 3.0, 20.0])
def test_the_rounding_of_continuous_noise_is_as_near_as_it_says(scale):
    """Peikert's convolution, integrated: continuous noise rounded at random is discrete noise within the factor."""
    width = 0.55  # variance of the rounding; its factor is visible to doubles
    t = 2 * math.exp(-2 * math.pi**2 * width)
    x = np.linspace(-14 * scale, 14 * scale, 200_001)
    inner = scale**2 - width
    density = np.exp(-(x**2) / (2 * inner)) / math.sqrt(2 * math.pi * inner) * (x[1] - x[0])
    k, log = discrete_gaussian(scale)
    near = np.flatnonzero(np.abs(k) <= 3 * scale)
    total = np.zeros_like(x)
    for j in range(-8, 9):
        total += np.exp(-((np.rint(x) + j - x) ** 2) / (2 * width))
    rounded = np.array([(density * np.exp(-((j - x) ** 2) / (2 * width)) / total).sum() for j in k[near]])
    ratio = rounded / np.exp(log[near])
    assert (1 - t) / (1 + t) - 1e-6 <= ratio.min() and ratio.max() <= (1 + t) / (1 - t) + 1e-6


# -- learning -------------------------------------------------------------------------------------

STEP = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.1, "sampling_rate": 0.01, "steps": 10_000}


def test_dp_sgd_costs_what_is_known_of_it():
    found = compose([STEP], 1e-5)
    assert found.pld == pytest.approx(5.193, abs=1e-3) and found.rdp == pytest.approx(5.632, abs=1e-3)
    assert found.agree and found.exact


def test_dp_sgd_is_opacus_accountants():
    rdp = pytest.importorskip("opacus.accountants").RDPAccountant()
    rdp.history = [(1.1, 0.01, 10_000)]
    found = compose([STEP], 1e-5)
    assert found.rdp == pytest.approx(rdp.get_epsilon(1e-5), rel=1e-3)


@pytest.mark.slow
def test_dp_sgd_is_opacus_prv_accountants():
    prv = pytest.importorskip("opacus.accountants").PRVAccountant()
    prv.history = [(1.1, 0.01, 10_000)]
    assert compose([STEP], 1e-5).pld == pytest.approx(prv.get_epsilon(1e-5), abs=0.02)


def test_sampling_everybody_is_no_sampling():
    full = compose([{**STEP, "sampling_rate": 1.0, "steps": 4, "noise_multiplier": 2.0}], 1e-5)
    assert full.pld == pytest.approx(compose([gaussian(1.0)], 1e-5).pld, abs=1e-3)
    assert compose([{**STEP, "sampling_rate": 0.0}], 0.0).pld == 0


def test_replacing_costs_more_and_has_no_renyi_bound():
    short = {**STEP, "steps": 100}
    found = compose([short], 1e-5, adjacency="replace")
    assert found.pld > 1.3 * compose([short], 1e-5).pld and math.isnan(found.rdp) and found.epsilon == found.pld
    assert "no Renyi bound" in found.notes[0]


def test_other_sampling_is_not_taken_for_poisson():
    with pytest.raises(Unsupported, match="only Poisson samples"):
        part({**STEP, "sampling": "shuffle"})


# -- local reports --------------------------------------------------------------------------------


@pytest.mark.parametrize("categories", [2, 3, 20])
@pytest.mark.parametrize("truth", [0.9, 0.6, 0.02])
@pytest.mark.parametrize("reports", [1, 5])
def test_randomised_response_is_the_librarys(categories, truth, reports):
    event = {"mechanism": "randomised-response", "categories": categories, "truth": truth, "count": reports}
    lie = (1 - truth) / (categories - 1)
    first = {0: math.log(truth), 1: math.log(lie)}
    second = {0: first[1], 1: first[0]}
    if categories > 2:
        first[2] = second[2] = math.log((categories - 2) * lie)
    theirs = library.from_two_probability_mass_functions(second, first).self_compose(reports)
    found = compose([event], 0.01, adjacency="replace")
    assert found.pld == pytest.approx(theirs.get_epsilon_for_delta(0.01), abs=2e-4 * reports + 2e-4)
    assert found.agree
    assert compose([event], 0.0, adjacency="replace").pld == pytest.approx(reports * abs(math.log(truth / lie)))


def test_randomised_response_has_the_librarys_divergences():
    rdp = pytest.importorskip("dp_accounting.rdp.rdp_privacy_accountant")
    event = {"mechanism": "randomised-response", "categories": 5, "truth": 0.5}
    noise = 5 * 0.5 / 4
    found = part(event, "replace")
    for order in (1.5, 4.0, 32.0):
        theirs = rdp._randomized_response_rdp_replace_one(noise, 5, order)
        assert found.renyi[ORDERS.index(order)] == pytest.approx(theirs)


def test_randomised_response_does_not_hide_who_answers():
    with pytest.raises(Unsupported, match="its adjacency is replace"):
        part({"mechanism": "randomised-response", "categories": 2, "truth": 0.7})


def test_shuffled_reports_are_reckoned_anew():
    claim = {"mechanism": "shuffled", "local_epsilon": 4.0, "reports": 10**5, "epsilon": 0.01, "delta": 1e-6}
    assert compose([claim], 1e-6, adjacency="replace").pld == pytest.approx(0.1698, abs=3e-4)
    better = compose([{**claim, "categories": 2}], 1e-6, adjacency="replace")
    assert better.pld == pytest.approx(0.1182, abs=3e-4)


# -- what is described by its definition ----------------------------------------------------------


def test_bounded_range_composes_as_enumerated():
    """Exponential mechanisms of range 1, ten times: no worse than pure, no better than the worst fixed pair."""
    event = {"mechanism": "exponential", "epsilon": 1.0, "times": 10}
    found = compose([event], 1e-6)
    worst = 0.0
    for t in np.linspace(0.05, 0.95, 19):
        a = -math.expm1(t - 1) / -math.expm1(-1)
        b = a * math.exp(-t)
        upper, lower = {0: math.log(a), 1: math.log1p(-a)}, {0: math.log(b), 1: math.log1p(-b)}
        one = library.from_two_probability_mass_functions(lower, upper, symmetric=False)
        worst = max(worst, one.self_compose(10).get_epsilon_for_delta(1e-6))
    assert worst - 2e-3 <= found.pld < compose([{"mechanism": "pure", "epsilon": 1.0, "times": 10}], 1e-6).pld


def test_opaque_mechanisms_cost_what_they_state():
    assert compose([{"mechanism": "pure", "epsilon": 0.7}], 0.0).pld == 0.7
    local = {"mechanism": "hadamard-response", "epsilon": 0.7, "times": 2}
    assert compose([local], 0.0, adjacency="replace").pld == 1.4
    assert compose([{"mechanism": "approx", "epsilon": 0.7, "delta": 1e-6}], 1e-6).pld == pytest.approx(0.7)
    assert compose([{"mechanism": "approx", "epsilon": 0.7, "delta": 1e-6}], 1e-7).pld == math.inf
    assert compose([{"mechanism": "zcdp", "rho": 0.5}], 1e-5).pld == pytest.approx(4.728, abs=1e-3)
    many = compose([{"mechanism": "zcdp", "rho": 0.05, "times": 5}] * 2, 1e-5)
    assert many.pld == pytest.approx(4.728, abs=1e-3)


@pytest.mark.parametrize("name", ["shuffled", "hadamard-response", "randomised-response"])
def test_reports_do_not_hide_who_reports(name):
    figures = {"local_epsilon": 1.0, "reports": 1000, "epsilon": 1.0, "delta": 1e-6, "categories": 2, "truth": 0.7}
    with pytest.raises(Unsupported, match="its adjacency is replace"):
        part({"mechanism": name, **figures}, "add-remove")


@pytest.mark.parametrize("adjacency", ["substitute", "bounded", ""])
def test_an_adjacency_that_is_not_known_is_not_taken_for_another(adjacency):
    with pytest.raises(Unsupported, match="is not known to the accountants"):
        part(laplace(1.0), adjacency)


def test_a_root_that_was_rounded_up_is_still_a_whole_number_of_steps():
    exact = {"mechanism": "gaussian", "scale": 1.0, "sensitivity": 1.0, "norm": "l2", "discrete": True, "count": 1}
    rounded = {**exact, "sensitivity": math.nextafter(1.0, 2.0)}
    assert compose([rounded], 1e-5).pld == pytest.approx(compose([exact], 1e-5).pld, abs=1e-6)
    assert compose([exact], 1e-5).pld == pytest.approx(4.430, abs=2e-3)  # as docs/accounting.md quotes it


def test_a_threshold_adds_its_failure():
    both = [laplace(1.0), {"mechanism": "threshold", "delta": 1e-6, "threshold": 40}]
    assert compose(both, 1e-6).pld == pytest.approx(1.0)
    assert compose(both, 1e-7).pld == math.inf == compose(both, 1e-7).rdp


# -- bad events -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "kind", "said"),
    [
        ({"mechanism": "magic"}, Unsupported, "'magic' is not known"),
        ({}, Unsupported, "'' is not known"),
        (laplace(0.0), PetsEvalError, "scale 0 adds no noise"),
        (laplace(-1.0), PetsEvalError, "finite scale of at least 0"),
        (laplace(math.nan), PetsEvalError, "finite scale"),
        (laplace("wide"), PetsEvalError, "finite scale"),
        (laplace(1e-9), PetsEvalError, "epsilon must be at least 0 and at most 1e"),
        (laplace(1.0, math.inf), PetsEvalError, "finite sensitivity"),
        ({**laplace(1.0), "norm": "l2"}, Unsupported, "L1 sensitivity only"),
        (laplace(1.0, times=-1), PetsEvalError, "whole times of at least 0"),
        (laplace(1.0, times=1.5), PetsEvalError, "whole times"),
        (gaussian(1e-9), PetsEvalError, "mu must be"),
        ({"mechanism": "zcdp"}, PetsEvalError, "finite rho"),
        ({"mechanism": "approx", "epsilon": 1.0, "delta": 1.0}, PetsEvalError, "delta must be"),
        ({"mechanism": "threshold", "delta": 2.0}, PetsEvalError, "delta must be"),
        ({**STEP, "sampling_rate": 1.5}, PetsEvalError, "sampling rate"),
        ({**STEP, "noise_multiplier": 0}, PetsEvalError, "noise_multiplier 0 adds no noise"),
    ],
)
def test_bad_events_are_one_sentence(event, kind, said):
    with pytest.raises(kind, match=said):
        part(event)


def test_a_guarantee_without_events_stands_for_itself():
    plain = Guarantee(notion="zcdp", unit="record", adjacency="replace", parameters={"rho": 0.5})
    assert compose([plain], 1e-5).pld == pytest.approx(4.728, abs=1e-3)
    with pytest.raises(PetsEvalError, match="not proven"):
        parts(Guarantee(notion="pure-dp", unit="r", adjacency="x", parameters={"epsilon": 1.0}, status="heuristic"))


def test_no_noise_needed_where_nothing_moves():
    for event in (laplace(1.0, 0.0), gaussian(1.0, 0.0), gaussian(1.0, 0.0, discrete=True), laplace(1.0, times=0)):
        assert compose([event], 0.0).pld == 0 == compose([event], 0.0).basic


def test_the_order_of_events_does_not_matter():
    events = [laplace(3.0), gaussian(4.0), {"mechanism": "exponential", "epsilon": 0.2}]
    costs = [compose(order, 1e-5).pld for order in itertools.permutations(events)]
    assert max(costs) - min(costs) < 1e-6
