"""One form of a JSON value, so that two systems get one hash for one content (RFC 8785)."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785
from pydantic import BaseModel


def wire(model: BaseModel) -> dict[str, Any]:
    """Plain JSON values of what was given; a field left out by its sender stays left out."""
    return model.model_dump(mode="json", exclude_unset=True, exclude_computed_fields=True)


def canonical_json(value: Any) -> bytes:
    """UTF-8 by RFC 8785.

    Raises:
        ValueError: a number that JSON has no exact form for, or text that is not Unicode.
    """
    return rfc8785.dumps(value)


def content_hash(body: BaseModel | Any) -> str:
    """SHA-256 of the canonical JSON of a body, as 64 lower-case hex digits.

    Raises:
        ValueError: as `canonical_json`.
    """
    value = wire(body) if isinstance(body, BaseModel) else body
    return hashlib.sha256(canonical_json(value)).hexdigest()
