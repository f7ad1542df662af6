#!/usr/bin/env bash
# Builds commands of one of hack's own modules into a folder outside of the work tree that is named after the module's
# content, and prints that folder: what is there already is not built again.
#
#   cached-build.sh MODULE [COMMAND...]      cached-build.sh hack/image mkimage registry; no command: the module's root
set -euo pipefail
cd "$1"
name=$(basename "$1")
shift

key=$({ go env GOVERSION; find . -type f \( -name '*.go' -o -name 'go.*' \) -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-16)
bin=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/$name-$(go env GOOS)-$(go env GOARCH)-$key
mkdir -p "$bin"

# On two cores. Commands that are not named take seconds.
declare -A minutes=([coredns]=1 [cert-manager]=2)

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
for command in "${@:-$name}"; do
  [ -x "$bin/$command" ] && continue
  package=./$command
  [ -d "$command" ] || package=.
  echo "building $command from source${minutes[$command]:+ (about ${minutes[$command]} min when cold)}" >&2
  start=$SECONDS
  # Under another name first: an interrupted build leaves nothing that looks finished.
  go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$bin/.$command.$$" "$package" >&2
  mv "$bin/.$command.$$" "$bin/$command"
  echo "built $command in $((SECONDS - start)) s" >&2
done
echo "$bin"
