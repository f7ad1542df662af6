#!/usr/bin/env bash
# The first process of the cluster. The holder starts it in new network, mount and pid namespaces. It sets up the mounts
# and the network and starts the components. After that it only reaps orphans of the containers' shims.
# Its mounts, its files in /run, /var/lib, /var/log and /sys, and its settings in /proc/sys/net are not visible outside.
set -euo pipefail
if [ "${1:-}" != in-cgroups ]; then
  # shellcheck source=cgroups.sh
  . "$(dirname "$0")/cgroups.sh"
  enter_cgroups "$STATE/cgroups"
  exec unshare --cgroup bash "$0" in-cgroups
fi

# start runs a component in the background and writes its output to a log file.
start() {
  local name=$1
  shift
  "$@" >"/var/log/$name.log" 2>&1 </dev/null &
}

# await repeats a command until it succeeds, for up to a minute.
await() {
  local deadline=$((SECONDS + 60))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "still failing after a minute: $*"; exit 1; }
    sleep 0.1
  done
}

mounts() {
  mount --make-rprivate /
  mount -t proc proc /proc
  # All programs and files get constant paths below /run/cluster, so the files in etc/ need no templates. The paths are
  # short, because a socket's path has at most 108 bytes.
  local run=$STATE/run
  mount -t tmpfs -o mode=755 tmpfs "$run"
  mkdir -p "$run"/cluster/{kubernetes,coredns,tools,image-tools,debian,images,etc}
  mount --bind "$KUBERNETES" "$run/cluster/kubernetes"
  mount --bind "$COREDNS" "$run/cluster/coredns"
  mount --bind "$TOOLS" "$run/cluster/tools"
  mount --bind "$IMAGES" "$run/cluster/image-tools"
  mount --bind "$DEBIAN" "$run/cluster/debian"
  mount --bind "$STATE/images" "$run/cluster/images"
  mount --bind "$(dirname "$0")/etc" "$run/cluster/etc"
  mount --bind "$STATE/log" /var/log
  mount --bind "$STATE/lib" /var/lib
  mount -n --move "$run" /run # -n: mount's own table in /run is about to be hidden
  local resolver
  resolver=$(readlink -m /etc/resolv.conf)
  case $resolver in /run/*) mkdir -p "$(dirname "$resolver")" && touch "$resolver" ;; esac
  mount --bind /run/cluster/etc/resolv.conf "$resolver"
  # The kubelet writes these settings, which are the whole machine's. It gets copies.
  local setting
  for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    echo "${setting#*=}" >"/run/cluster/${setting##*/}"
    mount --bind "/run/cluster/${setting##*/}" "/proc/sys/${setting%=*}"
  done
  mount -t sysfs sysfs /sys # shows the links of this network namespace
  mount_cgroups
  mount --make-rshared / # the kubelet propagates mounts to containers
}

network() {
  echo 1 >/proc/sys/net/ipv4/ip_forward
  [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 1 ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
  busybox ip link set lo up
  # A bridge without ports has the node's address (10.200.0.1). Services (10.96.0.0/16) need some route: without one,
  # connect() fails before kube-proxy's rules can rewrite the address.
  busybox ip link add node0 type bridge
  busybox ip addr add 10.200.0.1/32 dev node0
  busybox ip link set node0 up
  busybox ip route add 10.96.0.0/16 dev node0 src 10.200.0.1
}

control_plane() {
  local keys=/var/lib/kubernetes
  start etcd etcd --data-dir=/var/lib/etcd --unsafe-no-fsync --log-level=warn
  # shellcheck disable=SC2086 # split the flags into words
  start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --allow-privileged \
    --secure-port=6443 --advertise-address=10.200.0.1 --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file=$keys/kube-apiserver.crt --tls-private-key-file=$keys/kube-apiserver.key \
    --kubelet-client-certificate=$keys/kubelet-client.crt --kubelet-client-key=$keys/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP --client-ca-file=$keys/ca.crt \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-signing-key-file=$keys/service-account.key --service-account-key-file=$keys/service-account.pub \
    $KUBE_APISERVER_FLAGS
  await kubectl get --raw /readyz
  start kube-controller-manager kube-controller-manager --kubeconfig=$keys/kube-controller-manager.kubeconfig \
    --leader-elect=false --bind-address=127.0.0.1 --use-service-account-credentials --root-ca-file=$keys/ca.crt \
    --service-account-private-key-file=$keys/service-account.key --kube-api-qps=500 --kube-api-burst=1000 \
    --cluster-signing-cert-file=$keys/ca.crt --cluster-signing-key-file=$keys/ca.key \
    --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins
  start kube-scheduler kube-scheduler --kubeconfig=$keys/kube-scheduler.kubeconfig --leader-elect=false \
    --bind-address=127.0.0.1 --kube-api-qps=500 --kube-api-burst=1000
}

node() {
  local keys=/var/lib/kubernetes
  await ctr version
  start kubelet kubelet --config=/run/cluster/etc/kubelet.yaml --kubeconfig=$keys/kubelet.kubeconfig \
    --hostname-override=node --node-ip=10.200.0.1
  # kube-proxy is static. The libraries are for nft, which it calls.
  LD_LIBRARY_PATH=$(echo $debian/usr/lib/*-linux-gnu) \
    start kube-proxy kube-proxy --config=/run/cluster/etc/kube-proxy.yaml
  kubectl apply -f /run/cluster/etc/coredns.yaml # before CoreDNS starts: after a refused request it waits for seconds
  start coredns coredns -conf /run/cluster/etc/Corefile
}

echo "pid $$: mounts, network, components"
. "$(dirname "$0")/cgroups.sh"
mounts
cd /
debian=/run/cluster/debian
PATH=$debian/usr/bin:$debian/usr/sbin:$debian/bin:$PATH
PATH=/run/cluster/kubernetes:/run/cluster/coredns:/run/cluster/tools:/run/cluster/image-tools:$PATH
export KUBECONFIG=/var/lib/kubernetes/admin.kubeconfig
network
start forwards holder serve
for fd in $(seq 3 30); do exec {fd}<&-; done # only the forwarder keeps the inherited sockets
start containerd containerd -c /run/cluster/etc/containerd.toml
start registry registry -layout /run/cluster/images -listen 127.0.0.1:5000
control_plane
node
echo "started in $SECONDS s"
wait # as pid 1, bash reaps orphans
sleep infinity
