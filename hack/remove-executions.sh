#!/usr/bin/env bash
# Deletes every JobExecution, and so every Job that was made for one, before Dispatcher itself is removed: a Job may
# carry a finalizer (dispatcher.ivan.vc/job-tracking) that only a running manager takes away. Where none runs, this
# does.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
executions=jobexecutions.dispatcher.ivan.vc
jobs=(jobs.batch --all-namespaces --selector dispatcher.ivan.vc/job-execution)

[ -n "$($kubectl get crd $executions --ignore-not-found --output name)" ] || exit 0

# One request for each namespace: `kubectl delete --all` makes two for each object, and there may be thousands.
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

for _ in $(seq 40); do
  [ -n "$($kubectl get "${jobs[@]}" --output name)" ] || exit 0
  sleep 0.5
done
echo "Jobs that no manager lets go of are released."
$kubectl get "${jobs[@]}" --output go-template='{{range .items}}{{.metadata.namespace}} {{.metadata.name}}{{"\n"}}{{end}}' |
  while read -r namespace name; do
    $kubectl patch job.batch "$name" --namespace "$namespace" --type merge \
      --patch '{"metadata": {"finalizers": null}}'
  done
