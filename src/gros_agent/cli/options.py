"""Options of every command, before or after its name, and options that environment files can set."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import click

from gros_agent.runtime import logs
from gros_agent.runtime.logs import configure
from gros_agent.runtime.masking import redactor

if TYPE_CHECKING:
    from gros_agent.options.values import Value
    from gros_agent.settings.model import ProjectSettings, Settings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
F = TypeVar("F", bound=Callable[..., Any])
_KEY = "gros_agent.global_options"
_INTERNAL = {"GROS_AGENT_USER", "GROS_AGENT_FROZEN"}
"""Variables that the image and the agent set themselves."""


@dataclass
class GlobalOptions:
    """The values of the options of every command. An option after the command's name takes precedence."""

    home: Path | None = None
    log: str | None = None
    log_format: Literal["text", "json"] = "text"
    quiet: bool = False
    is_set_up: bool = False
    results_beside_log: ClassVar[bool] = False
    """Whether results and log have the same reader wherever they go, since the agent itself started this command."""
    debugging: ClassVar[bool] = False
    """Whether the error handler, which has no context, shows tracebacks."""
    told: ClassVar[set[str]] = set()
    """The warnings that were already logged."""
    own_zone: ClassVar[str | None] = os.environ.get("TZ")
    """The time zone that the process was started with."""

    @property
    def root(self) -> Path:
        """The agent's home."""
        return self.home or Path(os.environ.get("GROS_AGENT_HOME") or Path.cwd())

    def load(
        self,
        overrides: "Mapping[tuple[str, str], Value] | None" = None,
        project: str | None = None,
        *,
        given: bool = True,
        tell: bool = True,
        is_alone: bool = True,
    ) -> "Settings":
        """Read the settings, and set up the log and the time zone accordingly.

        For a ``project``, the variables of its controller are included, unless ``given`` is false. Callers that show
        the warnings themselves set ``tell`` to false. A project that is not alone in this process leaves the time zone
        of the process as it is, and the log of the others. Raises :class:`ConfigurationError`.
        """
        from gros_agent.settings.load import load  # noqa: PLC0415 (slow to import, and not every command needs it)

        if not self.is_set_up:
            self.set_up_log(self.log or "INFO")
        came_with = {name: text for name, text in os.environ.items() if name != "TZ"}
        came_with |= {} if self.own_zone is None else {"TZ": self.own_zone}
        settings = load(self.root, came_with, overrides, project if given else None)
        if is_alone or project is None:
            _set_zone(settings.environment.time_zone)
        if unknown := unknown_variables(settings):
            from dataclasses import replace  # noqa: PLC0415

            settings = replace(settings, warnings=(*settings.warnings, *unknown))
        redactor.hide(settings.secrets())
        self.set_up_log(self.log or settings.environment.log_level)
        if tell:
            self._tell(settings.warnings)
        if settings.environment.agent_logging and settings.controller() and settings.projects:
            _log_to_controller(settings.project(project or settings.projects[0]), is_alone=is_alone)
        return settings

    def _tell(self, warnings: "Iterable[str]") -> None:
        """Log warnings, each only once, however often the settings are read."""
        import logging  # noqa: PLC0415

        for warning in warnings:
            if warning not in self.told:
                self.told.add(warning)
                logging.getLogger("gros_agent.settings").warning("%s", warning)

    def set_up_log(self, level: str) -> None:
        """Log to standard error from now on."""
        self.is_set_up = True
        type(self).debugging = level == "DEBUG"
        configure("ERROR" if self.quiet and level not in {"ERROR", "CRITICAL"} else level, self.log_format)
        logs.tell_once(beside=self.results_beside_log)


def unknown_variables(settings: "Settings") -> list[str]:
    """The variables named like the agent's that belong neither to an option nor to the settings."""
    from gros_agent.settings.environment import VARIABLES  # noqa: PLC0415

    ours = {name: value for name, value in settings.environment.values.items() if name.startswith("GROS_AGENT_")}
    suspect = ours.keys() - VARIABLES.keys() - _INTERNAL
    if not suspect:
        return []
    from gros_agent.cli import option_variables  # noqa: PLC0415 (loads every command, for few)
    from gros_agent.runtime.spelling import did_you_mean  # noqa: PLC0415

    known = {*VARIABLES, *option_variables()}
    found = [
        f"the variable {name} ({ours[name].origin}) is unknown to the agent{did_you_mean(name, sorted(known))}"
        for name in sorted(suspect - known)
    ]
    return [warning for warning in found if warning not in settings.warnings]


