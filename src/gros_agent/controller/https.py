"""The controller's HTTPS API. Every call has time-outs, a limit for the answer, and errors that say what happened.

The calls are those of existing GROS controllers, under ``https://HOST[:port]/auth/``.
"""

import contextlib
import io
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
import requests

from gros_agent.controller import ControllerError, capabilities
from gros_agent.controller.answers import (
    MOST,
    BatchState,
    Component,
    ControllerStatus,
    Registration,
    Told,
    VersionAnswer,
)
from gros_agent.controller.tls import PinningAdapter, read_pinned
from gros_agent.http.faults import innermost, is_transient
from gros_agent.http.timed import TooSlowError, answers_within
from gros_agent.privacy.secrets import Secrets
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.retry import PassingError, repeat
from gros_agent.settings.environment import HOSTNAME
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.version import version

if TYPE_CHECKING:
    from gros_agent.controller.answers import BigBoatStatus
    from gros_agent.tables.batch import Manifest

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
ANSWER_SECONDS = 300.0
"""Time limit for a complete answer in seconds; it is longer for calls with a longer time-out."""
MAX_ANSWER = 1 << 20
"""Limit of an answer in bytes; the largest real one is an environment file of a few kilobytes."""
TRIES = 3
"""Tries of a call. They are few, since the next run tries again."""
MOST_ABOUT_SOURCES = 1 << 17
"""Limit of the list of a batch's sources in characters: encoded, it must fit a form."""
_SHOWN = 200
_FORM = "application/x-www-form-urlencoded"
_OF_PROXIES = 520
"""Statuses from here on are non-standard ones of proxies."""
_FROM_BETWEEN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses that a proxy sends if it gets no answer from the controller."""


class _Body(io.BytesIO):
    """The body of a request. ``sent`` says whether any of it was sent."""

    sent = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.sent = True
        return super().read(size)

    def __len__(self) -> int:
        return len(self.getbuffer())


class NoAnswerError(ControllerError):
    """A call was sent, but got no answer: the controller may have carried it out."""

    def __init__(self, path: str, reason: str) -> None:
        hint = "the controller may have carried it out anyway"
        super().__init__(f"no answer to {path} came: {reason}", hint, away=True)


@dataclass
class ControllerClient:
    """The client of one agent at one controller. Raises :class:`ConfigurationError` for an invalid certificate file."""

    settings: Settings
    read_seconds: float = READ_SECONDS
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        agent = f"gros_agent/{self.agent_version} requests/{requests.__version__}"
        self._session.headers["User-Agent"] = agent
        certificate = self.settings.certificate
        if certificate is not None:
            read_pinned(certificate)  # says what is wrong with the file; a TLS context does not
        trusted = self.settings.trusted
        self._session.mount("https://", PinningAdapter(trusted))
        self._session.verify = str(trusted) if trusted else True
        self._session.trust_env = certificate is None

    @property
    def agent_version(self) -> str:
        """The agent's version string."""
        return version(self.settings.home)

    @property
    def user_agent(self) -> str:
        """Name and version of the agent and of its HTTP library."""
        return str(self._session.headers["User-Agent"])

    @property
    def host(self) -> tuple[str, int]:
        """The controller's host and HTTPS port. Raises :class:`ControllerError` if no controller is configured."""
        address = self.settings.controller_address()
        if address is None:
            raise ControllerError("no controller is configured", "set SSH_HOST, or use --ssh HOST")
        return address

    def register(self, project: str, public_key: str) -> Registration:
        """Send the agent's public key, and return the project's secrets."""
        answer = self._call("POST", "agent.py", self._keys(project), {"public_key": public_key})
        try:
            secrets = decoder(Secrets).decode(answer.content)
            others = decoder(Told).decode(answer.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ControllerError(
                f"the controller's answer to the registration of {project} lacks something: {error}",
                "report it to the controller's operator",
            ) from None
        return Registration(secrets, others.host_keys, others.capabilities)

    def status(self, project: str) -> ControllerStatus:
        """Ask for the status of the controller's components."""
        allowed = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        answer = self._call("GET", "status.py", self._keys(project), allowed=allowed)
        try:
            components: dict[str, Component] = self._decode(answer, dict[str, Component])
        except ControllerError:
            if answer.status == HTTPStatus.OK:
                raise
            raise self._refused("status.py", answer) from None  # the answer is from a proxy
        if len(components) > MOST:
            raise ControllerError(
                f"the controller's answer to status.py has {len(components)} components", "is it a GROS controller?"
            )
        last = capabilities.last_registered(self.settings)
        return ControllerStatus(components, _skew(answer.headers.get("Date")), registered=last in {None, project})

    def announce(
        self,
        project: str,
        files: Mapping[str, Sequence[str]],
        user: str,
        hostname: str | None,
        batch: str,
        *,
        repeatable: bool = False,
        about: "Manifest | None" = None,
    ) -> None:
        """Announce uploaded files; only then does the controller import them.

        Some controllers answer only when the import has ended, so the time-out is that of an import in the settings.
        Even without an answer the announcement may have arrived. It is repeated if nothing of it was sent. If it is
        ``repeatable``, since the controller knows batches, it is repeated after a missing answer as well.

        ``about`` is the batch's manifest, for controllers that know batches. They are told the time zone of its
        moments, and how completely its sources were collected, unless that list is too long. Existing controllers
        don't know these fields.
        """
        key = agent_key(self.settings.project(project))
        agent = {
            "user": user,
            "key": key,
            "hostname": announced_name(self.settings, hostname),
            "version": self.user_agent,
        }
        form = {"files": _json(files), "agent": _json(agent), "batch": batch}
        if about is not None:
            sources = _json(msgspec.to_builtins(about.sources))
            form |= {"sources": sources} if len(sources) <= MOST_ABOUT_SOURCES else {}
            if about.time_zone:
                form["time_zone"] = about.time_zone

        def announce() -> None:
            try:
                self._call("POST", "export.py", {"project": project}, form, allowed=(HTTPStatus.ACCEPTED,), once=True)
            except NoAnswerError as error:
                log.warning("project %s: %s", project, error)
                raise PassingError(error) from None

        with contextlib.suppress(NoAnswerError):  # the caller finds out whether it arrived
            repeat(announce, TRIES if repeatable else 1, lambda _: None)

    def batch(self, project: str, identifier: str) -> BatchState:
        """Ask for the state of a batch. Only controllers with the capability ``batch`` know it."""
        query = {**self._keys(project), "batch": identifier}
        decoded: BatchState = self._decode(self._call("GET", "export.py", query), BatchState)
        return decoded

    def send_status(self, project: str, statuses: "Sequence[BigBoatStatus]", source: str) -> None:
        """Send the measurements of a dashboard; ``source`` is its address."""
        form = {"status": _json(statuses), "source": source}
        self._call("POST", "status.py", {"project": project}, form, allowed=(HTTPStatus.ACCEPTED,))

    def version(self, text: str) -> VersionAnswer | None:
        """Ask whether a version is up to date. None if the controller does not know."""
        allowed = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST)
        answer = self._call("GET", "version.py", {"version": text}, allowed=allowed)
        if answer.status == HTTPStatus.BAD_REQUEST:
            return None
        decoded: VersionAnswer = self._decode(answer, VersionAnswer)
        return decoded

    def log(self, project: str, record: Mapping[str, str]) -> None:
        """Send a log record: attribute name → text. It is tried only once, since logging must not delay the work."""
        answer = self._once(
            "POST", "log.py", {"project": project}, _Body(urlencode(record).encode()), self.read_seconds
        )
        if answer.status not in {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
            raise self._refused("log.py", answer)

    def _keys(self, project: str) -> dict[str, str]:
        return {"project": project, "agent": agent_key(self.settings.project(project))}

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (HTTPStatus.OK,),
        *,
        once: bool = False,
    ) -> "_Answer":
        """Call the controller, and retry if it is busy or a connection breaks. Raises :class:`ControllerError`.

        A call that must be done only ``once`` is retried only if nothing of it was sent. Its answer may take long; if
        none arrives, :class:`NoAnswerError` is raised. It gets a new connection: the server may close an idle one just
        when the call is sent, and then nobody knows whether it arrived.
        """
        if once:
            self._session.close()

        def call() -> "_Answer":
            body = None if form is None else _Body(urlencode(form).encode())
            try:
                answer = self._once(method, path, query, body, self._limit if once else self.read_seconds)
            except (requests.RequestException, TooSlowError) as error:
                if once and body is not None and body.sent:
                    raise NoAnswerError(path, str(innermost(error))) from None
                unreachable = self._unreachable(error)
                if not _is_broken(error):
                    raise unreachable from None
                raise PassingError(unreachable) from None
            if answer.status in allowed:
                return answer
            if once and (answer.status in _FROM_BETWEEN or answer.status >= _OF_PROXIES):
                raise NoAnswerError(path, f"status {answer.status} of a server in between")
            if is_transient(answer.status) and not once:
                busy = f"the controller is busy (status {answer.status})"
                raise PassingError(self._refused(path, answer), reason=busy)
            raise self._refused(path, answer)

        return repeat(call, TRIES, lambda error: log.warning("asking for %s: %s; trying again", path, error))

    @property
    def _limit(self) -> float:
        """Time-out in seconds for an answer that comes after the import."""
        return self.settings.environment.import_limit

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: "_Body | None", seconds: float
    ) -> "_Answer":
        host, port = self.host
        name = f"[{host}]" if ":" in host else host
        with (
            answers_within(max(ANSWER_SECONDS, seconds)),
            self._session.request(
                method,
                f"https://{name}:{port}/auth/{path}",
                params=query,
                data=body,
                headers={"Content-Type": _FORM} if body is not None else None,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            content = bytearray()
            for block in answer.iter_content(1 << 16):
                content += block
                if len(content) > MAX_ANSWER:
                    raise ControllerError(
                        f"the controller's answer to {path} is larger than {MAX_ANSWER} bytes", "is it a controller?"
                    )
            return _Answer(answer.status_code, bytes(content), answer.headers, path)

    def _unreachable(self, error: requests.RequestException | TooSlowError) -> ControllerError:
        host, port = self.host
        if isinstance(error, TooSlowError):
            words = f"{host} port {port}: {error}, though something kept coming"
            return ControllerError(words, "see what the controller is busy with, and try again later")
        text = str(error)
        if _is_distrust(error):
            reason = text.rpartition("(_ssl")[0].rpartition("] ")[2] or text
            if self.settings.certificate is None:
                return ControllerError(
                    f"the certificate of {host} port {port} is not trusted, and none is pinned: {reason.strip()}",
                    "ask the controller's operator for its certificate, and name the file in SSH_HTTPS_CERT",
                )
            return ControllerError(
                f"the certificate of {host} port {port} is not the pinned one, or not for this host: {reason.strip()}",
                "compare it with the certificate file; ask the controller's operator for the right one",
            )
        if isinstance(error, requests.Timeout):
            return ControllerError(f"{host} port {port} did not answer in time", "try again later", away=True)
        return ControllerError(
            f"the controller can't be reached at {host} port {port}: {innermost(error)}",
            "check the host, the port and the network",
            away=True,
        )

    @staticmethod
    def _refused(path: str, answer: "_Answer") -> ControllerError:
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            words = f"redirects to {answer.headers.get('Location', '?')}"
            return ControllerError(
                f"the controller {words} for {path}", "check the host; redirections are not followed"
            )
        text = " ".join(answer.content.decode(errors="replace").split())[:_SHOWN]
        if text.startswith("<"):
            text = "a web page"
        return ControllerError(
            f"the controller refused {path} with status {answer.status}: {text or 'without a reason'}",
            "see the controller's log; a status of 503 says try again later",
            answered=answer.status,
            # a controller refuses a registration with 503 during another one, or while it takes a batch
            away=answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            and (path, answer.status) != ("agent.py", HTTPStatus.SERVICE_UNAVAILABLE),
        )

    @staticmethod
    def _decode(answer: "_Answer", kind: Any) -> Any:  # noqa: ANN401 (the type of the answer is the argument)
        try:
            return decoder(kind).decode(answer.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ControllerError(
                f"the controller's answer to {answer.path} could not be parsed: {error}", "is it a GROS controller?"
            ) from None


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes
    headers: Mapping[str, str]
    path: str


def agent_key(project: ProjectSettings) -> str:
    """The key that identifies the agent at the controller: the key of its first project, or else of this one."""
    return project.settings.projects[0] if project.settings.projects else project.key


def agent_user(project: ProjectSettings) -> str:
    """The agent's SSH account at the controller."""
    return project.settings.get("ssh", "username") or f"agent-{agent_key(project)}"


def hostname() -> str | None:
    """The name of this machine, or None if it has no dot: existing dashboards fail on such names."""
    name = platform.node()
    return name if "." in name else None


def announced_name(settings: Settings, own: str | None) -> str | None:
    """The name of this machine for the controller. The settings can replace or suppress ``own``."""
    told = settings.environment.values.get(HOSTNAME)
    if told is None or not told.text.strip():
        return own
    return told.effective if told.effective and "." in told.effective else None


def _json(content: Any) -> str:  # noqa: ANN401 (anything that JSON can hold)
    return msgspec.json.encode(content).decode()


def _skew(date: str | None) -> float | None:
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _is_distrust(error: Exception) -> bool:
    """Whether a certificate was refused. A broken connection within TLS is also an SSL error, but does not count."""
    return isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower()


def _is_broken(error: Exception) -> bool:
    """Whether a connection broke, also within TLS or an answer, so that another try may succeed."""
    broken = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
    return broken and not _is_distrust(error)
