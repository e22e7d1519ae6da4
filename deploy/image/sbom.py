"""Lists what is in the image, as a software bill of materials: CycloneDX 1.6, in JSON.

usage: sbom.py IMAGE FILE      (needs an engine, and cyclonedx-python-lib with its validation)

The packages are those that the image itself names: Debian's package database, and the metadata of the installed Python
distributions.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_DEBIAN = ("dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\t${Architecture}\\n")
_PYTHON = """
import importlib.metadata, json
print(json.dumps([[one.name, one.version] for one in importlib.metadata.distributions()]))
"""


def packages(engine: str, image: str) -> Iterator[Component]:
    """Every package in an image."""
    lines = _in(engine, image, "cat", "/etc/os-release").splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    distribution = f"{release['ID']}-{release.get('VERSION_ID', '').strip(chr(34))}"
    for line in _in(engine, image, *_DEBIAN).splitlines():
        name, version, architecture = line.split("\t")
        qualifiers = {"arch": architecture, "distro": distribution}
        url = PackageURL("deb", release["ID"], name, version, qualifiers)
        yield Component(type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=url.to_string())
    for name, version in json.loads(_in(engine, image, "python", "-c", _PYTHON)):
        url = PackageURL("pypi", None, name.lower(), version)
        yield Component(type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=url.to_string())


def bill(engine: str, image: str) -> Bom:
    """The bill of an image."""
    (found,) = json.loads(_run(engine, "inspect", image))
    version = _in(engine, image, "gros-agent", "version").strip()
    made = Bom(components=packages(engine, image))
    root = Component(type=ComponentType.CONTAINER, name="gros/data-gathering", version=version, bom_ref=found["Id"])
    made.metadata.component = root
    made.register_dependency(root, made.components)
    return made


def _in(engine: str, image: str, *command: str) -> str:
    return _run(engine, "run", "--rm", "--network", "none", image, *command)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(image: str, path: Path) -> None:
    """Write the bill of an image to a file, if it is well formed."""
    engine = shutil.which("/usr/bin/docker") or shutil.which("docker")
    if engine is None:
        sys.exit("there is no container engine: docker is not installed")
    made = bill(engine, image)
    text = JsonV1Dot6(made).output_as_string(indent=2)
    problem: Any = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem:
        sys.exit(f"the bill is not well formed: {problem}")
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path}: {len(made.components)} packages")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
