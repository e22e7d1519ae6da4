"""What can differ between Pythons and between releases of the dependencies, and which tests show it.

The check runs everything with one Python and the newest dependencies, and these with other Pythons and with the oldest
dependencies. The same for all of them, and tried once, is what other programs and systems do: Git, Subversion, SSH
servers, browsers and container engines, what systems answer page by page, and rows that are made of it by code that
these tests run, too.
"""

from collections.abc import Mapping

STANDARD_LIBRARY: Mapping[str, tuple[str, ...]] = {
    "asyncio, signal": ("test_daemon", "test_schedule", "test_web"),
    "concurrent.futures, threading": ("test_parallel",),
    "configparser, os.environ": ("test_settings", "test_container_settings"),
    "dataclasses, typing": ("test_conformance", "test_tables"),
    "datetime, zoneinfo": ("test_history", "test_schedule", "test_tables"),
    "fcntl, os": ("test_run",),
    "http, ssl, urllib": ("test_authorities", "test_http", "test_urls"),
    "json, unicodedata": ("test_privacy", "test_redaction", "test_tables"),
    "sqlite3": ("test_history",),
    "subprocess": ("test_process",),
    "warnings": ("test_suite",),
}

DEPENDENCIES: Mapping[str, tuple[str, ...]] = {
    "apscheduler": ("test_schedule",),
    "asyncssh": ("test_reference_controller", "test_path"),
    "click": ("test_cli", "test_run"),
    "cryptography": ("test_preflight", "test_reference_controller"),
    "environs": ("test_settings",),
    "jinja2": ("test_web",),
    "msgspec": ("test_capabilities", "test_conformance", "test_tables"),
    "paramiko": ("test_path", "test_preflight"),
    "prometheus-client": ("test_web",),
    "PyJWT": ("test_github",),
    "pyOpenSSL": ("test_authorities", "test_preflight"),
    "python-multipart": ("test_reference_controller",),
    "regex": ("test_privacy", "test_redaction"),
    "requests": ("test_authorities", "test_http"),
    "requests-ntlm": ("test_azure_devops",),
    "rich": ("test_cli",),
    "scp": ("test_path",),
    "starlette": ("test_reference_controller", "test_web"),
    "tenacity": ("test_http",),
    "uvicorn": ("test_daemon", "test_web"),
}

FILES = frozenset(name for shown in (STANDARD_LIBRARY, DEPENDENCIES) for names in shown.values() for name in names)
"""Names of test modules, whose tests have the marker ``differs``."""
