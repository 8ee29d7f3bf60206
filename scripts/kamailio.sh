#!/usr/bin/env bash
# Fetches Kamailio into .cache/kamailio for the tests of deploy/kamailio.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian-files.sh

readonly TARGET=.cache/kamailio
readonly PACKAGES=(kamailio kamailio-tls-modules)

fetch() {
  from_debian "$TARGET.new" . "${PACKAGES[@]}" || return
  rm -rf "$TARGET" && mv "$TARGET.new" "$TARGET"
}

if [[ ! -x $TARGET/usr/sbin/kamailio ]]; then
  say "Kamailio into $TARGET (40 MB)"
  fetch || say "Kamailio could not be fetched; its configuration cannot be checked here."
fi
