"""The program as a whole: its verbs are found lazily, and every error is one line and an exit code."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest

from pets_eval import __version__
from pets_eval.cli import app as program
from pets_eval.cli import main
from pets_eval.model import MissingExtra, PetsEvalError

HEAVY = "numpy pandas scipy sklearn statsmodels pydantic rich jinja2 yaml opendp polars torch ray sdv pyarrow"


@pytest.fixture
def verb(monkeypatch):
    """Install a plug-in verb that does what the test says."""

    def install(action):
        monkeypatch.setattr(program, "_load", lambda point: click.Command(point.name, callback=action))
        monkeypatch.setattr(program, "entry_points", lambda group: [EntryPoint("extra-verb", "some.module:it", group)])

    return install


def refused(capsys, *arguments):
    """Run and return the one line of the error."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    return err.strip()


def test_help_lists_every_verb_with_one_line(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    section = out.split("Verbs:")[1]
    for verb in program.VERBS:
        line = next(row for row in section.splitlines() if row.strip().startswith(verb + " "))
        assert len(line.split(maxsplit=1)[1]) > 10
    assert "Exit codes: 0 done, 1 done with failed cells, 2 bad input" in out


@pytest.mark.parametrize("verb", program.VERBS)
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: pets-eval {verb}")


def test_without_a_verb_the_help_goes_to_stderr(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Verbs:" in err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"pets-eval {__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lst"], "no verb 'lst' (did you mean 'list'?)"),
        (["run"], "Missing argument 'STUDY'"),
        (["run", "default", "--wrokers", "2"], "--workers"),
        (["run", "defualt"], "did you mean 'default'?"),
        (["run", "nowhere/study.yaml"], "there is no such file"),
        (["run", "default", "--engine", "slurm"], "'slurm' is not one of"),
        (["run", "default", "--ray-address", "host:1"], "--ray-address needs --engine ray"),
        (["list", "metrcs"], "'metrcs' is not one of"),
        (["show", "dp-laplace-marginal"], "did you mean 'dp-laplace-marginals'?"),
        (["show"], "Missing argument 'NAME'"),
        (["report", "no-such-folder"], "does not exist"),
        (["score", ".", "--metric", "total-variaton"], "did you mean 'total-variation'?"),
        (["purge"], "Missing argument 'DIR'"),
    ],
)
def test_usage_errors_are_one_line(arguments, words, capsys):
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize("verb", ["verify", "report", "purge", "score"])
def test_a_folder_that_is_no_run_is_refused(verb, tmp_path, capsys):
    assert str(tmp_path) in refused(capsys, verb, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1.5", "many", "", "1e3"])
def test_absurd_worker_counts_are_refused(value, capsys):
    assert "'--workers': this must be a whole number of at least 1" in refused(
        capsys, "run", "default", "--workers", value
    )


@pytest.mark.parametrize("option", ["--timeout", "--memory"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "soon", "1e999"])
def test_absurd_limits_are_refused(option, value, capsys):
    expected = f"'{option}': this must be a finite number greater than 0, not {value!r}"
    assert expected in refused(capsys, "run", "default", option, value)


def test_errors_of_a_verb_become_one_printable_line(verb, capsys):
    def action():
        raise PetsEvalError("the key 'a\nb' \x1b[31m is\u2028wrong")

    verb(action)
    assert refused(capsys, "extra-verb") == "error: the key 'a b' ?[31m is wrong"


def test_a_missing_extra_is_bad_input(verb, capsys):
    def action():
        raise MissingExtra("opendp", "dp")

    verb(action)
    assert "pip install 'pets-eval[dp]'" in refused(capsys, "extra-verb")


def test_an_error_of_the_system_is_one_line(verb, tmp_path, capsys):
    verb(lambda: (tmp_path / "none").read_text())
    assert refused(capsys, "extra-verb") == f"error: {tmp_path / 'none'}: No such file or directory"


def test_interruption(verb, capsys):
    def action():
        raise KeyboardInterrupt

    verb(action)
    assert main(["extra-verb"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_fault_of_the_program_is_not_passed_off_as_bad_input(verb, capsys):
    verb(lambda: {}["absent"])
    assert main(["extra-verb"]) == 70
    assert "please report it" in capsys.readouterr().err


def test_a_fault_tells_its_place_and_not_its_message(verb, capsys):
    verb(lambda: int("XQZ" + "-PLANTED"))
    assert main(["extra-verb"]) == 70
    told = capsys.readouterr().err
    assert "test_app.py" in told and "ValueError" in told and "XQZ-PLANTED" not in told


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_verb_sets_the_exit_code(verb, code):
    verb(lambda: code)
    assert main(["extra-verb"]) == code


def test_a_plugin_verb_is_listed_without_being_imported(monkeypatch, tmp_path, capsys):
    source = 'import click\n@click.command()\ndef it():\n    """Do a third thing."""\n    click.echo("done")\n'
    (tmp_path / "third_party_verb.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("third", "third_party_verb:it", program.PLUGIN_VERBS)
    monkeypatch.setattr(program, "entry_points", lambda group: [point])
    assert main(["--help"]) == 0
    assert "third   Do a third thing." in capsys.readouterr().out
    assert "third_party_verb" not in sys.modules
    assert main(["third"]) == 0
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    ("target", "words"), [("no_such_module:x", "cannot be loaded"), ("math:pi", "not a click command")]
)
def test_a_broken_plugin_verb_is_one_line(monkeypatch, target, words, capsys):
    point = EntryPoint("third", target, program.PLUGIN_VERBS)
    monkeypatch.setattr(program, "entry_points", lambda group: [point])
    assert main(["--help"]) == 0
    capsys.readouterr()
    assert words in refused(capsys, "third")


def test_a_plugin_verb_cannot_replace_one_of_the_engine(monkeypatch, capsys):
    point = EntryPoint("list", "math:pi", program.PLUGIN_VERBS)
    monkeypatch.setattr(program, "entry_points", lambda group: [point])
    assert main(["list", "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: pets-eval list")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["list", "--json"], ["run", "--help"]])
def test_quick_verbs_import_nothing_heavy(arguments):
    code = (
        "import sys; from pets_eval.cli import main; main(sys.argv[1:]); "
        f"print('heavy:', *sorted(set({HEAVY.split()}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "heavy:"
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pets-eval ver", {"verify"}),
        ("pets-eval show dp-lap", {"dp-laplace-marginals"}),
        ("pets-eval run defa", {"default"}),
        ("pets-eval list t", {"techniques", "tasks"}),
        ("pets-eval score . --metric total", {"total-variation"}),
    ],
)
def test_completion(words, expected):
    environment = os.environ | {
        "_PETS_EVAL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "from pets_eval.cli import main; main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    offered = [line.partition(",") for line in done.stdout.splitlines()]
    assert {name for kind, _, name in offered if kind == "plain"} == expected
