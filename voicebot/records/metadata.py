"""All tables of the database, for migrations and for the test that holds them to the models.

A module that declares tables is imported here, or Alembic does not know of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import MetaData

from kb.store import metadata as knowledge_base
from voicebot.records.tables import Base

METADATA: Sequence[MetaData] = (Base.metadata, knowledge_base)
