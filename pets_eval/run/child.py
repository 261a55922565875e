"""The code of a child process: read a job, do it, write its outcome. Run by every engine alike."""

from __future__ import annotations

import faulthandler
import sys
import traceback
from pathlib import Path
from typing import Any

from pets_eval.model.errors import Unsupported
from pets_eval.run.build import blame
from pets_eval.run.files import write_json
from pets_eval.run.job import Job
from pets_eval.run.process import end_with_parent


def work(job_path: str) -> None:
    """Do the job kept in the file *job_path*."""
    end_with_parent()
    faulthandler.enable(sys.stderr)  # a segmentation fault leaves its stack in the cell's log
    execute(Job.loads(Path(job_path).read_text()))


def execute(job: Job) -> None:
    """Do *job* and write its outcome; every error becomes an outcome, the traceback goes to the log."""
    job.home.mkdir(parents=True, exist_ok=True)
    try:
        write_json(job.outcome_path(), _do(job))
    except Unsupported as why:
        write_json(job.outcome_path(), {"status": "skipped", "reason": str(why)})
    except MemoryError:
        traceback.print_exc()
        reason = "the process could not get the memory it asked for"
        write_json(job.outcome_path(), {"status": "out-of-memory", "reason": reason})
    except BaseException as error:
        traceback.print_exc()
        write_json(job.outcome_path(), {"status": "failed", "reason": blame(error)})


def _do(job: Job) -> dict[str, Any]:
    from pets_eval.run import cell, scoring

    if job.kind == "run":
        return cell.run(job)
    return scoring.score(job) if job.kind == "score" else scoring.probe(job)


if __name__ == "__main__":
    work(sys.argv[1])
