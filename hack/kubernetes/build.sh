#!/usr/bin/env bash
# Builds Kubernetes and etcd from the Go modules that this folder's go.mod pins, for machines that can download no binary.
#
#   build.sh COMPONENT...    etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl
#
# Prints the folder that holds the binaries. It lies outside the work tree and is named after the content of
# go.mod, go.sum and this script: what is there already is not built again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

key=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
bin=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/kubernetes-$(go env GOOS)-$(go env GOARCH)-$key
mkdir -p "$bin"

# The minutes are those of a cold build on two cores: nobody should wonder whether it hangs.
declare -A minutes=([kube-apiserver]=8 [kube-controller-manager]=4)

version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\).*#\1#p' go.mod)
minor=${version#v1.}; minor=${minor%%.*}
pkg=k8s.io/component-base/version
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
ldflags="-s -w -X $pkg.gitVersion=$version -X $pkg.gitMajor=1 -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean"

for component in "$@"; do
  [ -x "$bin/$component" ] && continue
  case $component in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$component ;;
  esac
  echo "building $component $version from source (about ${minutes[$component]:-1} min when cold)" >&2
  start=$SECONDS
  # Under another name first: an interrupted build leaves nothing that looks finished.
  go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$bin/.$component.$$" "$package" >&2
  mv "$bin/.$component.$$" "$bin/$component"
  echo "built $component in $((SECONDS - start)) s" >&2
done
echo "$bin"
