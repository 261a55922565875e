"""The program `pets-eval`: finds its verbs without importing them, and turns every error into a sentence.

Verbs of the engine are the modules named in `VERBS`; a plug-in package brings its own by an entry point in the group
"pets_eval.verbs" that leads to a `click.Command`.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from pets_eval import __version__
from pets_eval.cli.docs import facts
from pets_eval.model import PetsEvalError, Unsupported, near

VERBS = ("init", "check", "plan", "run", "assess", "score", "report", "verify", "purge", "list", "show")
PLUGIN_VERBS = "pets_eval.verbs"

DONE, FAILED_CELLS, BAD_INPUT, FAULT, INTERRUPTED = 0, 1, 2, 70, 130


class Verbs(click.Group):
    """A group whose verbs are known by name and by the first line of their docstring until one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The engine's verbs in the order in which they are used, then those of plug-ins."""
        return [*VERBS, *sorted(_brought())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the module of *name* and return its command."""
        if name in VERBS:
            found = importlib.import_module(f"pets_eval.cli.{name}").command
        elif name in _brought():
            found = _load(_brought()[name])
        else:
            return None
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the near name for a verb that is not there."""
        if args and not args[0].startswith("-") and args[0] not in (known := self.list_commands(ctx)):
            raise PetsEvalError(
                f"there is no verb {args[0][:40]!r}{near(args[0], known)}; see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with one line each, read from their source."""
        points = _brought()
        rows = [(v, facts(f"pets_eval.cli.{v}")["command"].summary) for v in VERBS]
        for name in sorted(points):
            module, _, attribute = points[name].value.partition(":")
            known = facts(module).get(attribute)
            rows.append((name, known.summary if known else ""))
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


@click.group(
    cls=Verbs,
    subcommand_metavar="VERB [ARGS]...",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 done with failed cells, 2 bad input, 130 interrupted. "
    'Completion in bash: eval "$(_PETS_EVAL_COMPLETE=bash_source pets-eval)"',
)
@click.version_option(__version__, prog_name="pets-eval", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Evaluate privacy-enhancing technologies side by side: a study file in, a scorecard out."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pets-eval` with *arguments* (those of the process by default) and return its exit code."""
    try:
        typed = sys.argv[1:] if arguments is None else list(arguments)
        code = app.main(args=typed, prog_name="pets-eval", standalone_mode=False, obj=typed)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (PetsEvalError, Unsupported) as error:
        return _refuse(str(error))
    except click.ClickException as error:
        return _refuse(error.format_message())
    except OSError as error:
        return _refuse(f"{error.filename or 'the system'}: {error.strerror or error}")
    except Exception as error:
        # the place and the type, not the message: it may quote data, and a terminal may be a log
        click.echo("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, err=True)
        click.echo("this is a fault of pets-eval or of a plug-in; please report it with the lines above", err=True)
        return FAULT
    return code if isinstance(code, int) else DONE


def _refuse(message: str) -> int:
    """Print one line that no control character, from a file name or a study, can break up or colour."""
    line = " ".join(message.split())
    click.echo("error: " + "".join(c if c.isprintable() else "?" for c in line), err=True)
    return BAD_INPUT


def _brought() -> dict[str, EntryPoint]:
    """Verbs of plug-in packages by name; they cannot replace a verb of the engine."""
    return {p.name: p for p in entry_points(group=PLUGIN_VERBS) if p.name not in VERBS}


def _load(point: EntryPoint) -> click.Command:
    try:
        found = point.load()
    except Exception as error:
        raise PetsEvalError(f"the verb {point.name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(found, click.Command):
        raise PetsEvalError(f"the verb {point.name!r} is not a click command; its package must be mended")
    return found


if __name__ == "__main__":
    sys.exit(main())
