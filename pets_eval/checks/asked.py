"""Which questions a plug-in is tried on: the tasks that come with pets-eval, and those of its own distribution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pets_eval.checks.toy import ARRANGEMENTS, Arrangement, toy
from pets_eval.model import Dataset, PetsEvalError, Task
from pets_eval.registry import Kind, entries, make_task

_OWN = "pets-eval"


def asked(
    kind: Kind, name: str, arrangements: tuple[Arrangement, ...] = ARRANGEMENTS, **facts: Any
) -> Iterator[tuple[Task, Dataset]]:
    """(task with its defaults, toy data it can be asked of) for the plug-in called *name*; *facts* go to `toy`.

    Tasks of strangers are left out: a plug-in is not to blame for them.
    """
    known = entries(kind)
    distributions = {_OWN} | ({known[name].distribution} if name in known else set())
    for task_name, entry in entries("tasks").items():
        if entry.distribution not in distributions:
            continue
        for arrangement in arrangements:
            dataset = toy(arrangement, **facts)
            try:
                task = make_task(task_name, {})
                task.needs(dataset.schema)
            except PetsEvalError:
                continue
            yield task, dataset
