# shellcheck shell=bash
# What up.sh and down.sh share: where things are, and how to end just what was started. Sourced, never called.
export LC_ALL=C
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=${CLUSTER_DIR:-$(dirname "$hack")/.cluster}
case $cluster in /*) ;; *) cluster=$PWD/$cluster ;; esac
kubeconfig=$cluster/kubeconfig
state=$cluster/controlplane # etcd's data, keys, logs, and the processes: a line "PID START-TIME NAME" each

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# lock lets one up.sh or down.sh run at a time, for as long as this shell lives.
lock() {
  command -v flock >/dev/null || die "flock is needed and missing (package util-linux)"
  exec 9<"$hack/controlplane/lib.sh"
  flock 9
}

# start_time prints when a process was started, in the kernel's ticks; nothing for one that has ended.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) } # the name before it may hold anything
  set -- $stat
  [ "$1" = Z ] || echo "${20}"
}

# running prints the process ids of this control plane that still run. A process id that another process has got
# meanwhile has another start time.
running() {
  [ -e "$state/processes" ] || return 0
  local pid started
  while read -r pid started _; do
    [ "$(start_time "$pid")" != "$started" ] || echo "$pid"
  done <"$state/processes"
}

# complete tells whether all that was started still runs.
complete() {
  [ -s "$state/processes" ] && [ "$(running | wc -l)" = "$(wc -l <"$state/processes")" ]
}

# take_down ends every process and removes every trace. It does no harm when nothing runs, or half.
take_down() {
  local pids signal=TERM
  for attempt in $(seq 200); do
    pids=$(running)
    [ -n "$pids" ] || break
    [ "$attempt" -lt 100 ] || signal=KILL # etcd and the API server end within a second or two; five are enough
    kill -"$signal" $pids 2>/dev/null || true
    sleep 0.05
  done
  [ -z "$pids" ] || die "cannot end the processes" $pids
  rm -rf "$state" "$kubeconfig" "$cluster/kubectl"
  rmdir "$cluster" 2>/dev/null || true
}
