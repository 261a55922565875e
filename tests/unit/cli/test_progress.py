"""What a run tells whoever watches."""

from hashlib import sha256

import pytest
from rich.console import Console

from pets_eval.cli.progress import Lines, Live, make_display
from pets_eval.model.record import RunRecord, Spec


def record(status, reason="", repeat=0):
    spec = Spec(dataset="d", task="t", technique="x", label="x (p=[1])", family="f", repeat=repeat)
    return RunRecord(identity=sha256(f"{status}{repeat}".encode()).hexdigest(), spec=spec, status=status, reason=reason)


def play(display):
    display.note("preparing\x1b dataset d")
    display.start(5, 1)
    display.cell(record("finished"))
    display.cell(record("crashed", "killed by\nsignal 11", repeat=2))
    display.cell(record("skipped", "no such task"))
    display.cell(record("skipped", "no such task", repeat=1))
    display.stop()


def test_plain_lines(capsys):
    play(Lines())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "preparing? dataset d",
        "5 cells, 1 of them finished already",
        "crashed: x (p=[1]) on t of d, repeat 2: killed by signal 11",
        "skipped: x: no such task",
        "5/5 cells",
    ]


@pytest.fixture
def terminal(monkeypatch):
    """Make rich draw as on a terminal of 120 columns, on standard error."""
    monkeypatch.setattr("rich.console.Console", lambda stderr: Console(stderr=stderr, force_terminal=True, width=120))


def test_live_display(terminal, capsys):
    play(Live())
    err = capsys.readouterr().err
    assert "crashed: x (p=[1]) on t of d, repeat 2: killed by signal 11" in err
    assert err.count("skipped: x: no such task") == 1
    assert "1 crashed" in err
    assert "5/5" in err


def test_live_display_survives_being_stopped_early(terminal, capsys):
    display = Live()
    display.stop()
    display.start(2, 0)
    display.stop()
    display.stop()
    display.cell(record("finished"))
    assert "Traceback" not in capsys.readouterr().err


def test_where_nobody_watches_there_are_lines():
    assert isinstance(make_display(), Lines)
