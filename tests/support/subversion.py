"""Builds Subversion repositories with its own programs, and serves them as real servers do."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.servers import free_port, wait_for

RECORDINGS = Path(__file__).parent.parent / "recordings" / "svn"
_MODULES = Path("/usr/lib/apache2/modules")


def require() -> None:
    """Skip where Subversion is not there."""
    missing = [name for name in ("svn", "svnadmin", "svnmucc", "svnrdump", "svnserve") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"Subversion is not complete on this machine: there is no {', '.join(missing)}")


def run(*arguments: str | Path, stdin: bytes | None = None, ok: tuple[int, ...] = (0,)) -> bytes:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": os.devnull, "TZ": "UTC"}
    command = [*map(str, arguments)]
    done = subprocess.run(command, env=environment, input=stdin or b"", capture_output=True, check=False, timeout=120)
    assert done.returncode in ok, (arguments, done.stderr.decode(errors="replace"))
    return done.stdout


@dataclass
class SubversionRepository:
    """A repository that is changed without a working copy: each commit is a list of steps as svnmucc takes them."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "SubversionRepository":
        require()
        path.parent.mkdir(parents=True, exist_ok=True)
        run("svnadmin", "create", path)
        return cls(path)

    @classmethod
    def load(cls, path: Path, dump: Path) -> "SubversionRepository":
        repository = cls.make(path)
        run("svnadmin", "load", "--quiet", "--bypass-prop-validation", path, stdin=dump.read_bytes())
        return repository

    @property
    def url(self) -> str:
        return self.path.as_uri()

    @property
    def youngest(self) -> int:
        return int(run("svnlook", "youngest", self.path))

    def write(self, content: str | bytes) -> str:
        """Put a text into a file beside the repository, and return the file's path."""
        folder = self.path.with_name(f"{self.path.name}-texts")
        folder.mkdir(exist_ok=True)
        path = folder / str(len(list(folder.iterdir())))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def put(self, name: str, content: str | bytes) -> tuple[str, ...]:
        """The step that gives a file a text."""
        return ("put", self.write(content), name)

    def commit(self, *steps: tuple[str, ...], message: str = "a change", author: str = "ada") -> int:
        arguments = [argument for step in steps for argument in step]
        options = ("--non-interactive", "--config-dir", self.path / "no-configuration", "-u", author, "-m", message)
        run("svnmucc", *options, "-U", self.url, "--", *arguments)
        return self.youngest

    def set_revision_property(self, revision: int, name: str, value: str | bytes | None) -> None:
        if value is None:
            run("svnadmin", "delrevprop", self.path, "-r", str(revision), name)
        else:
            run("svnadmin", "setrevprop", self.path, "-r", str(revision), name, self.write(value))


def layout(path: Path) -> SubversionRepository:
    """A small repository with trunk, branches and tags."""
    repository = SubversionRepository.make(path)
    repository.commit(("mkdir", "trunk"), ("mkdir", "branches"), ("mkdir", "tags"), message="folders")
    repository.commit(repository.put("trunk/a", "one\ntwo\n"), repository.put("trunk/b", "x\n"), message="files")
    repository.commit(("cp", "HEAD", "trunk", "tags/first"), message="a tag", author="carl")
    return repository


@contextlib.contextmanager
def svnserve(folder: Path, accounts: dict[str, str] | None = None) -> Iterator[int]:
    """Subversion's own server for the repositories in a folder; with accounts, for these alone."""
    require()
    port = free_port()
    options: list[str | Path] = []
    if accounts:
        content = "[users]\n" + "".join(f"{name} = {password}\n" for name, password in accounts.items())
        (folder / "passwd").write_text(content)
        general = f"[general]\nanon-access = none\npassword-db = {folder / 'passwd'}\nrealm = tests\n"
        (folder / "svnserve.conf").write_text(general)
        options = ["--config-file", folder / "svnserve.conf"]
    command = ["svnserve", "-d", "--foreground", "-r", folder, "--listen-host", "127.0.0.1"]
    command += ["--listen-port", str(port), *options]
    with subprocess.Popen([*map(str, command)], process_group=0, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield port
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@contextlib.contextmanager
def apache(repositories: Path, accounts: dict[str, str], tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """Apache with mod_dav_svn for copies of the repositories in a folder, at /svn/. Skips where one is missing.

    Its processes are nobody's, who may not look into the folders of tests: it has one of its own. ``tls`` is a
    certificate and its key.
    """
    require()
    program = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not (_MODULES / "mod_dav_svn.so").exists():
        pytest.skip("there is no apache2 with mod_dav_svn on this machine")
    with tempfile.TemporaryDirectory(prefix="svn-apache-") as made:
        folder, port = Path(made), free_port()
        shutil.copytree(repositories, folder / "served")
        (folder / "page.html").write_text("<html><body>a page</body></html>")
        (folder / "users").write_text("".join(f"{name}:{_hashed(text)}\n" for name, text in accounts.items()))
        (folder / "httpd.conf").write_text("\n".join(_configuration(folder, port, tls)) + "\n")
        run("chmod", "-R", "a+rX", folder)
        command = [program, "-D", "FOREGROUND", "-f", str(folder / "httpd.conf")]
        with subprocess.Popen(command, process_group=0, stderr=subprocess.DEVNULL) as server:
            try:
                wait_for(port)
                yield port
            finally:
                os.killpg(server.pid, signal.SIGTERM)


def _configuration(folder: Path, port: int, tls: tuple[Path, Path] | None) -> list[str]:
    names = ["mpm_event", "dav", "dav_svn", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_user"]
    names += ["ssl", "socache_shmcb"] if tls else []
    return [
        *(f"LoadModule {name}_module {_MODULES / f'mod_{name}.so'}" for name in names),
        *("ServerName 127.0.0.1", f"Listen 127.0.0.1:{port}", f"PidFile {folder / 'pid'}"),
        *(f"ErrorLog {folder / 'errors'}", f"DefaultRuntimeDir {folder}", f"DocumentRoot {folder}"),
        *(("SSLEngine on", f"SSLCertificateFile {tls[0]}", f"SSLCertificateKeyFile {tls[1]}") if tls else ()),
        *("<Location /svn>", "DAV svn", f"SVNParentPath {folder / 'served'}", "AuthType Basic", 'AuthName "tests"'),
        *(f"AuthUserFile {folder / 'users'}", "Require valid-user", "</Location>"),
        *(("User nobody", "Group nogroup") if os.getuid() == 0 else ()),
    ]


def _hashed(password: str) -> str:
    return run("openssl", "passwd", "-apr1", "-stdin", stdin=password.encode() + b"\n").decode().strip()
