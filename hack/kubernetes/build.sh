#!/usr/bin/env bash
# Builds Kubernetes and etcd from the Go modules in this folder's go.mod, for machines that cannot download binaries.
#
#   build.sh COMPONENT...           a component: etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy
#                                   kubelet kubectl
#   build.sh --cached COMPONENT...  do not build; fail unless all components are built already
#
# Prints the folder with the binaries. It is outside of the work tree (DISPATCHER_CACHE, ~/.cache/dispatcher) and named
# after the content of go.mod and go.sum and the build flags, so a component is built only once.
set -euo pipefail
cd "$(dirname "$0")"

version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\).*#\1#p' go.mod)
minor=${version#v1.} minor=${minor%%.*}
stamp=k8s.io/component-base/version
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
flags=(-trimpath -buildvcs=false -ldflags
  "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor -X $stamp.gitTreeState=clean")

key=$({ cat go.mod go.sum; echo "${flags[@]}"; } | sha256sum | cut -c1-16)
bin=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/kubernetes-$(go env GOOS)-$(go env GOARCH)-$key

only_cached=
if [ "${1:-}" = --cached ]; then
  only_cached=1
  shift
fi
missing=()
for component in "$@"; do
  [ -x "$bin/$component" ] || missing+=("$component")
done
if [ ${#missing[@]} = 0 ]; then
  echo "$bin"
  exit
fi
[ -z "$only_cached" ] || exit 1

# The minutes of a build with an empty cache on two cores. They are printed, so that a long build does not look stuck.
declare -A minutes=([kube-apiserver]=8 [kube-controller-manager]=4)

mkdir -p "$bin"
exec 9>"$bin/.lock"
flock --nonblock 9 || { echo "waiting for another build of Kubernetes" >&2; flock 9; }

for component in "${missing[@]}"; do
  [ ! -x "$bin/$component" ] || continue # built by another process meanwhile
  case $component in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$component ;;
  esac
  echo "building $component from source (about ${minutes[$component]:-1} min when cold)" >&2
  start=$SECONDS
  # Build under another name first, so that an interrupted build is not mistaken for a complete one.
  go build "${flags[@]}" -o "$bin/.$component" "$package" >&2 9>&-
  mv "$bin/.$component" "$bin/$component"
  echo "built $component in $((SECONDS - start)) s" >&2
done
echo "$bin"
