#!/usr/bin/env bash
# Fetches Prometheus's own checker, promtool, into .cache/promtool for the tests. Only this one
# file is taken out of Debian's package: nothing is installed, no service is started, and no root
# is needed. Where promtool is on the path already, nothing is done.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=.cache/promtool

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

fetch() {
  local folder package
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  # Not in this folder: apt fetches as a user of its own, who may write nothing here.
  (cd "$folder" && apt-get download -q prometheus >/dev/null 2>&1) || {
    ((EUID == 0)) && apt-get update -q >/dev/null
    (cd "$folder" && apt-get download -q prometheus >/dev/null)
  } || return
  package=("$folder"/prometheus_*.deb)
  dpkg-deb --fsys-tarfile "${package[0]}" | tar -x -C "$folder" ./usr/bin/promtool || return
  mkdir -p "$TARGET"
  mv "$folder/usr/bin/promtool" "$TARGET/promtool.new"
  mv "$TARGET/promtool.new" "$TARGET/promtool"
}

if ! command -v promtool >/dev/null && [[ ! -x $TARGET/promtool ]]; then
  say "promtool into $TARGET (19 MB)"
  fetch ||
    say "promtool could not be fetched; put Prometheus's promtool on the path (Debian: apt-get install prometheus)."
fi
