"""No library that we load tells anybody what it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import sys\nfrom pathlib import Path\nimport numpy as np\n"
USES = {
    "sentence encoder": """
from voicebot.encoders import UniversalSentenceEncoder
UniversalSentenceEncoder(Path(sys.argv[1])).encode(["你好"])
""",
    "voice detection": """
from voicebot.call.voice import VoiceDetector
VoiceDetector().probabilities(np.zeros(512, np.int16))
""",
}


@pytest.mark.parametrize("use", USES)
def test_onnxruntime_neither_marks_this_machine_nor_keeps_what_to_send(
    use: str, models_dir: Path, tmp_path: Path
) -> None:
    # Where it believes to be in a test it tells nothing anyway.
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "ORT_DISABLE_TELEMETRY") and not name.startswith(("XDG", "PYTEST"))
    }
    subprocess.run(
        [sys.executable, "-c", START + USES[use], str(models_dir)],
        env={**plain, "HOME": str(tmp_path)},
        check=True,
    )
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in str(path)] == []