def _set_zone(name: str | None) -> None:
    """Set the time zone for local times. Without one, use that of the process."""
    import time  # noqa: PLC0415

    wanted = name or GlobalOptions.own_zone
    if os.environ.get("TZ") != wanted:
        if wanted is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = wanted
        time.tzset()


def _log_to_controller(project: "ProjectSettings", *, is_alone: bool) -> None:
    import atexit  # noqa: PLC0415 (only where AGENT_LOGGING is set)
    import logging  # noqa: PLC0415

    from gros_agent.controller.https import ControllerClient  # noqa: PLC0415
    from gros_agent.controller.log_handler import ControllerHandler  # noqa: PLC0415

    logger = logging.getLogger("gros_agent")
    for before in [one for one in logger.handlers if isinstance(one, ControllerHandler)]:
        if not is_alone:
            before.add(project.key)
        if before.project == project.key or not is_alone:
            return
        logger.removeHandler(before)
        before.close()
    handler = ControllerHandler(ControllerClient(project.settings), project.key)
    logger.addHandler(handler)
    atexit.register(handler.close)


def current(ctx: click.Context) -> GlobalOptions:
    """The options of every command, for this call."""
    options: GlobalOptions = ctx.find_root().meta.setdefault(_KEY, GlobalOptions())
    return options


class VariableOption(click.Option):
    """An option with a variable. If the value came from the variable, errors name it."""

    def handle_parse_result(
        self, ctx: click.Context, opts: "Mapping[str, Any]", args: list[str]
    ) -> tuple[Any, list[str]]:
        """Read the option's value. Raises :class:`ConfigurationError` for an invalid value of the variable."""
        from gros_agent.errors import ConfigurationError  # noqa: PLC0415

        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.MissingParameter:
            raise  # its message is made of the option, not of words
        except click.BadParameter as error:
            words = error.message.replace("is not a valid integer range", "is not a whole number").rstrip(".")
            source = ctx.get_parameter_source(self.name or "")
            if source is not click.core.ParameterSource.ENVIRONMENT or not isinstance(self.envvar, str):
                raise click.BadParameter(words, error.ctx, error.param, error.param_hint) from None
            where = f"{self.envvar} ({self.origin(ctx)})"
            if isinstance(self.type, click.types.BoolParamType):
                text = self.resolve_envvar_value(ctx)
                raise ConfigurationError(f"{where}: {text!r}: this is neither yes nor no", "write yes or no") from None
            raise ConfigurationError(f"{where}: {words}", "correct or remove it") from None

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's text, unchanged: older versions of Click take any text of a flag as yes."""
        del ctx
        return os.environ.get(self.envvar) or None if isinstance(self.envvar, str) else None

    def origin(self, ctx: click.Context) -> str:
        """Where the variable is set."""
        del ctx
        return "environment"


class EnvironmentOption(VariableOption):
    """An option whose variable may also be set in an environment file of the home."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's text, or None if it is not set or switched off."""
        value = self._value(ctx)
        return value.text if value and value.effective else None

    def origin(self, ctx: click.Context) -> str:
        """Where the variable is set: the environment, or a line of a file."""
        value = self._value(ctx)
        return value.origin if value else super().origin(ctx)

    def _value(self, ctx: click.Context) -> "Value | None":
        from gros_agent.settings.envfile import merge  # noqa: PLC0415 (click asks only where no option was given)
        from gros_agent.settings.home import Home  # noqa: PLC0415

        if not isinstance(self.envvar, str):
            return None
        home = Home.of(current(ctx).root, os.environ)
        return merge(os.environ, home.environment_files).variables.get(self.envvar)


class Seconds(click.FloatRange):
    """A time in seconds, up to thirty days. ``zero`` allows 0."""

    def __init__(self, *, zero: bool) -> None:
        super().__init__(min=0, min_open=not zero)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """The seconds as a number."""
        from gros_agent.settings.environment import MAX_SECONDS  # noqa: PLC0415

        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 0 <= seconds <= MAX_SECONDS or (seconds == 0 and self.min_open):  # NaN fails every comparison
            least = "more than 0" if self.min_open else "at least 0"
            self.fail(f"{value!r}: must be {least} and at most {MAX_SECONDS} seconds", param, ctx)
        return seconds


