"""The agent as a service: the entry point of a container, its scheduler, and its web interface.

- :mod:`.entrypoint` reads the environment, sees to the files, and picks the mode,
- :mod:`.duty` says what a running agent can be asked, :mod:`.daemon` is the one that works at each period,
- :mod:`.web` puts the web interface together and serves it: :mod:`.endpoints` answers programs, :mod:`.pages` people,
  and :mod:`.guard` lets in who may ask. Each :mod:`call <.calls>` is declared once, and :mod:`.openapi` describes it.

The work itself is done by the commands of the agent, each in a process of its own: an idle agent stays small, a run
that is killed takes nobody with it, and each one reads the environment files again.
"""
