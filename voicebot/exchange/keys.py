"""The secrets that messages are signed with, by key id, from the files of the settings."""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voicebot.config_exchange import ExchangeKey
from voicebot.errors import VoicebotError
from voicebot.exchange.schema import Sender

MIN_BYTES = 32
"""As long as the hash of HMAC-SHA256 (RFC 2104, section 3)."""

_MAKE_ONE = "make one with: (umask 077; openssl rand -base64 32 > FILE)"


class KeyUnusable(VoicebotError):
    """A key's file cannot be used; the message says which, and what to do."""

    code = "exchange.key"


@dataclass(frozen=True, slots=True)
class Key:
    """A shared secret."""

    id: str
    owner: Sender
    """Who signs with it."""
    secret: bytes = field(repr=False)


def read_keys(keys: Mapping[str, ExchangeKey]) -> dict[str, Key]:
    """By key id.

    Raises:
        KeyUnusable: a file is not there, readable by others, or no key.
    """
    return {name: Key(name, each.owner, read_secret(each.file)) for name, each in keys.items()}


def read_secret(file: Path) -> bytes:
    """A shared secret.

    Raises:
        KeyUnusable: the file is not there, readable by others, or no key.
    """
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise KeyUnusable(f"Others may read the key file {file}: chmod 600 {file}")
        text = file.read_bytes().strip()
    except OSError as error:
        raise KeyUnusable(
            f"The key file {file} cannot be read: {error.strerror}; {_MAKE_ONE}"
        ) from None
    try:
        secret = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise KeyUnusable(f"The key file {file} is not one line of base64; {_MAKE_ONE}") from None
    if len(secret) < MIN_BYTES:
        raise KeyUnusable(f"The key in {file} has fewer than {MIN_BYTES} bytes; {_MAKE_ONE}")
    return secret
