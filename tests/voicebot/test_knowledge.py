"""A running service says what is published now, and learns of changes without a restart."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from flows.actions import Purpose, Say
from kb import lifecycle
from kb.entry import Entry, Status
from kb.ledger import Act
from kb.slot_store import import_slots
from kb.slots import Slot
from tests.kb.conftest import NOON, LetterEmbedder, make_entry, publish_all
from tests.voicebot.test_session import scripted_engines
from voicebot.call.engines import Engines, NotPublished
from voicebot.config import Settings
from voicebot.knowledge import Knowledge, KnowledgeBase, KnowledgeError, spoken_texts
from voicebot.knowledge_following import KNOWLEDGE_CHECK_S, follow_knowledge
from voicebot.records.database import migrate, open_engine

ENTRY = make_entry("x-1", "怎么办居住证", answer="旧的答复。")
ASKED = "怎么办居住证"
MINUTE = timedelta(minutes=1)
AUTHOR, REVIEWER = Act("甲", at=NOON), Act("乙", at=NOON)


class CorpusEmbedder(LetterEmbedder):
    def embed_corpus(self, texts: Sequence[str], *, progress: bool = False) -> NDArray[np.float32]:
        return self.embed(texts)


@pytest.fixture
def embedder() -> Any:
    return CorpusEmbedder()


class Clock:
    """The time in Hainan, as the knowledge base and the engines have it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("voicebot.knowledge.now", made)
    monkeypatch.setattr("voicebot.call.engines.now", made)
    return made


@contextmanager
def administrator(settings: Settings) -> Iterator[Session]:
    """Another process's session; what it did is committed at the end."""
    engine = open_engine(settings.database_url, writes=True, patience_s=5.0)
    with Session(engine) as session, session.begin():
        yield session
    engine.dispose()


@pytest.fixture
def base(settings: Settings, clock: Clock) -> Iterator[KnowledgeBase]:
    migrate(settings.database_url)
    with administrator(settings) as session:
        publish_all(session, [ENTRY, make_entry("a-1", "社保卡丢了怎么补办")])
    opened = KnowledgeBase(settings)
    yield opened
    opened.close()


def taken_up(base: KnowledgeBase, embedder: Any) -> Knowledge | None:
    """What a service has after a look, if that is another than before."""
    return base.open(embedder) if base.changed() is not None else None


def reviewed(session: Session, answer: str) -> None:
    lifecycle.edit(session, "x-1", {"answer": answer}, AUTHOR, submit=True)
    lifecycle.approve(session, "x-1", REVIEWER)


def answer(knowledge: Knowledge, at: datetime = NOON, line: str | None = None) -> str | None:
    """What is said to somebody who asks for the entry, the whole way through."""
    found = knowledge.search(ASKED, line=line, at=at).candidates
    if "x-1" not in {candidate.id for candidate in found}:
        return None
    entry = knowledge.entry("x-1", line=line, at=at)
    return entry.answer if entry is not None else None


