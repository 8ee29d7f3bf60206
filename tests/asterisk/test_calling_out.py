"""Calls that we make through the real Asterisk: whoever answers is a caller like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telephony.errors import CallError, TelephonyError
from tests.asterisk.bot import Bot, Taken, access_to, wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import Phone, answered, answers, busy, rings_for_ever, tone_wav

NUMBER = "13800138000"


@pytest.fixture
def bot(pbx: Pbx) -> Iterator[Bot]:
    with Bot(replace(access_to(pbx), trunks=("police", "seats", "carrier"))) as bot:
        yield bot


@pytest.fixture
def over(bot: Bot, caller: Phone) -> Taken:
    """A call that was answered and is over."""
    caller.call("12345", caller=NUMBER, steps=(answered(),))
    taken = bot.call()
    caller.hang_up()
    wait_until(taken.ears.gone.is_set, 2)
    return taken


def calls(bot: Bot, over: Taken, trunk: str = "carrier", ring_s: float = 5.0) -> None:
    bot.do(over.control.call_out(trunk, NUMBER, "12345", "H-1", ring_s=ring_s), ring_s + 10)


def test_who_answers_is_offered_with_number_did_and_reference(
    bot: Bot, over: Taken, caller: Phone, tmp_path: Path
) -> None:
    caller.script(*answers(tone_wav(tmp_path / "440.wav", 440)))
    calls(bot, over)
    taken = bot.call()
    info = taken.offer.info
    assert (info.caller, info.did, info.called) == (NUMBER, "12345", "H-1")
    rings = caller.wait_for("incoming")
    assert "12345" in rings.headers["from"]
    bot.talk(taken, 700, 5)
    caller.wait_until_heard(lambda heard: heard.last(0.4).has_tone(700), call=rings.call)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.8))
    caller.hang_up(rings.call)
    wait_until(taken.ears.gone.is_set, 2)


@pytest.mark.parametrize(("does", "ends"), [(busy, "busy"), (rings_for_ever, "no_answer")])
def test_who_does_not_answer_is_told(
    bot: Bot, over: Taken, caller: Phone, pbx: Pbx, does: object, ends: str
) -> None:
    caller.script(*does())  # type: ignore[operator]
    with pytest.raises(CallError) as error:
        calls(bot, over, ring_s=2.0)
    assert error.value.code == ends
    wait_until(lambda: not pbx.channels(), 3, pbx.channels)


def test_a_trunk_that_is_not_in_the_settings_is_not_dialled(bot: Bot, over: Taken) -> None:
    with pytest.raises(TelephonyError) as error:
        calls(bot, over, trunk="elsewhere")
    assert error.value.code == "no_such_trunk"
