"""Techniques that misbehave, each in its own way."""

import ctypes
import os
import subprocess
import sys
import time

from pets_eval.model import Release, Technique, param
from pets_eval.registry import technique
from pets_testbed.sound import Plain, claims


class _Faulty(Technique):
    def claims(self):
        return claims(deterministic=True)


@technique("test-segfault")
class Segfault(_Faulty):
    """Reads address zero."""

    def run(self, task, inputs, ctx):
        ctypes.string_at(0)


@technique("test-sleep")
class Sleep(_Faulty):
    """Never comes back."""

    def run(self, task, inputs, ctx):
        while True:
            time.sleep(1)


@technique("test-hog")
class Hog(_Faulty):
    """Allocates without end."""

    def run(self, task, inputs, ctx):
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1 << 20) * 16))


@technique("test-raise")
class Raise(_Faulty):
    """Raises an error that quotes a row, as libraries do, and prints it."""

    def run(self, task, inputs, ctx):
        row = inputs.pooled().frame().iloc[0].to_dict()
        print("a print that quotes", row)
        raise ValueError(f"could not convert {row}")


@technique("test-grandchild")
class Grandchild(_Faulty):
    """Starts a process in a group of its own and never comes back; its pid lies in the file `pid_file`."""

    pid_file: str = param(help="where to write the grandchild's pid")

    def run(self, task, inputs, ctx):
        code = "import os, time; os.setpgid(0, 0); time.sleep(600)"
        grandchild = subprocess.Popen([sys.executable, "-c", code])
        with open(self.pid_file, "w") as file:
            file.write(str(grandchild.pid))
        time.sleep(600)


@technique("test-slow")
class Slow(Technique):
    """Publishes the counts after a while."""

    seconds: float = param(0.5, ge=0, help="how long")

    def supports(self, task, schema, parties):
        return Plain().supports(task, schema, parties)

    def claims(self):
        return claims(seeded=True)

    def run(self, task, inputs, ctx):
        time.sleep(self.seconds)
        return Plain().run(task, inputs, ctx)


@technique("test-daemon")
class Daemon(Plain):
    """Leaves a process in a session of its own behind, and ends well."""

    pid_file: str = param(help="where to write the daemon's pid")

    def run(self, task, inputs, ctx):
        daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        with open(self.pid_file, "w") as file:
            file.write(str(daemon.pid))
        return Plain().run(task, inputs, ctx)


@technique("test-malformed")
class Malformed(Plain):
    """Returns something that is almost a release."""

    how: str = param("kind", choices=("kind", "notes", "weight", "nothing"))

    def run(self, task, inputs, ctx):
        answer = Plain().run(task, inputs, ctx).value
        return {
            "kind": Release("answers", answer),
            "notes": Release("answer", answer, notes=("x", 3)),
            "weight": Release("answer", answer, weight=float("nan")),
            "nothing": None,
        }[self.how]


@technique("test-spinner")
class Spinner(Plain):
    """Lets a child that it never waits for burn a processor, and asks the system for nothing."""

    def run(self, task, inputs, ctx):
        code = "import time; end = time.process_time() + 0.8\nwhile time.process_time() < end: pass"
        subprocess.Popen([sys.executable, "-c", code])
        time.sleep(2)
        return Plain().run(task, inputs, ctx)
