"""Recordings encrypted at rest with age (https://age-encryption.org, X25519, by pyrage).

The service holds public keys alone: it can close a recording and never open it again.
A call is written as plain WAV, readable by its owner only, so that a process that dies
leaves it whole; it is sealed when the call is over, and what a crash left is sealed at
the next start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyrage
import structlog

from voicebot.errors import VoicebotError

SUFFIX = ".age"

log = structlog.get_logger()


class RecordingVaultError(VoicebotError):
    """A key or a sealed recording cannot be used."""

    code = "voicebot.recordings"


class RecordingVault:
    """Seals recordings for those who may listen to them.

    Parameters:
        recipients: age public keys (``age1…``); none: recordings stay plain.

    Raises:
        RecordingVaultError: a key is no age public key.
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        try:
            self._recipients = [pyrage.x25519.Recipient.from_str(key) for key in recipients]
        except pyrage.RecipientError:
            raise RecordingVaultError(
                "recordings.encrypt_to holds something that is no age public key (age1…); "
                "`voicebot recording key` makes a pair."
            ) from None

    def kept_as(self, path: Path) -> Path:
        """The file that a recording written to `path` ends up as."""
        return path.with_name(path.name + SUFFIX) if self._recipients else path

    def seal(self, path: Path) -> None:
        """Replaces a finished recording by its sealed form; blocking. Never raises: a
        recording that cannot be sealed stays where it is, and the log says so.
        """
        if not self._recipients or not path.exists():
            return
        part = path.with_name(path.name + ".part")
        try:
            with (
                path.open("rb") as plain,
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out,
            ):
                pyrage.encrypt_io(plain, out, self._recipients)
                out.flush()
                os.fsync(out.fileno())
            part.replace(self.kept_as(path))
            path.unlink()
        except (OSError, pyrage.EncryptError) as error:
            if part.is_file():
                part.unlink()
            log.error("recording_not_sealed", file=path.name, reason=type(error).__name__)

    def seal_leftovers(self, folder: Path) -> int:
        """Seals what a crash has left plain in `folder`; how many that were."""
        left = sorted(folder.glob("*.wav")) if self._recipients and folder.is_dir() else []
        for path in left:
            self.seal(path)
        return len(left)


def new_key() -> tuple[str, str]:
    """A new pair: (secret identity, public recipient)."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def open_sealed(sealed: Path, out: Path, identities: Iterable[str]) -> None:
    """Decrypts a recording to a new file, readable by its owner only.

    Raises:
        RecordingVaultError: a key is no age identity, fits not, or the file is damaged.
        OSError: a file cannot be read or written, or `out` exists.
    """
    try:
        keys = [pyrage.x25519.Identity.from_str(each) for each in identities]
    except pyrage.IdentityError:
        raise RecordingVaultError(
            "The key file holds no age identity (AGE-SECRET-KEY-…)."
        ) from None
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with sealed.open("rb") as file, os.fdopen(handle, "wb") as plain:
            pyrage.decrypt_io(file, plain, keys)
    except (pyrage.DecryptError, OSError) as error:
        out.unlink()
        if isinstance(error, OSError) and error.errno:  # pyrage's own have none
            raise
        raise RecordingVaultError(
            f"{sealed.name} cannot be opened: the key does not fit, or the file is damaged."
        ) from None


def read_identities(path: Path) -> list[str]:
    """The secret keys of an age key file; comment lines are left out."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
