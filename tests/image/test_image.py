"""The image itself: what is in it, who it runs as, its volumes, its health, its end."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gros_agent import __version__
from support.agent import ROOT
from support.containers import HOME, Container, Engine
from support.controller import wait_until

Run = Callable[..., Container]
PUBLISH = ("--publish", "127.0.0.1::7070")
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108
SIZE_GOAL = 120_000_000
START_GOAL = 1.5
MEMORY_GOAL = 80 << 20


class TestContents:
    def test_configuration(self, engine: Engine, image: str) -> None:
        config = engine.inspect(image)["Config"]
        assert config["User"] == "1000"
        assert config["WorkingDir"] == HOME
        assert config["StopSignal"] == "SIGTERM"
        assert list(config["ExposedPorts"]) == ["7070/tcp"]
        assert set(config["Volumes"]) == {f"{HOME}/{name}" for name in ("export", "config", ".ssh", "secrets")}
        assert config["Healthcheck"]["Test"][0] == "CMD"
        labels = config["Labels"]
        assert labels["org.opencontainers.image.title"] == "gros-agent"
        assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
        text = json.dumps(config).lower()
        assert not re.search("proxy|registry|password|token", text)

    def test_size(self, engine: Engine, image: str, record_property: Callable[[str, object], None]) -> None:
        base = re.search("^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert base is not None
        added = engine.inspect(image)["Size"] - engine.inspect(base[1])["Size"]
        record_property("measured", f"image: {added / 1e6:.1f} MB on top of {base[1]} (goal {SIZE_GOAL / 1e6:.0f})")
        assert added < SIZE_GOAL

    def test_nothing_that_is_not_needed(self, run: Run) -> None:
        """Neither what builds it, nor what serves repositories, nor anything of the checkout beside the package."""
        one = run(command=("sleep", "60"))
        for program in ("pip", "gcc", "git-shell", "scalar", "sudo"):
            where = one.exec("sh", "-c", f"command -v {program} || true").strip()
            assert not where.startswith("/opt"), where
        assert "git-daemon" not in one.exec("ls", "/usr/lib/git-core")
        assert not one.exec(
            "sh", "-c", "find / -xdev -name .git -o -xdev -path '*gros_agent/test*' 2>/dev/null || true"
        )
        assert not one.exec("find", "/build", "/src", ok=False).startswith("/")
        assert one.exec("git", "--version").startswith("git version")

    def test_nothing_at_env(self, run: Run) -> None:
        assert run(command=("ls", f"{HOME}/env")).wait() != 0

    @pytest.mark.parametrize("place", ["scraper/agent/env.sh", "env.sh"])
    def test_env_sh(self, run: Run, place: str) -> None:
        one = run("-e", "JIRA_KEY=ABC", command=("sleep", "60"))
        script = f"{HOME}/{place}"
        assert one.exec(script, "gros-agent", "version").strip() == __version__
        one.exec("sh", "-c", "echo QUALITY_TIME_NAME='of the file' > config/env")
        assert one.exec(script, "sh", "-c", 'echo "$JIRA_KEY $QUALITY_TIME_NAME"') == "ABC of the file\n"
        assert one.exec(script, "gros-agent", "config", "show").count("of the file") > 0
        shell = one.engine.call("exec", "-i", one.identifier, script, stdin="echo $JIRA_KEY; exit 3\n", ok=False)
        assert "ABC" in shell.stdout
        assert shell.returncode == 3
        assert one.engine.call("exec", one.identifier, script, "no-such-program", ok=False).returncode == 127

    def test_every_command_works(self, run: Run) -> None:
        """The demo needs both sides, and everything that they stand on."""
        one = run(*HARDENED, command=("gros-agent", "demo"))
        assert one.wait(120) == 0, one.logs()
        assert re.search(r"git counts (\d+) commits, and \1 arrived", one.logs())


class TestBuild:
    def test_version_certificates_and_variables(
        self, engine: Engine, context: Callable[[], Path], run: Run, tag: str
    ) -> None:
        folder = context()
        (folder / "certs" / "wwwgros.crt").write_text("a certificate\n")
        stamp = f"{__version__}-some-branch-{'a1' * 20}"
        (folder / "VERSION").write_text(f"{stamp}\n")
        (folder / "env").write_text("JIRA_KEY=BUILTIN\nSSH_HOST=built.example\n")
        (folder / "secrets.json").write_text("never copied")
        engine.build(folder, tag)
        one = run("-e", "SSH_HOST=process.example", command=("sleep", "60"), of=tag)
        assert one.exec("gros-agent", "version").strip() == stamp
        assert one.exec("cat", f"{HOME}/certs/wwwgros.crt") == "a certificate\n"
        shown = one.exec("gros-agent", "config", "show", "--json")
        assert '"value": "BUILTIN"' in shown
        assert "built.example" in shown
        assert one.exec("ls", f"{HOME}/certs").split() == ["wwwgros.crt"]
        one.exec("sh", "-c", "echo JIRA_KEY=LATER > config/env")
        assert '"value": "LATER"' in one.exec("gros-agent", "config", "show", "--json")
        assert "never copied" not in one.exec("sh", "-c", "cat /home/agent/*.json 2>/dev/null || true")
        other = run("-e", "CRON_PERIOD=daily", of=tag)
        other.until("ready")
        assert other.exec("cat", "config/VERSION").strip() == stamp

    @pytest.mark.parametrize("buildkit", [True, False], ids=["buildkit", "classic"])
    def test_a_folder_called_env_stays_out(
        self, engine: Engine, context: Callable[[], Path], run: Run, tag: str, *, buildkit: bool
    ) -> None:
        folder = context()
        subprocess.run(["python3", "-m", "venv", "--without-pip", folder / "env"], check=True)
        shutil.rmtree(folder / "certs")
        engine.build(folder, tag, buildkit=buildkit)
        one = run(command=("sleep", "60"), of=tag)
        found = one.exec("sh", "-c", "find / -xdev -name pyvenv.cfg 2>/dev/null || true")
        assert found.split() == ["/opt/gros-agent/pyvenv.cfg"]
        assert one.exec("gros-agent", "version").strip() == __version__
        assert "has no branch and commit" in one.exec("gros-agent", "preflight", "--json", ok=False)

    def test_what_a_cluster_needs(
        self,
        engine: Engine,
        context: Callable[[], Path],
        run: Run,
        tag: str,
        image: str,
        record_property: Callable[[str, object], None],
    ) -> None:
        """The build of the documentation, without rights and with a file system that can only be read."""
        option = re.search(r"docker build (--build-arg EXTRAS=\S+) ", (ROOT / "docs" / "cluster.md").read_text())
        assert option is not None
        engine.build(context(), tag, *option[1].split())
        added = engine.inspect(tag)["Size"] - engine.inspect(image)["Size"]
        record_property("measured", f"image: {added / 1e6:.1f} MB more with what a cluster needs")
        scheduler = run(*HARDENED, command=("dask", "scheduler", "--no-dashboard"), of=tag)
        scheduler.until("Scheduler at")
        worker = ("dask", "worker", "tcp://127.0.0.1:8786", "--nthreads=1", "--local-directory=/tmp/worker")
        together = ("--network", f"container:{scheduler.identifier}")
        run(*HARDENED, *together, command=worker, of=tag).until("Registered to")


class TestUsers:
    @pytest.mark.parametrize("options", [(), HARDENED, ("--user", "12345"), ("--user", "12345", *HARDENED)])
    def test_anybody_but_root(self, run: Run, options: tuple[str, ...]) -> None:
        one = run(*PUBLISH, *options, "-e", "CRON_PERIOD=daily", "-e", "JIRA_KEY=ABC")
        one.until_ready()
        assert one.exec("id", "-u").strip() == ("12345" if "--user" in options else "1000")
        for folder in ("config", "export", ".ssh", "secrets"):
            one.exec("touch", f"{HOME}/{folder}/written")
        assert "settings.cfg" in one.exec("ls", "config")
        one.until("the scrape ended")
        assert "open to others" not in one.logs(), "nobody but this user and those of its own group"
        closed = "700" if one.exec("id", "-u").strip() == "1000" else "770"
        assert one.exec("stat", "-c", "%a", "secrets", ".ssh").split() == [closed, closed]
        processes = one.exec("sh", "-c", "for p in /proc/[0-9]*; do stat -c %u $p; done; true").split()
        assert "0" not in processes

    def test_a_user_without_a_name_may_use_ssh(self, run: Run) -> None:
        one = run("--user", "12345", command=("sleep", "60"))
        refused = one.exec("ssh", "-o", "BatchMode=yes", "nobody.invalid", ok=False)
        assert "No user exists" in refused
        named = one.exec(f"{HOME}/env.sh", "ssh", "-o", "BatchMode=yes", "nobody.invalid", ok=False)
        assert "Could not resolve hostname" in named

    def test_root_repairs_volumes_and_steps_down(self, run: Run, volume: Callable[[], str]) -> None:
        export, config = volume(), volume()
        mounts = ("--volume", f"{export}:{HOME}/export", "--volume", f"{config}:{HOME}/config")
        script = "mkdir -p export/ABC && echo '[]' > export/ABC/data_sources.json && echo JIRA_KEY=ABC > config/env"
        before = run(
            *mounts, "--user", "0", command=("sh", "-c", f"{script}; chmod 700 export/ABC; chown -R 0:0 export config")
        )
        assert before.wait() == 0
        # the configuration web interface runs as root: the agent can't read what it wrote
        refused = run(*mounts, "-e", "CRON_PERIOD=daily")
        text = refused.until("Permission denied")
        assert "belongs to root" in text
        assert "chown 1000" in text or "let user 1000 write there" in text
        refused.remove()
        one = run(*mounts, *PUBLISH, "--user", "0", "-e", "CRON_PERIOD=daily")
        one.until_ready()
        assert re.search("export: gave [0-9]+ files and folders to agent", one.logs())
        uids = set(
            one.exec(
                "sh", "-c", "find export config .ssh secrets -ignore_readdir_race -printf '%U '", user="1000"
            ).split()
        )
        assert uids == {"1000"}
        owners = one.exec(
            "sh", "-c", "for p in /proc/[0-9]*; do echo $(stat -c %u $p) $(tr '\\0' ' ' < $p/cmdline); done", ok=False
        )
        assert re.search("^1000 .*gros-agent entrypoint", owners, re.MULTILINE), owners
        assert one.exec(f"{HOME}/env.sh", "id", "-u", user="0").strip().endswith("1000")

    def test_root_without_capabilities(self, run: Run) -> None:
        one = run("--user", "0", "--cap-drop", "ALL", "-e", "CRON_PERIOD=daily")
        assert one.wait() == 7
        assert "leave --user 0 out" in one.logs()

    def test_volumes_that_can_only_be_read(self, run: Run, volume: Callable[[], str]) -> None:
        config = volume()
        run("--volume", f"{config}:{HOME}/config", command=("sh", "-c", "echo JIRA_KEY=ABC > config/env")).wait()
        one = run(*PUBLISH, "--volume", f"{config}:{HOME}/config:ro", "-e", "CRON_PERIOD=daily")
        one.until_ready()
        text = one.logs()
        assert "can't be written" in text
        assert "a scrape of ABC every day" in text


class TestLife:
    def test_init_takes_orphans(self, run: Run) -> None:
        one = run("-e", "CRON_PERIOD=daily")
        one.until("ready")
        assert one.exec("cat", "/proc/1/comm").strip() == "tini"
        one.exec("sh", "-c", "(sleep 0.2 & exec true) & wait; true")
        # one that has ended stays in the list until somebody asked for its exit status
        wait_until(lambda: "(sleep)" not in one.exec("sh", "-c", "cat /proc/[0-9]*/stat", ok=False))

    def test_health(self, run: Run) -> None:
        one = run("-e", "CRON_PERIOD=daily", "--health-interval", "1s")
        end = time.monotonic() + 30
        while one.state()["Health"]["Status"] != "healthy":
            assert time.monotonic() < end, one.state()
            time.sleep(0.2)
        one.exec("sh", "-c", "kill -STOP $(cat /proc/1/task/1/children)")
        end = time.monotonic() + 60
        while one.state()["Health"]["Status"] != "unhealthy":
            assert time.monotonic() < end, one.state()
            time.sleep(0.5)

    def test_start_memory_and_stop(self, run: Run, record_property: Callable[[str, object], None]) -> None:
        begun = time.monotonic()
        one = run(*PUBLISH, "-e", "CRON_PERIOD=daily")
        one.until_ready()
        seconds = time.monotonic() - begun
        time.sleep(3)
        script = "for p in /proc/[0-9]*; do grep -h VmHWM $p/status; done 2>/dev/null"
        memory = sum(
            int(line.split()[1]) for line in one.exec("sh", "-c", script, ok=False).splitlines() if "VmHWM" in line
        )
        status, took = one.stop()
        record_property(
            "measured",
            f"start to ready: {seconds:.2f} s (goal {START_GOAL}); peak memory: {memory / 1024:.0f} MiB (goal 80)",
        )
        assert status == 0
        assert took < 10
        assert seconds < 2 * START_GOAL  # a machine that does other work too
        assert memory * 1024 < MEMORY_GOAL

    def test_port_taken(self, run: Run, network: str) -> None:
        first = run("--network", network, "-e", "CRON_PERIOD=daily")
        first.until("ready")
        second = run("--network", f"container:{first.identifier}", "-e", "CRON_PERIOD=daily")
        assert second.wait() == 7
        assert "port 7070 is in use" in second.logs()


@pytest.mark.parametrize(
    ("variables", "status", "words"),
    [
        ({"JENKINS_URL": "yes"}, 7, "no project is named"),
        ({"JENKINS_URL": "yes", "JIRA_KEY": "-"}, 7, "no project is named"),
        ({"CRON_PERIOD": "fortnightly"}, 7, "15min, hourly, daily, weekly, monthly"),
        ({"CRON_PERIOD": "daily", "BIGBOAT_PERIOD": "never"}, 7, "15min, hourly, daily, weekly, monthly"),
        ({"CRON_PERIOD": "daily", "PREFLIGHT_ARGS": "--nonsense"}, 7, "No such option"),
        ({"CRON_PERIOD": "daily", "TZ": "Nowhere"}, 7, "there is no such time zone"),
        ({"CRON_PERIOD": "daily", "GITLAB_TOKEN_FILE": "/none"}, 7, "there is no file /none"),
        ({"JIRA_KEY": "abc"}, 7, "was ABC meant?"),
    ],
)
def test_bad_variables(run: Run, variables: dict[str, str], status: int, words: str) -> None:
    options = [text for name, value in variables.items() for text in ("-e", f"{name}={value}")]
    one = run(*options)
    assert one.wait() == status, one.logs()
    assert words in one.logs()


def test_a_folder_where_the_variables_should_be(run: Run, volume: Callable[[], str]) -> None:
    """What ``-v env:/home/agent/env`` makes, as the page has it: it starts, and says what was probably meant."""
    name = volume()
    one = run("--volume", f"{name}:{HOME}/env", "-e", "CRON_PERIOD=daily")
    text = one.until("ready")
    assert f'-v "$PWD/env:{HOME}/env"' in text
    one.remove()
    run("--volume", f"{name}:{HOME}/env", "--user", "0", command=("sh", "-c", "echo JIRA_KEY=ABC > env/env")).wait()
    again = run("--volume", f"{name}:{HOME}/env", "-e", "CRON_PERIOD=daily")
    assert "a scrape of ABC every day" in again.until("ready")


def test_a_certificate_that_is_not_there(run: Run) -> None:
    one = run(
        *PUBLISH,
        "-e",
        "CRON_PERIOD=daily",
        "-e",
        "JIRA_KEY=ABC",
        "-e",
        "SSH_HOST=c.invalid",
        "-e",
        "SSH_HTTPS_CERT=certs/none.crt",
    )
    text = one.until("status 7")
    assert "certs/none.crt" in text
    assert one.ask("/readyz")[0] == 503
    assert one.ask("/healthz")[0] == 200
    assert "the certificate file /home/agent/certs/none.crt is missing" in one.ask("/api/state")[1]


def test_secrets_show_nowhere(engine: Engine, run: Run, tmp_path: Path) -> None:
    secret = "correct-horse-battery-staple"
    (tmp_path / "token").write_text(f"{secret}\n")
    os.chmod(tmp_path / "token", 0o644)  # noqa: PTH101 (as an engine mounts it)
    one = run(
        *("--volume", f"{tmp_path / 'token'}:/run/secrets/token:ro", "-e", "CRON_PERIOD=15min", "-e", "JIRA_KEY=ABC"),
        *(
            "-e",
            "AGENT_TOKEN_FILE=/run/secrets/token",
            "-e",
            "SOURCE_HOST=h.example",
            "-e",
            "SOURCE_PASSWORD_FILE=/run/secrets/token",
        ),
        *("-e", "logLevel=DEBUG", *PUBLISH),
    )
    one.until_ready()
    assert one.ask("/")[0] == 401
    assert one.ask("/api/state", headers={"Authorization": f"Bearer {secret}"})[0] == 200
    assert secret not in json.dumps(engine.inspect(one.identifier))
    assert secret not in one.logs()
    assert secret not in one.exec("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ", ok=False)
    assert secret not in one.exec("gros-agent", "config", "show", "--all")
    assert one.exec("stat", "-c", "%a", "config/credentials.cfg").strip() == "600"
