#!/usr/bin/env bash
# Installs and starts a Docker engine on a Debian or Ubuntu machine that has none, and returns when it answers. Needs root.
# The engine outlives the tests, so that the next run finds it. prepare.mjs calls this after `docker version` has failed.
set -euo pipefail

log=/var/log/sluice-dockerd.log
wait_seconds=60

say() {
  printf 'servers: %s\n' "$1" >&2
}

fail() {
  say "$1"
  exit 1
}

answers() {
  docker version >/dev/null 2>&1
}

# shellcheck source=/dev/null
[[ -r /etc/os-release ]] && . /etc/os-release
if [[ " ${ID:-} ${ID_LIKE:-} " != *' debian '* || $(id -u) != 0 ]]; then
  fail 'No Docker engine answers, and only on Debian or Ubuntu, as root, can this script install one. Install Docker, start it, and see that "docker version" shows a server.'
fi

lock=/run/sluice-engine.lock
exec 9>"$lock"
flock 9
answers && exit 0 # another run has started it meanwhile

missing=()
command -v dockerd >/dev/null || missing+=(docker.io)
command -v iptables >/dev/null || missing+=(iptables)
if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then missing+=(docker-cli); fi
if ((${#missing[@]} > 0)); then
  say "No Docker engine here: installing ${missing[*]} with apt-get (about 20 s)"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 9>&- || {
    tail -20 "$log" >&2
    fail "apt-get could not install ${missing[*]}; what it said is above and in $log."
  }
fi

# Where systemd runs, the package's service is the engine; elsewhere a plain process is.
if [[ -d /run/systemd/system ]]; then
  say 'Starting the Docker engine (systemctl start docker)'
  systemctl start docker 9>&-
  running() { systemctl is-active -q docker; }
else
  say "Starting the Docker engine (dockerd, log in $log)"
  # Left by a machine that was switched off, it hinders the start if its number belongs to another process now.
  pid_file=/var/run/docker.pid
  if [[ -f $pid_file && $(cat "/proc/$(<"$pid_file")/comm" 2>/dev/null) != dockerd ]]; then rm -f "$pid_file"; fi
  setsid nohup dockerd >"$log" 2>&1 </dev/null 9>&- &
  pid=$!
  running() { kill -0 "$pid" 2>/dev/null; }
fi
for ((tenths = 0; tenths < wait_seconds * 10; tenths++)); do
  answers && exit 0
  running || break
  sleep 0.1
done
[[ -f $log ]] && tail -20 "$log" >&2
fail "The Docker engine did not start within $wait_seconds s; its last words are above."
