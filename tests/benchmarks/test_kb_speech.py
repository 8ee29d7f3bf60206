"""The search through speech: what is drawn, and what the search is given of what was heard."""

from typing import Any

from benchmarks.kb_speech import drawn, heard_by
from kb.corpus import Labelled, Recognised

ROW: dict[str, Any] = {
    "id": "1",
    "asr_text": "社保卡丢了",
    "alternatives": ["社保卡掉了"],
    "syllables": ["she4", "bao3"],
    "alone": ["设宝卡丢了", "设宝卡掉了"],
}


def asked(id: str, query: str) -> Labelled:
    return Labelled(id, query, frozenset({"sb-101"}))


def test_a_draw_is_the_same_in_whatever_order_the_questions_stand() -> None:
    questions = [asked(str(n), f"第{n}个问题") for n in "一二三四五六七八"]
    assert len(drawn(questions, 3, 1)) == 3
    assert drawn(questions, 3, 1) == drawn(questions[::-1], 3, 1)
    assert drawn(questions, 3, 1) != drawn(questions, 3, 2)


def test_questions_that_the_voice_cannot_say_are_left_out() -> None:
    questions = [asked("1", "社保卡丢了"), asked("2", "how do I get a visa")]
    assert [each.id for each in drawn(questions, None, 1)] == ["1"]


def test_each_ear_gives_the_search_what_it_has() -> None:
    both, transcriber, listener = (
        heard_by(ears, ROW) for ears in ("both ears", "transcriber only", "listener only")
    )
    assert (both.text, both.alternatives) == ("社保卡丢了", ("社保卡掉了",))
    assert both.syllables == listener.syllables != ()
    assert listener.text == "社保", "written by its sound"
    assert transcriber == Recognised("设宝卡丢了", ("设宝卡掉了",))
