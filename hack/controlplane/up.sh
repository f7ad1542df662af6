#!/usr/bin/env bash
# Starts a Kubernetes without nodes on 127.0.0.1: etcd, kube-apiserver and kube-controller-manager. It does not need
# root. Objects behave as in any cluster, including RBAC and garbage collection, but no pod ever runs.
#
#   CLUSTER_DIR  the folder for its state and kubeconfig        (.cluster)
#   API_PORT     the port of the API server                     (16443)
#   ETCD_PORT    the port of etcd; the next port is used too    (12379)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
api_port=${API_PORT:-16443} etcd_port=${ETCD_PORT:-12379}
api=https://127.0.0.1:$api_port etcd=http://127.0.0.1:$etcd_port peer=http://127.0.0.1:$((etcd_port + 1))

[ "$(uname -s)" = Linux ] || die "this needs Linux; on other systems, use kind"
lock
if [ -e "$kubeconfig" ] && complete; then
  echo "The control plane is up already: export KUBECONFIG=$kubeconfig"
  exit
fi
[ -e "$state" ] || [ ! -e "$kubeconfig" ] || die "a local cluster with a node is up: stop it with make cluster-down"
take_down # the remains of a control plane that was killed
for port in "$api_port" "$etcd_port" "$((etcd_port + 1))"; do
  ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null ||
    die "port $port of 127.0.0.1 is in use; choose others with API_PORT and ETCD_PORT"
done
assets=$("$hack/kubernetes/assets.sh")

finish() {
  local status=$?
  [ $status != 0 ] || return 0
  trap - EXIT INT TERM
  echo "up.sh: the control plane did not start; the last lines of its logs:" >&2
  tail -n 5 "$state"/*.log >&2 2>/dev/null || true
  take_down
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start NAME FLAGS... starts a component with a clean environment: etcd reads settings from ETCD_*, and the API server
# would call webhooks through http_proxy.
start() {
  local name=$1
  shift
  env -i HOME="$state" PATH=/usr/bin:/bin setsid "$assets/$name" "$@" >"$state/$name.log" 2>&1 </dev/null 9<&- &
  echo "$! $(start_time $!) $name" >>"$state/processes"
}

# wait_for WHAT COMMAND... repeats the command until it succeeds, for up to a minute.
wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    complete || die "a component exited while waiting until $what"
    [ $SECONDS -lt $deadline ] || die "timed out after a minute while waiting until $what"
    sleep 0.1
  done
  echo "$SECONDS s: $what"
}

# write_kubeconfig FILE TOKEN. The API server generates its certificate at its first start.
write_kubeconfig() {
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster: {server: "$api", certificate-authority-data: $(base64 -w0 "$state/pki/apiserver.crt")}
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

start etcd --data-dir="$state/etcd" --unsafe-no-fsync --log-level=warn \
  --name=local --initial-cluster="local=$peer" --listen-client-urls="$etcd" --advertise-client-urls="$etcd" \
  --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer"
# The key of the API server's certificate also signs ServiceAccount tokens. It exists before its flags are read.
start kube-apiserver --etcd-servers="$etcd" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
  --secure-port="$api_port" --cert-dir="$state/pki" --token-auth-file="$state/tokens.csv" --authorization-mode=RBAC \
  --service-account-issuer=https://kubernetes.default.svc --endpoint-reconciler-type=none \
  --service-account-signing-key-file="$state/pki/apiserver.key" \
  --service-account-key-file="$state/pki/apiserver.key" --service-cluster-ip-range=10.96.0.0/16
wait_for "the API server has its certificate" test -s "$state/pki/apiserver.key"
write_kubeconfig "$state/kubeconfig" "$admin"
write_kubeconfig "$state/controllers.kubeconfig" "$controllers"
wait_for "the API server is ready" kubectl get --raw /readyz

start kube-controller-manager --kubeconfig="$state/controllers.kubeconfig" --bind-address=127.0.0.1 --secure-port=0 \
  --leader-elect=false --use-service-account-credentials --service-account-private-key-file="$state/pki/apiserver.key" \
  --root-ca-file="$state/pki/apiserver.crt" --kube-api-qps=500 --kube-api-burst=1000 \
  --flex-volume-plugin-dir="$state/flexvolume" # the default is a folder in /usr/libexec
wait_for "the controllers run" kubectl get serviceaccount default
mv "$state/kubeconfig" "$kubeconfig" # this file exists if and only if the cluster is up
echo "The control plane is up. Its logs are in $state. To use it:"
echo "  export KUBECONFIG=$kubeconfig PATH=$assets:\$PATH"
