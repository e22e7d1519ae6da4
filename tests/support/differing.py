"""What can differ between Pythons and between releases of the dependencies, and which tests show it.

The check runs everything with one Python and the newest dependencies, and these with other Pythons and with the oldest
dependencies. The same for all of them, and tried once, is what other programs and systems do: Git, Subversion, SSH
servers, browsers and container engines, what systems answer page by page, and rows that are made of it by code that
these tests run, too.
"""

from collections.abc import Mapping

STANDARD_LIBRARY: Mapping[str, tuple[str, ...]] = {
    "asyncio, signal": ("service/test_daemon", "service/test_schedule", "service/test_web"),
    "concurrent.futures, threading": ("runtime/test_parallel",),
    "configparser, os.environ": ("settings/test_settings", "service/test_service_settings"),
    "dataclasses, typing": ("sources/test_conformance", "tables/test_tables"),
    "datetime, zoneinfo": ("run/test_history", "service/test_schedule", "tables/test_tables"),
    "fcntl, os": ("run/test_run",),
    "http, ssl, urllib": ("settings/test_authorities", "http/test_http", "runtime/test_urls"),
    "json, unicodedata": ("privacy/test_pseudonyms", "privacy/test_redaction", "tables/test_tables"),
    "sqlite3": ("run/test_history",),
    "subprocess": ("runtime/test_process",),
    "warnings": ("test_suite",),
}

DEPENDENCIES: Mapping[str, tuple[str, ...]] = {
    "apscheduler": ("service/test_schedule",),
    "asyncssh": ("reference/test_reference_controller", "run/test_demo"),
    "click": ("cli/test_cli", "run/test_run"),
    "cryptography": ("preflight/test_preflight", "reference/test_reference_controller"),
    "dask-jobqueue": ("cluster/test_slurm",),
    "distributed": ("cluster/test_cluster",),
    "duckdb": ("database/test_loading", "database/test_setting_aside", "database/test_table_files"),
    "environs": ("settings/test_settings",),
    "jinja2": ("service/test_web", "reference/test_page"),
    "msgspec": ("controller/test_capabilities", "sources/test_conformance", "tables/test_tables"),
    "paramiko": ("run/test_demo", "preflight/test_preflight"),
    "prometheus-client": ("service/test_web",),
    "psycopg": ("database/test_loading", "database/test_setting_aside"),
    "PyJWT": ("sources/github/test_github",),
    "pyOpenSSL": ("settings/test_authorities", "preflight/test_preflight"),
    "python-multipart": ("reference/test_reference_controller",),
    "regex": ("privacy/test_pseudonyms", "privacy/test_redaction"),
    "requests": ("settings/test_authorities", "http/test_http"),
    "requests-ntlm": ("sources/azure_devops/test_azure_devops",),
    "rich": ("cli/test_cli",),
    "scp": ("run/test_demo",),
    "starlette": ("reference/test_reference_controller", "service/test_web"),
    "tenacity": ("http/test_http",),
    "uvicorn": ("service/test_daemon", "service/test_web"),
    "vl-convert-python": ("reporting/test_page",),
}

FILES = frozenset(name for shown in (STANDARD_LIBRARY, DEPENDENCIES) for names in shown.values() for name in names)
"""Test modules, as paths in ``tests/`` without their suffix, whose tests have the marker ``differs``."""
