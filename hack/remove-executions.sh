#!/usr/bin/env bash
# Deletes all JobExecutions and waits until the garbage collector has deleted their Jobs. Run it before the CRDs are
# deleted: afterwards, the garbage collector can no longer find the owners, and Jobs that it has not deleted yet would
# continue to run. This does not need a running manager. It removes the finalizer of unreleased builds from Jobs that
# are being deleted, since no manager does that any more, and does not change other finalizers.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
executions=jobexecutions.dispatcher.ivan.vc
jobs=(jobs.batch --all-namespaces --selector dispatcher.ivan.vc/job-execution)
finalizer=dispatcher.ivan.vc/job-tracking

[ -n "$($kubectl get crd $executions --ignore-not-found --output name)" ] || exit 0

# One request per namespace: `kubectl delete --all` sends two for each object, and there may be thousands.
echo "Deleting all JobExecutions."
end=$((SECONDS + 30))
while [ $SECONDS -lt $end ]; do
  namespaces=$($kubectl get $executions --all-namespaces --no-headers \
    --output custom-columns=:metadata.namespace | sort -u)
  [ -n "$namespaces" ] || break
  for namespace in $namespaces; do
    $kubectl delete --raw "/apis/dispatcher.ivan.vc/v1alpha1/namespaces/$namespace/jobexecutions" >/dev/null
  done
  sleep 0.5
done
if [ -n "$namespaces" ]; then
  echo "JobExecutions were not deleted within 30 seconds. Finalizers of others keep these (at most 20 are shown):" >&2
  $kubectl get $executions --all-namespaces --output \
    custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,FINALIZERS:.metadata.finalizers | sed -n 1,21p >&2
  exit 1
fi

# tracked prints the namespace and name of each Job that waits for the finalizer, and the index of the finalizer.
tracked() {
  # shellcheck disable=SC2016 # The variables are the template's.
  $kubectl get "${jobs[@]}" --output go-template='{{range .items}}{{$job := .metadata}}{{if $job.deletionTimestamp}}
    {{- range $index, $finalizer := $job.finalizers}}{{if eq $finalizer "'"$finalizer"'"}}
      {{- $job.namespace}} {{$job.name}} {{$index}}{{"\n"}}
    {{- end}}{{end}}{{end}}{{end}}'
}

# release removes the finalizer at an index. If another one is there by now, nothing changes, and the loop tries again.
release() { # release NAMESPACE NAME INDEX
  $kubectl patch job.batch "$2" --namespace "$1" --type json --patch '[
    {"op": "test", "path": "/metadata/finalizers/'"$3"'", "value": "'"$finalizer"'"},
    {"op": "remove", "path": "/metadata/finalizers/'"$3"'"}]' </dev/null >/dev/null || true
}

end=$((SECONDS + 60))
while [ $SECONDS -lt $end ]; do
  [ -n "$($kubectl get "${jobs[@]}" --output name)" ] || exit 0
  tracked | while read -r namespace name index; do
    release "$namespace" "$name" "$index"
  done
  sleep 0.5
done
echo "Jobs were not deleted within a minute; see their metadata.finalizers and metadata.ownerReferences:" >&2
$kubectl get "${jobs[@]}" >&2
