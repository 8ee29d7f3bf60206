"""Alembic's entry point: run by `voicebot.records.database.migrate`, or by `alembic` itself."""

from alembic import context
from sqlalchemy import Connection

from voicebot.config import load_settings
from voicebot.records.database import open_engine
from voicebot.records.metadata import METADATA


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(load_settings().database_url, writes=True).begin() as opened:
        run(opened)
