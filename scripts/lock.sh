#!/usr/bin/env bash
# Writes requirements.lock, and what torch needs besides, anew from the environment in .venv, with
# the hashes of all files of each version as the package index has them (asked for by uv).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly UV=uv==0.13.8
readonly TOOLS=.cache/lock-venv

if [[ ! -x $TOOLS/bin/uv || $(<"$TOOLS/.uv") != "$UV" ]]; then
  .venv/bin/python -m venv --clear "$TOOLS"
  "$TOOLS/bin/pip" install -q --disable-pip-version-check "$UV"
  echo "$UV" >"$TOOLS/.uv"
fi
exec .venv/bin/python scripts/lock.py "$TOOLS/bin/uv"
