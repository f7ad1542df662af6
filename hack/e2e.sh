#!/usr/bin/env bash
# `make test-e2e`: starts a cluster, runs test/e2e on it and removes it. A cluster of `make cluster-up` is not touched.
# If the machine cannot run a cluster, this prints the reason and succeeds without testing anything.
#
#   CLUSTER_DIR, API_PORT, HTTP_PORT, METRICS_PORT   folder and ports of the cluster  (.cluster-e2e, 16453, 8053, 8453)
#   E2E_KEEP=1    keep the cluster; the next run uses it again, and builds and deploys only what changed
#   TEST_FLAGS    flags for go test: '-ginkgo.focus=payload', '-ginkgo.v'
set -euo pipefail
cd "$(dirname "$0")/.."
export CLUSTER_DIR=${CLUSTER_DIR:-$PWD/.cluster-e2e}
export API_PORT=${API_PORT:-16453} HTTP_PORT=${HTTP_PORT:-8053} METRICS_PORT=${METRICS_PORT:-8453}
# shellcheck source=node/lib.sh
. hack/node/lib.sh
CLUSTER_DIR=$cluster

if ! reason=$(hack/node/check.sh 2>&1); then
  printf '\n*** SKIPPED: the end-to-end suite did not run. ***\n*** %s\n\n' "$reason"
  exit
fi

# remains prints the links, mounts, processes and files that are left after the cluster was removed.
links=$(ls /sys/class/net)
remains() {
  local process
  [ "$(ls /sys/class/net)" = "$links" ] || echo "links:" /sys/class/net/*
  grep -F "$CLUSTER_DIR/" /proc/self/mounts || true
  for process in /proc/[0-9]*; do
    case $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") in *"$CLUSTER_DIR/"*) echo "$process" ;; esac
  done 2>/dev/null
  [ ! -e "$CLUSTER_DIR" ] || find "$CLUSTER_DIR"
}

finish() {
  local status=$? left
  trap - EXIT INT TERM
  if [ -n "${E2E_KEEP:-}" ]; then
    say "the cluster is kept: export KUBECONFIG=$kubeconfig"
    exit $status
  fi
  if [ $status != 0 ] && [ -e "$state/log" ]; then
    rm -rf bin/e2e-logs
    mkdir -p bin
    cp -r "$state/log" bin/e2e-logs
    say "the cluster's logs are in bin/e2e-logs"
  fi
  rm -f "$installer"
  hack/node/down.sh || status=1
  rmdir "$CLUSTER_DIR" 2>/dev/null || true
  left=$(remains)
  if [ -n "$left" ]; then
    printf 'these remain after the cluster was removed:\n%s\n' "$left" >&2
    status=1
  fi
  exit $status
}
installer=$CLUSTER_DIR/install.yaml
trap finish EXIT
trap 'exit 130' INT TERM

# Stricter than the defaults of the API server: owner references that block deletion require a permission, and an audit
# log records what Dispatcher does.
export KUBE_APISERVER_FLAGS="--enable-admission-plugins=OwnerReferencesPermissionEnforcement
  --audit-policy-file=/run/cluster/etc/audit-policy.yaml --audit-log-path=/var/log/audit.log --audit-log-mode=blocking"
export FORWARD="127.0.0.1:$METRICS_PORT=dispatcher-metrics.dispatcher-system.svc.cluster.local:8443"
export KUBECONFIG=$kubeconfig
hack/node/up.sh
hack/cert-manager/up.sh

make --no-print-directory --silent build
image=dispatcher:$(sha256sum bin/manager | cut -c1-12)
hack/image/manager.sh "$image" >/dev/null
make --no-print-directory --silent build-installer INSTALLER="$installer" IMG="$image"
say "the image and the installer are built"

PATH=$(hack/kubernetes/build.sh kubectl):$PATH
# shellcheck disable=SC2086 # the flags are words
E2E_CLUSTER=$CLUSTER_DIR go test -v ./test/e2e -count=1 -timeout 30m ${TEST_FLAGS:-}
say "the end-to-end suite has passed"
