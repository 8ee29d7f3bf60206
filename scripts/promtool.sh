#!/usr/bin/env bash
# Fetches Prometheus's own checker, promtool, into .cache/promtool for the tests: only this one file
# of Debian's package. Where promtool is on the path already, nothing is done.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian-files.sh

readonly TARGET=.cache/promtool

fetch() {
  from_debian "$TARGET.new" ./usr/bin/promtool prometheus || return
  mkdir -p "$TARGET"
  mv "$TARGET.new/usr/bin/promtool" "$TARGET/promtool"
  rm -rf "$TARGET.new"
}

if ! command -v promtool >/dev/null && [[ ! -x $TARGET/promtool ]]; then
  say "promtool into $TARGET (19 MB)"
  fetch ||
    say "promtool could not be fetched; put Prometheus's promtool on the path (Debian: apt-get install prometheus)."
fi
