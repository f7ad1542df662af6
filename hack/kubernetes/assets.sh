#!/usr/bin/env bash
# Prints a folder with etcd, kube-apiserver, kube-controller-manager and kubectl: what KUBEBUILDER_ASSETS names for envtest,
# and the control plane that `make cluster-up` starts. Progress goes to stderr. The first of these that there is:
#
#   1. the folder that KUBEBUILDER_ASSETS names already;
#   2. what build.sh built before;
#   3. what setup-envtest has downloaded, or can download;
#   4. a build from the Go modules, which takes minutes, once.
#
# Where kube-controller-manager is missing, as in all that setup-envtest downloads, it is built and linked beside the others.
set -euo pipefail
kubernetes=$(cd "$(dirname "$0")" && pwd)
cache=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}
components=(etcd kube-apiserver kube-controller-manager kubectl)
download_seconds=180

say() { echo "assets.sh: $*" >&2; }

for tool in go flock sha256sum timeout; do
  command -v $tool >/dev/null || { say "$tool is needed and missing"; exit 1; }
done

# complete FOLDER prints FOLDER if it lacks nothing, else one that links to what it has and to builds of the rest.
complete() {
  local from=$1 missing=() component built linked target
  for component in "${components[@]}"; do
    [ -x "$from/$component" ] || missing+=("$component")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "$from"
    return
  fi
  "$kubernetes/build.sh" --cached "${missing[@]}" >/dev/null || say "$from has no ${missing[*]}: building what is missing"
  built=$("$kubernetes/build.sh" "${missing[@]}")
  linked=$cache/assets-$(echo "$from $built ${missing[*]}" | sha256sum | cut -c1-16)
  mkdir -p "$linked"
  for component in "${components[@]}"; do
    [ -x "$from/$component" ] && target=$from || target=$built
    [ -x "$linked/$component" ] || ln -sfn "$target/$component" "$linked/$component"
  done
  echo "$linked"
}

# envtest runs setup-envtest, which prints the folder of the minor version that go.mod pins.
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
  say "no download of Kubernetes to be had: building it from its Go modules"
  "$kubernetes/build.sh" "${components[@]}"
fi
