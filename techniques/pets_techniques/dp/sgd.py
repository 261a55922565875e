"""Differentially private stochastic gradient descent (Abadi et al. 2016) with opacus, its loss by dp-accounting."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pets_eval.model import (
    Claims,
    Context,
    Guarantee,
    Inputs,
    Party,
    Release,
    Schema,
    Table,
    Task,
    Technique,
    param,
)
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import bounded, hazards, most_rows
from pets_techniques.dp.models import Network, Predicting, encode, width
from pets_techniques.dp.schedule import Schedule, agreement, calibrate

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_ROUNDING = 1e-5  # so much more noise than accounted for covers what single precision rounds in a clipped gradient


def batches(units: int, schedule: Schedule, generator: torch.Generator) -> Iterator[list[int]]:
    """The batch of every step: each unit is in it with the probability of the sampling rate, independently; maybe none.

    Opacus' Poisson sampler, given the rate itself: its data loader would derive the rate from the number of rows.
    """
    from opacus.utils.uniform_sampler import UniformWithReplacementSampler

    sampler = UniformWithReplacementSampler(
        num_samples=units, sample_rate=schedule.sampling_rate, generator=generator, steps=schedule.steps
    )
    yield from sampler


@dataclass(frozen=True, eq=False)
class Examples:
    """What is learned from, by unit of privacy: inputs (units, rows, width), labels and weights (units, rows).

    A unit's places without a row, and rows without a label, have weight 0.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


def examples(table: Table, task: Predicting, schema: Schema) -> Examples:
    """Encode *table*, keeping the first rows of each unit up to the public bound."""
    import numpy as np
    import pandas as pd

    features, columns = task.predicting(schema), task.columns_used(schema)
    own = [] if schema.unit == "record" else [schema.unit]
    inputs, labels, units = [], [], []
    for frame in bounded(table, list(dict.fromkeys([*columns, *own])), schema):
        inputs.append(encode(frame, features, schema).astype(np.float32))
        labels.append(task.labels(frame, schema))
        units += [frame[name] for name in own]
    label = np.concatenate(labels)
    unit = pd.factorize(pd.concat(units), use_na_sentinel=False)[0] if own else np.arange(len(label))
    place = pd.Series(unit).groupby(unit, sort=False).cumcount().to_numpy()
    shape = (int(unit.max()) + 1, int(place.max()) + 1)
    made = Examples(np.zeros((*shape, width(features, schema)), np.float32), *np.zeros((2, *shape), np.float32))
    made.inputs[unit, place] = np.vstack(inputs)
    made.labels[unit, place] = np.nan_to_num(label)
    made.weights[unit, place] = ~np.isnan(label)
    return made


@dataclass(frozen=True, eq=False)
class NoisyTraining:
    """DP-SGD resolved for a task and a schema: gathers and encodes once, then trains afresh for each release."""

    task: Predicting
    schema: Schema
    ctx: Context
    technique: DpSgdClassifier
    schedule: Schedule
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independently trained models for *inputs*, gathered at the curator once."""
        holder = curator(inputs)
        table = gather(inputs, self.ctx, holder, self.task.columns_used(self.schema))
        with self.ctx.phase("encode", holder.name):
            data = examples(table, self.task, self.schema)
        with self.ctx.phase("train", holder.name):
            return [self._release(data) for _ in range(n)]

    def _release(self, data: Examples) -> Release:
        from opacus.accountants import PRVAccountant

        accountant = PRVAccountant()
        network = train(data, self._start(), self.schedule, self.technique, self._expected(), accountant)
        note = agreement(accountant, self.schedule, self.guarantee.parameters)
        public = Schema(columns={n: self.schema.column(n) for n in self.task.predicting(self.schema)})
        return Release("model", Network(public, network), self.guarantee, notes=(note,))

    def _start(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Where training starts, from no data: at 0 for a logistic regression, else small random weights."""
        import numpy as np

        inputs, hidden = width(self.task.predicting(self.schema), self.schema), self.technique.hidden
        if not hidden:
            return [(np.zeros((1, inputs)), np.zeros(1))]
        shapes = [(hidden, inputs), (1, hidden)]
        return [(self.ctx.rng.normal(0, 1 / math.sqrt(s[1]), s), np.zeros(s[0])) for s in shapes]

    def _expected(self) -> float:
        """How many units a batch has on the average where the public number of units is right."""
        return self.schedule.sampling_rate * self.technique.public_count(self.schema)


def train(
    data: Examples,
    start: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    schedule: Schedule,
    technique: DpSgdClassifier,
    expected_batch: float,
    accountant: Any,
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """The layers after training by noisy, clipped gradients of the cross-entropy; every step is told *accountant*.

    A unit's gradient is the sum over its rows. The noise and the batches are drawn from a generator that is seeded
    here with 64 bits from the operating system, never from the study.
    """
    import torch

    model = network_of(start)
    optimizer = private_optimizer(model, schedule, technique, expected_batch, _generator())
    optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(schedule.sampling_rate))
    inputs, labels, weights = (torch.from_numpy(a) for a in (data.inputs, data.labels, data.weights))
    for chosen in batches(len(inputs), schedule, _generator()):
        optimizer.zero_grad()
        batch = inputs[chosen].requires_grad_()  # torch warns of the hooks of a first layer whose inputs need none
        scores = model(batch).squeeze(-1)
        torch.nn.functional.binary_cross_entropy_with_logits(
            scores, labels[chosen], weight=weights[chosen], reduction="sum"
        ).backward()
        optimizer.step()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    return tuple((m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in layers)


def network_of(layers: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Any:
    """*layers* in torch, with tanh between them, wrapped so that each unit's own gradient is kept."""
    import torch
    from opacus import GradSampleModule

    parts: list[torch.nn.Module] = []
    for weights, offsets in layers:
        linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights))
            linear.bias.copy_(torch.from_numpy(offsets))
        parts += [linear, torch.nn.Tanh()]
    return GradSampleModule(torch.nn.Sequential(*parts[:-1]), batch_first=True, loss_reduction="sum")


