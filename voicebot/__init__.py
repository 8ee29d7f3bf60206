"""The voice bot: call core, records, console, command line."""

import os

# onnxruntime for Linux (from 1.29 on) tells Microsoft which models run and on what, and keeps an id
# of the machine and what it could not send in the home folder. It reads this when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
