"""The audio of answers with slots: each filling is checked, and kept while it is used."""

from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from kb import store
from kb.ledger import Act
from kb.slot_store import import_slots
from kb.slots import Slot
from tests.kb.conftest import NOON, make_entry, publish_all, session
from tests.voicebot.test_answer_audio import FakeVoice
from voicebot.call.audio_library import AudioLibrary
from voicebot.knowledge_speech import check_answers, prune_audio

__all__ = ["session"]
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
VALUES = [
    Slot("电话", "", "一二三", "", FIRST, LAST),
    Slot("电话", "460100", "四五六", "", FIRST, LAST),
]


def test_each_filling_is_rendered_checked_and_kept(session: Session, tmp_path: Path) -> None:
    publish_all(session, [make_entry("a-1", "公积金", answer="请打{电话}。")])
    import_slots(session, VALUES, Act("甲", at=NOON), "乙")
    voice = FakeVoice()
    library = AudioLibrary(tmp_path / "audio", voice)
    check_answers(library, store.published(session, NOON), NOON)
    assert voice.rendered == ["请打一二三。", "请打四五六。"]
    assert prune_audio(tmp_path / "audio", library, session, [], NOON).files == 0
    import_slots(session, [Slot("电话", "460100", "", "", FIRST, LAST)], Act("甲", at=NOON), "乙")
    assert prune_audio(tmp_path / "audio", library, session, [], NOON).files == 1
