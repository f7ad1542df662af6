#!/usr/bin/env bash
# Fetches Debian's containerd, runc, CNI plugins, nftables and busybox and unpacks them into a folder outside of the
# work tree, which it prints. Nothing is installed and no service starts. The folder is named after the packages'
# versions and hashes, so that what is there already is not fetched again.
set -euo pipefail
packages=(containerd runc containernetworking-plugins busybox-static)
packages+=(nftables libnftables1 libnftnl11 libmnl0 libjansson4 libgmp10 libxtables12 libedit2 libbsd0 libmd0) # nft with its libraries
fetch() { apt-get -qq -o APT::Sandbox::User=root download "$@" "${packages[@]}"; }

if ! uris=$(fetch --print-uris 2>/dev/null); then
  echo "apt-get update: the package lists are missing or out of date" >&2
  apt-get -qq update >&2
  uris=$(fetch --print-uris)
fi
debian=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/debian-$(sha256sum <<<"$uris" | cut -c1-16)

if [ ! -d "$debian" ]; then
  echo "fetching Debian packages: ${packages[*]}" >&2
  mkdir -p "$(dirname "$debian")"
  download=$(mktemp -d "$debian.XXXXXX")
  trap 'rm -rf "$download"' EXIT
  mkdir "$download/root"
  (cd "$download" && fetch >&2) || {
    echo "packages.sh: cannot fetch; a version that the lists name may be gone: run apt-get update and try again" >&2
    exit 1
  }
  for package in "$download"/*.deb; do dpkg -x "$package" "$download/root"; done
  mv -T "$download/root" "$debian"
fi
echo "$debian"
