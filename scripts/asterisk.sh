#!/usr/bin/env bash
# Fetches Asterisk 22 with its libraries into .cache/asterisk, for the tests; nothing of it
# is installed on this machine. A second run takes less than a second. Needs root.
#
# The packages come from Debian's sid, from the mirror that this machine's own apt uses.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=.cache/asterisk
readonly SUITE=sid
readonly WANTED=1:22.10.1+dfsg+~cs6.17.60671434-1
readonly VERSIONS=$TARGET.versions

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

# The version of package $2 in the system in folder $1; nothing when it is not there.
version_in() {
  dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Version}' "$2" 2>/dev/null || true
}

check_version() {
  local version=$1
  case $version in
    "$WANTED") say "Asterisk $version in $TARGET" ;;
    1:22.*)
      say "Asterisk $version in $TARGET; the mirror has moved on from $WANTED."
      say "The tests were written with that one; note the new version in scripts/asterisk.sh when they pass."
      ;;
    "") fail "There is no Asterisk in $TARGET; remove the folder and run it again." ;;
    *) fail "Asterisk $version is not a 22.x: the mirror has moved on from $WANTED. Point VOICEBOT_DEBIAN_MIRROR at a mirror or snapshot that still has it." ;;
  esac
}

# The Debian archive among this machine's apt sources, in either of apt's two formats.
debian_mirror() {
  local uri
  [[ -z ${VOICEBOT_DEBIAN_MIRROR-} ]] || { echo "$VOICEBOT_DEBIAN_MIRROR"; return; }
  uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' |
    grep -E '/debian/?$' | head -n 1)
  [[ -n $uri ]] || fail "No Debian mirror is among this machine's apt sources; set VOICEBOT_DEBIAN_MIRROR to one."
  echo "${uri%/}"
}

fetch() {
  local mirror new
  ((EUID == 0)) || fail "make asterisk needs root (debootstrap unpacks a system); run it as root once, the tests need no root to use it."
  command -v debootstrap >/dev/null || fail "debootstrap is missing; run make setup, or apt-get install debootstrap."
  mirror=$(debian_mirror)
  mkdir -p "${TARGET%/*}"
  new=$(mktemp -d "$TARGET.new.XXXXXX")
  trap 'rm -rf --one-file-system "$new"' EXIT
  say "Asterisk into $TARGET (500 MB, one or two minutes)"
  debootstrap --variant=minbase --include=asterisk "$SUITE" "$new" "$mirror" |
    while read -r kind rest; do
      [[ ! -t 2 ]] && { [[ $kind == I: ]] && printf '.' >&2; continue; }
      printf '\r\033[K%.100s' "$rest" >&2
    done || fail "debootstrap failed; its log was $new/debootstrap/debootstrap.log:
$(tail -n 20 "$new/debootstrap/debootstrap.log" 2>/dev/null)"
  echo >&2
  check_version "$(version_in "$new" asterisk)"
  rm -rf "$new"/var/cache/apt/archives/*.deb
  chmod 755 "$new"
  rm -rf --one-file-system "$TARGET"
  mv "$new" "$TARGET"
  trap - EXIT
}

main() {
  if [[ -x $TARGET/usr/sbin/asterisk ]]; then
    check_version "$(version_in "$TARGET" asterisk)"
  else
    fetch
  fi
  # What it was made of, one package a line.
  [[ -s $VERSIONS && $VERSIONS -nt $TARGET/var/lib/dpkg/status ]] ||
    dpkg-query --admindir="$TARGET/var/lib/dpkg" -W >"$VERSIONS"
}

main "$@"
