"""A stopwatch for the scripts that run beside this file in any environment; standard library only.

A script is called as `script.py FOLDER JOB [JSON OPTIONS]` and answers with one line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path


class Stopwatch:
    """Wall and processor seconds, child processes included, of what happens inside of it."""

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *_):
        self.seconds, self.cpu = time.perf_counter() - self._wall, _cpu() - self._cpu

    def times(self):
        return {"seconds": self.seconds, "cpu": self.cpu}


def _cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def resident():
    """Megabytes of this process now: what the tables and the libraries take before the work begins."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 2**20


def peak():
    """The most megabytes that this process or a child of it has had (`ru_maxrss` would count those of its parent)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def answer(jobs):
    """Do the job that the command line names, and print what it returns with the peak of memory."""
    folder, job = sys.argv[1], sys.argv[2]
    options = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    found = jobs[job](folder, **options)
    print(json.dumps({**found, "peak MB": peak()}))
