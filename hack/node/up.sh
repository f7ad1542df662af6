#!/usr/bin/env bash
# Starts a Kubernetes with one node, in its own namespaces. README.md describes it.
#
#   CLUSTER_DIR  the folder for its state and kubeconfig              (.cluster)
#   API_PORT     the port of the API server on 127.0.0.1              (16443)
#   HTTP_PORT    the port of Dispatcher's HTTP API on 127.0.0.1       (8000)
#   FORWARD      more ports: "127.0.0.1:9000=NAME.NAMESPACE.svc.cluster.local:80 ..."
#   KUBE_APISERVER_FLAGS  more flags for the API server. It sees the machine's files, except for /run, /var/lib and
#                /var/log. Its /var/log is CLUSTER_DIR/node/log.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
api_port=${API_PORT:-16443} http_port=${HTTP_PORT:-8000}
forward="127.0.0.1:$api_port=127.0.0.1:6443"
forward+=" 127.0.0.1:$http_port=dispatcher-manager.dispatcher-system.svc.cluster.local:80 ${FORWARD:-}"

"$hack/node/check.sh"
exec 9<"$hack/node/lib.sh"
flock 9 # one up or down at a time
if [ -n "$(processes)" ]; then
  say "the cluster is up already: export KUBECONFIG=$kubeconfig"
  exit
fi
[ -e "$state" ] || [ ! -e "$kubeconfig" ] || die "a local control plane is up: stop it with make cluster-down"
for port in "$api_port" "$http_port"; do
  ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null ||
    die "port $port of 127.0.0.1 is in use; choose others with API_PORT and HTTP_PORT"
done
take_down # the remains of a cluster that was killed

components=(etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)
kubernetes=$("$hack/kubernetes/build.sh" "${components[@]}")
coredns=$("$hack/cached-build.sh" "$hack/coredns")
tools=$("$hack/cached-build.sh" "$hack/node" holder pki)
images=$("$hack/cached-build.sh" "$hack/image" mkimage registry pause)
debian=$("$hack/node/packages.sh")
say "all programs are built or downloaded"

finish() {
  local status=$?
  [ $status != 0 ] || return 0
  trap - EXIT INT TERM
  if [ $status = 1 ]; then
    echo "up.sh: the last lines of the logs:" >&2
    tail -n 3 "$state"/log/*.log | cut -c 1-300 >&2
  fi
  take_down
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$state"/{lib,log,images,run}
"$tools/pki" -dir "$state/lib/kubernetes" -admin "$kubeconfig" -server "https://127.0.0.1:$api_port"
"$hack/image/base.sh" "$state/images" "$images" "$debian/bin/busybox"
modprobe -qa overlay veth bridge br_netfilter nf_tables 2>/dev/null || true # fails if they are built in

# A clean environment: the API server would call webhooks through http_proxy.
env -i LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin STATE="$state" \
  KUBERNETES="$kubernetes" COREDNS="$coredns" TOOLS="$tools" IMAGES="$images" DEBIAN="$debian" \
  KUBE_APISERVER_FLAGS="${KUBE_APISERVER_FLAGS:-}" \
  setsid "$tools/holder" hold -pid "$state/pid" -forward "$forward" bash "$hack/node/init.sh" \
  >"$state/log/init.log" 2>&1 </dev/null 9<&- &

# wait_for WHAT COMMAND... repeats the command until it succeeds, for up to a minute.
wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    [ -n "$(jobs -r)" ] || die "the cluster exited while waiting until $what"
    [ $SECONDS -lt $deadline ] || die "timed out after a minute while waiting until $what"
    sleep 0.1
  done
  say "$what"
}
kubectl() { "$kubernetes/kubectl" --kubeconfig "$kubeconfig" --cache-dir "$cluster/kubectl" "$@"; }
# One call checks both CoreDNS and kube-proxy. Without the timeout, it would wait long for a name that is not known yet.
service() {
  timeout 1 "$hack/node/in.sh" kubectl --server=https://kubernetes.default.svc.cluster.local get --raw /readyz
}
wait_for "the API server answers" kubectl get --raw /readyz
wait_for "the node is ready" kubectl wait --for=condition=Ready node/node --timeout=5s
wait_for "Services can be called by name" service
wait_for "pods can be created" kubectl get serviceaccount default
disown
say "the cluster is up. To use it:"
echo "  export KUBECONFIG=$kubeconfig PATH=$kubernetes:\$PATH"
