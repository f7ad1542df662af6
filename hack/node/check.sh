#!/usr/bin/env bash
# Succeeds without output if this machine can run the local cluster. Otherwise it prints the reason and fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

advice="Use kind or another cluster instead (see the README), or \`make cluster-up NODE=0\`, which runs no pods."
cannot() { die "this machine cannot run the local cluster: $*. $advice"; }

[ "$(uname -s)" = Linux ] || cannot "it is not Linux"
[ "$(id -u)" = 0 ] || cannot "it needs root for namespaces, mounts and cgroups"
for command in go apt-get dpkg flock mount nsenter setsid unshare; do
  command -v "$command" >/dev/null || cannot "$command is not installed"
done
unshare --net --mount --pid --cgroup --fork true 2>/dev/null || cannot "it cannot create namespaces (unshare fails)"
root=/sys/fs/cgroup
[ -e $root/cgroup.controllers ] || root=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
mkdir "$root/dispatcher-check-$$" 2>/dev/null || cannot "it cannot create cgroups in $root"
rmdir "$root/dispatcher-check-$$"
