"""Where the tests find models and evaluation data; under CI a missing one is a failure.

What they write lies in memory where that has room: a disk is waited for after each record.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# As `prepare_threads` does: threads that wait must not spin where other tests compute. numpy's
# libraries read it when they are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A machine that stalls for a moment is no fault of what is tested.
settings.register_profile(
    "any machine",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]
MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 << 30
LISTENER = "sherpa-onnx-kws-zipformer-wenetspeech-3.3M-2024-01-01-mobile"


def scratch() -> Path:
    """Where folders of tests are made: what the caller of pytest says, or memory, or the disk."""
    if (said := os.environ.get("PYTEST_DEBUG_TEMPROOT")) or os.environ.get("TMPDIR"):
        return Path(said or tempfile.gettempdir())
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if roomy else Path(tempfile.gettempdir())


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As after nohup or `&`; programs that tests start would ignore it as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(scratch())


def _existing(path: Path, what: str) -> Path:
    if path.exists():
        return path
    message = f"{what} is not there: {path}. Run `make setup`."
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def models_dir() -> Path:
    folder = Path(os.environ.get("VOICEBOT_TEST_MODELS", ROOT / ".cache" / "models"))
    return _existing(folder, "the folder of fetched models")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    return _existing(ROOT.parent / "shared", "the evaluation data")


@pytest.fixture(scope="session")
def listener_dir() -> Path:
    own = ROOT / ".cache" / "models" / "listener"
    folder = own if own.exists() else ROOT.parent / "shared" / "models" / LISTENER
    return _existing(folder, "the listener's model")
