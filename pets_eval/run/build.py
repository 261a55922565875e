"""Rebuild, inside a child process, what a job names; and say what went wrong there without quoting data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pets_eval.model.claims import Claims
from pets_eval.model.data import Dataset, Inputs, Task
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.technique import Technique
from pets_eval.registry import check_installed, make_task, make_technique
from pets_eval.run.data import load_dataset
from pets_eval.run.files import where_raised
from pets_eval.run.job import Job
from pets_eval.run.seeds import generator


def plug_ins(job: Job) -> tuple[Technique, Task, Dataset]:
    """Build the plug-ins that *job* names."""
    spec = job.cell()
    technique = make_technique(spec.technique, spec.params)
    check_installed(technique)
    return technique, make_task(job.task_use, job.task_params), load_dataset(job.dataset_home)


def inputs_of(job: Job, task: Task, dataset: Dataset) -> Inputs:
    """The inputs of the cell: the same for every technique, drawn by the names of dataset and task."""
    spec = job.cell()
    return task.setup(dataset, generator(job.seed, spec.dataset, spec.task, "setup"))


def claims_row(claims: Claims) -> dict[str, Any]:
    """Claims as plain values, in a fixed order."""
    return asdict(claims) | {"protects": sorted(claims.protects), "objectives": list(claims.objectives)}


def blame(error: BaseException) -> str:
    """Say what went wrong without the message of a foreign exception, which may quote data.

    Our own errors are sentences that quote none; of any other the type and the place are told.
    """
    if isinstance(error, PetsEvalError):
        return str(error)
    return f"{where_raised(error)}; its message may quote data and is kept in the cell's confidential log"
