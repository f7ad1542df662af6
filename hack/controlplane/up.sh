#!/usr/bin/env bash
# Starts a Kubernetes without nodes on 127.0.0.1: etcd, kube-apiserver and kube-controller-manager, as the user who calls.
# Objects live as in any cluster, RBAC and garbage collection included; no pod is ever scheduled or run.
#
#   CLUSTER_DIR  where its state and its kubeconfig go   (.cluster)
#   API_PORT     the API server                          (16443)
#   ETCD_PORT    etcd; the port after it is taken too    (12379)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
api_port=${API_PORT:-16443} etcd_port=${ETCD_PORT:-12379}
api=https://127.0.0.1:$api_port etcd=http://127.0.0.1:$etcd_port peer=http://127.0.0.1:$((etcd_port + 1))

[ "$(uname -s)" = Linux ] || die "this needs Linux; elsewhere take a cluster made by kind"
lock
if [ -e "$kubeconfig" ] && complete; then
  echo "The control plane is up already: export KUBECONFIG=$kubeconfig"
  exit
fi
[ -e "$state" ] || [ ! -e "$kubeconfig" ] || die "another cluster is up, one with a node perhaps: make cluster-down ends it"
take_down # what is left of one that was killed
for port in "$api_port" "$etcd_port" "$((etcd_port + 1))"; do
  ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || die "port $port of 127.0.0.1 is in use; choose others with API_PORT and ETCD_PORT"
done
assets=$("$hack/kubernetes/assets.sh")

finish() {
  local status=$?
  [ $status != 0 ] || return 0
  trap - EXIT INT TERM
  echo "up.sh: the control plane did not come up; the last lines of its logs:" >&2
  tail -n 5 "$state"/*.log >&2 2>/dev/null || true
  take_down
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start NAME FLAGS... starts a component with a clean environment: etcd takes settings from ETCD_*, and the API server
# would call webhooks through an http_proxy.
start() {
  local name=$1
  shift
  env -i HOME="$state" PATH=/usr/bin:/bin setsid "$assets/$name" "$@" >"$state/$name.log" 2>&1 </dev/null 9<&- &
  echo "$! $(start_time $!) $name" >>"$state/processes"
}

# wait_for WHAT COMMAND... tries until the command succeeds, for a minute at most.
wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    complete || die "a component ended while waiting until $what"
    [ $SECONDS -lt $deadline ] || die "not after a minute: $what"
    sleep 0.1
  done
  echo "$SECONDS s: $what"
}

# write_kubeconfig FILE TOKEN. The API server makes its own certificate when it first starts.
write_kubeconfig() {
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "$api", certificate-authority-data: $(base64 -w0 "$state/pki/apiserver.crt")}}]
users: [{name: local, user: {token: $2}}]
contexts: [{name: local, context: {cluster: local, user: local}}]
current-context: local
YAML
}
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
kubectl() { "$assets/kubectl" --kubeconfig "$state/kubeconfig" --cache-dir "$cluster/kubectl" "$@"; }

SECONDS=0
umask 077
mkdir -p "$state/pki"
admin=$(random) controllers=$(random)
cat >"$state/tokens.csv" <<CSV
$admin,admin,admin,"system:masters"
$controllers,system:kube-controller-manager,controllers
CSV

start etcd --data-dir="$state/etcd" --unsafe-no-fsync --log-level=warn --name=local --initial-cluster="local=$peer" \
  --listen-client-urls="$etcd" --advertise-client-urls="$etcd" --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer"
# The key of its certificate, which it has made by the time it reads the flags for it, signs ServiceAccount tokens too.
start kube-apiserver --etcd-servers="$etcd" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$api_port" \
  --cert-dir="$state/pki" --token-auth-file="$state/tokens.csv" --authorization-mode=RBAC --endpoint-reconciler-type=none \
  --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$state/pki/apiserver.key" \
  --service-account-key-file="$state/pki/apiserver.key" --service-cluster-ip-range=10.96.0.0/16
wait_for "the API server has its certificate" test -s "$state/pki/apiserver.key"
write_kubeconfig "$state/kubeconfig" "$admin"
write_kubeconfig "$state/controllers.kubeconfig" "$controllers"
wait_for "the API server is ready" kubectl get --raw /readyz

start kube-controller-manager --kubeconfig="$state/controllers.kubeconfig" --bind-address=127.0.0.1 --secure-port=0 \
  --leader-elect=false --use-service-account-credentials --service-account-private-key-file="$state/pki/apiserver.key" \
  --root-ca-file="$state/pki/apiserver.crt" --kube-api-qps=500 --kube-api-burst=1000 \
  --flex-volume-plugin-dir="$state/flexvolume" # else it makes a folder in /usr/libexec
wait_for "the controllers run" kubectl get serviceaccount default
mv "$state/kubeconfig" "$kubeconfig" # its presence says that the cluster is up
echo "The control plane is up, with its logs in $state:"
echo "  export KUBECONFIG=$kubeconfig PATH=$assets:\$PATH"
