"""LiRA and RMIA with shadow models, on arrays and in the engine's form."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from pets_eval.checks import toy
from pets_eval.model import Inputs, PetsEvalError, Release, Unsupported
from pets_eval.registry import make_task
from pets_metrics.privacy.model_membership import label_probabilities, loss_scores
from pets_metrics.privacy.model_shadows import (
    Shadows,
    halves,
    lira_scores,
    rmia_scores,
    shadow_model_advantage,
    shadow_scores,
)

KEEP = np.array([[True, False], [True, False], [False, True], [False, True]])
SAID = np.array([[0.9, 0.6], [0.8, 0.5], [0.6, 0.7], [0.4, 0.8]])


def logit(p):
    return np.log(p / (1 - p))


def test_each_person_is_in_half_of_the_models_and_each_model_has_half_of_the_people():
    mask = halves(1001, 8, np.random.default_rng(0))
    assert (mask.sum(axis=0) == 4).all() and set(mask.sum(axis=1)) == {500, 501}
    first = mask[::2].astype(float)
    assert np.abs(np.corrcoef(first) - np.eye(4)).max() < 0.2  # 6 standard deviations
    for models in (0, 1, 3):
        with pytest.raises(PetsEvalError, match="even number"):
            halves(10, models, np.random.default_rng(0))


def test_lira_by_hand():
    """The log-ratio of two normal densities with the variances of the logits, by scipy."""
    target, shadows = np.array([0.85, 0.75]), Shadows(KEEP, SAID, np.empty((4, 0)))
    own, offline, fixed = [], [], []
    groups = [(logit(SAID[KEEP[:, i], i]), logit(SAID[~KEEP[:, i], i])) for i in range(2)]
    pooled = [np.sqrt(sum(g[j].var(ddof=1) for g in groups) / 2) for j in range(2)]
    for t, (inside, outside) in zip(logit(target), groups, strict=True):
        own.append(
            stats.norm(inside.mean(), inside.std(ddof=1)).logpdf(t)
            - stats.norm(outside.mean(), outside.std(ddof=1)).logpdf(t)
        )
        fixed.append(stats.norm(inside.mean(), pooled[0]).logpdf(t) - stats.norm(outside.mean(), pooled[1]).logpdf(t))
        offline.append(stats.norm(outside.mean(), outside.std(ddof=1)).sf(t))
    np.testing.assert_allclose(lira_scores(target, shadows, fixed_variance=False), own)
    np.testing.assert_allclose(lira_scores(target, shadows), fixed)  # few models: one variance
    away = lira_scores(target, shadows, online=False, fixed_variance=False)
    np.testing.assert_allclose(stats.norm.sf(away), offline)


def test_rmia_by_hand():
    """Ratios of person and population, and the share of the population that is beaten, one by one."""
    shadows = Shadows(KEEP, SAID, np.array([[0.5, 0.9, 0.2], [0.5, 0.8, 0.3], [0.6, 0.9, 0.2], [0.4, 0.8, 0.3]]))
    target, others, a = np.array([0.9, 0.5]), np.array([0.5, 0.8, 0.3]), 0.4
    for online in (True, False):
        p_z = shadows.population.mean(axis=0)
        p_z = p_z if online else (1 + a) / 2 * p_z + (1 - a) / 2
        for gamma in (1.0, 1.3):
            expected = []
            for i in range(2):
                inside, outside = SAID[KEEP[:, i], i].mean(), SAID[~KEEP[:, i], i].mean()
                p_x = (inside + outside) / 2 if online else (1 + a) / 2 * outside + (1 - a) / 2
                expected.append(np.mean([(target[i] / p_x) / (others[j] / p_z[j]) >= gamma for j in range(3)]))
            found = rmia_scores(target, others, shadows, online=online, a=a, gamma=gamma)
            np.testing.assert_allclose(found, expected)
    with pytest.raises(PetsEvalError, match="population"):
        rmia_scores(target, [], Shadows(KEEP, SAID, np.empty((4, 0))))


def test_a_person_whom_all_models_saw_cannot_be_judged():
    with pytest.raises(PetsEvalError, match="not of all"):
        Shadows(np.ones((2, 1), dtype=bool), np.ones((2, 1)), np.empty((2, 0)))


def sample(rng, n, columns=5):
    """Two overlapping classes; some people are easy for every model, most are not."""
    y = rng.integers(0, 2, n)
    x = rng.normal(0, 1, (n, columns))
    x[:, 0] += np.where(rng.random(n) < 0.5, 6, 0.5) * (2 * y - 1)
    return x, y


def with_(estimator):
    def train(x, y, rng):
        model = estimator(int(rng.integers(1 << 30))).fit(x, y)
        return lambda asked: model.predict_proba(asked)[:, 1]

    return train


def attacked(train, seed, shadows=8, n=300, columns=5):
    rng = np.random.default_rng(seed)
    (x, y), (z, z_y) = sample(rng, 2 * n, columns), sample(rng, n, columns)
    member = rng.permutation(2 * n) < n
    predict = train(x[member], y[member], rng)
    own, population = label_probabilities(predict(x), y), label_probabilities(predict(z), z_y)
    made = shadow_scores(train, x, y, shadows, rng, population=(z, z_y))
    scores = {
        "lira": lira_scores(own, made),
        "offline": lira_scores(own, made, online=False),
        "rmia": rmia_scores(own, population, made),
        "offline rmia": rmia_scores(own, population, made, online=False),
        "loss": loss_scores(predict(x), y),
    }
    return member, scores


def test_shadow_models_find_the_people_of_an_overfitted_model_better_than_the_loss_does():
    member, scores = attacked(with_(lambda seed: LogisticRegression()), 0, shadows=16, columns=300)
    auc = {name: roc_auc_score(member, s) for name, s in scores.items()}
    assert auc["lira"] > auc["loss"] + 0.1 and auc["rmia"] > auc["loss"] + 0.1 and min(auc.values()) > 0.55
    tpr = {name: (s[member] > np.sort(s[~member])[-4]).mean() for name, s in scores.items()}  # at 1 % of 300
    assert tpr["lira"] > tpr["loss"] + 0.1 and tpr["rmia"] > tpr["loss"] + 0.1


def test_memorised_random_labels_are_told_nearly_for_certain():
    """A model that repeats the label of the people it saw, and says nothing of the others."""

    def memory(x, y, rng):
        known = dict(zip(map(float, x[:, 0]), y, strict=True))

        def predict(asked):
            return np.array([{0: 0.1, 1: 0.9, None: 0.5}[known.get(float(v))] for v in asked[:, 0]])

        return predict

    member, scores = attacked(memory, 1, shadows=4)
    assert all(roc_auc_score(member, s) > 0.99 for s in scores.values())


def test_a_constant_or_well_regularised_model_tells_nothing():
    constant = lambda x, y, rng: lambda asked: np.full(len(asked), 0.5)  # noqa: E731
    member, scores = attacked(constant, 2, shadows=4)
    assert all(roc_auc_score(member, s) == 0.5 for s in scores.values())
    member, scores = attacked(with_(lambda seed: LogisticRegression(C=0.01)), 3)
    # the AUC of a guesser has a standard deviation of 0.024 here; 5 of them
    assert all(abs(roc_auc_score(member, s) - 0.5) < 0.12 for s in scores.values())


def test_batches_and_frames_give_the_same():
    train = with_(lambda seed: DecisionTreeClassifier(random_state=seed, max_features=1))
    x, y = sample(np.random.default_rng(4), 60)
    one = shadow_scores(train, x, y, 4, np.random.default_rng(5), population=(x[:5], y[:5]))
    other = shadow_scores(train, x, y, 4, np.random.default_rng(5), population=(x[:5], y[:5]), batch=3)
    frame = pd.DataFrame(x, index=np.arange(60) + 7)
    third = shadow_scores(lambda a, b, r: train(a.to_numpy(), b, r), frame, y, 4, np.random.default_rng(5))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    np.testing.assert_array_equal(one.population, other.population)
    np.testing.assert_array_equal(one.probabilities, third.probabilities)
    assert third.population.shape == (4, 0) and one.population.shape == (4, 5)


def test_scores_of_people_like_the_population_are_spread_over_all_of_the_range():
    """Nobody is a member here, and the people are of the population: their scores are about uniform."""
    rng = np.random.default_rng(6)
    hard = rng.random(2_000) * 0.8 + 0.1
    said = np.clip(hard + rng.normal(0, 0.02, (9, 2_000)), 0.01, 0.99)
    shadows = Shadows(halves(1_000, 8, rng), said[1:, :1_000], said[1:, 1_000:])
    for online in (True, False):
        scores = rmia_scores(said[0, :1_000], said[0, 1_000:], shadows, online=online)
        assert stats.kstest(scores, "uniform").statistic < 0.125  # two samples of 1,000: 4e-7 beyond


# -- in the engine's form ---------------------------------------------------------------------------

TASK = make_task("classification", {})


class Memory:
    """Knows the incomes of its people: certain of them, and of nobody else."""

    def __init__(self, frame, certain):
        self.known = dict(zip(frame["income"], TASK.labels(frame, toy().schema), strict=True))
        self.certain = certain

    def predict_proba(self, features):
        labels = np.array([self.known.get(v, 0.5) for v in features["income"]])
        return 0.5 + self.certain * (labels - 0.5)

    def to_bytes(self):
        return b""


def rerunning(certain, seen):
    def rerun(inputs: Inputs, n=1):
        seen.append(inputs)
        return [Release("model", Memory(inputs.pooled().frame(), certain)) for _ in range(n)]

    return rerun


@pytest.mark.parametrize("arrangement", ["pooled", "horizontal"])
def test_a_technique_that_memorises_is_caught_and_one_that_does_not_is_not(arrangement):
    data, rng = toy(arrangement), np.random.default_rng(0)
    for certain, caught in ((0.8, True), (0.0, False)):
        seen = []
        release = Release("model", Memory(data.train.frame(), certain))
        figures = shadow_model_advantage(rerunning(certain, seen), release, data, TASK, rng, shadows=6)
        assert len(seen) == 6
        assert all(sum(len(t) for t in i.tables().values()) == (240 + 45) // 2 + k % 2 for k, i in enumerate(seen))
        assert len(seen[0].tables()) == (1 if arrangement == "pooled" else 3)
        assert (figures["auc"].value > 0.9) is caught and (figures["auc (rmia)"].value > 0.9) is caught
        if not caught:
            assert {figures[f"auc{n}"].value for n in ("", " (offline lira)", " (rmia)", " (loss)")} == {0.5}


def test_people_with_several_rows_are_in_or_out_as_a_whole():
    data, seen = toy(unit="person"), []
    release = Release("model", Memory(data.train.frame(), 0.8))
    figures = shadow_model_advantage(rerunning(0.8, seen), release, data, TASK, np.random.default_rng(1), shadows=2)
    first, second = (set(i.pooled().frame()["person"]) for i in seen)
    assert not first & second
    persons = data.train.frame()["person"].nunique()
    assert figures["auc"].value > 0.9 and persons < figures["auc"].n < 240


def test_what_it_does_not_apply_to():
    data = toy()
    release, rerun = Release("model", Memory(data.train.frame(), 0.8)), rerunning(0.8, [])
    with pytest.raises(Unsupported, match="no model"):
        shadow_model_advantage(rerun, Release("microdata", data.train), data, TASK)
    with pytest.raises(Unsupported, match="held out"):
        shadow_model_advantage(rerun, release, replace(data, control=None), TASK)
    with pytest.raises(Unsupported, match="split among parties"):
        shadow_model_advantage(rerun, release, replace(data, layout="vertical"), TASK)
    with pytest.raises(Unsupported, match="no outcome"):
        shadow_model_advantage(rerun, release, data, make_task("marginals", {}))
