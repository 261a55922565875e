"""The code of a child process: read a job, do it, write its outcome. Run by every engine alike."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path

from pets_eval.run.keeper import end_with_parent


def work(job_path: str) -> None:
    """Do the job kept in the file *job_path*."""
    from pets_eval.run.cell import execute
    from pets_eval.run.job import Job

    end_with_parent()
    faulthandler.enable(sys.stderr)  # a segmentation fault leaves its stack in the cell's log
    execute(Job.loads(Path(job_path).read_text()))


if __name__ == "__main__":
    work(sys.argv[1])
