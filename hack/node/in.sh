#!/usr/bin/env bash
# Runs a command in the cluster's namespaces, where the addresses and DNS names of pods and Services work:
#
#   in.sh busybox wget -qO- http://dispatcher-manager.dispatcher-system/     in.sh ctr -n k8s.io containers ls
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pid=$(cat "$state/pid" 2>/dev/null) || die "the cluster is not up"
processes | grep -qx "$pid" || die "the cluster is not up"
debian=/run/cluster/debian
path=/run/cluster/kubernetes:$debian/usr/bin:$debian/usr/sbin:$debian/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec nsenter -t "$pid" -n -m -p -C --wd=/ env PATH=$path KUBECONFIG=/var/lib/kubernetes/admin.kubeconfig "$@"