def private_optimizer(
    model: Any, schedule: Schedule, technique: DpSgdClassifier, expected_batch: float, generator: torch.Generator
) -> Any:
    """Opacus' optimiser: clips each unit's gradient, adds noise to the sum, divides by the public *expected_batch*.

    Noise is the half sum of four draws, which hides the last bits of a float better (Holohan and Braghin 2021).
    """
    import torch
    from opacus.optimizers import DPOptimizer

    return DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=technique.learning_rate),
        noise_multiplier=schedule.noise_multiplier * (1 + _ROUNDING),
        max_grad_norm=technique.clipping_norm,
        expected_batch_size=expected_batch,  # what is divided by; a whole number is not needed
        generator=generator,
        secure_mode=True,
    )


def _generator() -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(secrets.randbits(64))


@technique("dp-sgd-classifier", extra="dp-learning", requires=("opacus", "dp_accounting"))
class DpSgdClassifier(Technique):
    """A classifier trained by noisy, clipped gradients of Poisson batches (opacus): (epsilon, delta)-DP."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of the whole training")
    delta: float = param(1e-6, ge=1e-12, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    epochs: int = param(10, ge=1, le=10_000, help="how often a unit of privacy is used, on the average")
    sampling_rate: float = param(0.05, ge=1e-6, le=1, help="probability that a unit is in the batch of a step")
    clipping_norm: float = param(1.0, ge=1e-3, le=1e3, help="a unit's gradient is scaled down to this L2 norm")
    learning_rate: float = param(1.0, ge=1e-6, le=1e3, help="step along the noisy mean gradient")
    hidden: int = param(0, ge=0, le=4096, help="units of a hidden layer; 0: a logistic regression")
    public_units: int = param(0, ge=0, le=10**12, help="public number of units of privacy; 0: the schema's rows")

    load_model = staticmethod(Network.from_bytes)

    def public_count(self, schema: Schema) -> int:
        """How many units there are, as is publicly known; 0 where it is not."""
        return self.public_units or (schema.rows or 0) * (schema.unit == "record")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that ask for a predictor, where the number of units of privacy is public."""
        if not isinstance(task, Predicting):
            return f"{self.name} releases a classifier, which does not answer the task {task.name}"
        if not self.public_count(schema):
            unit = "records" if schema.unit == "record" else f"different {schema.unit!r}"
            return (
                f"how many {unit} there are is not public, and {self.name} may not learn it from the data; "
                "give a public number, roughly right, as public_units"
            )
        return None

    def claims(self) -> Claims:
        """Approximate differential privacy against any reader of the model, with a trusted curator."""
        return central(
            "Clipping favours what is common.",
            delta=self.delta,
            reader="whoever has the model and even every step of its training",
            notes="The noise is floating-point numbers of torch's generator, which is not cryptographic.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyTraining:
        """Find the noise from public facts alone: sampling rate, steps, epsilon and delta."""
        rate = math.ceil(self.sampling_rate * 2**24) / 2**24  # the sampler's numbers are multiples of 2^-24
        schedule, epsilon = calibrate(rate, max(1, round(self.epochs / rate)), self.epsilon, self.delta)
        predicting = cast(Predicting, task)
        unit = "one record" if schema.unit == "record" else f"the first {most_rows(schema)} rows of one {schema.unit!r}"
        guarantee = Guarantee(
            notion="approx-dp",
            unit=schema.unit,
            adjacency="add-remove",
            parameters={"epsilon": epsilon, "delta": self.delta},
            events=(
                {
                    "mechanism": "subsampled-gaussian",
                    "noise_multiplier": schedule.noise_multiplier,
                    "sampling_rate": schedule.sampling_rate,
                    "steps": schedule.steps,
                    "sampling": "poisson",
                },
            ),
            assumes=(
                f"each step adds up the gradients of units ({unit}), each clipped to L2 norm {self.clipping_norm:g}, "
                f"and adds Gaussian noise of {schedule.noise_multiplier:.6g} times that norm",
                "a unit is in the batch of a step with the stated probability, independently of all others; the "
                f"batch size is divided by as public numbers say ({self.public_count(schema):,} units), never counted",
                "neighbouring tables differ by one unit more or less",
                "categories and bounds (also that on the rows of a unit) are public and were not read from the data",
                "opacus clips each unit's gradient and adds the noise as it says; float rounding is covered by "
                f"{_ROUNDING:g} more noise",
            ),
            hazards=(
                "noise and batches come from torch's generator (Mersenne Twister, seeded with 64 bits from the "
                "operating system), not from a cryptographic one: opacus' secure mode needs torchcsprng",
                *hazards(predicting.columns_used(schema), schema),
            ),
        )
        return NoisyTraining(predicting, schema, ctx, self, schedule, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Calibrate, encode, train, compare the accountants, release the model."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]
