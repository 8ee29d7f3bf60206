#!/usr/bin/env bash
# Writes requirements.lock anew from the environment in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python scripts/lock.py
