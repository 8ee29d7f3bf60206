"""A sealed recording on the disk: ``CA1.wav.age``, an age file, and beside it what its data key
is had again with where a KMS keeps that (``CA1.wav.age.key``).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import pyrage

from voicebot.recording_keys.provider import Beside, RecordingVaultError, Sealing

SUFFIX = ".age"
KEY_SUFFIX = ".key"


def key_file(sealed: Path) -> Path:
    return sealed.with_name(sealed.name + KEY_SUFFIX)


def beside_of(sealed: Path) -> list[Beside]:
    """What is kept beside a sealed recording: mostly one key, or none; two where sealing it anew
    broke off.

    Raises:
        RecordingVaultError: it cannot be read.
    """
    file = key_file(sealed)
    try:
        found = json.loads(file.read_text("utf-8"))
        return [{name: str(each[name]) for name in ("kms", "key", "wrapped")} for each in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordingVaultError(f"{file.name} holds no key of a recording.") from None


def keep_beside(sealed: Path, keys: Sequence[Beside]) -> None:
    """Raises OSError: what was there stays as it was."""
    file = key_file(sealed)
    if not keys:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(file.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(json.dumps([dict(each) for each in keys]).encode())
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def write_sealed(plain: IO[bytes], sealed: Path, sealings: Sequence[Sealing]) -> None:
    """Encrypts to all of these, and puts it in the place of what is there.

    Raises:
        OSError, pyrage.EncryptError: what was there stays as it was.
    """
    part = _encrypted(plain, sealed, sealings)
    _put(part, sealed, sealings)


def open_sealed(sealed: Path, out: Path, identities: Iterable[str]) -> None:
    """Decrypts a recording to a new file, readable by its owner only.

    Raises:
        RecordingVaultError: a key is no age identity, fits not, or the file is damaged.
        OSError: a file cannot be read or written, or `out` exists.
    """
    keys = _keys(identities)
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with sealed.open("rb") as file, os.fdopen(handle, "wb") as plain:
            pyrage.decrypt_io(file, plain, keys)
    except (pyrage.DecryptError, OSError) as error:
        out.unlink()
        if isinstance(error, OSError) and error.errno:  # pyrage's own have none
            raise
        raise _does_not_open(sealed) from None


def reseal(sealed: Path, identities: Iterable[str], sealings: Sequence[Sealing]) -> None:
    """Encrypts a recording anew; it is plain in memory alone.

    Raises:
        RecordingVaultError: a key is no age identity, fits not, or the file is damaged.
        OSError, pyrage.EncryptError: a file cannot be read or written.
    """
    keys, failed = _keys(identities), []
    reading, writing = os.pipe()

    def opening() -> None:
        try:
            with os.fdopen(writing, "wb") as plain, sealed.open("rb") as file:
                pyrage.decrypt_io(file, plain, keys)
        except (pyrage.DecryptError, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=opening)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as plain:
            part = _encrypted(plain, sealed, sealings)
    finally:
        thread.join()
    if failed:
        part.unlink()
        raise _does_not_open(sealed)
    _put(part, sealed, sealings)


def _encrypted(plain: IO[bytes], sealed: Path, sealings: Sequence[Sealing]) -> Path:
    part = sealed.with_name(sealed.name + ".part")
    recipients = [recipient for each in sealings for recipient in each.recipients]
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            pyrage.encrypt_io(plain, out, recipients)
            out.flush()
            os.fsync(out.fileno())
    except (OSError, pyrage.EncryptError):
        part.unlink()
        raise
    return part


def _put(part: Path, sealed: Path, sealings: Sequence[Sealing]) -> None:
    """The key first: a recording without its key would be lost, whenever this breaks off."""
    new = [each.beside for each in sealings if each.beside is not None]
    old = beside_of(sealed)
    if new or old:
        keep_beside(sealed, [*new, *old])
    part.replace(sealed)
    if old:
        keep_beside(sealed, new)


def _keys(identities: Iterable[str]) -> list[pyrage.x25519.Identity]:
    try:
        return [pyrage.x25519.Identity.from_str(each) for each in identities]
    except pyrage.IdentityError:
        raise RecordingVaultError(
            "The key file holds no age identity (AGE-SECRET-KEY-…)."
        ) from None


def _does_not_open(sealed: Path) -> RecordingVaultError:
    return RecordingVaultError(
        f"{sealed.name} cannot be opened: the key does not fit, or the file is damaged."
    )
