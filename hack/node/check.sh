#!/usr/bin/env bash
# Tells whether this machine can hold the local cluster: says nothing and succeeds, or says why not and fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

advice="A cluster made by kind, or any other, will do: see the README. \`make cluster-up NODE=0\` needs none of this, and runs no pods."
cannot() { die "this machine cannot hold the local cluster: $*. $advice"; }

[ "$(uname -s)" = Linux ] || cannot "it is not Linux"
[ "$(id -u)" = 0 ] || cannot "it takes root, to make namespaces, mounts and cgroups"
for command in go apt-get dpkg flock mount nsenter setsid unshare; do
  command -v "$command" >/dev/null || cannot "$command is missing"
done
unshare --net --mount --pid --cgroup --fork true 2>/dev/null || cannot "it may not make namespaces (unshare fails)"
root=/sys/fs/cgroup
[ -e $root/cgroup.controllers ] || root=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
mkdir "$root/dispatcher-check-$$" 2>/dev/null || cannot "it may not make cgroups in $root"
rmdir "$root/dispatcher-check-$$"
