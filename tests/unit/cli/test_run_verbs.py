"""The verbs that work on a run: what they ask of the engine, what they print, how they exit. The engine stands in."""

import json
from pathlib import Path

import pytest

import pets_eval.report.write
import pets_eval.run.journal
import pets_eval.run.runner
import pets_eval.run.score
import pets_eval.run.verify
from pets_eval.cli import main
from pets_eval.cli.run import slug
from pets_eval.run.runner import RunSummary


@pytest.fixture
def engine(monkeypatch):
    """An engine that remembers what it was asked and returns the outcome that the test sets."""

    class Engine:
        counts = {"finished": 3, "skipped": 1}
        resumed = 0
        problems: list[str] = []
        asked: dict[str, object] = {}

        def run_study(self, file, directory, **options):
            self.asked = {"study": file.study.name, "directory": directory, **options}
            return self.outcome(directory)

        def score_run(self, directory, metrics, **options):
            self.asked = {"directory": directory, "metrics": metrics, **options}
            return self.outcome(directory)

        def outcome(self, directory):
            if isinstance(self.counts, BaseException):
                raise self.counts
            return RunSummary(directory, self.counts, self.resumed)

        def write_reports(self, directory, guideline=None, base=None):
            self.asked["guideline"] = guideline
            return [directory / n for n in ("scorecard.html", "scorecard.json", "scorecard.md")]

        def verify_run(self, directory):
            return self.problems

        def purge(self, directory):
            self.asked = {"directory": directory}

    made = Engine()
    monkeypatch.setattr(pets_eval.run.runner, "run_study", made.run_study)
    monkeypatch.setattr(pets_eval.run.score, "score_run", made.score_run)
    monkeypatch.setattr(pets_eval.run.verify, "verify_run", made.verify_run)
    monkeypatch.setattr(pets_eval.run.journal, "purge", made.purge)
    monkeypatch.setattr(pets_eval.report.write, "write_reports", made.write_reports)
    monkeypatch.setattr(pets_eval.report.write, "stale_reports", lambda directory: [])
    return made


def test_run_passes_its_options_on_and_ends_with_the_scorecard(engine, capsys):
    options = ["--workers", "3", "--timeout", "1.5", "--memory", "2", "--engine", "ray", "--ray-address", "host:1"]
    assert main(["run", "default", "-o", "here", *options]) == 0
    reporter = engine.asked.pop("reporter")
    assert all(hasattr(reporter, name) for name in ("start", "cell", "note"))
    assert engine.asked == {
        "study": "default",
        "directory": Path("here"),
        "engine": "ray",
        "ray_address": "host:1",
        "workers": 3,
        "timeout": 1.5,
        "memory": 2.0,
        "command": "pets-eval run default -o here " + " ".join(options),
        "guideline": "core",
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 cells: 3 finished, 1 skipped"
    assert lines[-1] == str(Path("here/scorecard.html"))


def test_the_default_folder_is_named_after_the_study(engine):
    assert main(["run", "default"]) == 0
    assert engine.asked["directory"] == Path("runs/default")
    assert slug("Ma première étude! (2)") == "ma-première-étude-2"
    assert slug("???") == "study"


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"finished": 4}, 0),
        ({"skipped": 2}, 0),
        ({"finished": 4, "failed": 1}, 1),
        ({"timed-out": 1}, 1),
        ({"out-of-memory": 1}, 1),
        ({"crashed": 1}, 1),
    ],
)
@pytest.mark.parametrize("verb", [["run", "default"], ["score", "."]])
def test_a_failed_cell_makes_exit_code_1(engine, verb, counts, code):
    engine.counts = counts
    assert main(verb) == code


def test_what_was_done_before_is_said(engine, capsys):
    engine.counts, engine.resumed = {"finished": 5, "skipped": 2}, 5
    assert main(["run", "default"]) == 0
    assert "7 cells: 5 finished, 2 skipped; 5 of them were done before" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [["run", "default", "-o", "there"], ["score", "."]])
def test_interruption_says_how_to_go_on(engine, verb, capsys):
    engine.counts = KeyboardInterrupt()
    assert main(verb) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "the same command goes on from there" in err
    assert len(err.splitlines()) == 1


def test_a_slip_in_the_guideline_comes_to_light_before_the_run(engine, tmp_path, capsys):
    path = tmp_path / "s.yaml"
    lines = ["name: x", "guideline: cor", "datasets: [{use: nhanes}]", "tasks: [{use: marginals}]"]
    path.write_text("\n".join([*lines, "techniques: [{use: raw}]"]))
    assert main(["run", str(path)]) == 2
    assert "did you mean 'core'?" in capsys.readouterr().err
    assert engine.asked == {}


def test_score_asks_for_the_metrics_named(engine):
    assert (
        main(["score", ".", "--metric", "total-variation", "--metric", "wall-time", "--probe", "--workers", "2"]) == 0
    )
    engine.asked.pop("reporter")
    assert engine.asked == {
        "directory": Path(),
        "metrics": ["total-variation", "wall-time"],
        "probe": True,
        "workers": 2,
        "guideline": None,
    }
    assert main(["score", "."]) == 0
    assert engine.asked["metrics"] is None


def test_report_prints_where_the_scorecard_is(engine, capsys):
    assert main(["report", ".", "--guideline", "core"]) == 0
    assert engine.asked["guideline"] == "core"
    assert capsys.readouterr().out.splitlines() == ["scorecard.json", "scorecard.md", "scorecard.html"]


def test_verify(engine, capsys):
    assert main(["verify", "."]) == 0
    assert "all hashes match" in capsys.readouterr().out
    engine.problems = ["cell abc is missing", "cell def is there twice"]
    assert main(["verify", "."]) == 1
    assert capsys.readouterr().out.splitlines() == engine.problems
    assert main(["verify", ".", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == engine.problems


def test_purge(engine, capsys):
    assert main(["purge", "."]) == 0
    assert engine.asked == {"directory": Path()}
    assert "confidential" in capsys.readouterr().out
