#!/usr/bin/env bash
# Prints a folder with etcd, kube-apiserver, kube-controller-manager and kubectl, for envtest (KUBEBUILDER_ASSETS) and
# for `make cluster-up NODE=0`. Progress goes to stderr. It takes the first that is available:
#
#   1. the folder in KUBEBUILDER_ASSETS
#   2. an earlier build of build.sh
#   3. a download of setup-envtest
#   4. a new build from the Go modules, which takes minutes
#
# setup-envtest does not download kube-controller-manager. It is built and linked next to the others.
set -euo pipefail
kubernetes=$(cd "$(dirname "$0")" && pwd)
cache=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}
components=(etcd kube-apiserver kube-controller-manager kubectl)
download_seconds=180

say() { echo "assets.sh: $*" >&2; }

for tool in go flock sha256sum timeout; do
  command -v $tool >/dev/null || { say "$tool is not installed"; exit 1; }
done

# complete FOLDER prints FOLDER if it has all components. Otherwise it builds the missing ones and prints a folder with
# links to all of them.
complete() {
  local from=$1 missing=() component built linked target
  for component in "${components[@]}"; do
    [ -x "$from/$component" ] || missing+=("$component")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "$from"
    return
  fi
  "$kubernetes/build.sh" --cached "${missing[@]}" >/dev/null || say "building ${missing[*]}, missing in $from"
  built=$("$kubernetes/build.sh" "${missing[@]}")
  linked=$cache/assets-$(echo "$from $built ${missing[*]}" | sha256sum | cut -c1-16)
  mkdir -p "$linked"
  for component in "${components[@]}"; do
    [ -x "$from/$component" ] && target=$from || target=$built
    [ -x "$linked/$component" ] || ln -sfn "$target/$component" "$linked/$component"
  done
  echo "$linked"
}

# envtest runs setup-envtest, which prints the folder with the Kubernetes minor version of go.mod.
envtest() {
  local minor
  minor=$(sed -n 's#^\tk8s.io/kubernetes v\([0-9]*\.[0-9]*\).*#\1#p' "$kubernetes/go.mod")
  timeout "$download_seconds" go tool -modfile="$kubernetes/../tools/go.mod" setup-envtest \
    use "$minor.x" --bin-dir "$cache/envtest" --print path "$@" 2>/dev/null
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  complete "$(cd "$KUBEBUILDER_ASSETS" && pwd)"
elif "$kubernetes/build.sh" --cached "${components[@]}"; then
  :
elif downloaded=$(envtest --installed-only || envtest); then
  complete "$downloaded"
else
  say "Kubernetes cannot be downloaded: building it from its Go modules"
  "$kubernetes/build.sh" "${components[@]}"
fi
