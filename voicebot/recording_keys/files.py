"""Keys of files: the public ones stand in the settings, the secret ones are elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyrage

from voicebot.recording_keys.provider import RecordingVaultError, Sealing, read_recipient


class FileKeys:
    """Parameters:
        recipients: age public keys.

    Raises:
        RecordingVaultError: a key is no age public key.
    """

    name = "file"

    def __init__(self, recipients: Iterable[str]) -> None:
        self._sealing = Sealing(tuple(read_recipient(each) for each in recipients))

    def sealing(self) -> Sealing | None:
        return self._sealing if self._sealing.recipients else None

    def renew(self) -> None:
        """They are there from the beginning."""


def new_key() -> tuple[str, str]:
    """A new pair: (secret identity, public recipient)."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def read_identities(path: Path) -> list[str]:
    """The secret keys of an age key file; comment lines are left out.

    Raises:
        RecordingVaultError: the file cannot be read.
    """
    try:
        lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        raise RecordingVaultError(f"The key file {path} cannot be read.") from None
    return [line for line in lines if line and not line.startswith("#")]
