#!/usr/bin/env bash
# Adds to an image layout what every local cluster has: pause, and Debian's busybox under the names that samples and
# tests ask for. Alpine's image is not here: what runs as alpine:latest is busybox, which is most of what Alpine is.
#
#   base.sh LAYOUT TOOLS BUSYBOX     TOOLS: the folder with mkimage and pause
set -euo pipefail
layout=$1 tools=$2 busybox=$3

"$tools/mkimage" -layout "$layout" -tag registry.local/pause:1 -entrypoint /pause "$tools/pause=/pause" >/dev/null
applets=$("$busybox" --list | grep -vx busybox | sed 's#.*#/bin/&->busybox#')
# shellcheck disable=SC2086 # one word per applet
"$tools/mkimage" -layout "$layout" -cmd sh \
  -tag busybox -tag alpine "$busybox=/bin/busybox" $applets >/dev/null
