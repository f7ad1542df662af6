#!/usr/bin/env bash
# Builds Kubernetes and etcd from the Go modules that this folder's go.mod pins, for machines that can download no binary.
#
#   build.sh COMPONENT...           etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl
#   build.sh --cached COMPONENT...  builds nothing: fails unless all are there
#
# Prints the folder that holds the binaries. It lies outside the work tree (DISPATCHER_CACHE, ~/.cache/dispatcher) and is
# named after the content of go.mod and go.sum and the build's flags: what is there already is not built again.
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

# The minutes are those of a cold build on two cores: nobody should wonder whether it hangs.
declare -A minutes=([kube-apiserver]=8 [kube-controller-manager]=4)

mkdir -p "$bin"
exec 9>"$bin/.lock"
flock --nonblock 9 || { echo "waiting for another build of Kubernetes to end" >&2; flock 9; }

for component in "${missing[@]}"; do
  [ ! -x "$bin/$component" ] || continue # built while this one waited
  case $component in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$component ;;
  esac
  echo "building $component from source (about ${minutes[$component]:-1} min when cold)" >&2
  start=$SECONDS
  # Under another name first: an interrupted build leaves nothing that looks finished.
  go build "${flags[@]}" -o "$bin/.$component" "$package" >&2 9>&-
  mv "$bin/.$component" "$bin/$component"
  echo "built $component in $((SECONDS - start)) s" >&2
done
echo "$bin"
