# shellcheck shell=bash
# The cluster's cgroups, sourced by init.sh. All its processes are in them, which is how down.sh finds them.

# enter_cgroups makes a cgroup in every hierarchy of the machine, moves this process there, and writes the list to a file.
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
  mine=$(cat /proc/self/cgroup) # whole, before anything moves
  while IFS=: read -r _ controllers path; do
    [ -n "$controllers" ] || continue
    hierarchy=/sys/fs/cgroup/${controllers#name=}
    cgroup=$hierarchy${path%/}/$own
    echo "$cgroup" >>"$1" # first: what a kill between these lines leaves is still removed
    mkdir "$cgroup"
    if [ "$controllers" = cpuset ]; then
      cat "$hierarchy$path/cpuset.cpus" >"$cgroup/cpuset.cpus"
      cat "$hierarchy$path/cpuset.mems" >"$cgroup/cpuset.mems"
      echo 1 >"$cgroup/cgroup.clone_children"
    fi
    echo 0 >"$cgroup/cgroup.procs" # 0 is the writer
  done <<<"$mine"
}

# mount_cgroups shows the cluster its own part of each hierarchy as the whole of it.
mount_cgroups() {
  local controllers
  if ! grep -q '^[1-9]' /proc/self/cgroup; then # version 2
    mount -t cgroup2 cgroup /sys/fs/cgroup
    # Only a cgroup without processes of its own can hand controllers down.
    mkdir /sys/fs/cgroup/init
    local pid controller
    for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true; done
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; done
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
