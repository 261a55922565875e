"""Logistic regression by objective perturbation: a random linear term in what is minimised, and its exact loss.

Chaudhuri, Monteleoni and Sarwate (2011) with the Gaussian noise of Kifer, Smith and Thakurta (2012); the loss is
accounted for as by Redberg, Koskela and Wang (2023) for linear models, and the minimum need not be exact, by the noise
on the output of Iyengar et al. (2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pets_eval.model import (
    Claims,
    Context,
    Guarantee,
    Inputs,
    Party,
    PetsEvalError,
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
from pets_techniques.dp.models import Network, Predicting, encode, longest, width

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SLOPE, _CURVATURE = 1.0, 0.25  # of the logistic loss of a row of norm 1: of its gradient and second derivative
_OUTPUT_SHARE = 0.01  # of epsilon and delta, for the noise that covers how far the minimum is missed
_RESIDUAL = 1e-8  # how small a gradient the solver is to reach ...
_MISSED = 1e-7  # ... and what is accounted for, which leaves room for how exactly floats can tell


@dataclass(frozen=True)
class Perturbation:
    """The noise on the objective and on its minimum, and the penalty that bounds the curvature's share of the loss.

    `penalty` is that of penalty / 2 * |w|^2 beside the sum of losses; `noise` and `output_noise` are standard
    deviations of one coordinate; `epsilon` is what all of it loses, `curvature_epsilon` the part of the Jacobian.
    """

    penalty: float
    noise: float
    output_noise: float
    epsilon: float
    curvature_epsilon: float


def perturbation(epsilon: float, delta: float, share: float, penalty: float) -> Perturbation:
    """The least noise for (*epsilon*, *delta*) where *share* of epsilon may go to the curvature.

    Let a row more or less change the gradient by g, |g| <= 1, along one fixed direction and sense (true of linear
    models with a monotone loss), and the Hessian by a rank-one term of at most 1/4. The density of the minimum then
    changes by a ratio of Jacobians of at most 1 + 1/(4 penalty), and by that of the Gaussian noise b at b and b + g,
    whose log is at most 1/(2 s^2) + max(Z, 0) / s with Z standard normal and s the noise. Above 1/(2 s^2) this has the
    tail of the Gaussian mechanism of sensitivity 1, so epsilon is log(1 + 1/(4 penalty)) plus that mechanism's, and
    at least 1/(2 s^2) more than the first.

    >>> p = perturbation(1.0, 1e-6, 0.1, 0.01)
    >>> round(p.penalty, 2), round(p.noise, 2), round(p.epsilon, 6)
    (2.4, 4.7, 1.0)
    """
    from dp_accounting import get_epsilon_gaussian, get_sigma_gaussian

    for_output = epsilon * _OUTPUT_SHARE
    rest, rest_delta, output_delta = epsilon - for_output, delta * (1 - _OUTPUT_SHARE), delta * _OUTPUT_SHARE
    penalty = max(penalty, _CURVATURE / math.expm1(share * rest))
    curvature = math.log1p(_CURVATURE / penalty)
    left = rest - curvature
    noise = _SLOPE * max(get_sigma_gaussian(left, rest_delta), 1 / math.sqrt(2 * left)) * (1 + 1e-9)
    spent = max(get_epsilon_gaussian(noise / _SLOPE, rest_delta), _SLOPE**2 / (2 * noise**2))
    # Two minima that are each missed by at most _MISSED / penalty: what is added to the exact one differs by twice that
    output_noise = get_sigma_gaussian(for_output, output_delta) * 2 * _MISSED / penalty
    return Perturbation(penalty, noise, output_noise, curvature + spent + for_output, curvature)


def noisy(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """*values* with independent Gaussian noise of *scale* from OpenDP on each; shape (n,)."""
    import numpy as np
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    domain = vector_domain(atom_domain(T="f64", nan=False))
    return np.asarray(make_gaussian(domain, l2_distance(T="f64"), scale=scale)(values.tolist()))


def minimum(
    rows: NDArray[np.float64], labels: NDArray[np.float64], linear: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """The w that minimises sum of logistic losses of *rows* . w + penalty / 2 |w|^2 + *linear* . w; shape (inputs,).

    By scipy's L-BFGS, then Newton's method until the norm of the gradient is at most 1e-8. Raises `PetsEvalError`
    where that is not reached.
    """
    import numpy as np
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(w: NDArray[np.float64]) -> float:
        scores = rows @ w
        data = np.logaddexp(0, scores).sum() - labels @ scores
        return float(data + penalty / 2 * (w @ w) + linear @ w)

    def gradient(w: NDArray[np.float64]) -> NDArray[np.float64]:
        slope: NDArray[np.float64] = rows.T @ (expit(rows @ w) - labels) + penalty * w + linear
        return slope

    w = np.asarray(minimize(loss, np.zeros(rows.shape[1]), jac=gradient, method="L-BFGS-B").x)
    slope = gradient(w)
    for _ in range(100):
        size = float(np.linalg.norm(slope))
        if size <= _RESIDUAL:
            return w
        p = expit(rows @ w)
        hessian = (rows.T * (p * (1 - p))) @ rows + penalty * np.eye(len(w))
        step = cho_solve(cho_factor(hessian), slope)
        while np.linalg.norm(gradient(w - step)) >= size and np.linalg.norm(step) > 1e-16 * (1 + np.linalg.norm(w)):
            step /= 2  # the gradient shrinks along Newton's direction, if the step is short enough
        w = w - step
        slope = gradient(w)
    raise PetsEvalError(
        "dp-logistic-objective-perturbation: the minimum was not reached to the precision that the guarantee needs, "
        "and nothing is released; raise 'penalty'"
    )


def encoded(table: Table, task: Predicting, schema: Schema) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows that have a label, with a constant for the intercept, scaled to norm at most 1; and their labels."""
    import numpy as np

    features, columns = task.predicting(schema), task.columns_used(schema)
    rows, labels = [], []
    for frame in bounded(table, columns, schema):
        label = task.labels(frame, schema)
        there = ~np.isnan(label)
        inputs = encode(frame[there], features, schema)
        rows.append(np.hstack([inputs, np.ones((len(inputs), 1))]) / (longest(features) * (1 + 1e-12)))
        labels.append(label[there])
    return np.vstack(rows), np.concatenate(labels)


