"""What a controller may set by its environment text, variable by variable."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gros_agent.options.rights import Right, TextMode
from gros_agent.settings import controller_text
from gros_agent.settings.controller_text import Applied, applied, right_to, rights
from gros_agent.settings.environment import VARIABLES
from gros_agent.settings.load import load
from gros_agent.settings.model import Settings
from gros_agent.settings.template import HOST_OPTIONS, KEYED, SETTINGS
from support.agent import Agent, give_secrets
from support.existing import ExistingController, existing_controller
from support.repository import Repository
from support.zones import needs_time_zones

CREDENTIALS = "[git.example]\ngitlab_token = operators-token\n"
MODES = {TextMode.NONE: "none", TextMode.USUAL: "", TextMode.SOURCES: "sources", TextMode.ALL: "all"}
VALUES = {
    "logLevel": ("DEBUG", "WARNING"),
    "TZ": ("UTC", "Etc/UTC"),
    "QUALITY_TIME_URL": ("https://theirs.example", "https://ours.example"),
    "SONAR_URL": ("https://theirs.example", "https://ours.example"),
    "JENKINS_HOST": ("https://theirs.example", "https://ours.example"),
}
"""What a controller and an operator say, for variables that do not take any text."""


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", "scp") as running:
        yield running


def operator(home: Path, mode: TextMode = TextMode.USUAL, **variables: str) -> Settings:
    return load(home, {"CONTROLLER_ENVIRONMENT": MODES[mode], "JIRA_KEY": "ABC", **variables})


def said(name: str) -> tuple[str, str]:
    return VALUES.get(name, ("theirs", "ours"))


def effect(settings: Settings, name: str) -> str | None:
    """What the settings have for a variable, wherever it belongs."""
    if name in VARIABLES and not name.endswith("_HOST"):
        return settings.environment.get(name)
    for section, keyed in KEYED.items():
        if keyed.value == name:
            return settings.get(section, "abc")
    for option in SETTINGS:
        if option.variable == name:
            return settings.get(option.section, option.name)
    for prefix in ("SOURCE_", "DEFINITIONS_"):
        if name == f"{prefix}HOST":
            return next(iter(settings.hosts), None)
        for host_option in HOST_OPTIONS:
            if host_option.variable(prefix) == name:
                value = settings.hosts.get("h.example", {}).get(host_option.name)
                return value.effective if value else None
    return None


def text_for(name: str) -> str:
    """A text that sets a variable, and for one of a host that host."""
    beside = "".join(f"{prefix}HOST=h.example\n" for prefix in ("SOURCE_", "DEFINITIONS_") if name.startswith(prefix))
    return ("" if name.endswith("_HOST") else beside) + f"{name}={said(name)[0]}\n"


@pytest.mark.parametrize("mode", TextMode)
@pytest.mark.parametrize("name", sorted(rights()))
def test_each_variable(tmp_path: Path, name: str, mode: TextMode) -> None:
    """It takes effect, unless the operator set it, or has none and is named."""
    right, before = right_to(name), operator(tmp_path, mode)
    done = applied(before.project("ABC"), text_for(name))
    refused = [one for one in done.refused if one.startswith(f"{name} ")]
    if right.mode is None or mode < right.mode:
        assert effect(done.settings, name) == effect(before, name)
        assert name not in done.settings.environment.values or name in before.environment.values
        (told,) = refused
        assert right.mode is not None or right.meaning in told
        return
    assert (effect(done.settings, name), refused) == (said(name)[0], [])
    ours = operator(
        tmp_path, mode, **{name: said(name)[1]} | ({"SOURCE_HOST": "h.example"} if "SOURCE_" in name else {})
    )
    if name.startswith("DEFINITIONS_"):
        ours = operator(tmp_path, mode, **{"DEFINITIONS_HOST": "h.example", name: said(name)[1]})
    kept = effect(applied(ours.project("ABC"), text_for(name)).settings, name)
    assert kept == ("ours,theirs" if right is Right.ADDED else effect(ours, name))


def test_the_allow_list() -> None:
    """What installations can rely on, and nothing else."""
    usual = {name for name, right in rights().items() if right.mode is TextMode.USUAL}
    listed = {"GATHERER_URL_BLACKLIST", "cleanupRepos", "AGENT_LOGGING", "skip_dropin", "logLevel", "TZ"}
    assert usual == listed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("logLevel=ERROR", "'ERROR' is none of DEBUG, INFO, WARNING"),
        ("TZ=Europe/Atlantis", "there is no such time zone"),
        ("logLevel INFO", "line"),
        ("SSH_HOST=127.0.0.9", "identifies the controller"),
        ("JENKINS_PASSWORD_FILE=/etc/passwd", "names a file"),
        ("https_proxy=http://x.example", "sets the proxy"),
        ("ALL_PROXY=http://x.example", "sets the proxy"),
        ("CONTROLLER_ENVIRONMENT=all", "concerns the agent itself"),
        ("GROS_AGENT_PLAIN=yes", "concerns the agent itself"),
        ("GROS_AGENT_SOURCE=git=/etc", "concerns the agent itself"),
        ("SSL_CERT_FILE=/tmp/x", "what is trusted"),
        ("WHATEVER=1", "is not a setting of the agent"),
    ],
)
def test_refusals(tmp_path: Path, line: str, words: str) -> None:
    done = applied(operator(tmp_path).project("ABC"), f"cleanupRepos=true\n{line}\n")
    (told,) = done.refused
    assert words in told
    assert done.settings.environment.cleanup_repos  # what else it says counts


def test_an_empty_option_is_not_set(tmp_path: Path) -> None:
    """As a template leaves it; a variable that is empty is as good as none, and one that is switched off is set."""
    (tmp_path / "settings.cfg").write_text("[sonar]\nname =\nurl =\n")
    before = operator(tmp_path, TextMode.SOURCES, cleanupRepos="", AGENT_LOGGING="no")
    done = applied(before.project("ABC"), "SONAR_NAME=theirs\ncleanupRepos=true\nAGENT_LOGGING=1\n").settings
    assert done.get("sonar", "name") == "theirs"
    assert (done.environment.cleanup_repos, done.environment.agent_logging) == (True, False)


@pytest.mark.parametrize("said", ["none", "no", "off", "0"])
def test_nothing(tmp_path: Path, said: str) -> None:
    settings = load(tmp_path, {"CONTROLLER_ENVIRONMENT": said})
    done = applied(settings.project("ABC"), "cleanupRepos=true\n")
    assert not done.settings.environment.cleanup_repos
    assert "CONTROLLER_ENVIRONMENT accepts nothing" in done.refused[0]


@pytest.mark.parametrize("text", ["A=b\n" * 501, f"A={'x' * (65 << 10)}"])
def test_too_much(tmp_path: Path, text: str) -> None:
    done = applied(operator(tmp_path).project("ABC"), text)
    assert not done.counts
    assert "nothing of it was taken" in done.refused[0]


def test_many_refusals_are_cut(tmp_path: Path) -> None:
    told = list(
        applied(operator(tmp_path).project("ABC"), "".join(f"V{number}=1\n" for number in range(400))).warnings()
    )
    assert len(told) == 21
    assert told[-1].startswith("380 more")


class TestAddresses:
    """No credential of the operator's goes to an address that the controller named."""

    def given(self, home: Path, text: str, mode: TextMode = TextMode.ALL) -> Applied:
        return applied(operator(home, mode).project("ABC"), text)

    @pytest.mark.parametrize("option", ["password", "username", "token", "password.ABC"])
    def test_of_a_section_with_credentials(self, tmp_path: Path, option: str) -> None:
        (tmp_path / "settings.cfg").write_text(f"[jenkins]\nhost =\n{option} = operators\n")
        done = self.given(tmp_path, "JENKINS_HOST=https://evil.example\n")
        assert done.settings.get("jenkins", "host") is None
        assert "of yours, which would go there" in done.refused[0]

    def test_of_a_section_with_an_address(self, tmp_path: Path) -> None:
        """Neither do theirs go to ours."""
        (tmp_path / "settings.cfg").write_text("[jenkins]\nhost.ABC = https://ours.example\n")
        done = self.given(tmp_path, "JENKINS_PASSWORD=theirs\n")
        assert done.settings.get("jenkins", "password") is None
        assert "has an address of yours" in done.refused[0]

    @pytest.mark.parametrize(
        ("address", "taken"),
        [
            ("https://git.example", True),
            ("git.example", True),
            ("https://git.example:443", True),
            ("http://git.example", False),
            ("https://git.example:8443", False),
            ("https://other.example:8443", True),
            ("https://ported.example:8443/x", True),
            ("file:///etc/passwd", False),
            ("https://[", False),
        ],
    )
    def test_of_a_host_with_credentials(self, tmp_path: Path, address: str, taken: bool) -> None:
        (tmp_path / "credentials.cfg").write_text(CREDENTIALS + "[ported.example]\npassword = x\nport = 8443\n")
        done = self.given(tmp_path, f"QUALITY_TIME_URL={address}\n", TextMode.SOURCES)
        assert (done.settings.get("quality-time", "url") is not None, bool(done.refused)) == (taken, not taken)

    @pytest.mark.parametrize("line", ["SOURCE_GITHUB_API=http://evil.example", "SOURCE_PORT=1", "SOURCE_PROTOCOL=http"])
    @pytest.mark.parametrize("mode", TextMode)
    def test_of_an_api(self, tmp_path: Path, line: str, mode: TextMode) -> None:
        ours = operator(tmp_path, mode, SOURCE_HOST="git.example", SOURCE_GITHUB_TOKEN="operators")
        done = applied(ours.project("ABC"), f"{line}\n")
        assert (done.settings.hosts, len(done.refused)) == (ours.hosts, 1)

    def test_of_a_host_for_our_token(self, tmp_path: Path) -> None:
        ours = operator(tmp_path, TextMode.ALL, SOURCE_GITHUB_TOKEN="operators")
        done = applied(ours.project("ABC"), "SOURCE_HOST=evil.example\nSOURCE_USERNAME=theirs\n").settings
        assert done.host("evil.example").secret("github_token") is None
        assert done.host("evil.example").get("username") == "theirs"

    def test_a_section_of_ours_gets_no_credential_of_theirs(self, tmp_path: Path) -> None:
        (tmp_path / "credentials.cfg").write_text(CREDENTIALS)
        done = self.given(tmp_path, "SOURCE_HOST=git.example\nSOURCE_PASSWORD=theirs\nSOURCE_GITLAB_GROUP=theirs\n")
        assert done.settings.host("git.example").secret("password") is None
        assert done.settings.host("git.example").get("group") == "theirs"
        done = self.given(tmp_path, "SOURCE_HOST=git.example:99\nSOURCE_GITLAB_GROUP=theirs\n")
        assert "has a section of yours" in done.refused[0]


