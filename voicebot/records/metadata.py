"""All tables of the database, for migrations and for the test that holds them to the models.

A module that declares tables is imported here, or Alembic does not know of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import MetaData

import voicebot.accounts.tables
import voicebot.agents.tables
import voicebot.callers.tables
import voicebot.cluster.tables
import voicebot.duty.tables
import voicebot.exchange.reconciliation.tables
import voicebot.exchange.tables
import voicebot.incidents.tables
import voicebot.matters.tables  # noqa: F401 - declares tables of `Base`
from kb.store import metadata as knowledge_base
from voicebot.figures import tables as _figures  # noqa: F401 - declared on Base
from voicebot.records.tables import Base
from voicebot.surge import tables as _surge  # noqa: F401 - declared on Base
from voicebot.tickets import tables as _tickets  # noqa: F401 - declared on Base
from voicebot.webhooks import tables as _webhooks  # noqa: F401 - declared on Base

METADATA: Sequence[MetaData] = (Base.metadata, knowledge_base)
