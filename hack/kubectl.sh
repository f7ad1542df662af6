#!/usr/bin/env bash
# kubectl for the Makefile. It uses the cluster that KUBECONFIG names, otherwise the local cluster if that is up,
# otherwise the user's own configuration.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kubeconfig=${CLUSTER_DIR:-$root/.cluster}/kubeconfig

if [ -z "${KUBECONFIG:-}" ] && [ -e "$kubeconfig" ]; then
  export KUBECONFIG=$kubeconfig
fi
if [ -e "$kubeconfig" ] && [ "${KUBECONFIG:-}" -ef "$kubeconfig" ]; then
  # The discovery cache is kept with the cluster, because the next local cluster will have the same address.
  exec "$("$root/hack/kubernetes/assets.sh")/kubectl" --cache-dir "$(dirname "$kubeconfig")/kubectl" "$@"
fi
exec kubectl "$@"
