#!/bin/sh
# The agent's environment: runs the command in its arguments there, or a shell without any.
exec /opt/gros-agent/bin/python -m gros_agent.service.image.shell "$@"