def test_a_kept_text_that_can_not_be_read_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "export" / "ABC" / controller_text.FILE
    path.mkdir(parents=True)
    assert load(tmp_path, {}, project="ABC").environment.log_level == "INFO"
    path.rmdir()
    path.write_bytes(b"logLevel=DEBUG\n\xff\n")
    assert load(tmp_path, {}, project="ABC").environment.log_level == "INFO"
    path.write_bytes(b"logLevel=DEBUG\nnothing\n")
    assert load(tmp_path, {}, project="ABC").environment.log_level == "DEBUG"
    assert load(tmp_path, {}).environment.log_level == "INFO"  # it is that project's alone


def hand_out(controller: ExistingController, text: str) -> None:
    controller.status = {"total": {"ok": True}, "configuration": {"ok": True, "contents": text}}


def test_refusals_are_named(agent: Agent, classic: ExistingController) -> None:
    assert agent("register", variables=classic.variables()).status == 0
    hand_out(classic, "logLevel=INFO\nSSH_HOST=127.0.0.9\nTZ=UTC\n")
    done = agent("preflight", variables=classic.variables())
    assert done.status == 0
    shown = " ".join(done.output.split())
    assert "SSH_HOST of the controller was not taken" in shown
    assert "taken: logLevel; also set here, which takes precedence: TZ" in shown
    hand_out(classic, "A=b\n" * 1000)
    assert agent("preflight", variables=classic.variables()).status == 0
    assert "SSH_HOST" in (agent.export() / "preflight_env").read_text()  # it was not kept