def test_drafts_and_reviews_change_nothing_that_is_said(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    assert answer(base.open(embedder)) == "旧的答复。"
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
    fresh = taken_up(base, embedder)
    assert fresh is None or answer(fresh) == "旧的答复。"


def test_a_publication_is_taken_up_at_the_next_look(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    before = base.open(embedder)
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR)
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert answer(fresh) == "新的答复。"
    assert answer(before) == "旧的答复。"  # whole, for who is in the middle of it
    assert taken_up(base, embedder) is None


def test_a_publication_that_is_not_committed_is_not_seen(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    base.open(embedder)
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR)
        assert taken_up(base, embedder) is None
    assert taken_up(base, embedder) is not None


def test_at_the_planned_minute_the_new_wording_is_said_and_the_old_one_never_again(
    base: KnowledgeBase, settings: Settings, embedder: Any, clock: Clock
) -> None:
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    before = base.open(embedder)
    clock.at = NOON + MINUTE - timedelta(seconds=1)
    assert taken_up(base, embedder) is None
    assert answer(before, clock.at) == "旧的答复。"
    clock.at = NOON + MINUTE
    assert answer(before, clock.at) is None
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert answer(fresh, clock.at) == "新的答复。"
    assert taken_up(base, embedder) is None


def test_a_withdrawal_is_taken_up_at_the_next_look(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    base.open(embedder)
    with administrator(settings) as session:
        lifecycle.withdraw(session, "x-1", AUTHOR)
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert answer(fresh) is None


def test_a_planned_withdrawal_silences_even_what_is_held_in_memory(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    with administrator(settings) as session:
        lifecycle.withdraw(session, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    held = base.open(embedder)
    assert answer(held) == "旧的答复。"
    assert answer(held, NOON + MINUTE) is None


def test_at_midnight_what_ends_is_silent_and_what_begins_is_said(
    base: KnowledgeBase, settings: Settings, embedder: Any, clock: Clock
) -> None:
    with administrator(settings) as session:
        publish_all(
            session,
            [
                replace(ENTRY, answer="今天的。", valid_to=date(2026, 11, 24)),
                make_entry("x-2", "怎么办护照", valid_from=date(2026, 11, 25)),
            ],
        )
    held = base.open(embedder)
    clock.at = NOON + timedelta(hours=12)
    assert answer(held, clock.at - timedelta(seconds=1)) == "今天的。"
    assert answer(held, clock.at) is None
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert set(fresh.entries) == {"a-1", "x-2"}


def test_an_entry_that_is_valid_for_ever_is_said_beside_the_others(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    with administrator(settings) as session:
        publish_all(session, [replace(ENTRY, answer="永远的。", valid_to=date.max)])
    assert answer(base.open(embedder)) == "永远的。"


def test_a_folder_that_cannot_be_written_costs_calls_nothing_and_an_index_made_anew_is_refused(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    settings.paths.state.mkdir(exist_ok=True)
    (settings.paths.state / "knowledge").write_text("in the way")
    assert answer(base.open(embedder)) == "旧的答复。"
    with pytest.raises(KnowledgeError, match="cannot be kept in"):
        base.open(embedder, anew=True)


def test_while_a_new_index_is_made_the_old_one_finds_the_new_wording_and_nothing_withdrawn(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    before = base.open(embedder)
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR)
    entries = base.changed()
    assert entries is not None
    assert answer(replace(before, entries=entries)) == "新的答复。"
    with administrator(settings) as session:
        lifecycle.withdraw(session, "x-1", AUTHOR)
    entries = base.changed()
    assert entries is not None
    found = replace(before, entries=entries).search(ASKED, at=NOON)
    assert (found.decision, found.entry) == ("none", None)
    assert "x-1" not in {candidate.id for candidate in found.candidates}


def test_an_entry_for_one_line_is_said_on_no_other(
    base: KnowledgeBase, settings: Settings, embedder: Any, tmp_path: Path
) -> None:
    with administrator(settings) as session:
        publish_all(session, [replace(ENTRY, lines=("12333",))])
    knowledge = base.open(embedder)
    assert answer(knowledge, line="12333") == "旧的答复。"
    assert answer(knowledge, line="12345") is None
    engines = scripted_engines(tmp_path)
    engines.knowledge = knowledge
    say = Say("u-1", Purpose.ANSWER, entry="x-1")
    assert engines.text(say, "12333") == "旧的答复。"
    for line in ("12345", None):
        with pytest.raises(NotPublished):
            engines.text(say, line)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PUBLISHED])
def test_whatever_got_into_a_publication_is_not_said_unless_it_is_published(
    base: KnowledgeBase, embedder: Any, status: Status
) -> None:
    knowledge = base.open(embedder)
    smuggled: Entry = replace(ENTRY, status=status)
    assert replace(knowledge, entries={"x-1": smuggled}).entry("x-1", at=NOON) is None


@pytest.mark.leaping_time
async def test_a_running_service_says_what_was_published_within_five_seconds(
    base: KnowledgeBase, settings: Settings, embedder: Any, tmp_path: Path
) -> None:
    assert KNOWLEDGE_CHECK_S <= 2.0
    engines: Engines = scripted_engines(tmp_path)
    engines.embedder, engines.knowledge = embedder, base.open(embedder)
    following = asyncio.create_task(follow_knowledge(base, engines))
    await asyncio.sleep(10)
    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR)
    say = Say("u-1", Purpose.ANSWER, entry="x-1")
    assert engines.text(say, "12345") == "旧的答复。"
    await asyncio.sleep(5)
    assert engines.text(say, "12345") == "新的答复。"
    with administrator(settings) as session:
        lifecycle.withdraw(session, "x-1", AUTHOR)
    await asyncio.sleep(5)
    with pytest.raises(NotPublished):
        engines.text(say, "12345")
    following.cancel()


def value(region: str, text: str, until: date = date(2026, 12, 31)) -> Slot:
    return Slot("窗口电话", region, text, "官网", date(2026, 1, 1), until)


def spoken_at(engines: Engines, region: str | None) -> str:
    return engines.text(Say("u1", Purpose.ANSWER, entry="x-1", region=region))


def test_an_answer_says_the_value_for_the_callers_place_and_is_not_given_where_there_is_none(
    base: KnowledgeBase, settings: Settings, embedder: Any, tmp_path: Path
) -> None:
    with administrator(settings) as session:
        reviewed(session, "请打{窗口电话}。")
        lifecycle.publish(session, "x-1", AUTHOR)
    unfilled = base.open(embedder)
    assert answer(unfilled) is None
    with administrator(settings) as session:
        import_slots(session, [value("460100", "一二三")], AUTHOR, REVIEWER.who)
    fresh = taken_up(base, embedder)
    assert fresh is not None
    engines = scripted_engines(tmp_path)
    engines.knowledge = fresh
    assert spoken_at(engines, "460106") == "请打一二三。"
    for place in ("460200", None):
        found = fresh.search(ASKED, region=place, at=NOON).candidates
        assert "x-1" not in {candidate.id for candidate in found}
        with pytest.raises(NotPublished):
            spoken_at(engines, place)


def test_a_value_is_said_until_its_last_day_without_a_new_publication(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    with administrator(settings) as session:
        reviewed(session, "请打{窗口电话}。")
        lifecycle.publish(session, "x-1", AUTHOR)
        import_slots(session, [value("", "一二三", NOON.date())], AUTHOR, REVIEWER.who)
    knowledge = base.open(embedder)
    assert answer(knowledge) == "请打一二三。"
    assert answer(knowledge, NOON + timedelta(days=1)) is None


def test_every_filling_of_an_answer_is_rendered_beforehand(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    with administrator(settings) as session:
        reviewed(session, "请打{窗口电话}。")
        lifecycle.publish(session, "x-1", AUTHOR)
        import_slots(session, [value("", "一"), value("460100", "二")], AUTHOR, REVIEWER.who)
    knowledge = base.open(embedder)
    texts = {"请打一。", "请打二。"}
    assert texts <= set(spoken_texts(knowledge, []))
    assert texts <= base.planned_texts()
    assert not any("{" in text for text in spoken_texts(knowledge, []))
