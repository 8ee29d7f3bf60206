#!/usr/bin/env bash
# Runs a command in a network namespace of its own with nothing but loopback, where one can
# be made; otherwise as it is. Fixed ports then meet nobody else's.
#
#   scripts/isolated.sh COMMAND [ARGUMENT...]
set -euo pipefail

for how in "unshare -n" "unshare -rn"; do
  if $how ip link set lo up 2>/dev/null; then
    exec $how bash -c 'ip link set lo up && exec "$@"' isolated "$@"
  fi
done
echo "No network namespace can be made here: running without one." >&2
exec "$@"
