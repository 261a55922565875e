"""The values everything else is made of: no I/O, no registry, no heavy import.

Plug-ins import their vocabulary from here.
"""

from pets_eval.model.answer import Answer, cell_index
from pets_eval.model.claims import Claims, Guarantee
from pets_eval.model.data import Card, Dataset, Inputs, Model, Party, Source, Table, Task
from pets_eval.model.errors import Conflict, MissingExtra, PetsEvalError, Unsupported
from pets_eval.model.evidence import Cost, Estimate, MetricSpec, Score
from pets_eval.model.params import Param, build, canonical, describe, near, param
from pets_eval.model.release import Message, Release, Verified, View
from pets_eval.model.schema import MISSING, Column, Rule, Schema
from pets_eval.model.technique import Context, Mechanism, Tap, Technique

__all__ = [
    "MISSING",
    "Answer",
    "Card",
    "Claims",
    "Column",
    "Conflict",
    "Context",
    "Cost",
    "Dataset",
    "Estimate",
    "Guarantee",
    "Inputs",
    "Mechanism",
    "Message",
    "MetricSpec",
    "MissingExtra",
    "Model",
    "Param",
    "Party",
    "PetsEvalError",
    "Release",
    "Rule",
    "Schema",
    "Score",
    "Source",
    "Table",
    "Tap",
    "Task",
    "Technique",
    "Unsupported",
    "Verified",
    "View",
    "build",
    "canonical",
    "cell_index",
    "describe",
    "near",
    "param",
]
