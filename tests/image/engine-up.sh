#!/bin/bash
# Starts a Docker engine of its own and prints its DOCKER_HOST; end it with: kill $(cat FOLDER/docker.pid)
# usage: engine-up.sh FOLDER        (as root, with Debian's package docker.io)
set -euo pipefail
folder=$1
mkdir -p "$folder"
host="unix://$folder/docker.sock"
setsid dockerd --host "$host" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" \
    >"$folder/log" 2>&1 </dev/null &
for _ in {1..200}; do
    if docker --host "$host" info >/dev/null 2>&1; then
        echo "$host"
        exit 0
    fi
    sleep 0.1
done
tail -n 5 "$folder/log" >&2
exit 1
