# shellcheck shell=bash
# Paths and functions for up.sh, down.sh and in.sh. Sourced, not executed.
export LC_ALL=C
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=${CLUSTER_DIR:-$(dirname "$hack")/.cluster}
case $cluster in /*) ;; *) cluster=$PWD/$cluster ;; esac
kubeconfig=$cluster/kubeconfig
state=$cluster/node # data of etcd and containerd, logs and keys; removed with the cluster

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# say prints a progress message with the seconds since the outermost script started.
export BEGAN=${BEGAN:-${EPOCHREALTIME/./}}
say() {
  printf '%6.1f s  %s\n' "$(((${EPOCHREALTIME/./} - BEGAN) / 100000))e-1" "$*"
}

# processes lists the process ids of the cluster and its pods. No other processes are in the cluster's cgroups.
processes() {
  [ -e "$state/cgroups" ] || return 0
  local cgroup
  while read -r cgroup; do
    find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done <"$state/cgroups" | sort -un
}

# take_down stops every process and removes all state. It also works if only a part is left, or nothing.
take_down() {
  local pid cgroup left
  for _ in $(seq 200); do
    # Killing the first process of the pid namespace kills all. It may have ended before others, so kill each of them.
    for pid in $(processes); do kill -KILL "$pid" 2>/dev/null || true; done
    left=
    [ ! -e "$state/cgroups" ] || while read -r cgroup; do
      find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ ! -d "$cgroup" ] || left=$cgroup
    done <"$state/cgroups"
    [ -n "$left" ] || break
    sleep 0.05
  done
  [ -z "$left" ] || die "cannot remove the cgroup $left"
  # The cluster's mounts are not visible here. --one-file-system is a safeguard.
  rm -rf --one-file-system "$state" "$kubeconfig" "$cluster/kubectl"
  rmdir "$cluster" 2>/dev/null || true
}
