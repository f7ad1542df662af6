#!/usr/bin/env bash
# Puts bin/manager into an image, as the Dockerfile does, and the image within reach of the local cluster. No Docker.
#
#   manager.sh IMAGE [LAYOUT]      LAYOUT: an OCI image layout other than the local cluster's, to export it
set -euo pipefail
hack=$(cd "$(dirname "$0")/.." && pwd)
root=$(dirname "$hack")
layout=${2:-${CLUSTER_DIR:-$root/.cluster}/node/images}
[ $# = 2 ] || [ -d "$layout" ] || { echo "manager.sh: the local cluster is not up: make cluster-up" >&2; exit 1; }

tools=$("$hack/cached-build.sh" "$hack/image" mkimage)
"$tools/mkimage" -layout "$layout" -tag "$1" -entrypoint /manager -user 65532:65532 "$root/bin/manager=/manager"
