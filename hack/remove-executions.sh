#!/usr/bin/env bash
# Deletes every JobExecution, and waits until the garbage collector has deleted their Jobs. It is for the time before the
# CRDs are deleted: when the kind of an owner no longer exists, the garbage collector leaves what it has not looked at yet,
# and those Jobs would run on. Nothing here waits for a manager, and no finalizer is touched.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
executions=jobexecutions.dispatcher.ivan.vc
jobs=(jobs.batch --all-namespaces --selector dispatcher.ivan.vc/job-execution)

[ -n "$($kubectl get crd $executions --ignore-not-found --output name)" ] || exit 0

# One request per namespace: `kubectl delete --all` sends two for each object, and there may be thousands.
echo "Deleting all JobExecutions."
for _ in $(seq 60); do
  namespaces=$($kubectl get $executions --all-namespaces --no-headers --output custom-columns=:metadata.namespace | sort -u)
  [ -n "$namespaces" ] || break
  for namespace in $namespaces; do
    $kubectl delete --raw "/apis/dispatcher.ivan.vc/v1alpha1/namespaces/$namespace/jobexecutions" >/dev/null
  done
  sleep 0.5
done
[ -z "$namespaces" ] || { echo "JobExecutions remain in" $namespaces "- look at their metadata.finalizers" >&2; exit 1; }

for _ in $(seq 120); do
  [ -n "$($kubectl get "${jobs[@]}" --output name)" ] || exit 0
  sleep 0.5
done
echo "These Jobs were not deleted within a minute. Look at their metadata.finalizers and metadata.ownerReferences:" >&2
$kubectl get "${jobs[@]}" >&2
