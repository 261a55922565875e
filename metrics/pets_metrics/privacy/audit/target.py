"""What is audited: something that can be run many times on one input."""

from __future__ import annotations

import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.outcomes import Outcomes

Data = NDArray[np.float64] | pd.DataFrame
"""An input: a 1-D array of numbers, or a table."""

Found = TypeVar("Found")

PATIENCE = 30.0  # seconds that one call may take, unless the auditor has more time
_COUNTS = ("n", "size")  # parameters that ask for several outputs at once


class Target(Protocol):
    """Something that is audited."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def run_many(self, data: Data, n: int) -> Outcomes:
        """What *n* independent runs on *data* gave; a run that raises is an outcome like any other.

        Raises `BatchRaisedError` where many runs were made in one call, and it is not known which of them raised.
        """
        ...


class BatchRaisedError(Exception):
    """One call for many runs raised; `singly` is the same target with a call for each run."""

    def __init__(self, singly: Target) -> None:
        super().__init__(f"{singly.name} raised in a call for many runs")
        self.singly = singly


def from_scratch(target: Target, work: Callable[[Target], Found]) -> Found:
    """What *work* finds with *target*; if a call for many runs raises, what it finds anew with a call for each run.

    To repeat that one call alone would keep the batches without an error and draw the others twice: an error of
    probability p would be seen in batches of c at the rate p (1 - (1 - p)^c), and small differences of p would pass
    for large ones. So no run from before is used again.
    """
    try:
        return work(target)
    except BatchRaisedError as raised:
        return work(raised.singly)


@dataclass(frozen=True, eq=False)
class Function:
    """A Python callable of the data; where it can give many outputs in one call, `batch(data, n)` does."""

    name: str
    call: Callable[[Data], Any]
    batch: Callable[[Data, int], Any] | None = None
    patience: float = PATIENCE

    def run_many(self, data: Data, n: int) -> Outcomes:
        """*n* runs, each on a copy of *data* of its own; many at once where it can.

        `seconds` is measured where each run is a call of its own. Raises `PetsEvalError` if it takes longer than
        `patience`, or if it was asked for n outputs and did not give n; `BatchRaisedError` if many at once raise.
        """
        with limited(self.patience, self.name):
            if self.batch is not None and n > 1:
                return self._at_once(self.batch, data, n)
            return self._one_by_one(data, n)

    def singly(self) -> Function:
        """The same with a call for each run."""
        return replace(self, batch=None)

    def _at_once(self, batch: Callable[[Data, int], Any], data: Data, n: int) -> Outcomes:
        try:
            outputs = batch(data.copy(), n)
        except (Exception, SystemExit) as error:
            raise BatchRaisedError(self.singly()) from error
        if isinstance(outputs, (str, dict)) or not hasattr(outputs, "__len__") or len(outputs) != n:
            raise PetsEvalError(
                f"{self.name} was asked for {n} outputs at once and gave something else; its parameter 'n' or 'size', "
                "or its method run_many, must give one output per run along the first axis"
            )
        return Outcomes.of(outputs)

    def _one_by_one(self, data: Data, n: int) -> Outcomes:
        outputs: list[Any] = []
        seconds = np.empty(n)
        for i in range(n):
            own = data.copy()  # what one run does to its input is not seen by the next
            start = time.perf_counter()
            try:
                outputs.append(self.call(own))
            except (Exception, SystemExit) as error:  # whoever calls sys.exit says something by it
                outputs.append(error)
            seconds[i] = time.perf_counter() - start
        return Outcomes.of(outputs, seconds)


def of_callable(call: Callable[..., Any], name: str = "", patience: float = PATIENCE) -> Function:
    """The target that calls *call* with the data alone.

    If it has a method `run_many(data, n)`, or a parameter called `n` or `size` (required, or with the default 1 or
    None), that is used to get many outputs in one call, along the first axis. Raises `PetsEvalError` if it cannot be
    called with one argument.

    >>> target = of_callable(lambda data, size=1: data.sum() + np.zeros(size), "total")
    >>> target.run_many(np.array([1.0, 2.0]), 3).values.ravel().tolist()
    [3.0, 3.0, 3.0]
    """
    name = name or getattr(call, "__name__", type(call).__name__)
    many = getattr(call, "run_many", None)
    if many is not None:
        return Function(name, call if callable(call) else lambda data: _only(many(data, 1)), many, patience)
    if not callable(call):
        raise PetsEvalError(f"{name} is not a function; name one that takes the data and returns what is released")
    asked = _count_parameter(call, name)
    if not asked:
        return Function(name, call, None, patience)
    return Function(
        name, lambda data: _only(call(data, **{asked: 1})), lambda data, n: call(data, **{asked: n}), patience
    )


def _only(outputs: Sequence[Any]) -> Any:
    return outputs[0] if hasattr(outputs, "__len__") and len(outputs) == 1 else outputs


def _count_parameter(call: Callable[..., Any], name: str) -> str:
    """The parameter that asks for many outputs, "" if there is none."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not say
        return ""
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    counts = [p.name for p in named[1:] if p.name in _COUNTS and (p.default is p.empty or p.default in (1, None))]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    left = [p.name for p in required[1:] if p.name not in counts[:1]]
    takes_one = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
    if left or not takes_one:
        more = f"it also requires {left[0]!r}" if left else "it takes no argument"
        raise PetsEvalError(f"{name} must be callable with the data alone, but {more}; wrap it in a function that does")
    return counts[0] if counts else ""


class _TooLongError(BaseException):
    """No `Exception`, so that what is audited does not take it for one of its own."""


@contextmanager
def limited(seconds: float, name: str) -> Iterator[None]:
    """Raise `PetsEvalError` if the block takes longer than *seconds*; only the main thread can watch the clock."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TooLongError:
        raise PetsEvalError(
            f"{name} did not return within {seconds:g} s; mend it if it hangs, else give the audit more minutes"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
