"""Techniques with several parties: a party in its own process, a model owner, a vertical split, a signed release."""

import hashlib
import hmac
import json
import multiprocessing

import numpy as np

from pets_eval.model import Answer, Release, Technique, Verified, param
from pets_eval.registry import technique
from pets_testbed.sound import claims

_KEY = b"a key that the verifier knows"


def _other_party(tap, counts, queue) -> None:
    for i, value in enumerate(counts):
        tap.write("alice", "count", json.dumps([i, value]).encode())
    queue.put(list(counts))


@technique("test-two-process")
class TwoProcess(Technique):
    """A helper party runs in a process of its own and writes its own transcript."""

    def claims(self):
        return claims(deterministic=True)

    def run(self, task, inputs, ctx):
        counts = task.count(inputs.pooled()).tolist()
        spawn = multiprocessing.get_context("spawn")
        queue = spawn.SimpleQueue()
        bob = spawn.Process(target=_other_party, args=(ctx.tap("bob"), counts, queue))
        ctx.send("alice", "bob", "please", b"count")
        bob.start()
        values = queue.get()
        bob.join()
        ctx.hold("alice", "counts", np.asarray(values))
        return Release("answer", Answer.of(task.cells(inputs.schema), values))


@technique("test-owner-scores")
class OwnerScores(Technique):
    """The model's owner answers queries; nobody else sees the model. Releases the model when asked to."""

    give_away: bool = param(False, help="release the model itself")

    def supports(self, task, schema, parties):
        return None if task.kind == "test-owned-model" else "for models with an owner"

    def claims(self):
        return claims(deterministic=True, protects=frozenset({"input-privacy"}))

    def run(self, task, inputs, ctx):
        model = inputs.holdings["owner"]
        ctx.hold("owner", "threshold", model.at)
        return Release("model", model)

    def load_model(self, data):
        from pets_testbed.tasks import Threshold

        return Threshold(float(data))


@technique("test-vertical")
class VerticalJoin(Technique):
    """Parties that hold different columns of the same people send them to the curator, who joins them."""

    def supports(self, task, schema, parties):
        return None if len(parties) > 2 else "needs at least two input parties"

    def claims(self):
        return claims(deterministic=True)

    def run(self, task, inputs, ctx):
        for party, table in inputs.tables().items():
            ctx.send(party, "curator", "columns", ",".join(table.schema.columns).encode())
        return Release("answer", Answer.of(task.cells(inputs.schema), task.count(inputs.pooled())))


@technique("test-signed")
class Signed(Technique):
    """Publishes the counts with an attachment that anybody who has the key can check."""

    def claims(self):
        return claims(deterministic=True)

    def run(self, task, inputs, ctx):
        answer = Answer.of(task.cells(inputs.schema), task.count(inputs.pooled()))
        return Release("answer", answer, attachments={"mac": self._mac(answer)})

    def verify(self, statement, attachment):
        good = hmac.compare_digest(self._mac(statement.value), attachment)
        return Verified(good, "" if good else "the release was altered")

    def _mac(self, answer):
        return hmac.new(_KEY, answer.values.tobytes(), hashlib.sha256).digest()


@technique("test-masked-sum")
class MaskedSum(Technique):
    """Each party sends its counts under a mask that cancels in the sum; the server would see the sum only."""

    def supports(self, task, schema, parties):
        return None if task.kind == "test-counts" else "counts only"

    def claims(self):
        return claims(seeded=True, protects=frozenset({"input-privacy"}), trust_model="distributed")

    def run(self, task, inputs, ctx):
        tables = inputs.tables()
        masks = ctx.rng.integers(-1000, 1000, (len(tables), len(task.cells(inputs.schema))))
        masks[-1] -= masks.sum(axis=0)
        total = np.zeros(masks.shape[1])
        for (party, table), mask in zip(tables.items(), masks):
            sent = (task.count(table) + mask).astype("<f8").tobytes()
            total += np.frombuffer(ctx.send(party, "curator", "masked", sent, round="1"), "<f8")
        ctx.hold("sum-only", "sum", total)
        return Release("answer", Answer.of(task.cells(inputs.schema), total))
