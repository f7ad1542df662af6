#!/usr/bin/env bash
# Adds the images of every local cluster to an image layout: pause, and Debian's busybox as both busybox and alpine,
# which the samples and tests use. It is not the real Alpine image.
#
#   base.sh LAYOUT TOOLS BUSYBOX     TOOLS is the folder with mkimage and pause
set -euo pipefail
layout=$1 tools=$2 busybox=$3

"$tools/mkimage" -layout "$layout" -tag registry.local/pause:1 -entrypoint /pause "$tools/pause=/pause" >/dev/null
applets=$("$busybox" --list | grep -vx busybox | sed 's#.*#/bin/&->busybox#')
# shellcheck disable=SC2086 # one word per applet
"$tools/mkimage" -layout "$layout" -cmd sh \
  -tag busybox -tag alpine "$busybox=/bin/busybox" $applets >/dev/null
