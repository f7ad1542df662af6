#!/usr/bin/env bash
# Deletes every JobExecution, and so every Job that was made for one, before Dispatcher itself is removed: a Job may carry
# a finalizer (dispatcher.ivan.vc/job-tracking) that only a running manager takes away. Where none runs, this does.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
jobs=(jobs.batch --all-namespaces --selector dispatcher.ivan.vc/job-execution)

[ -n "$($kubectl get crd jobexecutions.dispatcher.ivan.vc --ignore-not-found --output name)" ] || exit 0
$kubectl delete jobexecutions.dispatcher.ivan.vc --all-namespaces --all
for _ in $(seq 20); do
  [ -n "$($kubectl get "${jobs[@]}" --output name)" ] || exit 0
  sleep 0.5
done

echo "Jobs that no manager lets go of are released."
$kubectl get "${jobs[@]}" --output go-template='{{range .items}}{{.metadata.namespace}} {{.metadata.name}}{{"\n"}}{{end}}' |
  while read -r namespace name; do
    $kubectl patch job.batch "$name" --namespace "$namespace" --type merge \
      --patch '{"metadata": {"finalizers": null}}'
  done
