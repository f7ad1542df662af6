#!/usr/bin/env bash
# Deletes all JobExecutions and waits until the garbage collector has deleted their Jobs. Run it before the CRDs are
# deleted: afterwards, the garbage collector can no longer find the owners, and Jobs that it has not deleted yet would
# continue to run. This does not need a running manager and does not change finalizers.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
executions=jobexecutions.dispatcher.ivan.vc
jobs=(jobs.batch --all-namespaces --selector dispatcher.ivan.vc/job-execution)

[ -n "$($kubectl get crd $executions --ignore-not-found --output name)" ] || exit 0

# One request per namespace: `kubectl delete --all` sends two for each object, and there may be thousands.
echo "Deleting all JobExecutions."
for _ in $(seq 60); do
  namespaces=$($kubectl get $executions --all-namespaces --no-headers \
    --output custom-columns=:metadata.namespace | sort -u)
  [ -n "$namespaces" ] || break
  for namespace in $namespaces; do
    $kubectl delete --raw "/apis/dispatcher.ivan.vc/v1alpha1/namespaces/$namespace/jobexecutions" >/dev/null
  done
  sleep 0.5
done
if [ -n "$namespaces" ]; then
  echo "JobExecutions were not deleted within 30 seconds; see their metadata.finalizers, in:" $namespaces >&2
  exit 1
fi

for _ in $(seq 120); do
  [ -n "$($kubectl get "${jobs[@]}" --output name)" ] || exit 0
  sleep 0.5
done
echo "Jobs were not deleted within a minute; see their metadata.finalizers and metadata.ownerReferences:" >&2
$kubectl get "${jobs[@]}" >&2
