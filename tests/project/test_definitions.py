"""What quality systems say that a project consists of: found, written down, described, collected."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.runtime.urls import split
from gros_agent.sources import sources
from gros_agent.sources.base import Context, Definer, Definition, SourceEntry
from gros_agent.sources.quality_time.definition import _TYPES, read
from gros_agent.sources.quality_time.shapes import Report
from support import schemas
from support.agent import Agent, Finished
from support.controller import controller
from support.gitlab import PATH, TOKEN, UNDER, GitLab
from support.hosts import host_with
from support.jenkins import Jenkins
from support.quality_time import QualityTime
from support.replay import LASTING, Strike, serving
from support.repository import linear_history
from support.servers import git_http
from support.sonarqube import Project, SonarQube

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "sonarqube.json").read_text())
Item = dict[str, Any]


@pytest.fixture
def quality() -> Iterator[QualityTime]:
    one = QualityTime()
    with serving(one.replay):
        yield one


@pytest.fixture
def sonar() -> Iterator[SonarQube]:
    one = SonarQube()
    with serving(one.replay):
        yield one


def defined(kind: str, url: str, folder: Path) -> Definition:
    source = sources()[kind]
    assert isinstance(source, Definer)
    entry = SourceEntry(kind, "quality", url)
    context = Context(
        entry=entry, host=host_with("127.0.0.1"), folder=folder / "work", known_hosts=folder / "known", silence=1
    )
    return source.definition(context)


def reporting(server: QualityTime, subjects: dict[str, list[Item]]) -> None:
    """Let one report name sources: name of a subject → what its metrics are measured by."""
    report = {
        "report_uuid": "0a1b2c3d-0000-4000-8000-000000000001",
        "title": "Report of the project",
        "timestamp": "2024-03-01T00:00:00+00:00",
        "subjects": {
            f"subject-{number}": {
                "type": "software",
                "name": name,
                "metrics": {
                    f"metric-{number}-{place}": {"type": "violations", "sources": {f"source-{number}-{place}": source}}
                    for place, source in enumerate(measured_by)
                },
            }
            for number, (name, measured_by) in enumerate(subjects.items())
        },
    }
    server.data["reports"] = {"now": [report]}


def source(kind: str, **parameters: Any) -> Item:
    return {"type": kind, "parameters": parameters}


def test_kinds_of_sources(quality: QualityTime, tmp_path: Path) -> None:
    reporting(
        quality,
        {
            "Front": [
                source("sonarqube", url="https://sonar.test/", component="org:front", branch="main", private_token="x"),
                source("gitlab", url="https://gitlab.test", project="group/sub/front", private_token="secret"),
                source("gitlab", url="https://gitlab.test/", project="group/sub/front", branch="main"),
                source("jenkins", url="https://build.test", username="reader", password="secret"),
                source("junit", url="https://files.test/junit.xml"),
                source("calendar", date="2024-01-01"),
            ],
            "Back": [
                source("azure_devops", url="https://dev.azure.com/org/My%20project", repository="back end"),
                source("azure_devops", url="https://dev.azure.com/org/project"),
                source("github", url="https://github.com", owner="org", repository="back"),
                source("jenkins", url="https://build.test/"),
                source("jira", url="https://user:secret@jira.test"),
                source("quality_time", url="https://quality.test", reports=["A"]),
            ],
            "Odd": [
                source("gitlab", url="https://gitlab.test", project="12345"),
                source("gitlab", url="https://gitlab.test"),
                source("gitlab", url="file:///etc", project="passwd"),
                source("jira", url=""),
                source("jenkins", url="ext::sh -c id"),
                source("sonarqube", url="https://sonar.test"),
            ],
        },
    )
    found = defined("quality-time", quality.replay.url, tmp_path)
    assert [(one.type, one.name, one.url) for one in found.sources] == [
        ("github", "Back", "https://github.com/org/back"),
        ("gitlab", "Front", "https://gitlab.test/group/sub/front"),
        ("tfs", "Back", "https://dev.azure.com/org/My%20project/_git/back%20end"),
        ("tfs", "Back", "https://dev.azure.com/org/project/_git/project"),
        ("jira", "Back", "https://jira.test"),
        ("jenkins", "Front", "https://build.test"),
        ("quality-time", "Back", "https://quality.test"),
        ("sonar", "org:front", "https://sonar.test/dashboard?id=org%3Afront&branch=main"),
    ]
    assert [(one.domain_name, one.url, one.source_id, one.source_type) for one in found.identifiers] == [
        ("Front", "https://sonar.test", "org:front", "sonar")
    ]
    assert found.title == "Report of the project"
    (note,) = found.notes
    assert note == (
        "named without an address that can be collected: "
        "3 of type gitlab, 1 of type jenkins, 1 of type jira, 1 of type sonar"
    )
    assert "secret" not in repr(found)


TEXT = st.text(max_size=20) | st.sampled_from(
    [
        "https://h.example",
        "http://user:hush@h.example/a b",
        "file:///etc",
        "ext::sh -c id",
        "-oProxy=x",
        "h.example:x/y",
        "https://[",
        "//x",
    ]
)
PARAMETERS = ("url", "project", "repository", "owner", "component", "branch")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*_TYPES, "junit", ""]),
            st.dictionaries(st.sampled_from(PARAMETERS), TEXT | st.none() | st.integers() | st.lists(TEXT)),
        ),
        max_size=6,
    ),
    TEXT,
)
def test_any_report(measured_by: list[tuple[str, dict[str, Any]]], name: str) -> None:
    """Whatever a report says: only addresses of the web, each once, without a password; the rest is counted."""
    metrics = {
        str(number): {"type": "x", "sources": {"a": {"type": kind, "parameters": parameters}}}
        for number, (kind, parameters) in enumerate(measured_by)
    }
    report = msgspec.convert({"report_uuid": "r", "subjects": {"s": {"name": name, "metrics": metrics}}}, Report)
    parts, identifiers = read([report])
    found = parts.sources()
    for one in found:
        address = split(one.url)
        assert address.scheme in {"http", "https"}
        assert "@" not in address.netloc
        assert one.name or not name
    assert len({(one.type, one.url.lower()) for one in found}) == len(found)
    assert len(identifiers) <= sum(one.type == "sonar" for one in found)
    known = {kind for kind, _ in measured_by if kind in _TYPES}
    assert bool(known) == (bool(found) or bool(list(parts.notes())))


@pytest.mark.parametrize("date", ["2024-02-02", "2024-02-10", "2024-02-20", "2024-03-01", "2024-03-05"])
def test_recorded_reports(quality: QualityTime, tmp_path: Path, date: str) -> None:
    """What the metrics of a recorded server are measured by, at each of its dates."""
    quality.now = datetime.fromisoformat(date).replace(tzinfo=UTC)
    found = defined("quality-time", quality.replay.url, tmp_path)
    states = sorted(one for one in quality.data["reports"] if one != "now" and one > quality.now.isoformat())
    named = {
        (subject["name"], one["parameters"]["url"], one["parameters"]["component"])
        for report in quality.data["reports"][states[0] if states else "now"]
        for subject in report["subjects"].values()
        for metric in subject["metrics"].values()
        for one in metric["sources"].values()
        if one["type"] == "sonarqube"
    }
    assert named
    assert {(one.domain_name, one.url, one.source_id) for one in found.identifiers} == named
    assert {one.url for one in found.sources} == {
        f"{url}/dashboard?id={component.replace(':', '%3A')}&branch=master" for _, url, component in named
    }


def test_projects_of_sonarqube(sonar: SonarQube, tmp_path: Path) -> None:
    """Where the code is; and what projects link to, where that is not said."""
    one, two, three = sonar.projects
    one.alm = RECORDED["navigation"]["alm"]
    two.links = [
        {"type": "homepage", "url": "https://home.test"},
        {"type": "scm", "url": "scm:git:https://code.test/two.git"},
        {"type": "ci", "url": "https://build.test/jenkins/job/two/"},
        {"type": "issue", "url": "https://jira.test/browse/TWO"},
    ]
    three.alm = {"key": "bitbucket", "url": "https://bitbucket.test/three"}
    sonar.projects.append(
        Project("four", "Four", links=[{"type": "scm", "url": "git@code.test:four"}, {"type": "ci", "url": "about:"}])
    )
    found = defined("sonar", sonar.url, tmp_path)
    assert [(each.type, each.name, each.url) for each in found.sources] == [
        ("github", "One", "https://github.test/org/foo"),
        ("git", "Two", "https://code.test/two.git"),
        ("jira", "Two", "https://jira.test"),
        ("jenkins", "Two", "https://build.test/jenkins"),
    ]
    assert (found.title, found.notes) == (
        "One",
        ("named without an address that can be collected: 1 of type bitbucket",),
    )
    sonar.organization = {"key": "org", "name": "Organization"}
    assert defined("sonar", f"{sonar.url}/organizations/org", tmp_path).title == "Organization"
    assert [each.url for each in defined("sonar", f"{sonar.url}/dashboard?id=org:one", tmp_path).sources] == [
        "https://github.test/org/foo"
    ]


class Site:
    """A project whose Quality-time report names a GitLab project, which is there, and a Jenkins."""

    def __init__(self, agent: Agent, quality: QualityTime, gitlab: GitLab, jenkins: Jenkins, port: int) -> None:
        self.agent, self.quality, self.gitlab, self.jenkins = agent, quality, gitlab, jenkins
        self.base = f"http://127.0.0.1:{port}"
        self.configure()
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1:{port}]\nusername = reader\npassword = word\ngitlab_token = {TOKEN}\n"
            f"web_port = {gitlab.replay.port}\nstrip = {UNDER}\n"
        )
        self.name()

    def configure(self, more: str = "") -> None:
        (self.agent.home / "settings.cfg").write_text(
            f"[projects]\nTEST = Long name\n[quality-time]\nname = Quality\nurl = {self.quality.replay.url}\n{more}"
        )

    def name(self, *more: Item) -> None:
        reporting(
            self.quality,
            {
                "Product": [
                    source("gitlab", url=self.base, project=PATH),
                    source("jenkins", url=self.jenkins.replay.url),
                    *more,
                ]
            },
        )

    def scrape(self, *arguments: str) -> Finished:
        return self.agent.scrape("--make-secrets", *arguments)

    def read(self, name: str) -> Any:
        return json.loads((self.agent.export() / name).read_text())

    def listed(self) -> list[str]:
        return [one["name"] for one in self.read("data_sources.json")]


@pytest.fixture
def site(agent: Agent, quality: QualityTime, tmp_path: Path) -> Iterator[Site]:
    served, gitlab, jenkins = tmp_path / "served", GitLab(), Jenkins()
    (served / PATH).parent.mkdir(parents=True)
    linear_history(served / PATH, 5)
    with (
        serving(gitlab.replay),
        serving(jenkins.replay),
        git_http(served, "reader", "word") as server,
    ):
        yield Site(agent, quality, gitlab, jenkins, server.port)


def test_from_the_report_to_the_commits(site: Site) -> None:
    """Nothing is on the list of sources: the settings name a Quality-time, and its report everything else."""
    done = site.scrape()
    assert done.status == 0, done
    assert "sources that it names: 2" in done.output
    assert {row["repo_name"] for row in site.read("data_vcs_versions.json")} == {"Product"}
    assert len(site.read("data_vcs_versions.json")) == 5
    assert site.read("data_merge_request.json")
    assert site.read("data_sources.json") == [
        {"type": "quality-time", "name": "Quality", "url": site.quality.replay.url},
        {"type": "gitlab", "name": "Product", "url": f"{site.base}/{PATH}"},
        {"type": "jenkins", "name": "Product-jenkins", "url": site.jenkins.replay.url},
    ]
    web = f"{site.gitlab.replay.url}"
    group = PATH.partition("/")[0]
    environments = {one["type"]: one for one in site.read("data_environments.json")}
    assert environments == {
        "quality-time": {
            "type": "quality-time",
            "url": site.quality.replay.url,
            "environment": ["quality-time", site.quality.replay.url],
            "version": "5.7.0",
        },
        "gitlab": {
            "type": "gitlab",
            "url": environments["gitlab"]["url"],
            "environment": environments["gitlab"]["environment"],
            "version": "17.5.0",
        },
        "jenkins": {
            "type": "jenkins",
            "url": site.jenkins.replay.url,
            "environment": site.jenkins.replay.url,
            "version": "2.440.3",
        },
    }
    assert web in environments["gitlab"]["url"]
    assert group in environments["gitlab"]["environment"]
    assert site.read("data_source_ids.json") == []
    assert site.read("data_project.json") == {
        "jira_key": "TEST",
        "jira_name": "TEST",
        "gitlab_group_name": "Long name",
        "quality_name": "Long name",
        "quality_display_name": "Report of the project",
        "main_project": None,
        "is_support_team": False,
    }
    for name in ("project_sources_update.json", "project_meta_update.json"):
        assert site.read(name) == {
            "sources": [{"type": "quality-time", "name": "Quality", "url": site.quality.replay.url}],
            "versions": {site.quality.replay.url: "2024-03-05T00:00:00+00:00"},
        }
    assert not schemas.errors(site.agent.export())


def test_comes_and_goes(site: Site) -> None:
    """What a report names no more goes; what somebody else put on the list stays, and so does all while it is away."""
    mine = {"type": "git", "name": "mine", "url": f"{site.base}/{PATH}"}
    site.agent.export().mkdir(parents=True)
    (site.agent.export() / "data_sources.json").write_text(json.dumps([mine]))
    site.name(source("jenkins", url=f"{site.quality.replay.url}/nothing"))
    assert site.scrape().status == 3
    assert site.listed() == ["mine", "Quality", "Product", "nothing"]
    site.quality.replay.strikes["report"] = Strike(LASTING["403"])
    assert site.scrape("--full").status == 3
    assert site.listed() == ["mine", "Quality", "Product", "nothing"]
    site.quality.replay.strikes.clear()
    site.name()
    assert site.scrape("--full").status == 0
    assert site.listed() == ["mine", "Quality", "Product"]
    site.configure("[subprojects]\nTEST = MAIN\n")
    done = site.scrape("--full")
    assert done.status == 0, done
    assert site.listed() == ["mine"], "a part of another project has no definition"
    described = site.read("data_project.json")
    assert (described["main_project"], described.get("quality_name")) == ("MAIN", None)
    assert not (site.agent.export() / "data_source_ids.json").exists()


@pytest.mark.parametrize("keeps", [False, True])
def test_what_the_web_interface_wrote_before(site: Site, keeps: bool) -> None:
    """It shows that no more once the project has a name in quality systems, and so it counts no more."""
    (site.agent.home / "env").write_text("skip_dropin=0\n" if keeps else "")
    seed = {"type": "gitlab", "name": "dummy repository on x", "url": f"{site.base}/{PATH}"}
    mine = {"type": "git", "name": "mine", "url": f"{site.base}/{PATH}.git"}
    site.agent.export().mkdir(parents=True)
    (site.agent.export() / "data_sources.json").write_text(json.dumps([seed, mine]))
    site.quality.replay.strikes["report"] = Strike(LASTING["403"])
    site.scrape()
    assert site.listed()[:2] == ["dummy repository on x", "mine"], "nobody knows what the project has"
    site.quality.replay.strikes.clear()
    site.scrape("--full")
    assert site.listed() == [*(["dummy repository on x"] if keeps else []), "mine", "Quality", "Product"]


def test_a_definition_that_fails_is_told_once(site: Site) -> None:
    site.scrape()
    site.quality.replay.strikes["report"] = Strike(LASTING["403"])
    done = site.scrape("--full")
    assert done.status == 3, done
    assert " ".join(done.output.split()).count("refuses the credentials with status 403") == 1


def test_what_a_report_names_stands_for_itself(site: Site, tmp_path: Path) -> None:
    """A repository that is called like its group is the seed of that group where the web interface names it alone."""
    linear_history(tmp_path / "served" / "both" / "both", 3)
    site.gitlab.data["project"]["path"] = "both"
    site.name(source("gitlab", url=site.base, project="both/both"))
    for _ in range(2):
        done = site.scrape("--full")
        assert done.status == 3, "the API has no such project"
        assert "repositories in its environment" not in done.output
        assert len(site.read("data_vcs_versions.json")) == 5 + 3
    done = site.agent("preflight", "--project", "TEST", "--no-ssh", "--no-secrets")
    assert "stands for" not in done.output


def test_block_list(site: Site) -> None:
    (site.agent.home / "env").write_text(f"GATHERER_URL_BLACKLIST=127.0.0.1:{site.jenkins.replay.port}\n")
    done = site.scrape()
    assert done.status == 0, done
    assert site.listed() == ["Quality", "Product"]


def test_nothing_is_kept_but_at_the_controller(site: Site, tmp_path: Path) -> None:
    """In a container without volumes each run finds the sources anew; the controller knows up to where they went."""
    with controller(tmp_path / "controller") as running:
        variables = running.variables(site.agent.home, "TEST")
        site.configure(
            f"[ssh]\nhost = 127.0.0.1\nport = {running.ssh}\nhttps_port = {running.https}\n"
            f"cert = {running.certificate}\n"
        )
        for run in range(2):
            done = site.agent("run", variables=variables)
            assert done.status == 0, done
            shutil.rmtree(site.agent.home / "export")
            shutil.rmtree(site.agent.home / "state" / "discovered")
            first, *others = running.inbox("TEST")
            assert len(others) == run
        assert {"data_project.json", "data_source_ids.json", "data_environments.json"} <= {
            one.name for one in first.iterdir()
        }
        for name in ("data_vcs_versions.json", "data_merge_request.json", "data_metrics.json"):
            assert json.loads((first / name).read_text()), name
            assert json.loads((others[0] / name).read_text()) == [], name


def test_addresses_and_names_in_the_settings(agent: Agent) -> None:
    """An address without a scheme is a host, and two systems may have one name."""
    (agent.home / "settings.cfg").write_text(
        "[projects]\nTEST = Long\n[sonar]\nname = Quality\nurl = sonar.example\n"
        "[quality-time]\nname = Quality\nurl = https://quality.example\n"
    )
    (agent.home / "env").write_text("GATHERER_URL_BLACKLIST=*\n")
    done = agent.scrape("--make-secrets")
    assert done.status == 3, done
    words = " ".join(done.output.split())
    assert "https://sonar.example is blocked by *" in words
    assert "https://quality.example is blocked by *" in words
    assert "Quality (sonar)" in words


def test_dry_run_writes_nothing(site: Site) -> None:
    done = site.agent.scrape("--dry-run")
    assert done.status == 0, done
    assert not list(site.agent.export().glob("data_*"))
    for table in ("data_vcs_versions", "data_jenkins", "data_project", "data_source_ids"):
        assert table in done.output
    assert "Report of the project" in done.output


def test_credentials_stay_in_the_settings(site: Site) -> None:
    """A password in the settings' URL counts in each scrape, and is on no list."""
    url = site.quality.replay.url.replace("http://", "http://reader:hush@")
    site.configure(f"url.TEST = {url}\n")
    for _ in range(2):
        site.quality.replay.asked.clear()
        done = site.scrape("--full")
        assert done.status == 0, done
        assert {"Basic cmVhZGVyOmh1c2g="} == {one.headers.get("Authorization") for one in site.quality.replay.asked}
    assert "hush" not in (site.agent.export() / "data_sources.json").read_text() + done.output


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", {"jira_key": "TEST", "jira_name": "TEST", "main_project": None, "is_support_team": False}),
        (
            "[projects]\nTEST = Long name\n[support]\nTEST = true\n[teams]\nTEST = The Team\n",
            {
                "jira_key": "TEST",
                "jira_name": "TEST",
                "quality_name": "Long name",
                "main_project": None,
                "is_support_team": True,
            },
        ),
    ],
)
def test_description_without_definition(agent: Agent, tmp_path: Path, settings: str, expected: Item) -> None:
    (agent.home / "settings.cfg").write_text(settings)
    linear_history(tmp_path / "repository", 2)
    done = agent.scrape("--make-secrets", "--source", f"git={tmp_path / 'repository'}")
    assert done.status == 0, done
    assert json.loads((agent.export() / "data_project.json").read_text()) == expected
    assert not (agent.export() / "data_source_ids.json").exists()
    assert not (agent.export() / "project_sources_update.json").exists()
