"""Everything that a user can set, read once, frozen, and passed on.

This package is the only reader of the environment and of the files that configure the agent:

- :mod:`.envfile` reads ``env`` files as data,
- :mod:`.environment` merges them with the process's environment and checks the variables that it knows,
- :mod:`.template` declares every option, and the template that fills a missing file from the environment,
- :mod:`.ini` reads the two configuration files and remembers the line of each option,
- :mod:`gros_agent.privacy.secrets` reads a project's encryption tokens,
- :mod:`.template` has every option of the two files; a host's are those that the sources declare,
- :mod:`.controller_text` takes from a controller's environment text what it may set,
- :mod:`.oddities` names what was probably meant otherwise,
- :mod:`.model` is what comes out, and :mod:`.load` puts it together.
"""
