# shellcheck shell=bash
# The cluster's cgroups. They contain all its processes, so that down.sh can find them. Sourced by init.sh.

# enter_cgroups creates a cgroup in every hierarchy, moves this process there and writes the list of cgroups to a file.
enter_cgroups() {
  local mine controllers path hierarchy cgroup own
  own=dispatcher-$(basename "$(mktemp -u XXXXXXXX)")
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then # version 2
    local controller
    for controller in cpu cpuset io memory pids; do
      echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
    echo "/sys/fs/cgroup/$own" >"$1"
    mkdir "/sys/fs/cgroup/$own"
    echo 0 >"/sys/fs/cgroup/$own/cgroup.procs"
    return
  fi
  mine=$(cat /proc/self/cgroup) # read all of it before this process moves
  while IFS=: read -r _ controllers path; do
    [ -n "$controllers" ] || continue
    hierarchy=/sys/fs/cgroup/${controllers#name=}
    cgroup=$hierarchy${path%/}/$own
    echo "$cgroup" >>"$1" # before mkdir, so that down.sh removes the cgroup even after a kill between these lines
    mkdir "$cgroup"
    if [ "$controllers" = cpuset ]; then
      cat "$hierarchy$path/cpuset.cpus" >"$cgroup/cpuset.cpus"
      cat "$hierarchy$path/cpuset.mems" >"$cgroup/cpuset.mems"
      echo 1 >"$cgroup/cgroup.clone_children"
    fi
    echo 0 >"$cgroup/cgroup.procs" # 0 is the writer
  done <<<"$mine"
}

# mount_cgroups mounts the cgroup hierarchies as seen from the cluster's cgroup namespace.
mount_cgroups() {
  local controllers
  if ! grep -q '^[1-9]' /proc/self/cgroup; then # version 2
    mount -t cgroup2 cgroup /sys/fs/cgroup
    # A cgroup that contains processes cannot enable controllers for its children.
    mkdir /sys/fs/cgroup/init
    local pid controller
    for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true; done
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
      echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    mkdir "/sys/fs/cgroup/${controllers#name=}"
    case $controllers in
      name=*) mount -t cgroup -o "none,$controllers" cgroup "/sys/fs/cgroup/${controllers#name=}" ;;
      *) mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers" ;;
    esac
  done </proc/self/cgroup
}
