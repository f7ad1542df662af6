#!/usr/bin/env bash
# kubectl for the Makefile: of the local cluster while that is up, unless KUBECONFIG names another; else the machine's own.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kubeconfig=${CLUSTER_DIR:-$root/.cluster}/kubeconfig

if [ -z "${KUBECONFIG:-}" ] && [ -e "$kubeconfig" ]; then
  export KUBECONFIG=$kubeconfig
fi
if [ -e "$kubeconfig" ] && [ "${KUBECONFIG:-}" -ef "$kubeconfig" ]; then
  # Its cache of discovery must end with the cluster: the next one will have the same address.
  exec "$("$root/hack/kubernetes/assets.sh")/kubectl" --cache-dir "$(dirname "$kubeconfig")/kubectl" "$@"
fi
exec kubectl "$@"
