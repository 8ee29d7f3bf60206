"""`voicebot kb publish` killed in the middle: nothing is lost, and callers go on being answered."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kb import lifecycle
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


FILE = (
    "id,category,department,question,answer,valid_from,valid_to,status\n"
    "x-1,居住证,省公安厅,怎么办居住证,新的答复。,2026-01-01,2099-12-31,approved\n"
)


@pytest.fixture(params=["ids", "file"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Publishes the new answer."""
    if request.param == "ids":
        return ["kb", "publish", "x-1"]
    (tmp_path / "faq.csv").write_text(FILE, "utf-8")
    return ["kb", "publish", str(tmp_path / "faq.csv"), "--reviewed-by", "李主任"]


@pytest.mark.parametrize(
    ("where", "rendered", "decided"),
    [
        ("voicebot.embedder:SentenceEmbedder.embed_corpus", False, False),
        ("voicebot.call.audio_library:AudioLibrary.prepare", False, False),
        ("kb.ledger:announce", True, False),  # the steps are written and not yet committed
        ("voicebot.knowledge:open_index", True, True),  # on record, and the index is not made
        ("kb.index_file:Path.replace", True, True),  # it is on the disk and not in place
    ],
    ids=["before vectors", "before audio", "before the decision", "before the index", "in it"],
)
def test_killed_it_leaves_the_old_answer_or_the_new_one_with_its_audio_and_never_none(
    settings: Settings,
    session: Session,
    embedder: SentenceEmbedder,
    environment: dict[str, str],
    command: list[str],
    where: str,
    rendered: bool,
    decided: bool,
) -> None:
    running = KnowledgeBase(settings)
    serving = running.open(embedder)
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, where, *command], env=environment)
    assert killed.returncode == -signal.SIGKILL

    assert answer(serving) == "旧的答复。"
    taken_up = running.open(embedder) if running.changed() is not None else serving
    assert answer(taken_up) == ("新的答复。" if decided else "旧的答复。")
    voice = settings.speech.model_copy(update={"voice": "espeak"})
    library = open_library(settings.model_copy(update={"speech": voice}))
    audio = [library.rendered("新的答复。", rate) is not None for rate in LINE_RATES]
    assert audio == [rendered] * 2

    session.rollback()
    if not decided:
        again = subprocess.run(
            [sys.executable, "-m", "voicebot.cli", *command],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert "2 entries" in again.stdout, again.stderr
        assert answer(running.open(embedder)) == "新的答复。"
    running.close()
