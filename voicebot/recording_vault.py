"""Recordings encrypted at rest with age (https://age-encryption.org, X25519, by pyrage).

The service holds public keys alone: it can close a recording and never open it again.
A call is written as plain WAV, readable by its owner only, so that a process that dies
leaves it whole; it is sealed when the call is over, and what a crash left is sealed at
the next start. Where no key is to be had it stays so, is reported, and is sealed as soon as
there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pyrage
import structlog

from voicebot.config import Settings
from voicebot.recording_files import SUFFIX, write_sealed
from voicebot.recording_keys.files import FileKeys
from voicebot.recording_keys.provider import (
    KeyProvider,
    KeysUnavailable,
    RecordingVaultError,
)
from voicebot.recording_keys.transit import TransitKeys, token_of

LOOK_S = 60.0

log = structlog.get_logger()


class RecordingVault:
    """Seals recordings for those who may listen to them; thread-safe as far as calls need it.

    Parameters:
        providers: of keys; none: recordings stay plain.
    """

    def __init__(self, providers: Sequence[KeyProvider]) -> None:
        self._providers = providers
        self._waiting: set[Path] = set()
        self._away: set[str] = set()

    @property
    def waiting(self) -> int:
        """Recordings of calls that are over and could not be sealed yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Renews keys, and seals what waits for one; until cancelled."""
        while self._providers:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """As `run`, once; blocking, and takes the network's time."""
        for each in self._providers:
            try:
                each.renew()
            except KeysUnavailable as error:
                log.error("recording_keys_away", keys=each.name, reason=str(error))
                self._away.add(each.name)
            except Exception:  # whatever it was, the next look may have a key
                log.exception("recording_keys_away", keys=each.name)
                self._away.add(each.name)
            else:
                if each.name in self._away:
                    self._away.discard(each.name)
                    log.info("recording_keys_back", keys=each.name)
        for path in sorted(self._waiting):
            self.seal(path)

    def kept_as(self, path: Path) -> Path:
        """The file that a recording written to `path` ends up as."""
        return path.with_name(path.name + SUFFIX) if self._providers else path

    def seal(self, path: Path) -> None:
        """Replaces a finished recording by its sealed form; blocking. Never raises: a
        recording that cannot be sealed stays where it is, and the log says so.
        """
        if not self._providers or not path.exists():
            self._waiting.discard(path)
            return
        found = {each.name: each.sealing() for each in self._providers}
        sealings = [each for each in found.values() if each is not None]
        if not sealings:
            self._waiting.add(path)
            log.error("recording_waits_for_key", file=path.name, waiting=self.waiting)
            return
        for name in (name for name, each in found.items() if each is None):
            log.warning("recording_sealed_without", file=path.name, keys=name)
        sealed = self.kept_as(path)
        try:
            with path.open("rb") as plain:
                write_sealed(plain, sealed, sealings)
            path.unlink()
            self._waiting.discard(path)
        except (OSError, pyrage.EncryptError, RecordingVaultError) as error:
            self._waiting.add(path)
            log.error("recording_not_sealed", file=path.name, reason=type(error).__name__)

    def seal_leftovers(self, folder: Path) -> int:
        """Seals what a crash has left plain in `folder`; how many that were."""
        left = sorted(folder.glob("*.wav")) if self._providers and folder.is_dir() else []
        for path in left:
            self.seal(path)
        return len(left)


def open_vault(settings: Settings) -> RecordingVault:
    """The vault of the settings.

    Raises:
        RecordingVaultError: a key is no age public key.
    """
    return RecordingVault(providers(settings))


def providers(settings: Settings) -> list[KeyProvider]:
    """Whoever keeps the settings' keys."""
    found: list[KeyProvider] = []
    recordings = settings.recordings
    if recordings.encrypt_to:
        found.append(FileKeys(recordings.encrypt_to))
    if recordings.kms_url:
        kept = settings.paths.state / "secrets" / "recording-key.json"
        found.append(TransitKeys(recordings, token_of(recordings.kms_token_file), kept))
    return found
