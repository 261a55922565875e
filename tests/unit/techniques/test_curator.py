"""Gathering the parties' tables at one place."""

import numpy as np
import pandas as pd

from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, Schema, Table
from pets_techniques.curator import curator, from_parquet, gather


def rows(frame):
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def test_what_is_gathered_is_the_joint_table_and_every_byte_is_counted(context):
    data = toy("horizontal")
    inputs = Inputs(data.parties, data.parts, data.schema, data.layout)
    joint = gather(inputs, context, curator(inputs))
    pd.testing.assert_frame_equal(rows(joint.frame()), rows(data.train.frame()))
    assert [(m.sender, m.receiver) for m in context.messages] == [(f"site-{i}", "office") for i in range(3)]
    for message in context.messages:
        sent = from_parquet(message.payload, data.schema, where="test")
        pd.testing.assert_frame_equal(sent, data.parts[message.sender].frame())


def test_only_the_columns_that_are_needed_are_sent(context):
    data = toy("horizontal", unit="person")
    inputs = Inputs(data.parties, data.parts, data.schema, data.layout)
    joint = gather(inputs, context, curator(inputs), ["sex"])
    assert list(joint.schema.columns) == ["person", "sex"]
    assert all(b"income" not in m.payload for m in context.messages)


def test_a_table_that_is_there_already_is_not_sent(context):
    data = toy()
    inputs = Inputs(data.parties, data.parts, data.schema)
    assert gather(inputs, context, data.parties[0]) is data.train
    assert gather(inputs, context, data.parties[0], ["age"]).frame(["age"]).equals(data.train.frame(["age"]))
    assert context.messages == []


def test_vertical_parts_are_linked_by_the_unit(context):
    schema = Schema(
        {
            "id": Column("id", roles=("unit",)),
            "a": Column("integer", bounds=(0, 9)),
            "b": Column("integer", bounds=(0, 9)),
        },
        unit="id",
    )
    left = schema.select(["a"]).conform(pd.DataFrame({"id": ["x", "y", "z"], "a": [1, 2, 3]}), where="test")
    right = schema.select(["b"]).conform(pd.DataFrame({"id": ["z", "x", "y"], "b": [6, 4, 5]}), where="test")
    parts = {"l": Table(schema.select(["a"]), data=left), "r": Table(schema.select(["b"]), data=right)}
    parties = (Party("l"), Party("r", frozenset({"input"})))
    joint = gather(Inputs(parties, parts, schema, "vertical"), context, parties[0])
    assert joint.frame()[["a", "b"]].to_numpy().tolist() == [[1, 4], [2, 5], [3, 6]]
    assert [(m.sender, m.receiver) for m in context.messages] == [("r", "l")]


def test_what_arrives_is_used_not_what_was_meant(context):
    data = toy("horizontal")
    inputs = Inputs(data.parties, data.parts, data.schema, data.layout)
    sent = context.send

    def swapped(sender, receiver, label, payload, *, round=""):
        sent(sender, receiver, label, payload)
        return context.messages[0].payload

    context.send = swapped
    joint = gather(inputs, context, curator(inputs)).frame()
    assert len(joint) == 3 * len(data.parts["site-0"])
    assert np.array_equal(joint["age"].to_numpy()[:80], joint["age"].to_numpy()[160:])
