#!/usr/bin/env bash
# Ends the local cluster and removes its state. Does no harm when there is none.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -e "$state" ] || exit 0
[ "$(id -u)" = 0 ] || die "the cluster was started by root, and only root can end it"
exec 9<"$hack/node/lib.sh"
flock 9
take_down
say "the cluster is gone"
