"""What the configuration web interface of existing installations wrote for three forms, and what each form meant."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

RECORDINGS = Path(__file__).parent.parent / "recordings" / "web-ui"
IN_THE_IMAGE = "/home/agent"
"""The home whose paths stand in the files."""

VARIABLES = {
    "GATHERER_SETTINGS_FILE": "config/settings.cfg",
    "GATHERER_CREDENTIALS_FILE": "config/credentials.cfg",
    "GROS_AGENT_STATE": "config/state",
}
"""What the image sets, for a home elsewhere."""


@dataclass(frozen=True)
class Meant:
    """What a form says of one host; ``key`` is the file of its SSH key, in ``.ssh``."""

    kind: str
    username: str
    secrets: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    on: frozenset[str] = frozenset()
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """A form that was saved: its files, and what it meant. ``names`` are the projects' long names."""

    name: str
    names: dict[str, str]
    hosts: dict[str, Meant]
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    sources: tuple[tuple[str, str, str], ...] = ()

    @property
    def folder(self) -> Path:
        return RECORDINGS / self.name

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(self.names)

    @property
    def all_secrets(self) -> set[str]:
        return {*self.secrets.values(), *(text for host in self.hosts.values() for text in host.secrets.values())}

    def put(self, home: Path) -> None:
        """Copy the files into a home, whose path then stands in them."""
        for part, place in (("config", "config"), ("export", "export"), ("ssh", ".ssh")):
            if (self.folder / part).is_dir():
                shutil.copytree(self.folder / part, home / place, dirs_exist_ok=True)
        recorded = home / ".ssh" / "source_tfs.example_8080"
        if recorded.exists():
            recorded.rename(recorded.with_name("source_tfs.example:8080"))
        env = home / "config" / "env"
        env.write_text(env.read_text().replace(IN_THE_IMAGE, str(home)))


FORMS = (
    Form(
        "gitlab-token-two-projects",
        {"TEST": "test", "OTHER": "other name"},
        {
            "gitlab.example": Meant(
                "gitlab", "git", {"gitlab_token": "glpat-example"}, "id_rsa", texts={"group": "example"}
            ),
            "jenkins.example": Meant("jenkins", "api-user", {"password": "api-pass"}, on=frozenset({"unsafe_hosts"})),
        },
        {
            ("bigboat", "host"): "http://bigboat.example",
            ("quality-time", "name"): "quality-time-data",
            ("quality-time", "url"): "http://quality-time.example",
        },
        {("bigboat", "key"): "my-api-key"},
    ),
    Form(
        "github-own-urls-no-definition",
        {"ABC": ""},
        {
            "github.com": Meant(
                "github", "git", {"github_token": "ghp_example"}, "id_rsa", texts={"from_date": "2024-01-01"}
            )
        },
        sources=(("github", "dummy first github.com", "https://github.com/example/first"),),
    ),
    Form(
        "tfs-deploy-key-and-subversion",
        {"TFSX": ""},
        {
            "tfs.example:8080": Meant(
                "tfs",
                r"tfs\user",
                key="source_tfs.example:8080",
                on=frozenset({"unsafe_hosts", "skip_stats"}),
                texts={"tfs": "tfs/Collection"},
            ),
            "svn.example": Meant("subversion", "reader", {"password": "svn-password"}),
        },
        {("sonar", "name"): "sonar-data", ("sonar", "url"): "https://sonar.example/dashboard?id=x"},
        sources=(
            ("tfs", "tfs repository on tfs.example:8080", "http://tfs.example:8080/tfs/Collection/_git/Dummy"),
            ("subversion", "dummy legacy svn.example", "svn://svn.example/legacy/trunk"),
        ),
    ),
)

SWITCHES = frozenset({"unsafe_hosts", "skip_stats"})
TEXTS = frozenset({"from_date", "tag", "group", "tfs", "github_api_url", "github_bots"})
SECRETS = frozenset({"password", "github_token", "gitlab_token"})


def shows(form: Form, shown: str) -> None:
    """Check what ``config show --json`` printed: what the form says stands there, and its secrets are masked."""
    values = {(one["section"], one["option"]): one["value"] for one in json.loads(shown)["settings"]}
    assert values["environment", "JIRA_KEY"].split() == list(form.projects)
    assert values["ssh", "username"] == f"agent-{form.projects[0]}"
    assert values["ssh", "host"] == "controller.example"
    assert values["ssh", "cert"] == "certs/wwwgros.crt"
    for key, value in form.settings.items():
        assert values[key] == value
    for key in form.secrets:
        assert values[key] == "********"
    for name, host in form.hosts.items():
        assert values[name, "type"] == host.kind
        assert values[name, "username"] == host.username
        for option in host.secrets:
            assert values[name, option] == "********"
    for secret in form.all_secrets:
        assert secret not in shown