@dataclass(frozen=True, eq=False)
class NoisyMinimum:
    """Objective perturbation resolved for a task and a schema: encodes once, then fresh noise for each release."""

    task: Predicting
    schema: Schema
    ctx: Context
    noise: Perturbation
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent models for *inputs*, gathered at the curator once."""
        holder = curator(inputs)
        table = gather(inputs, self.ctx, holder, self.task.columns_used(self.schema))
        with self.ctx.phase("encode", holder.name):
            rows, labels = encoded(table, self.task, self.schema)
        with self.ctx.phase("train", holder.name):
            return [Release("model", self._fit(rows, labels), self.guarantee) for _ in range(n)]

    def _fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> Network:
        import numpy as np

        features = self.task.predicting(self.schema)
        linear = noisy(np.zeros(width(features, self.schema) + 1), self.noise.noise)
        found = noisy(minimum(rows, labels, linear, self.noise.penalty), self.noise.output_noise) / longest(features)
        public = Schema(columns={n: self.schema.column(n) for n in features})
        return Network(public, ((found[None, :-1], found[-1:]),))


@technique("dp-logistic-objective-perturbation", extra="dp", requires=("opendp.measurements", "dp_accounting"))
class ObjectivePerturbation(Technique):
    """A logistic regression whose objective has a random linear term (Gaussian, OpenDP): (epsilon, delta)-DP."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of the model")
    delta: float = param(1e-6, ge=1e-12, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    curvature_share: float = param(0.1, ge=0.01, le=0.99, help="most of epsilon that a weak penalty may cost")
    penalty: float = param(0.01, ge=1e-4, le=1e6, help="least L2 penalty, on rows scaled to norm 1")

    load_model = staticmethod(Network.from_bytes)

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that ask for a predictor, where a unit of privacy has one row."""
        if not isinstance(task, Predicting):
            return f"{self.name} releases a classifier, which does not answer the task {task.name}"
        if most_rows(schema) > 1:
            return (
                f"one {schema.unit!r} may have {most_rows(schema)} rows, and {self.name} protects one; "
                "its proof needs a change of the objective along one direction"
            )
        return None

    def claims(self) -> Claims:
        """Approximate differential privacy against any reader of the model, with a trusted curator."""
        return central(
            "The penalty draws predictions to one half.",
            delta=self.delta,
            reader="whoever has the model",
            notes=f"At most {self.curvature_share:.0%} of epsilon is spent on the curvature of the objective.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyMinimum:
        """Find noise and penalty from epsilon and delta alone."""
        predicting = cast(Predicting, task)
        noise = perturbation(self.epsilon, self.delta, self.curvature_share, self.penalty)
        event: dict[str, Any] = {"mechanism": "approx", "epsilon": noise.epsilon, "delta": self.delta}
        unit = "one record" if schema.unit == "record" else f"the first row with one value of {schema.unit!r}"
        guarantee = Guarantee(
            notion="approx-dp",
            unit=schema.unit,
            adjacency="add-remove",
            parameters={"epsilon": noise.epsilon, "delta": self.delta},
            events=(event,),
            assumes=(
                f"the unit of privacy is {unit}; neighbouring tables differ by one unit more or less",
                "every row has norm at most 1 after public scaling, so that its logistic loss has a gradient of norm "
                "at most 1, along one direction and sense, and a curvature of at most 1/4",
                f"the objective is strongly convex: the penalty is {noise.penalty:.6g}, which costs "
                f"epsilon {noise.curvature_epsilon:.6g}",
                f"the linear term is Gaussian with standard deviation {noise.noise:.6g} (OpenDP's, on so fine a grid "
                "that it counts as continuous)",
                f"the minimum is reached up to a gradient of norm {_MISSED:g} (checked in floats to {_RESIDUAL:g}); "
                f"Gaussian noise of standard deviation {noise.output_noise:.3g} on the weights covers the rest",
                "categories and bounds are public and were not read from the data",
                "the noise comes from OpenDP's sampler, which draws from the system's cryptographic generator",
            ),
            hazards=hazards(predicting.columns_used(schema), schema),
        )
        return NoisyMinimum(predicting, schema, ctx, noise, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Calibrate, encode, add the linear term, minimise, add noise to the minimum, release the model."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]
