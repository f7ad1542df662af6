#!/usr/bin/env bash
# Builds an image with bin/manager, like the Dockerfile but without Docker, and adds it to the local cluster.
#
#   manager.sh IMAGE [LAYOUT]      with LAYOUT, adds it to this OCI image layout instead
set -euo pipefail
hack=$(cd "$(dirname "$0")/.." && pwd)
root=$(dirname "$hack")
layout=${2:-${CLUSTER_DIR:-$root/.cluster}/node/images}
[ $# = 2 ] || [ -d "$layout" ] || { echo "manager.sh: the local cluster is not up: make cluster-up" >&2; exit 1; }

tools=$("$hack/cached-build.sh" "$hack/image" mkimage)
"$tools/mkimage" -layout "$layout" -tag "$1" -entrypoint /manager -user 65532:65532 "$root/bin/manager=/manager"
