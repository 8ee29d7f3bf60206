# Sourced by the scripts that take files out of Debian's packages: nothing is installed, no service
# is started, and no root is needed. They stand in the folder of the checkout.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

# Unpacks what the packages $3… have at the path $2 (./usr/bin/x, or . for everything) into the
# folder $1, which is made anew.
from_debian() (
  target=$1 path=$2
  shift 2
  folder=$(mktemp -d) || exit
  trap 'rm -rf "$folder"' EXIT
  # Not in this folder: apt fetches as a user of its own, who may write nothing here.
  (cd "$folder" && apt-get download -q "$@" >/dev/null 2>&1) || {
    ((EUID == 0)) && apt-get update -q >/dev/null
    (cd "$folder" && apt-get download -q "$@" >/dev/null)
  } || exit
  rm -rf "$target" && mkdir -p "$target" || exit
  for package in "$folder"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$target" "$path" || exit
  done
)
