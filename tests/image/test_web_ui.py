"""What the configuration web interface writes, in the volumes of a real container; that interface runs as root."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.containers import HOME, Container
from support.web_ui import FORMS, Form, shows

Run = Callable[..., Container]
SHOW = ("gros-agent", "config", "show", "--json")
# as docker-compose.web-ui.yml has it
AS_ROOT = (
    *("--user", "0", "--read-only", "--tmpfs", "/tmp", "--security-opt", "no-new-privileges", "--cap-drop", "ALL"),  # noqa: S108
    *(word for name in ("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID") for word in ("--cap-add", name)),
)
by_form = pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])


@pytest.fixture
def written(run: Run, volume: Callable[[], str], tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Puts the files of a form into new volumes, as root and with these rights; returns the mounts."""

    def write(form: Form, rights: str = "u=rwX,go=rX") -> tuple[str, ...]:
        form.put(tmp_path)
        env = tmp_path / "config" / "env"
        env.write_text(env.read_text().replace(str(tmp_path), HOME))
        mounts: list[str] = []
        for name in ("config", "export", ".ssh"):
            (tmp_path / name).mkdir(exist_ok=True)
            mounts += ["--volume", f"{volume()}:{HOME}/{name}"]
        script = f"cp -r /written/. . && chmod -R {rights} config export .ssh && chown -R 0:0 config export .ssh"
        one = run(
            *mounts, "--volume", f"{tmp_path}:/written:ro", "--user", "0", command=("bash", "-c", f"umask 0; {script}")
        )
        assert one.wait() == 0, one.logs()
        return tuple(mounts)

    return write


@by_form
def test_what_can_be_read_counts(run: Run, written: Callable[..., tuple[str, ...]], form: Form) -> None:
    """Files of root that all may read: only what the agent has to write is in its way, and it says so."""
    mounts = written(form)
    one = run(*mounts, command=SHOW)
    assert one.wait() == 0, one.logs()
    shows(form, one.engine.call("logs", one.identifier).stdout)
    work = run(*mounts, "-e", "JENKINS_URL=yes")
    assert work.wait() == 7
    assert f"{HOME}/config/state" in work.logs()
    assert "Permission denied (it belongs to root)" in work.logs()
    assert "let user 1000 write there" in work.logs()


@by_form
def test_what_can_not_be_read_is_named(run: Run, written: Callable[..., tuple[str, ...]], form: Form) -> None:
    """Each file with its owner and what to do; nothing is done with half a configuration."""
    mounts = written(form, "u=rwX,go=")
    folders = run(
        *mounts, "--user", "0", command=("sh", "-c", "chmod 755 config export .ssh export/* 2>/dev/null || true")
    )
    assert folders.wait() == 0
    one = run(*mounts, "-e", "CRON_PERIOD=daily")
    assert one.wait() == 7
    for name in ("env", "settings.cfg", "credentials.cfg"):
        path = f"{HOME}/config/{name}"
        assert re.search(f"{path}: the [a-z]+ file can't be read: it belongs to root", one.logs()), one.logs()
        assert f"chown 1000 {path}" in one.logs()


@by_form
def test_root_puts_it_right(run: Run, written: Callable[..., tuple[str, ...]], form: Form) -> None:
    mounts = written(form, "u=rwX,go=")
    one = run(*mounts, "--user", "0", "--publish", "127.0.0.1::7070", "-e", "CRON_PERIOD=daily")
    one.until_ready()
    shows(form, one.exec(*SHOW, user="1000"))
    uids = set(one.exec("sh", "-c", "find config export .ssh -ignore_readdir_race -printf '%U '", user="1000").split())
    assert uids == {"1000"}
    one.until("the scrape ended")
    assert "Permission denied" not in one.logs()
    assert "controller.example" in one.logs()
    assert not [secret for secret in form.all_secrets if secret in one.logs()]


def test_key_that_root_keeps_for_itself(run: Run, written: Callable[..., tuple[str, ...]]) -> None:
    mounts = written(FORMS[2])
    path = f"{HOME}/.ssh/source_tfs.example:8080"
    assert run(*mounts, "--user", "0", command=("chmod", "600", path)).wait() == 0
    one = run(*mounts, command=("gros-agent", "preflight"))
    assert one.wait() == 4, one.logs()
    text = " ".join(one.logs().split())
    assert "the SSH key can't be read: it belongs to root" in text
    assert f"chown 1000 {path}" in text


def test_saved_while_it_is_up(run: Run, written: Callable[..., tuple[str, ...]]) -> None:
    """The interface writes as root under a running agent: a restart as root gives it all to the agent again."""
    mounts = written(FORMS[1])
    one = run(*mounts, *AS_ROOT, "--publish", "127.0.0.1::7070", "-e", "CRON_PERIOD=daily")
    one.until("the scrape ended")
    one.exec("sh", "-c", "mkdir export/NEXT && echo JIRA_KEY=NEXT > config/env", user="0")
    one.until("the settings were read again")
    assert '"NEXT"' in one.ask("/api/state")[1]
    assert one.exec("stat", "-c", "%u", "export/NEXT", user="1000").strip() == "0"
    one.engine("restart", one.identifier)
    one.until_ready()
    assert one.exec("stat", "-c", "%u", "export/NEXT", user="1000").strip() == "1000"
    assert one.stop()[0] == 0
