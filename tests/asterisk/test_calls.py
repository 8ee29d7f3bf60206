"""Inbound calls through the real Asterisk: both ways by content, keys, hold, rejection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telephony.call_control import Capability, Rejection, Trunk
from tests.asterisk.bot import Bot, access_to, wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import Phone, answered, answers, keys, loop, tone_wav


@pytest.fixture
def bot(pbx: Pbx) -> Iterator[Bot]:
    with Bot(access_to(pbx)) as bot:
        yield bot


def test_both_hear_each_other(bot: Bot, caller: Phone, tmp_path: Path) -> None:
    wav = tone_wav(tmp_path / "440.wav", 440)
    caller.call("12345", caller="13800138000", steps=(answered(), loop(wav)))
    taken = bot.call()
    assert taken.offer.info.caller == "13800138000"
    assert taken.offer.info.did == "12345"
    assert taken.offer.info.trunk is Trunk.PUBLIC
    assert taken.offer.info.rate == 8000
    bot.talk(taken, 700, 5)
    caller.wait_until_tone(700)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.8))
    # The bot hears the caller alone, not itself.
    assert taken.ears.heard().last(0.4).tone_share(700) < 0.01
    caller.hang_up()
    wait_until(taken.ears.gone.is_set, 2)
    assert taken.ears.ends == 1


def test_barge_in_drops_what_was_not_played(bot: Bot, caller: Phone) -> None:
    call = caller.call("12345", steps=(answered(),))
    taken = bot.call()
    bot.say(taken, 700, 0.9, burst=True)
    caller.wait_until_tone(700)
    bot.do(taken.control.clear())
    cleared = time.monotonic()
    time.sleep(1.0)
    heard = caller.heard(call)
    # A jitter buffer's worth may still come; most of the second never does.
    assert not heard.between(cleared + 0.2).has_tone(700)
    bot.say(taken, 500, 0.6)
    caller.wait_until_heard(lambda all_: all_.between(cleared).last(0.4).has_tone(500))


def test_a_caller_to_whom_nothing_is_said_hears_a_quiet_line_and_no_dead_one(
    bot: Bot, caller: Phone
) -> None:
    call = caller.call("12345", steps=(answered(),))
    taken = bot.call()
    bot.say(taken, 700, 0.4)
    spoken = caller.wait_until_heard(lambda all_: all_.last(0.3).has_tone(700)).end + 0.5
    time.sleep(2.0)
    quiet = caller.heard(call).between(spoken)
    assert len(quiet.times) > 40
    assert np.max(np.diff(quiet.times)) < 1.0, "without the noise it was seven seconds"
    assert not quiet.sounding().any()
    assert np.mean(quiet.samples.astype(float) ** 2) > 1


def test_keys_both_ways(bot: Bot, caller: Phone) -> None:
    caller.call("12345", steps=(answered(), keys("10*#")))
    taken = bot.call()
    wait_until(lambda: taken.ears.keys == "10*#", what=lambda: taken.ears.keys)
    bot.do(taken.control.send_keys("59"))
    caller.wait_for("key", where=lambda e: e.data["key"] == "9")
    assert [e.data["key"] for e in caller.seen("key")] == ["5", "9"]


def test_hold_plays_music_to_the_caller_alone(bot: Bot, caller: Phone, tmp_path: Path) -> None:
    wav = tone_wav(tmp_path / "440.wav", 440)
    call = caller.call("12345", steps=(answered(), loop(wav)))
    taken = bot.call()
    assert Capability.HOLD in taken.control.capabilities
    bot.do(taken.control.hold(True))
    held = time.monotonic()
    caller.wait_until_heard(lambda heard: bool(heard.between(held + 0.1).sounding().sum() > 25))
    # What the caller says is still heard, the music is not.
    time.sleep(0.5)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.9))
    bot.do(taken.control.hold(False))
    released = time.monotonic()
    bot.talk(taken, 700, 3)
    caller.wait_until_heard(
        lambda heard: heard.between(released + 0.2).last(0.4).has_tone(700, 0.8), call=call
    )


def test_the_bot_hangs_up(bot: Bot, caller: Phone, pbx: Pbx) -> None:
    call = caller.call("12345", steps=(answered(),))
    taken = bot.call()
    bot.do(taken.control.hang_up())
    caller.wait_for("ended", call=call, timeout_s=2)
    wait_until(lambda: not pbx.channels(), 2, pbx.channels)
    assert "vb-" not in pbx.cli("bridge show all")


def test_wideband_callers_are_heard_in_wideband(bot: Bot, caller: Phone, pbx: Pbx) -> None:
    pbx.cli("core show channels")
    caller.call("12345", steps=(answered(),))
    taken = bot.call()
    assert taken.offer.info.rate == taken.control.rate == 8000


def test_withheld_number(bot: Bot, caller: Phone) -> None:
    caller.call("12345", caller="anonymous", asserted="", steps=(answered(),))
    assert bot.call().offer.info.caller == ""


def test_asserted_identity_comes_before_from(bot: Bot, caller: Phone) -> None:
    caller.call("12345", caller="12345", asserted="+8613800138000", steps=(answered(),))
    assert bot.call().offer.info.caller == "+8613800138000"


def test_a_call_of_the_police_brings_its_order(bot: Bot, police: Phone) -> None:
    police.call(
        "12345",
        caller="13800138000",
        headers={"User-to-User": "4a512d31;encoding=hex"},
        steps=(answered(),),
    )
    info = bot.call().offer.info
    assert (info.trunk, info.order, info.caller) == (Trunk.POLICE, "JQ-1", "13800138000")


@pytest.mark.parametrize(("why", "code"), [(Rejection.NOT_OURS, 404), (Rejection.TOO_MANY, 480)])
def test_rejections_that_end_the_call(pbx: Pbx, caller: Phone, why: Rejection, code: int) -> None:
    with Bot(access_to(pbx), reject=why):
        call = caller.call("12345")
        assert caller.wait_for("ended", call=call).code == code


def test_a_full_service_leaves_the_caller_to_humans(
    pbx: Pbx, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "500.wav", 500)))
    with Bot(access_to(pbx), reject=Rejection.FULL):
        caller.call("12345", steps=(answered(),))
        caller.wait_until_tone(500)


def test_an_application_that_fails_leaves_the_caller_to_humans(
    pbx: Pbx, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "500.wav", 500)))
    with Bot(access_to(pbx)) as bot:
        bot.fails = True
        caller.call("12345", steps=(answered(),))
        caller.wait_until_tone(500)
