"""Rotation of keys: recordings that are sealed already come under the newest ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from voicebot.recording_files import SUFFIX, beside_of, keep_beside, reseal
from voicebot.recording_keys.provider import (
    Beside,
    KeyProvider,
    KeyService,
    KeysUnavailable,
    RecordingVaultError,
)


def sealed_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*.wav{SUFFIX}")) if folder.is_dir() else []


def rewrap(files: Iterable[Path], kms: KeyService, counts: Counter[str]) -> None:
    """Brings data keys under the newest version of the KMS's key; the recordings stay as they
    are, and nobody sees a key.

    Parameters:
        counts: is added to: ``rewrapped``, ``newest`` already, ``without`` a key of the KMS.

    Raises:
        KeysUnavailable: the KMS does not do it; what was done stays so.
        RecordingVaultError, OSError: a key file cannot be read or written.
    """
    known: dict[str, Beside] = {}
    for sealed in files:
        before = beside_of(sealed)
        if not before:
            counts["without"] += 1
            continue
        after = []
        for each in before:
            wrapped = each["wrapped"]
            if wrapped not in known:
                known[wrapped] = kms.rewrapped(each)
            after.append(known[wrapped])
        if [_version(each) for each in before] == [_version(each) for each in after]:
            counts["newest"] += 1
            continue
        keep_beside(sealed, after)
        counts["rewrapped"] += 1


def reseal_all(
    files: Iterable[Path],
    providers: Sequence[KeyProvider],
    secrets: Sequence[str],
    counts: Counter[str],
) -> None:
    """Encrypts recordings anew to the keys of the settings, for whoever has an old secret key.

    Parameters:
        counts: is added to: ``resealed``; ``not_opened`` by these keys, which stay as they are.

    Raises:
        KeysUnavailable: one of the providers has no key to seal with.
        OSError, pyrage.EncryptError: a file cannot be written.
    """
    sealings = []
    for each in providers:
        each.renew()
        sealing = each.sealing()
        if sealing is None:
            raise KeysUnavailable(f"There is no key of {each.name} to seal with.")
        sealings.append(sealing)
    for sealed in files:
        try:
            reseal(sealed, secrets, sealings)
        except RecordingVaultError:
            counts["not_opened"] += 1
        else:
            counts["resealed"] += 1


def identities(sealed: Path, kms: KeyService) -> list[str]:
    """The secret keys of a recording, by the KMS.

    Raises:
        RecordingVaultError: nothing is kept beside it, or the KMS does not give it.
    """
    found = [secret for each in beside_of(sealed) for secret in kms.identities(each)]
    if not found:
        raise RecordingVaultError(
            f"{sealed.name} has no key of a KMS beside it; give --key with a file's key."
        )
    return found


def _version(beside: Beside) -> str:
    """``v3`` of ``vault:v3:…``."""
    return beside["wrapped"].split(":")[1] if beside["wrapped"].count(":") > 1 else ""
