#!/usr/bin/env bash
# Ends the control plane that up.sh started and removes its state. Does no harm when there is none.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -e "$state" ] || exit 0
lock
take_down
echo "The control plane is gone."
