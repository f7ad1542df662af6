#!/usr/bin/env bash
# `make demo`: runs the examples of the README on a machine that has only Debian, Go, make and curl.
# It can be run again: the cluster is kept, and only what changed is built and deployed again.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=node/lib.sh
. hack/node/lib.sh
export KUBECONFIG=$kubeconfig
url=http://127.0.0.1:${HTTP_PORT:-8000}
export no_proxy=127.0.0.1 # a proxy of the machine cannot reach the cluster

hack/node/check.sh

step() { printf '\n'; say "$1"; }
# show prints a command and runs it.
show() {
  printf '$ %s\n' "$*"
  "$@"
}
# eventually repeats a command until it succeeds, for up to a minute. After that it prints the last output and fails.
eventually() {
  local last deadline=$((SECONDS + 60))
  until last=$("$@" 2>&1); do
    [ $SECONDS -lt $deadline ] || die "still failing after a minute: $*: $last"
    sleep 0.2
  done
}
kubectl() { hack/kubectl.sh "$@"; }

echo "The first run builds Kubernetes and cert-manager from their Go modules. This takes about 12 minutes on two cores"
echo "and 5 GB in Go's caches. Later runs take half a minute. \`make cluster-down\` removes the cluster."

step "1/6 a local Kubernetes with one node"
nice hack/node/up.sh

step "2/6 cert-manager, for the webhooks' certificates"
nice hack/cert-manager/up.sh

step "3/6 Dispatcher's image, without Docker"
nice make --no-print-directory --silent build
image=dispatcher:$(sha256sum bin/manager | cut -c1-12)
hack/image/manager.sh "$image"

step "4/6 config/default, two replicas"
nice make --no-print-directory --silent deploy IMG="$image" | { grep -v ' unchanged$' || true; }
kubectl -n dispatcher-system rollout status deployment/dispatcher-manager --timeout=90s
# Ready pods are not enough: the API server needs the CA certificate before it can call the webhooks.
eventually kubectl apply --dry-run=server -f config/samples/jobtemplate.yaml

step "5/6 the sample"
show kubectl apply -f config/samples/

step "6/6 a call from this machine: the pod prints the payload"
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
echo "$ curl $url/execute/default/jobtemplate-sample -X PUT -d 'my test payload'"
eventually curl --fail-with-body --silent --show-error --output "$answer" \
  "$url/execute/default/jobtemplate-sample" -X PUT -d 'my test payload'
kubectl wait --for=condition=Succeeded --timeout=60s -f "$answer" >/dev/null
execution=$(kubectl get -f "$answer" -o name)
show kubectl get "$execution"
job=$(kubectl get "$execution" -o jsonpath='{.status.job.name}')
log=$(show kubectl logs "job/$job")
echo "$log"
[ "${log#*$'\n'}" = "my test payload" ] || die "the pod did not print the payload"

step "done. The cluster stays up. Try:"
cat <<TRY
  export KUBECONFIG=$kubeconfig PATH=$(dirname "$(make --no-print-directory --silent kubectl)"):\$PATH
  curl $url/execute/default/jobtemplate-sample -X PUT -d 'hello again'
  kubectl get jobexecutions,jobs,pods
  kubectl -n dispatcher-system logs deployment/dispatcher-manager
  make cluster-down
(In this cluster, alpine:latest is busybox: the cluster cannot reach a registry.)
TRY
