"""The controller dies, freezes or goes away: nobody is left alone, and nobody is disturbed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.asterisk.watchdog import DEAD_S, GRACE_S
from tests.asterisk.bot import wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import (
    Phone,
    answered,
    answers,
    loop,
    rings_for_ever,
    tone_wav,
)
from tests.asterisk.processes import Spoken, controller, watchdog

CALLER_HZ, BOT_HZ, POLICE_HZ, SEAT_HZ = 440.0, 700.0, 1000.0, 1500.0
OFFERED_S = 5.0
"""Three seconds, and what a shared machine makes of them."""


@pytest.fixture
def dog(pbx: Pbx) -> Iterator[Spoken]:
    with watchdog(pbx) as process:
        yield process


def calls_in(caller: Phone, tmp_path: Path) -> int:
    wav = tone_wav(tmp_path / "caller.wav", CALLER_HZ)
    return caller.call("12345", caller="13800138000", steps=(answered(), loop(wav)))


@pytest.fixture
def manned(police: Phone, seats: Phone, tmp_path: Path) -> None:
    """People at 110 and at a seat."""
    police.script(*answers(tone_wav(tmp_path / "police.wav", POLICE_HZ)))
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))


@pytest.mark.usefixtures("manned")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_caller_who_is_alone_comes_to_a_seat(
    pbx: Pbx, dog: Spoken, caller: Phone, seats: Phone, tmp_path: Path, how: signal.Signals
) -> None:
    with controller(pbx) as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("call")
        caller.wait_until_tone(BOT_HZ)
        died = bot.kill(how)
        offered = seats.wait_for("incoming", after=died, timeout_s=5)
        print(f"MEASURED {how.name} → the seat's telephone: {offered.at - died:.2f} s")
        assert offered.at - died < OFFERED_S
        caller.wait_until_tone(SEAT_HZ)
        seats.wait_until_tone(CALLER_HZ)
        if how is signal.SIGSTOP:
            bot.kill(signal.SIGCONT)
            dog.wait_for("controller_back")
            bot.wait_for("gone")
            assert caller.wait_until_tone(SEAT_HZ)
            caller.hang_up()
            calls_in(caller, tmp_path)
            bot.wait_for("call", times=2)
            caller.wait_until_tone(BOT_HZ, call=2)


def test_danger_whose_110_still_rang(
    pbx: Pbx, dog: Spoken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    police.script(*rings_for_ever())
    with controller(pbx, dial=True) as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("ringing")
        first = police.wait_for("incoming")
        police.script(*answers(tone_wav(tmp_path / "police.wav", POLICE_HZ)))
        died = bot.kill()
        again = police.wait_for("incoming", call=2, timeout_s=5)
        assert again.at - died < OFFERED_S
        assert police.wait_for("ended", call=1, timeout_s=2)
        assert again.headers["user-to-user"] == first.headers["user-to-user"]
        assert "13800138000" in again.headers["p-asserted-identity"]
        caller.wait_until_tone(POLICE_HZ)
        police.wait_until_tone(CALLER_HZ, call=2)


@pytest.mark.usefixtures("manned")
def test_a_caller_who_is_with_110_stays_there_and_is_looked_after(
    pbx: Pbx, dog: Spoken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    with controller(pbx, dial=True) as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("answered")
        caller.wait_until_tone(POLICE_HZ)
        died = bot.kill()
        dog.wait_for("controller_dead")
        time.sleep(2.0)
        after = caller.heard().between(died)
        assert after.longest_silence_s() < 1.0
        caller.wait_until_heard(lambda heard: heard.last(1.0).has_tone(POLICE_HZ, 0.8))
        police.wait_until_heard(lambda heard: heard.last(1.0).has_tone(CALLER_HZ, 0.8))
        wait_until(lambda: not any("WebSocket" in c or "Snoop" in c for c in pbx.channels()))
        # 110 leaves: the caller does not stay alone.
        police.hang_up()
        again = police.wait_for("incoming", call=2, timeout_s=3)
        caller.wait_until_heard(lambda heard: heard.between(again.at + 0.3).has_tone(POLICE_HZ))
        caller.hang_up()
        police.wait_for("ended", call=2, timeout_s=3)


@pytest.mark.usefixtures("manned")
def test_the_caller_leaves_110_while_the_controller_is_dead(
    pbx: Pbx, dog: Spoken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    with controller(pbx, dial=True) as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("answered")
        bot.kill()
        dog.wait_for("controller_dead")
        caller.hang_up()
        police.wait_for("ended", timeout_s=3)
        wait_until(lambda: "vb-" not in pbx.cli("bridge show all"), 3)


@pytest.mark.usefixtures("manned")
def test_a_healthy_controller_is_left_alone(
    pbx: Pbx, dog: Spoken, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    with controller(pbx) as bot:
        call = calls_in(caller, tmp_path)
        bot.wait_for("call")
        time.sleep(DEAD_S + GRACE_S + 0.5)
        assert not dog.said("controller_dead")
        assert not seats.seen("incoming")
        assert not caller.seen("ended", call)
        caller.wait_until_tone(BOT_HZ)


@pytest.mark.usefixtures("manned")
def test_a_new_controller_takes_over_from_the_dog(
    pbx: Pbx, dog: Spoken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    with controller(pbx, dial=True) as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("answered")
        caller.wait_until_tone(POLICE_HZ)
        bot.kill()
        dog.wait_for("controller_dead")
    with controller(pbx) as bot:
        dog.wait_for("controller_back")
        time.sleep(1.0)
        # It does not know them, and lets them talk.
        caller.wait_until_heard(lambda heard: heard.last(0.8).has_tone(POLICE_HZ, 0.8))
        police.hang_up()
        again = police.wait_for("incoming", call=2, timeout_s=3)
        caller.wait_until_heard(lambda heard: heard.between(again.at + 0.3).has_tone(POLICE_HZ))


@pytest.mark.usefixtures("manned")
def test_the_dog_outlives_asterisk(
    pbx: Pbx, dog: Spoken, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    with controller(pbx) as bot:
        pbx.restart()
        dog.wait_for("watching", times=2)
        wait_until(lambda: "voicebot" in pbx.cli("ari show apps").split(), 5)
        calls_in(caller, tmp_path)
        bot.wait_for("call")
        died = bot.kill()
        assert seats.wait_for("incoming", after=died, timeout_s=5).at - died < OFFERED_S


def test_the_dog_ends_when_it_is_told(dog: Spoken) -> None:
    dog.kill(signal.SIGTERM)
    assert dog.process.wait(3) == 0
    assert not dog.said("Traceback")


@pytest.mark.usefixtures("manned")
def test_a_caller_on_hold_comes_to_a_seat(
    pbx: Pbx, dog: Spoken, caller: Phone, seats: Phone, tmp_path: Path
) -> None:
    """Out of the bridge, with the music: nobody else's channel is there."""
    with controller(pbx, does="hold") as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("held")
        died = bot.kill()
        assert seats.wait_for("incoming", after=died, timeout_s=5).at - died < OFFERED_S
        heard = caller.wait_until_heard(lambda heard: heard.last(0.5).has_tone(SEAT_HZ, 0.9))
        assert heard.longest_silence_s() < 4.0
        wait_until(lambda: "vb-" not in pbx.cli("bridge show all"), 3)


@pytest.mark.usefixtures("manned")
def test_a_caller_on_hold_beside_110_is_not_left_with_the_music(
    pbx: Pbx, dog: Spoken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    with controller(pbx, does="dial hold") as bot:
        calls_in(caller, tmp_path)
        bot.wait_for("held")
        bot.kill()
        again = police.wait_for("incoming", call=2, timeout_s=5)
        caller.wait_until_heard(
            lambda heard: heard.between(again.at).last(0.5).has_tone(POLICE_HZ, 0.9)
        )
        police.wait_for("ended", call=1, timeout_s=3)
