#!/usr/bin/env bash
# Runs a command in the cluster's namespaces, where addresses of pods and Services and the cluster's DNS names work:
#
#   in.sh busybox wget -qO- http://dispatcher-manager.dispatcher-system/     in.sh ctr -n k8s.io containers ls
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pid=$(cat "$state/pid" 2>/dev/null) || die "the cluster is not up"
processes | grep -qx "$pid" || die "the cluster is not up"
path=/run/cluster/kubernetes:/run/cluster/debian/usr/bin:/run/cluster/debian/usr/sbin:/run/cluster/debian/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec nsenter -t "$pid" -n -m -p -C --wd=/ env PATH=$path KUBECONFIG=/var/lib/kubernetes/admin.kubeconfig "$@"