@pytest.mark.parametrize("text", ["logLevel INFO\n", "SSH_HOST=127.0.0.9\n", "GATHERER_URL_BLACKLIST=*\n"])
def test_a_bad_text_counts_for_one_run(
    agent: Agent, classic: ExistingController, repository: Repository, text: str
) -> None:
    repository.commit("one", {"a": "1"})
    variables = classic.variables(GROS_AGENT_SOURCE=f"git:x={repository.path.as_uri()}")
    hand_out(classic, text)
    first = agent("run", variables=variables)
    assert first.status == (3 if "BLACKLIST" in text else 0), first
    hand_out(classic, "logLevel=INFO\n")
    assert agent("run", variables=variables).status == 0


@needs_time_zones
def test_time_zone_of_the_controller(agent: Agent, repository: Repository) -> None:
    """It counts for the moments of its project, and for no other's."""
    give_secrets(agent)
    give_secrets(agent, "OTHER")
    repository.commit("one", {"a": "1"})
    agent.export().mkdir(parents=True)
    (agent.export() / "preflight_env").write_text("TZ=Asia/Tokyo\n")
    variables = {"JIRA_KEY": "TEST OTHER", "TZ": ""}
    assert agent("scrape", "--source", f"git:x={repository.path.as_uri()}", variables=variables).status == 0
    moments = [
        (agent.export(project) / "data_vcs_versions.json").read_text().partition('"commit_date":')[2][:22]
        for project in ("TEST", "OTHER")
    ]
    assert moments[0] != moments[1]


