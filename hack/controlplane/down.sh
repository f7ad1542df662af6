#!/usr/bin/env bash
# Stops the control plane that up.sh started and removes its state. It succeeds if there is none.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -e "$state" ] || exit 0
lock
take_down
echo "The control plane is stopped and removed."
