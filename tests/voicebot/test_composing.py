"""Sentences with blanks: what is fixed in them is rendered before calls, the rest forgotten."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flows.actions import Say
from flows.prompts import Prompt, load_prompts
from telephony.codecs import Int16
from tests.kb.conftest import make_entry
from tests.voicebot.test_answer_audio import FakeVoice
from tests.voicebot.test_session import scripted_engines
from voicebot.call.audio_library import AudioLibrary
from voicebot.call.composing import fixed_clauses, prompt_texts, title_clauses
from voicebot.call.engines import Engines
from voicebot.call.speech import ZhttsSynthesizer
from voicebot.call.voices.reading import clauses
from voicebot.call.voices.sound import dbfs
from voicebot.errors import SpeechUnavailable

PROMPTS = load_prompts()
ENTRIES = {
    name: make_entry(name, question)
    for name, question in (("sb-001", "社保卡丢了怎么补办"), ("hj-002", "身份证丢了，怎么补办"))
}


@pytest.mark.parametrize(
    "prompt", [each for each in PROMPTS.values() if each.blanks], ids=lambda each: each.id
)
@pytest.mark.parametrize("value", ["幺三八零", "三月五日", "海口市龙华区", "12345", "，？"])
def test_what_is_fixed_in_a_sentence_is_said_whatever_fills_its_blanks(
    prompt: Prompt, value: str
) -> None:
    said = [clause.text for clause in clauses(prompt.fill(dict.fromkeys(prompt.blanks, value)))]
    assert set(fixed_clauses(prompt)) <= set(said)


def test_of_prompts_everything_but_what_fills_blanks_is_rendered_ahead() -> None:
    texts = prompt_texts(PROMPTS.values())
    assert PROMPTS["greeting"].text in texts
    assert {"您是想问", "还是", "对吗"} <= set(texts)
    assert not any("{" in text for text in texts)


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


@pytest.fixture
def engines(tmp_path: Path, voice: FakeVoice) -> Engines:
    made = scripted_engines(tmp_path)
    made.library = AudioLibrary(tmp_path / "audio", voice)
    made.knowledge = SimpleNamespace(  # type: ignore[assignment]
        entry=lambda name, **_: ENTRIES[name]
    )
    return made


def test_which_of_two_questions_is_meant_is_asked_without_rendering_anything(
    engines: Engines, voice: FakeVoice
) -> None:
    engines.library.prepare([*prompt_texts(PROMPTS.values()), *title_clauses(ENTRIES.values())])
    voice.rendered.clear()
    which = Say("u1", "prompt", "clarify", {"a": "entry:sb-001", "b": "entry:hj-002"})
    assert len(engines.speak(which, 8000)) > 8000
    assert voice.rendered == []


def test_a_number_that_is_read_back_is_rendered_each_time_and_leaves_nothing_behind(
    engines: Engines, voice: FakeVoice, tmp_path: Path
) -> None:
    engines.library.prepare(prompt_texts(PROMPTS.values()))
    files = set(tmp_path.rglob("*.wav"))
    for _ in range(2):
        voice.rendered.clear()
        engines.speak(Say("u1", "prompt", "ticket_number", {"number": "幺三八"}), 8000)
        assert voice.rendered == ["回电号码是幺三八"]
    assert set(tmp_path.rglob("*.wav")) == files


def composed(library: AudioLibrary, text: str) -> Int16:
    return np.concatenate([*library.clause_by_clause(text, 8000, ())])


def test_what_was_rendered_as_a_whole_is_taken_as_it_is(tmp_path: Path, voice: FakeVoice) -> None:
    library = AudioLibrary(tmp_path, voice)
    whole = library.get("台风来了，请不要出门。", 8000)
    again = composed(library, "台风来了，请不要出门。")
    assert np.array_equal(whole.pcm, again)
    assert voice.rendered == ["台风来了，请不要出门。"]


def test_a_mark_without_a_sound_costs_no_sentence(tmp_path: Path, models_dir: Path) -> None:
    library = AudioLibrary(tmp_path, ZhttsSynthesizer(models_dir))
    assert len(composed(library, "龘㐀，请讲。")) > 0.3 * 8000
    with pytest.raises(SpeechUnavailable):
        composed(library, "，。")


def test_clauses_that_are_put_together_sound_as_in_one_go(tmp_path: Path, models_dir: Path) -> None:
    library = AudioLibrary(tmp_path, ZhttsSynthesizer(models_dir))
    text = PROMPTS["clarify"].fill(
        {name: each.question for name, each in zip("ab", ENTRIES.values(), strict=True)}
    )
    whole = library.get(text, 8000, keep=False)
    pcm = composed(library, text)
    assert len(pcm) == pytest.approx(len(whole.pcm), rel=0.05)
    assert dbfs(pcm) == pytest.approx(dbfs(whole.pcm), abs=1.5)


def test_the_first_clause_is_there_before_the_next_is_made(
    tmp_path: Path, voice: FakeVoice
) -> None:
    parts = AudioLibrary(tmp_path, voice).clause_by_clause("您反映的是，路灯坏了。", 8000, ())
    assert len(next(parts))
    assert voice.rendered == ["您反映的是"]
    assert len([*parts]) == 1
    assert voice.rendered == ["您反映的是", "路灯坏了"]
