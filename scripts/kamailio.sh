#!/usr/bin/env bash
# Fetches Kamailio into .cache/kamailio for the tests of deploy/kamailio. Its files are taken out of
# Debian's packages: nothing is installed, no service is started, and no root is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=.cache/kamailio
readonly PACKAGES=(kamailio kamailio-tls-modules)

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

fetch() {
  local folder package
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  (cd "$folder" && apt-get download -q "${PACKAGES[@]}" >/dev/null 2>&1) || {
    ((EUID == 0)) && apt-get update -q >/dev/null
    (cd "$folder" && apt-get download -q "${PACKAGES[@]}" >/dev/null)
  } || return
  rm -rf "$TARGET.new" && mkdir -p "$TARGET.new"
  for package in "$folder"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$TARGET.new" || return
  done
  rm -rf "$TARGET" && mv "$TARGET.new" "$TARGET"
}

if [[ ! -x $TARGET/usr/sbin/kamailio ]]; then
  say "Kamailio into $TARGET (40 MB)"
  fetch || say "Kamailio could not be fetched; its configuration cannot be checked here."
fi
