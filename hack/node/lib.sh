# shellcheck shell=bash
# What up.sh, down.sh and in.sh share: where things are, and how to tell and end what runs. Sourced, never called.
export LC_ALL=C
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=${CLUSTER_DIR:-$(dirname "$hack")/.cluster}
case $cluster in /*) ;; *) cluster=$PWD/$cluster ;; esac
kubeconfig=$cluster/kubeconfig
state=$cluster/node # etcd's and containerd's data, logs, keys; lives as long as the cluster

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# say prints a line of progress with the seconds since the script began, or the one that called it.
export BEGAN=${BEGAN:-${EPOCHREALTIME/./}}
say() {
  printf '%6.1f s  %s\n' "$(((${EPOCHREALTIME/./} - BEGAN) / 100000))e-1" "$*"
}

# processes lists the cluster's process ids, pods included. The cgroups are the cluster's own, so these can be no others'.
processes() {
  [ -e "$state/cgroups" ] || return 0
  local cgroup
  while read -r cgroup; do
    find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done <"$state/cgroups" | sort -un
}

# take_down ends every process and removes every trace. It does no harm when nothing runs, or half.
take_down() {
  local pid cgroup left
  for _ in $(seq 200); do
    # Ending the namespaces' first process ends all. It may be gone while others still are, so each is asked for.
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
  # No mount of the cluster is visible out here; --one-file-system is for the day when that is no longer so.
  rm -rf --one-file-system "$state" "$kubeconfig" "$cluster/kubectl"
  rmdir "$cluster" 2>/dev/null || true
}