def _store(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401 (click's signature)
    source = ctx.get_parameter_source(parameter.name or "")
    given = source is click.core.ParameterSource.COMMANDLINE
    options = current(ctx)
    if given or (source is click.core.ParameterSource.ENVIRONMENT and ctx.parent is None):
        setattr(options, parameter.name or "", value)


def global_options(function: F) -> F:
    """Add the options that every command has. Their values go to :func:`current`, not to the function."""
    options = (
        click.option(
            *("--home", "home"),
            cls=VariableOption,
            metavar="DIR",
            envvar="GROS_AGENT_HOME",
            type=click.Path(path_type=Path, file_okay=False),
            is_eager=True,
            help="Folder with the agent's files; the working directory by default.",
        ),
        click.option(
            "--log",
            cls=VariableOption,
            type=click.Choice(LEVELS, case_sensitive=False),
            metavar="LEVEL",
            envvar="GROS_AGENT_LOG",
            help=f"Log level ({', '.join(LEVELS)}); also set by logLevel. Default: INFO.",
        ),
        click.option(
            "--log-format",
            cls=VariableOption,
            type=click.Choice(["text", "json"]),
            default="text",
            envvar="GROS_AGENT_LOG_FORMAT",
            help="Format of the log.",
        ),
        click.option(
            "--quiet",
            is_flag=True,
            cls=VariableOption,
            envvar="GROS_AGENT_QUIET",
            help="Log errors only, and show no progress.",
        ),
    )
    for option in reversed(options):
        function = _with(option, function)
    return function


def _with(option: Callable[[Any], Any], function: F) -> F:
    decorated: F = option(function)
    parameters: list[click.Parameter] = decorated.__click_params__  # type: ignore[attr-defined]
    parameters[-1].expose_value = False
    parameters[-1].callback = _store
    return decorated


json_option = click.option(
    "--json", "as_json", is_flag=True, cls=VariableOption, envvar="GROS_AGENT_JSON", help="Print JSON."
)

project_option = click.option(
    *("--project", "projects"),
    metavar="KEY",
    multiple=True,
    cls=EnvironmentOption,
    envvar="JIRA_KEY",
    show_envvar=True,
    help="Key of a project; may be given several times. All configured projects by default.",
)

source_option = click.option(
    "--source",
    "entries",
    metavar="TYPE[:NAME]=URL",
    multiple=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_SOURCE",
    help="Also collect from this source; may be given several times.",
)

timeout_option = click.option(
    "--timeout",
    metavar="SECONDS",
    type=Seconds(zero=False),
    default=120.0,
    show_default=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_TIMEOUT",
    help="Give up a source that is silent for this long.",
)


redact_option = click.option(
    "--redact-text",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_REDACT_TEXT",
    help="Also replace mentions, e-mail addresses and trailers in free text by pseudonyms.",
)

ssh_option = click.option(
    "--ssh", metavar="HOST", cls=EnvironmentOption, envvar="GROS_AGENT_SSH", help="Host of the controller."
)

no_ssh_option = click.option(
    "--no-ssh",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_NO_SSH",
    help="Make no SSH connection to the controller.",
)

cert_option = click.option(
    "--cert",
    type=click.Path(path_type=Path),
    metavar="PATH",
    cls=EnvironmentOption,
    envvar="GROS_AGENT_CERT",
    help="The controller's certificate file.",
)

known_hosts_option = click.option(
    "--known-hosts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    cls=EnvironmentOption,
    envvar="GROS_AGENT_KNOWN_HOSTS",
    help="File with the controller's SSH host keys; state/controller_hosts in the home by default.",
)


def controller_overrides(ssh: str | None, cert: Path | None, *, no_ssh: bool) -> "dict[tuple[str, str], Value]":
    """The settings that ``--ssh`` and ``--cert`` override. Raises :class:`ConfigurationError` for a contradiction."""
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415 (only commands that have these options)

    if ssh and no_ssh:
        raise ConfigurationError("--ssh and --no-ssh contradict each other", "leave one of them out")
    overrides = {}
    if ssh:
        overrides["ssh", "host"] = option_value("--ssh", ssh)
    if cert:
        overrides["ssh", "cert"] = option_value("--cert", cert.absolute())
    return overrides


def option_value(option: str, text: str | Path) -> "Value":
    """The value of a command-line option, as a setting that overrides others."""
    from gros_agent.options.values import Value  # noqa: PLC0415

    return Value(str(text), f"option {option}")
