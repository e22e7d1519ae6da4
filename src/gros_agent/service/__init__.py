"""The agent as a service: the entry point of a container, its scheduler, and its web interface.

- :mod:`.entrypoint` prepares the files and keeps the agent running; :mod:`.modes` picks the mode,
- :mod:`.duty` is the interface of a running agent to its web interface, :mod:`.daemon` the implementation,
- :mod:`.web` puts the web interface together and serves it: :mod:`.endpoints` for programs, :mod:`.pages` for people.
  :mod:`.guard` checks who may use it. Each :mod:`call <.calls>` is declared once, and :mod:`.openapi` describes it.

The work itself is done by the commands of the agent, each in its own process. So an idle agent stays small, a killed
run does not affect the service, and each run reads the environment files again.
"""
