#!/usr/bin/env bash
# Stops the local cluster and removes its state. It succeeds if there is none.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -e "$state" ] || exit 0
[ "$(id -u)" = 0 ] || die "root started the cluster, so only root can stop it"
exec 9<"$hack/node/lib.sh"
flock 9
take_down
say "the cluster is stopped and removed"
