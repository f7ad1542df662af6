#!/usr/bin/env bash
# Builds commands of one of hack's modules and prints the folder with the binaries. The folder is outside of the work
# tree and named after the module's content, so a command is built only once.
#
#   cached-build.sh MODULE [COMMAND...]      cached-build.sh hack/image mkimage registry; no command: the module's root
set -euo pipefail
cd "$1"
name=$(basename "$1")
shift

sources() { find . -type f \( -name '*.go' -o -name 'go.*' \) -print0 | sort -z | xargs -0 sha256sum; }
key=$({ go env GOVERSION; sources; } | sha256sum | cut -c1-16)
bin=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/$name-$(go env GOOS)-$(go env GOARCH)-$key
mkdir -p "$bin"

# On two cores. All other commands take seconds.
declare -A minutes=([coredns]=1 [cert-manager]=2)

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
for command in "${@:-$name}"; do
  [ -x "$bin/$command" ] && continue
  package=./$command
  [ -d "$command" ] || package=.
  echo "building $command from source${minutes[$command]:+ (about ${minutes[$command]} min when cold)}" >&2
  start=$SECONDS
  # Build under another name first, so that an interrupted build is not mistaken for a complete one.
  go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$bin/.$command.$$" "$package" >&2
  mv "$bin/.$command.$$" "$bin/$command"
  echo "built $command in $((SECONDS - start)) s" >&2
done
echo "$bin"
