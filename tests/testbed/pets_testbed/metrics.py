"""Small metrics, one for each way of asking for evidence."""

import ctypes

import numpy as np

from pets_eval.model import Estimate
from pets_eval.registry import metric


@metric(axis="utility", goal="min", unit="people", anchored=True, cannot_show="Anything else.")
def test_error(answer, truth):
    """Mean absolute difference."""
    return Estimate.exact(float(np.abs(answer.values - truth.values).mean()), n=len(truth.values))


@metric(axis="privacy", goal="min", unit="messages", cannot_show="Anything else.")
def test_view_size(view):
    """How many messages and held values a seat has."""
    return {"received": Estimate.exact(len(view.received)), "held": Estimate.exact(len(view.held))}


@metric(axis="privacy", goal="none", unit="people", effort="rerun", cannot_show="Anything else.")
def test_rerun_spread(rerun, task, schema):
    """Standard deviation of the first cell over 50 releases."""
    first = [task.answer(r, schema, None).values[0] for r in rerun(n=50)]
    return Estimate(float(np.std(first)), n=50)


@metric(axis="assurance", goal="none", unit="people", effort="rerun", cannot_show="Anything else.")
def test_tamper(rerun, task, schema):
    """How far the answer moves when every message has a number added by an adversary on the way."""
    honest = task.answer(rerun()[0], schema, None).values

    def shift(message):
        return (np.frombuffer(message.payload, "<f8") + 5).tobytes()

    return Estimate.exact(float(np.abs(task.answer(rerun(adversary=shift)[0], schema, None).values - honest).max()))


@metric(axis="assurance", goal="max", unit="share")
def test_verified(verify, release):
    """Whether the attachment verifies, and a forged one does not."""
    (attachment,) = release.attachments.values()
    forged = bytes([attachment[0] ^ 1]) + attachment[1:]
    return {
        "genuine": Estimate.exact(float(verify(release, attachment).accepted)),
        "forged": Estimate.exact(float(verify(release, forged).accepted)),
    }


@metric(axis="utility", goal="min", unit="people")
def test_broken(real):
    """Raises an error that quotes a row."""
    raise ValueError(f"cannot score {real.iloc[0].to_dict()}")


@metric(axis="utility", goal="min", unit="people")
def test_crash(answer):
    """Takes its process down."""
    ctypes.string_at(0)
