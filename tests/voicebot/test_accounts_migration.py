"""Tokens of the role kb, which was for editors and reviewers alike, become reviewers'."""

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from voicebot.records.database import MIGRATIONS, open_engine
from voicebot.security import TokenStore


def to_revision(url: str, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_engine(url, writes=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
    engine.dispose()


def test_a_token_of_kb_is_a_reviewers_and_goes_on(empty_database_url: str) -> None:
    to_revision(empty_database_url, "0018")
    engine = open_engine(empty_database_url, writes=True)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO access_token (id, name, role, hash, created_at)"
                " VALUES ('1', '知识库', 'kb', 'h1', 1.0), ('2', '坐席', 'agent', 'h2', 2.0)"
            )
        )
    engine.dispose()

    def roles() -> list[str]:
        store = TokenStore(empty_database_url)
        found = [row["role"] for row in store.listed()]
        store.close()
        return found

    to_revision(empty_database_url, "0019")
    assert roles() == ["reviewer", "agent"]
    to_revision(empty_database_url, "0018", down=True)
    assert roles() == ["kb", "agent"]


def test_on_the_way_back_no_editor_becomes_one_who_approves(empty_database_url: str) -> None:
    to_revision(empty_database_url, "0019")
    store = TokenStore(empty_database_url)
    token = store.create("editor", "编辑")
    store.create("reviewer", "审核")
    to_revision(empty_database_url, "0018", down=True)
    editor, reviewer = store.listed()
    store.close()
    assert (editor["role"], reviewer["role"]) == ("editor", "kb")
    assert editor["revoked_at"] is not None
    assert reviewer["revoked_at"] is None
    again = TokenStore(empty_database_url)
    assert again.principal(token) is None
    again.close()
