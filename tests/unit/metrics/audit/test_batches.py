"""The loader's batches: real loaders, and the error rate on Poisson samples."""

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.batches import poisson_batches_test


def poisson(rng, records, rate, count):
    return [np.flatnonzero(row) for row in rng.random((count, records)) < rate]


def test_the_loaders_of_opacus_and_torch_are_told_apart():
    pytest.importorskip("opacus")
    torch = pytest.importorskip("torch")
    from opacus.data_loader import DPDataLoader

    plain = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.arange(600.0)), batch_size=60, shuffle=True
    )
    private = DPDataLoader.from_data_loader(plain, generator=torch.Generator().manual_seed(5))
    assert poisson_batches_test(plain.batch_sampler, 600, 0.1).violated
    assert not poisson_batches_test(private.batch_sampler, 600, private.sample_rate, level=1 - 1e-6).violated


def test_batches_of_one_size_drawn_anew_are_found_as_well():
    rng = np.random.default_rng(6)
    batches = [rng.choice(500, 50, replace=False) for _ in range(20)]
    found = poisson_batches_test(batches, 500, 0.1)
    assert found.violated and found.event == "batch sizes that vary too little"


def test_a_rate_that_is_not_the_stated_one_is_found():
    rng = np.random.default_rng(7)
    found = poisson_batches_test(poisson(rng, 1_000, 0.2, 10), 1_000, 0.1)
    assert found.violated and found.event == "number of records in all"


@pytest.mark.parametrize(("records", "rate", "count"), [(100, 0.05, 20), (2_000, 0.1, 10), (500, 0.5, 4)])
def test_poisson_samples_are_accused_no_more_often_than_said(records, rate, count):
    rng = np.random.default_rng(8)
    accused = sum(poisson_batches_test(poisson(rng, records, rate, count), records, rate).violated for _ in range(400))
    assert stats.binomtest(accused, 400, 0.05, alternative="greater").pvalue > 1e-3  # seeded


def test_batches_that_cannot_be_judged_are_refused():
    with pytest.raises(PetsEvalError, match="can be judged"):
        poisson_batches_test([], 100, 0.1)
    with pytest.raises(PetsEvalError, match="can be judged"):
        poisson_batches_test([[0]], 10, 0.1)
    with pytest.raises(PetsEvalError, match="another table"):
        poisson_batches_test([[0, 100]], 100, 0.1)
