"""`voicebot kb publish` killed in the middle: nothing is lost, and callers go on being answered."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kb import lifecycle, store
from kb.entry import Status
from kb.ledger import Act
from tests.kb.conftest import make_entry, publish_all
from voicebot.call.audio_library import LINE_RATES, open_library
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.embedder import SentenceEmbedder
from voicebot.knowledge import Knowledge, KnowledgeBase, open_embedder
from voicebot.records.database import migrate, open_engine

ROOT = Path(__file__).resolve().parents[2]
KILLED_AT = """
import importlib, os, signal, sys

module, _, name = sys.argv.pop(1).partition(":")
*parents, last = name.split(".")
target = importlib.import_module(module)
for parent in parents:
    target = getattr(target, parent)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(target, last, die)
from voicebot.cli import main
main()
"""
ENTRY = make_entry("x-1", "怎么办居住证", answer="旧的答复。")


@pytest.fixture
def environment(settings: Settings, models_dir: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VOICEBOT_PATHS__STATE": str(settings.paths.state),
        "VOICEBOT_PATHS__MODELS": str(models_dir),
        "VOICEBOT_SPEECH__VOICE": "espeak",
    }


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True, patience_s=5.0)
    author, reviewer = Act("甲", at=now()), Act("乙", at=now())
    with Session(engine) as opened:
        publish_all(opened, [ENTRY, make_entry("a-1", "社保卡丢了怎么补办")], at=now())
        lifecycle.edit(opened, "x-1", {"answer": "新的答复。"}, author, submit=True)
        lifecycle.approve(opened, "x-1", reviewer)
        opened.commit()
        yield opened
    engine.dispose()


@pytest.fixture
def embedder(settings: Settings, models_dir: Path) -> SentenceEmbedder:
    return open_embedder(
        settings.model_copy(
            update={"paths": settings.paths.model_copy(update={"models": models_dir})}
        )
    )


def answer(knowledge: Knowledge) -> str | None:
    found = knowledge.search("怎么办居住证", at=now()).candidates[0]
    entry = knowledge.entry(found.id, at=now())
    return entry.answer if entry is not None else None


@pytest.mark.parametrize(
    ("where", "decided"),
    [
        ("kb.ledger:announce", False),  # the steps are written and not yet committed
        ("voicebot.knowledge:open_index", True),  # the decision is on record, the index is not made
        ("kb.index_file:Path.replace", True),  # the new index is on the disk and not in place
    ],
)
def test_killed_it_leaves_the_old_answer_or_the_new_one_and_never_none(
    settings: Settings,
    session: Session,
    embedder: SentenceEmbedder,
    environment: dict[str, str],
    where: str,
    decided: bool,
) -> None:
    running = KnowledgeBase(settings)
    serving = running.open(embedder)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT, where, "kb", "publish", "x-1"], env=environment
    )
    assert killed.returncode == -signal.SIGKILL

    assert answer(serving) == "旧的答复。"
    taken_up = running.open(embedder) if running.changed() is not None else serving
    assert answer(taken_up) == ("新的答复。" if decided else "旧的答复。")
    states = [version.entry.status for version in store.history(session, "x-1")]
    assert states == [Status.PUBLISHED, Status.PUBLISHED if decided else Status.APPROVED]

    session.rollback()
    if not decided:
        again = subprocess.run(
            [sys.executable, "-m", "voicebot.cli", "kb", "publish", "x-1"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert "2 entries" in again.stdout, again.stderr
        assert answer(running.open(embedder)) == "新的答复。"
    running.close()


FILE = (
    "id,category,department,question,answer,valid_from,valid_to,status\n"
    "x-1,居住证,省公安厅,怎么办居住证,新的答复。,2026-01-01,2099-12-31,approved\n"
)


@pytest.mark.parametrize(
    ("where", "decided"),
    [
        ("voicebot.call.audio_library:AudioLibrary.prepare", False),
        ("kb.ledger:announce", False),
        ("voicebot.knowledge:open_index", True),
    ],
)
def test_a_files_answers_have_their_audio_before_it_is_decided_that_they_are_spoken(
    settings: Settings,
    session: Session,
    environment: dict[str, str],
    tmp_path: Path,
    where: str,
    decided: bool,
) -> None:
    (tmp_path / "faq.csv").write_text(FILE, "utf-8")
    command = ["kb", "publish", str(tmp_path / "faq.csv"), "--reviewed-by", "李主任"]
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, where, *command], env=environment)
    assert killed.returncode == -signal.SIGKILL
    voice = settings.speech.model_copy(update={"voice": "espeak"})
    library = open_library(settings.model_copy(update={"speech": voice}))
    rendered = [library.rendered("新的答复。", rate) is not None for rate in LINE_RATES]
    spoken = {entry.answer for entry in store.published(session, now()) if entry.id == "x-1"}
    assert spoken == ({"新的答复。"} if decided else {"旧的答复。"})
    assert rendered == [not where.endswith("prepare")] * 2
