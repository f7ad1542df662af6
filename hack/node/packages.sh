#!/usr/bin/env bash
# Downloads Debian's containerd, runc, CNI plugins, nftables and busybox, unpacks them into a folder outside of the work
# tree and prints the folder. It installs nothing and starts no service. The folder is named after the versions and
# hashes of the packages, so they are downloaded only once.
set -euo pipefail
packages=(containerd runc containernetworking-plugins busybox-static)
# nft and its libraries
packages+=(nftables libnftables1 libnftnl11 libmnl0 libjansson4 libgmp10 libxtables12 libedit2 libbsd0 libmd0)
fetch() { apt-get -qq -o APT::Sandbox::User=root download "$@" "${packages[@]}"; }

if ! uris=$(fetch --print-uris 2>/dev/null); then
  echo "apt-get update: the package lists are missing or out of date" >&2
  apt-get -qq update >&2
  uris=$(fetch --print-uris)
fi
debian=${DISPATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dispatcher}/debian-$(sha256sum <<<"$uris" | cut -c1-16)

if [ ! -d "$debian" ]; then
  echo "downloading Debian packages: ${packages[*]}" >&2
  mkdir -p "$(dirname "$debian")"
  download=$(mktemp -d "$debian.XXXXXX")
  trap 'rm -rf "$download"' EXIT
  mkdir "$download/root"
  (cd "$download" && fetch >&2) || {
    echo "packages.sh: the download failed. If the package lists are out of date, run apt-get update" >&2
    exit 1
  }
  for package in "$download"/*.deb; do dpkg -x "$package" "$download/root"; done
  mv -T "$download/root" "$debian"
fi
echo "$debian"