@needs_time_zones
def test_time_zone_in_a_run(agent: Agent, classic: ExistingController, repository: Repository) -> None:
    """What a run asks the controller in between does not take it away again."""
    repository.commit("one", {"a": "1"})
    hand_out(classic, "TZ=Asia/Tokyo\n")
    variables = classic.variables(GROS_AGENT_SOURCE=f"git:x={repository.path.as_uri()}", TZ="")
    assert agent("run", variables=variables).status == 0
    batch = agent.export()
    assert '"commit_date":"2020-09-13 21:' in (batch / "data_vcs_versions.json").read_text().replace(": ", ":")
    assert '"time_zone": "Asia/Tokyo"' in (batch / ".batch.json").read_text()


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ("host.other = https://jenkins.example\nusername = operators\npassword = operators\n", False),
        ("host.other = https://jenkins.example\n", True),
        ("host.abc = https://jenkins.example\nusername = operators\npassword = operators\n", False),
    ],
)
def test_an_address_for_another_project_is_none_for_this(tmp_path: Path, content: str, taken: bool) -> None:
    """What the operator set for another project lets no address of the controller's get the operator's credentials."""
    (tmp_path / "settings.cfg").write_text(f"[jenkins]\n{content}")
    done = applied(operator(tmp_path, TextMode.SOURCES).project("ABC"), "JENKINS_HOST=https://theirs.example\n")
    host = done.settings.get("jenkins", "host", "ABC")
    assert (host == "https://theirs.example") is taken
    if ".abc" in content:
        assert host == "https://jenkins.example"
        assert done.loses == ("JENKINS_HOST",)


def test_a_port_of_theirs_makes_no_section_that_wins(tmp_path: Path) -> None:
    (tmp_path / "credentials.cfg").write_text(CREDENTIALS)
    text = "SOURCE_HOST=git.example:8443\nSOURCE_GITLAB_GROUP=theirs\n"
    done = applied(operator(tmp_path, TextMode.SOURCES).project("ABC"), text)
    token = done.settings.host("git.example", 8443).secret("gitlab_token")
    assert token is not None
    assert token.reveal() == "operators-token"


def test_a_long_line_is_read_at_once(tmp_path: Path) -> None:
    """A status page reads the text each time."""
    begun = time.process_time()
    for line in ("A=" + " " * 60_000 + "x", 'A="' + "\\" * 60_000, "A=" + " \t" * 30_000 + "'"):
        applied(operator(tmp_path).project("ABC"), line)
    assert time.process_time() - begun < 2
