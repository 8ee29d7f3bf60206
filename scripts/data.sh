#!/usr/bin/env bash
# The database at its newest revision, and the demonstration knowledge base in it:
# imported, indexed, and every answer rendered to audio. What is there already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/voicebot kb publish --demo
