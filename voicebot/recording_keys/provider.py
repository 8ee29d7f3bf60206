"""What the vault needs of whoever keeps keys.

Sealing takes no more than a public key, so a call waits for no key service, and whoever has the
service's machine opens nothing with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyrage

from voicebot.errors import VoicebotError

Beside = Mapping[str, str]
"""What is kept beside a recording, so that its key can be had again; plain JSON."""


class RecordingVaultError(VoicebotError):
    """A key or a sealed recording cannot be used."""

    code = "voicebot.recordings"


class KeysUnavailable(RecordingVaultError):
    """The key service does not answer, or not as it should; what it keeps is not lost."""

    code = "voicebot.recordings.kms"


@dataclass(frozen=True, slots=True)
class Sealing:
    """Public keys (age, X25519) to seal with now."""

    recipients: tuple[pyrage.x25519.Recipient, ...]
    beside: Beside | None = None


class KeyProvider(Protocol):
    """`sealing` is at once; `renew` may take the network's time."""

    @property
    def name(self) -> str: ...

    def sealing(self) -> Sealing | None:
        """What to seal with; None: it has no key yet."""

    def renew(self) -> None:
        """Have a key to seal with, a new one from time to time. Raises KeysUnavailable."""


class KeyService(KeyProvider, Protocol):
    """A KMS, which gives back the keys that it has encrypted."""

    def identities(self, beside: Beside) -> Sequence[str]:
        """The secret keys (``AGE-SECRET-KEY-…``) of what was sealed so. Raises KeysUnavailable."""

    def rewrapped(self, beside: Beside) -> Beside:
        """The same under the newest key of the service. Raises KeysUnavailable."""


def read_recipient(key: str) -> pyrage.x25519.Recipient:
    """A public key (``age1…``). Raises RecordingVaultError."""
    try:
        return pyrage.x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise RecordingVaultError(
            "recordings.encrypt_to holds something that is no age public key (age1…); "
            "`voicebot recording key` makes a pair."
        ) from None
