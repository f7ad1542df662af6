#!/usr/bin/env bash
# Installs cert-manager in the local cluster: the CRDs of its Go module, and its controllers as pods. It can be run
# again.
set -euo pipefail
. "$(dirname "$0")/../node/lib.sh"
export KUBECONFIG=$kubeconfig
[ -n "$(processes)" ] || die "the cluster is not up: make cluster-up"

PATH=$("$hack/kubernetes/build.sh" kubectl):$PATH
bin=$("$hack/cached-build.sh" "$hack/cert-manager")
tools=$("$hack/cached-build.sh" "$hack/image" mkimage)
module=$(cd "$hack/cert-manager" && GOWORK=off go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)

"$tools/mkimage" -layout "$state/images" -tag registry.local/cert-manager:local -user 65532:65532 \
  -entrypoint /cert-manager "$bin/cert-manager=/cert-manager" >/dev/null
# Server-side: the CRD of the issuers is too long for the annotation of a client-side apply.
kubectl apply --server-side -f "$module/deploy/crds" >/dev/null
kubectl wait --for=condition=Established --timeout=30s -f "$module/deploy/crds" >/dev/null
kubectl apply -f "$hack/cert-manager/cert-manager.yaml" >/dev/null
for deployment in cert-manager cert-manager-cainjector; do
  kubectl --namespace cert-manager rollout status --timeout=60s deployment/$deployment >/dev/null
done
say "cert-manager $(basename "$module" | sed 's/.*@//') is ready"
