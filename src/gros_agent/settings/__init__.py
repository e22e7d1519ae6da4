"""Everything that a user can configure: read once, then passed on unchanged.

This package is the only reader of the environment and of the files that configure the agent:

- :mod:`.envfile` reads ``env`` files as data,
- :mod:`.environment` merges them with the process's environment and checks the variables that it knows,
- :mod:`.template` declares every option of the two files; the options of hosts are declared by the sources,
- :mod:`.ini` reads the two configuration files and remembers the line of each option,
- :mod:`gros_agent.privacy.secrets` reads a project's encryption tokens,
- :mod:`.controller_text` applies what a controller's environment text may set,
- :mod:`.oddities` warns about settings that are probably mistakes,
- :mod:`.model` is the result, and :mod:`.load` puts it together.
"""
