"""Options of a host that several sources read. Each source declares its own in addition."""

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right

COMMON: tuple[HostOption, ...] = (
    HostOption(
        "env",
        "name of the variable with the path of an SSH private key",
        "CREDENTIALS_ENV",
        definitions=True,
        controller=Right.FILE,
    ),
    HostOption("username", "user for HTTP(S) and SSH", definitions=True, controller=Right.CREDENTIAL),
    HostOption("username.ssh", "user for SSH, where it differs", in_template=False),
    HostOption("username.http", "user for HTTP(S), where it differs", in_template=False),
    HostOption(
        "password", "password or access token for HTTP(S)", definitions=True, secret=True, controller=Right.CREDENTIAL
    ),
    HostOption("host", "another host[:port] to connect to, with the options of its section", in_template=False),
    HostOption("port", "another port for this host", controller=Right.CONNECTION),
    HostOption("protocol", "http or https, for the API of a source with an ssh URL", controller=Right.CONNECTION),
    HostOption("web_port", "port of the API", controller=Right.CONNECTION),
    HostOption("type", "type of the sources on this host, as written by the configuration web UI", in_template=False),
    HostOption("strip", "first part of the path that an SSH URL does not have", controller=Right.CONNECTION),
    HostOption(
        "unsafe_hosts", "do not verify certificates and host keys", "UNSAFE", definitions=True, controller=Right.TRUST
    ),
    HostOption(
        "cacert",
        "file with the certificate authorities for this host",
        definitions=True,
        controller=Right.TRUST,
        file=True,
    ),
)
"""Options that every source has: how to connect to its host, and with which credentials."""

HISTORY: tuple[HostOption, ...] = (
    HostOption("from_date", "collect only commits since this date in a first collection", controller=Right.NAME),
    HostOption("tag", "collect only what leads to this tag", controller=Right.NAME),
    HostOption("skip_stats", "leave out line counts, sizes, branches and changed paths", controller=Right.NAME),
)
"""Options of version control systems: which part of a history is collected."""

GROUP = HostOption("group", "group that holds the project's repositories", "GITLAB_GROUP", controller=Right.NAME)
SKIP_ARCHIVED = HostOption("skip_archived", "leave archived repositories out of discovery", in_template=False)
