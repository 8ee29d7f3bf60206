"""The demonstration runs beside the service and knows nothing of its callers."""

import stat
from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from kb import store
from kb.entry import Entry
from tests.kb.conftest import make_entry, publish_all
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.demo_state import environment, fill
from voicebot.records.database import open_engine
from voicebot.records.store import Records
from voicebot.security import FIRST_TOKENS, local_token, prepare
from voicebot.state_folder import only_service

ENTRY = make_entry("x-1", "怎么办证", valid_to=date(2099, 12, 31))


def published(settings: Settings) -> list[Entry]:
    engine = open_engine(settings.database_url)
    with Session(engine) as session:
        found = store.published(session, now())
    engine.dispose()
    return found


async def test_it_has_what_is_published_and_nothing_of_the_service(
    settings: Settings, tmp_path: Path
) -> None:
    prepare(settings)
    state = settings.paths.state
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as session, session.begin():
        publish_all(session, [ENTRY])
    engine.dispose()
    (state / "audio").mkdir()
    (state / "audio" / "a.wav").write_bytes(b"RIFF")
    records = await Records.open(settings)
    await records.start_call("C1", "13800138000", "12345", 1.0)
    with only_service(state):
        own = fill(settings, state / "demo" / "state")
    assert [each.id for each in published(own)] == ["x-1"]
    assert (own.paths.state / "audio" / "a.wav").stat().st_nlink == 2
    theirs = await Records.open(own)
    assert not await theirs.known("C1")
    await theirs.close()
    await records.close()
    for role in FIRST_TOKENS:
        assert local_token(own, role) not in (None, local_token(settings, role))
    assert stat.S_IMODE(own.paths.state.stat().st_mode) == 0o700


def test_it_meets_no_desk_seat_or_database_that_is_configured(tmp_path: Path) -> None:
    made = environment(tmp_path, 1, 2)
    assert made["VOICEBOT_DATABASE__URL"] == made["VOICEBOT_HANDOFF__SEAT_URL"] == ""
    assert made["VOICEBOT_HANDOFF__DESK_URL"] == "ws://127.0.0.1:2/line"
