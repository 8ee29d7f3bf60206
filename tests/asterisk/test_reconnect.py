"""Connections are cut in mid-call, and controllers and Asterisk restarted."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.asterisk.bot import Bot, Taken, access_to, wait_until
from tests.asterisk.cable import EVENTS, MEDIA, REST, Cable
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import Phone, answered, answers, keys, loop, rings_for_ever, tone_wav
from tests.asterisk.processes import controller, watchdog

CALLER_HZ, BOT_HZ, POLICE_HZ, SEAT_HZ = 440.0, 700.0, 1000.0, 1500.0
MENDED_S = 2.0
"""One second, and what a shared machine makes of it."""


@pytest.fixture
def cable(pbx: Pbx) -> Iterator[Cable]:
    with Cable(pbx.ari_url) as cable:
        yield cable


@pytest.fixture
def bot(pbx: Pbx, cable: Cable) -> Iterator[Bot]:
    with Bot(dataclasses.replace(access_to(pbx), url=cable.url)) as bot:
        yield bot


@pytest.fixture
def taken(bot: Bot, caller: Phone, tmp_path: Path) -> Taken:
    """A caller who hums, and a bot that hums back."""
    caller.call("12345", steps=(answered(), loop(tone_wav(tmp_path / "c.wav", CALLER_HZ))))
    taken = bot.call()
    bot.talk(taken, BOT_HZ)
    caller.wait_until_tone(BOT_HZ)
    return taken


def test_media_is_back_within_a_second(cable: Cable, taken: Taken, caller: Phone, pbx: Pbx) -> None:
    before = len(pbx.channels())
    cut = time.monotonic()
    assert cable.cut(MEDIA) == 4
    time.sleep(MENDED_S + 0.5)
    # From a little before the cut: the gap begins with it.
    heard, told = (each.heard().between(cut - 0.1) for each in (caller, taken.ears))
    print(
        f"MEASURED silence after a cut media socket: caller {heard.longest_silence_s():.2f} s, "
        f"bot {told.longest_silence_s():.2f} s"
    )
    assert heard.longest_silence_s() < MENDED_S
    assert told.longest_silence_s() < MENDED_S
    caller.wait_until_heard(lambda heard: heard.last(0.4).has_tone(BOT_HZ, 0.8))
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(CALLER_HZ, 0.8))
    assert len(pbx.channels()) == before
    assert not caller.seen("ended")


def test_events_are_taken_up_again(
    cable: Cable, bot: Bot, taken: Taken, caller: Phone, police: Phone
) -> None:
    assert cable.cut(EVENTS) == 2
    wait_until(lambda: not bot.endpoint.connected.is_set(), 2)
    wait_until(bot.endpoint.connected.is_set, 3)
    time.sleep(0.5)
    caller.wait_until_heard(lambda heard: heard.last(0.4).has_tone(BOT_HZ, 0.8))
    # Keys, legs and the hang-up are known again.
    caller.then(1, keys("5"))
    wait_until(lambda: taken.ears.keys == "5")
    police.script(*rings_for_ever())
    leg = bot.dial(taken)
    leg.wait("ringing")
    caller.hang_up()
    wait_until(taken.ears.gone.is_set, 2)


def test_what_happened_meanwhile_is_found_out(
    cable: Cable, bot: Bot, taken: Taken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    police.script(*answers(tone_wav(tmp_path / "p.wav", POLICE_HZ), after_s=1.0))
    leg = bot.dial(taken)
    leg.wait("ringing")
    cable.cut(EVENTS, stay_down=True)
    police.wait_for("up")
    caller.wait_until_tone(POLICE_HZ)
    assert "answered" not in leg.states()
    cable.mend()
    leg.wait("answered", 5)
    cable.cut(EVENTS, REST, stay_down=True)
    caller.hang_up()
    time.sleep(0.5)
    cable.mend()
    wait_until(taken.ears.gone.is_set, 5)
    leg.wait("ended:hung_up", 3)
    police.wait_for("ended", timeout_s=3)


def test_a_call_through_a_cable_that_breaks_while_it_is_answered(
    cable: Cable, bot: Bot, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    """No media can be had: the caller is not answered into silence, but goes to a seat."""
    seats.script(*answers(tone_wav(tmp_path / "s.wav", SEAT_HZ)))
    cable.cut(MEDIA, stay_down=True)
    caller.call("12345", steps=(answered(),))
    caller.wait_until_tone(SEAT_HZ)


def test_an_unknown_caller_goes_to_a_seat_when_a_controller_starts(
    pbx: Pbx, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    seats.script(*answers(tone_wav(tmp_path / "s.wav", SEAT_HZ)))
    with controller(pbx) as old:
        caller.call("12345", steps=(answered(),))
        old.wait_for("call")
        caller.wait_until_tone(BOT_HZ)
    assert not caller.seen("ended")
    with Bot(access_to(pbx)):
        caller.wait_until_tone(SEAT_HZ, timeout_s=5)
        wait_until(lambda: "vb-" not in pbx.cli("bridge show all"), 3)
        names = pbx.channels()
        assert not [name for name in names if "Snoop" in name or "WebSocket" in name]


def test_asterisk_is_restarted(pbx: Pbx, caller: Phone, tmp_path: Path) -> None:
    with Bot(access_to(pbx)) as bot:
        caller.call("12345", steps=(answered(),))
        first = bot.call()
        pbx.kill()
        wait_until(lambda: not bot.endpoint.connected.is_set(), 5)
        pbx.start()
        wait_until(bot.endpoint.connected.is_set, 10)
        wait_until(first.ears.gone.is_set, 5)
        caller.hang_up()
        caller.call("12345", steps=(answered(),))
        second = bot.call()
        bot.talk(second, BOT_HZ, 5)
        caller.wait_until_tone(BOT_HZ, call=2)


def test_ten_calls_one_after_the_other_leave_nothing(pbx: Pbx, caller: Phone) -> None:
    with Bot(access_to(pbx)) as bot:
        for number in range(1, 11):
            call = caller.call("12345", steps=(answered(),))
            taken = bot.call()
            caller.wait_for("up", call=call)
            if number % 2:
                caller.hang_up(call)
            else:
                bot.do(taken.control.hang_up())
            caller.wait_for("ended", call=call)
        wait_until(lambda: not pbx.channels(), 3)
        wait_until(lambda: "vb-" not in pbx.cli("bridge show all"), 3)


def test_what_could_not_be_asked_for_is_asked_for_again(
    cable: Cable, bot: Bot, taken: Taken, caller: Phone, police: Phone, pbx: Pbx, tmp_path: Path
) -> None:
    """Requests fail for half a second, while 110 is dialled and while the caller hangs up."""
    police.script(*answers(tone_wav(tmp_path / "p.wav", POLICE_HZ)))
    cable.cut(REST, stay_down=True)
    threading.Timer(0.5, cable.mend).start()
    leg = bot.dial(taken)
    leg.wait("answered")
    caller.wait_until_tone(POLICE_HZ)
    cable.cut(REST, stay_down=True)
    caller.hang_up()
    time.sleep(0.5)
    cable.mend()
    police.wait_for("ended", timeout_s=2)
    wait_until(lambda: not pbx.channels(), 3, pbx.channels)


def test_a_caller_whom_the_watchdog_has_taken_is_not_hung_up_afterwards(
    cable: Cable, bot: Bot, taken: Taken, caller: Phone, seats: Phone, pbx: Pbx, tmp_path: Path
) -> None:
    """The controller lives and is cut off; when it is back, the caller is with a seat."""
    seats.script(*answers(tone_wav(tmp_path / "s.wav", SEAT_HZ)))
    with watchdog(pbx):
        cable.cut(EVENTS, REST, stay_down=True)
        caller.wait_until_tone(SEAT_HZ)
        cable.mend()
        wait_until(taken.ears.gone.is_set, 5)
        wait_until(lambda: not bot.endpoint.offered, 5)
    assert taken.ears.ends == 1
    caller.wait_until_heard(lambda heard: heard.last(0.3).has_tone(SEAT_HZ, 0.8))
    assert not caller.seen("ended")


def test_a_second_instance_has_the_calls_and_the_first_stands_by(
    pbx: Pbx, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    police.script(*answers(tone_wav(tmp_path / "p.wav", POLICE_HZ)))
    with Bot(access_to(pbx)) as first:
        caller.call("12345", steps=(answered(), loop(tone_wav(tmp_path / "c.wav", CALLER_HZ))))
        taken = first.call()
        leg = first.dial(taken)
        caller.wait_until_tone(POLICE_HZ)
        with Bot(access_to(pbx)) as second:
            wait_until(taken.ears.gone.is_set, 3)
            leg.wait("ended:transferred")
            wait_until(lambda: not first.endpoint.offered, 3)
            # Nobody says that the first one lives; it would hide the death of the second.
            assert not first.endpoint.connected.is_set()
            call = caller.call("12345", steps=(answered(),))
            second.talk(second.call(), BOT_HZ)
            caller.wait_until_tone(BOT_HZ, call=call)
            caller.hang_up(call)
            wait_until(lambda: not second.endpoint.offered, 3)
            caller.wait_until_heard(lambda heard: heard.last(0.5).has_tone(POLICE_HZ, 0.8))
            assert not police.seen("ended")
            caller.hang_up()
            police.wait_for("ended", timeout_s=3)
        wait_until(first.endpoint.connected.is_set, 10)
        call = caller.call("12345", steps=(answered(),))
        first.talk(first.call(), BOT_HZ)
        caller.wait_until_tone(BOT_HZ, call=call)


def test_the_first_instance_is_back_though_the_second_left_a_bridge(pbx: Pbx) -> None:
    """Asterisk lists an application as long as it follows a channel or bridge."""
    ari = httpx.Client(base_url=pbx.ari_url, auth=("voicebot", pbx.password()), trust_env=False)
    with ari, Bot(access_to(pbx)) as first:
        with Bot(access_to(pbx)):
            wait_until(lambda: not first.endpoint.connected.is_set())
            ari.post("/bridges/left-behind", params={"type": "mixing"}).raise_for_status()
            ari.post(
                "/applications/voicebot/subscription", params={"eventSource": "bridge:left-behind"}
            ).raise_for_status()
        time.sleep(2)
        ari.get("/applications/voicebot").raise_for_status()
        assert not first.endpoint.connected.is_set()
        wait_until(first.endpoint.connected.is_set)
        ari.delete("/bridges/left-behind").raise_for_status()
