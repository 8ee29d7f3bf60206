"""JSON Schema (2020-12) of every kind of message, generated from the models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from voicebot.exchange.schema.envelope import AnyEnvelope, Envelope, Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> Mapping[Kind, dict[str, Any]]:
    """The schema of an envelope by the kind of its body.

    Which codes there are it does not say: those are in `voicebot/exchange/data`.
    """
    return {_kind(model): {"$schema": DIALECT, **model.model_json_schema()} for model in _models()}


def write_schemas(folder: Path) -> list[Path]:
    """Write ``<kind>.schema.json`` for every kind; the files written.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kind, schema in json_schemas().items():
        file = folder / f"{kind}.schema.json"
        file.write_text(json.dumps(schema, ensure_ascii=False, indent=2) + "\n", "utf-8")
        files.append(file)
    return files


def _models() -> tuple[type[Envelope], ...]:
    union, _ = get_args(AnyEnvelope)
    return get_args(union)


def _kind(model: type[Envelope]) -> Kind:
    kind: Kind = get_args(model.model_fields["kind"].annotation)[0]
    return kind
