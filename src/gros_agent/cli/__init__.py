"""The command line: Click and nothing else. A command's module is loaded only when the command is called.

:func:`execute` is the one place where errors become messages and exit statuses.
"""

import contextlib
import importlib
import logging
import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TypeVar

import click

from gros_agent import __version__
from gros_agent.cli import output
from gros_agent.cli.options import GlobalOptions, global_options
from gros_agent.errors import AgentError, ExitStatus, Problems
from gros_agent.runtime.masking import shown

E = TypeVar("E", bound=Exception)

COMMANDS = {
    "bigboat": "Send the status of the BigBoat dashboard to the controller.",
    "cluster": "Prepare a cluster that scrapes collect on.",
    "config": "Show every setting and where it comes from.",
    "controller": "Run a reference controller: the other side of the agent.",
    "demo": "Try all steps on this machine, with a controller of its own.",
    "entrypoint": "Work as the environment says: once, periodically, or on request.",
    "export": "Deliver what was collected to the controller.",
    "outbox": "Show or drop the batches that wait for delivery.",
    "person": "Show the pseudonyms that a person has, and the batches that were delivered.",
    "preflight": "Check whether everything is ready for a scrape.",
    "register": "Register the agent with the controller, and get a project's secrets.",
    "report": "Write a report of what was collected, as one HTML page.",
    "run": "Do all steps for each project: register, preflight, scrape, export.",
    "scrape": "Collect what is new, pseudonymise it and write the tables.",
    "tables": "Write what was collected as tables with types, for researchers.",
    "version": "Show the agent's version string.",
}
"""The commands with their one-line help, so that listing them loads none of their modules."""

AGAIN_SECONDS = 2.0
"""Seconds that an interrupted command has to clean up before it is interrupted again."""

EPILOG = """\b
Example:
  gros-agent demo
"""


class LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command. Raises :class:`click.UsageError` with a similar name if there is no such command."""
        if cmd_name not in COMMANDS:
            from difflib import get_close_matches  # noqa: PLC0415 (only for a wrong name)

            near = get_close_matches(cmd_name, COMMANDS, 1)
            question = f": did you mean {near[0]}?" if near else f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {cmd_name!r}{question}", ctx)
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def option_variables() -> set[str]:
    """The environment variables of all options of all commands."""
    found: set[str] = set()
    for name in COMMANDS:
        one: click.Command = importlib.import_module(f"{__name__}.{name}").command
        each = [one, *one.commands.values()] if isinstance(one, click.Group) else [one]
        found |= {str(parameter.envvar) for command in each for parameter in command.params if parameter.envvar}
    return found


@click.group("gros-agent", cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@global_options
def main() -> None:
    """Collect data from the tools of software teams, with a pseudonym for every person."""


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status. Every error of ours becomes a message on standard error."""
    _Interruption.came = False
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    status: int = ExitStatus.INTERRUPTED
    try:
        status = _run(arguments)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:  # raised while another message was being shown
        signal.setitimer(signal.ITIMER_REAL, 0)
    if _Interruption.came and status != ExitStatus.INTERRUPTED:
        # a library took the exception for its own failure, or dropped it
        status = _say("interrupted", status=ExitStatus.INTERRUPTED)
    output.finish()
    return status


def _run(arguments: Sequence[str] | None) -> int:
    os.umask(os.umask(0o077) | 0o022)  # nothing that is made may be written by others
    output.prepare()
    try:
        result: Any = main.main(arguments, prog_name="gros-agent", standalone_mode=False)
        return int(result) if isinstance(result, int) else ExitStatus.DONE
    except (click.exceptions.Abort, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0)
        return _say("interrupted", status=ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return ExitStatus.USAGE
    except AgentError as error:
        return _unless_interrupted(_explain, error)
    except BrokenPipeError:  # the reader of our output closed it
        output.give_up()
        return ExitStatus.UNEXPECTED
    except Exception as error:  # noqa: BLE001 (the one place that turns a bug into a message)
        return _unless_interrupted(_explain_bug, error)


class _Interruption:
    """Whether a signal interrupted us. Libraries may swallow the exception, and then fail in another way."""

    came = False


def _unless_interrupted(explain: Callable[[E], int], error: E) -> int:
    """Explain an error, unless it is the result of an interruption."""
    if _Interruption.came:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return _say("interrupted", status=ExitStatus.INTERRUPTED)
    return explain(error)


class InterruptedBySignal(KeyboardInterrupt):
    """Raised when a signal interrupts us.

    If a plain ``KeyboardInterrupt`` leaves code that runs in ``exec``, as when a data class is created, Python
    remembers it. Under ``python -m`` it then dies of SIGINT at its very end, although the exception was caught and
    there is an exit status. This does not happen for a subclass.
    """


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Interrupt what is running, repeatedly until it ends: Python loses exceptions in places that can't raise them."""
    _Interruption.came = True
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    raise InterruptedBySignal


def _say(*lines: str, status: ExitStatus) -> int:
    with contextlib.suppress(OSError, ValueError):  # there may be nobody to tell, or a full disk
        for line in lines:
            click.echo(shown(line), err=True)
    return status


def _explain(error: AgentError) -> int:
    if GlobalOptions.debugging:
        logging.getLogger("gros_agent").debug("traceback", exc_info=error)
    problems = error.problems if isinstance(error, Problems) else (error,)
    for problem in problems:
        _say(
            f"error: {problem.message}",
            *([f"  what to do: {problem.hint}"] if problem.hint else []),
            status=error.status,
        )
    return error.status


def _explain_bug(error: Exception) -> int:
    if GlobalOptions.debugging:
        logging.getLogger("gros_agent").debug("traceback", exc_info=error)
    if isinstance(error, OSError) and error.errno in output.FULL:
        output.give_up()
        where = error.filename or "the output"
        lines = (f"error: {where} can't be written: {error.strerror}", "  what to do: free some space, and run again")
        return _say(*lines, status=ExitStatus.UNEXPECTED)
    return _say(
        f"error: unexpected: {type(error).__name__}: {error}",
        "  what to do: this is a bug in the agent; run again with --log DEBUG and report the output",
        status=ExitStatus.UNEXPECTED,
    )
