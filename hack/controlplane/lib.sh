# shellcheck shell=bash
# Paths and functions for up.sh and down.sh. Sourced, not executed.
export LC_ALL=C
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=${CLUSTER_DIR:-$(dirname "$hack")/.cluster}
case $cluster in /*) ;; *) cluster=$PWD/$cluster ;; esac
kubeconfig=$cluster/kubeconfig
state=$cluster/controlplane # etcd's data, keys, logs, and the list of processes: lines of "PID START-TIME NAME"

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# lock waits until no other up.sh or down.sh runs. The lock is held until this shell exits.
lock() {
  command -v flock >/dev/null || die "flock is not installed (package util-linux)"
  exec 9<"$hack/controlplane/lib.sh"
  flock 9
}

# start_time prints the start time of a process in clock ticks, or nothing if it has ended.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) } # skip the name, which may contain anything
  set -- $stat
  [ "$1" = Z ] || echo "${20}"
}

# running prints the process ids of this control plane that still run. If a process id was reused by another process,
# the start time differs.
running() {
  [ -e "$state/processes" ] || return 0
  local pid started
  while read -r pid started _; do
    [ "$(start_time "$pid")" != "$started" ] || echo "$pid"
  done <"$state/processes"
}

# complete succeeds if all started processes still run.
complete() {
  [ -s "$state/processes" ] && [ "$(running | wc -l)" = "$(wc -l <"$state/processes")" ]
}

# take_down stops every process and removes all state. It also works if only a part is left, or nothing.
take_down() {
  local pids signal=TERM
  for attempt in $(seq 200); do
    pids=$(running)
    [ -n "$pids" ] || break
    [ "$attempt" -lt 100 ] || signal=KILL # after 5 s; etcd and the API server need one or two
    kill -"$signal" $pids 2>/dev/null || true
    sleep 0.05
  done
  [ -z "$pids" ] || die "cannot stop the processes" $pids
  rm -rf "$state" "$kubeconfig" "$cluster/kubectl"
  rmdir "$cluster" 2>/dev/null || true
}
