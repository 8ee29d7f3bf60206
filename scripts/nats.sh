#!/usr/bin/env bash
# Fetches the NATS server into .cache/nats for the tests of roles: only this one file of Debian's
# package. Where nats-server is on the path already, nothing is done.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian-files.sh

readonly TARGET=.cache/nats

fetch() {
  from_debian "$TARGET.new" ./usr/sbin/nats-server nats-server || return
  mkdir -p "$TARGET"
  mv "$TARGET.new/usr/sbin/nats-server" "$TARGET/nats-server"
  rm -rf "$TARGET.new"
}

if ! command -v nats-server >/dev/null && [[ ! -x $TARGET/nats-server ]]; then
  say "nats-server into $TARGET (11 MB)"
  fetch ||
    say "nats-server could not be fetched; put it on the path (Debian: apt-get install nats-server)."
fi
