"""Legs through the real Asterisk: what the desk sees, what each party hears, how they end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telephony.errors import TelephonyError
from telephony.leg_events import LegKey
from tests.asterisk.bot import POLICE, SEAT, Bot, LegLog, Taken, access_to, tone, wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import (
    Phone,
    Step,
    announcement_then_person,
    answered,
    answers,
    busy,
    busy_notice,
    declines,
    hangs_up_after,
    hangs_up_at_once,
    hold,
    keys,
    loop,
    reject,
    ring,
    rings_for_ever,
    tone_wav,
)
from tests.asterisk.raw_sip import WELL_FORMED, send_raw
from voicebot.call.leg_speech import say_to

CALLER_HZ, BOT_HZ, POLICE_HZ, SEAT_HZ = 440.0, 700.0, 1000.0, 1500.0


@pytest.fixture
def bot(pbx: Pbx) -> Iterator[Bot]:
    with Bot(access_to(pbx)) as bot:
        yield bot


@pytest.fixture
def taken(bot: Bot, caller: Phone, tmp_path: Path) -> Taken:
    """A caller who hums at 440 Hz."""
    wav = tone_wav(tmp_path / "caller.wav", CALLER_HZ)
    caller.call("12345", caller="13800138000", steps=(answered(), loop(wav)))
    return bot.call()


@pytest.fixture
def person(tmp_path: Path) -> Path:
    return tone_wav(tmp_path / "police.wav", POLICE_HZ)


def hears(log: LegLog, hertz: float, share: float = 0.8) -> bool:
    return log.ears.heard().last(0.4).has_tone(hertz, share)


def test_110_is_added_and_everybody_is_heard(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path
) -> None:
    police.script(*answers(person))
    requested = time.monotonic()
    leg = bot.dial(taken, handoff="H-2026-1")
    offer = police.wait_for("incoming")
    rings = police.wait_for("rings")
    up = police.wait_for("up")
    assert rings.at - requested < 2, "0.1 s, and what a shared machine makes of it"
    caller_heard = caller.wait_until_tone(POLICE_HZ)
    police_heard = police.wait_until_tone(CALLER_HZ)
    first = [
        caller_heard.first_sound_at(up.at - 0.05),
        police_heard.first_sound_at(up.at - 0.05),
    ]
    assert None not in first
    print(
        f"MEASURED request→rings {1000 * (rings.at - requested):.0f} ms, "
        f"up→caller hears {1000 * (first[0] - up.at):.0f} ms, "
        f"up→110 hears {1000 * (first[1] - up.at):.0f} ms"
    )
    leg.wait("answered")
    assert leg.states() == ["ringing", "answered"]
    # Who it is, and for what: the caller's number everywhere, and the hand-off's id.
    assert "13800138000" in offer.headers["from"]
    assert "13800138000" in offer.headers["p-asserted-identity"]
    assert "12345" in offer.headers["diversion"]
    assert "12345" in offer.headers["history-info"]
    assert offer.headers["user-to-user"] == f"{b'H-2026-1'.hex()};encoding=hex"
    # Each is heard alone by the application, whatever the bridge mixes.
    bot.talk(taken, BOT_HZ, 3)
    wait_until(lambda: hears(leg, POLICE_HZ))
    time.sleep(0.6)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(CALLER_HZ, 0.9))
    wait_until(lambda: leg.ears.heard().last(0.4).has_tone(POLICE_HZ, 0.9))
    bot.do(leg.leg.hangup())
    assert police.wait_for("ended").code == 200
    assert leg.states()[-1] == "ended:hung_up"
    # The caller is still with the bot.
    assert not caller.seen("ended")
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(CALLER_HZ, 0.9))


@pytest.mark.parametrize(
    ("script", "states"),
    [
        (busy(), ["ended:busy"]),
        (declines(), ["ringing", "ended:ended"]),
        (hangs_up_at_once(), ["ringing", "answered", "ended:ended"]),
        ((reject(503),), ["ended:unreachable"]),
        ((reject(404),), ["ended:unreachable"]),
        ((ring(0.1), reject(480)), ["ringing", "ended:no_answer"]),
    ],
)
def test_legs_that_fail(
    bot: Bot,
    taken: Taken,
    caller: Phone,
    police: Phone,
    script: tuple[Step, ...],
    states: list[str],
) -> None:
    police.script(*script)
    leg = bot.dial(taken)
    leg.wait(states[-1])
    assert leg.states() == states
    # The next route, at once, and the caller is where they were.
    police.script(ring(60))
    began = time.monotonic()
    again = bot.dial(taken)
    rings = police.wait_for("rings", after=began)
    print(f"MEASURED next route rings after {1000 * (rings.at - began):.0f} ms")
    assert not caller.seen("ended")
    again.wait("ringing")
    bot.do(again.leg.hangup())
    assert again.states() == ["ringing", "ended:hung_up"]


def test_nobody_answers(bot: Bot, taken: Taken, police: Phone, caller: Phone) -> None:
    police.script(*rings_for_ever())
    began = time.monotonic()
    leg = bot.dial(taken, answer_timeout_s=1.0)
    leg.wait("ended:no_answer")
    assert 0.9 < time.monotonic() - began < 5, "one second, not the usual ten"
    police.wait_for("ended", timeout_s=2)
    assert not caller.seen("ended")


def test_nobody_is_there(bot: Bot, taken: Taken) -> None:
    leg = bot.dial(taken, SEAT, answer_timeout_s=1.0)
    leg.wait("ended:unreachable", 3)


def test_early_media_is_heard_by_the_caller_and_is_early(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, tmp_path: Path
) -> None:
    police.script(*busy_notice(tone_wav(tmp_path / "notice.wav", 1200), 1.5))
    leg = bot.dial(taken)
    caller.wait_until_tone(1200)
    leg.wait("ended:busy")
    assert leg.early > 25
    assert leg.ears.heard().has_tone(1200)
    assert "answered" not in leg.states()


def test_two_legs_beside_each_other(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, seats: Phone, person: Path, tmp_path: Path
) -> None:
    police.script(*answers(person))
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", SEAT_HZ)))
    first, second = bot.dial(taken), bot.dial(taken, SEAT, handoff="H-2")
    first.wait("answered")
    second.wait("answered")
    for hertz in (POLICE_HZ, SEAT_HZ):
        caller.wait_until_tone(hertz)
        wait_until(lambda hertz=hertz: hears(first if hertz == POLICE_HZ else second, hertz))
    for phone, other in ((police, SEAT_HZ), (seats, POLICE_HZ)):
        phone.wait_until_tone(other)
        phone.wait_until_tone(CALLER_HZ)
    # 110 leaves: the caller and the seat go on.
    police.hang_up()
    first.wait("ended:ended")
    time.sleep(0.7)
    caller.wait_until_heard(lambda heard: heard.last(0.5).has_tone(SEAT_HZ, 0.8))
    assert not second.states()[-1].startswith("ended")


def test_the_caller_hangs_up_while_110_rings(
    bot: Bot, taken: Taken, caller: Phone, police: Phone
) -> None:
    police.script(*rings_for_ever())
    leg = bot.dial(taken)
    leg.wait("ringing")
    caller.hang_up()
    leg.wait("ended:hung_up", 2)
    police.wait_for("ended", timeout_s=2)
    assert taken.ears.ends == 1


def test_the_caller_hangs_up_while_being_answered(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path, pbx: Pbx
) -> None:
    police.script(*answers(person))
    leg = bot.dial(taken)
    leg.wait("answered")
    caller.hang_up()
    police.wait_for("ended", timeout_s=3)
    leg.wait("ended:hung_up", 3)
    wait_until(lambda: not pbx.channels(), 3, pbx.channels)
    wait_until(lambda: "vb-" not in pbx.cli("bridge show all"), 3)


def test_110_is_spoken_to_when_the_caller_is_gone(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path
) -> None:
    police.script(*answers(person))
    leg = bot.dial(taken)
    leg.wait("answered")

    async def speak() -> None:
        await say_to(leg.leg, np.concatenate(list(tone(900, 2.0))), 8000)

    taken.last_words = speak
    caller.hang_up()
    police.wait_until_tone(900)
    leg.wait("ended:hung_up")


def test_110_hangs_up_in_mid_sentence(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path
) -> None:
    police.script(*hangs_up_after(person, 1.0))
    leg = bot.dial(taken)
    leg.wait("ended:ended")
    assert not caller.seen("ended")
    bot.talk(taken, BOT_HZ, 2)
    caller.wait_until_tone(BOT_HZ)


def test_a_desk_without_power_is_lost_within_4_s_and_has_not_hung_up(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path, pbx: Pbx
) -> None:
    police.script(*answers(person))
    leg = bot.dial(taken)
    caller.wait_until_tone(POLICE_HZ)
    began = time.monotonic()
    police.kill()
    leg.wait("ended:lost", 4)
    print(f"MEASURED desk without power → next route {time.monotonic() - began:.1f} s")
    assert not caller.seen("ended")
    wait_until(lambda: not [name for name in pbx.channels() if "police" in name], 3)


def test_a_desk_that_holds_the_call_is_not_lost(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, person: Path
) -> None:
    police.script(*answers(person))
    leg = bot.dial(taken)
    caller.wait_until_tone(POLICE_HZ)
    police.then(1, hold())
    caller.wait_until_heard(lambda heard: not heard.last(0.3).has_tone(POLICE_HZ))
    police.freeze()
    time.sleep(3.5)
    assert leg.states()[-1] == "answered"


def test_the_desk_acknowledges_by_a_key(
    bot: Bot, taken: Taken, police: Phone, person: Path
) -> None:
    police.script(ring(0.1), ("answer", None), keys("19"))
    leg = bot.dial(taken)
    leg.wait("acknowledged")
    # That key has done its work; the next one is for the application.
    wait_until(lambda: [e.key for _, e in leg.events if isinstance(e, LegKey)] == ["9"])


def test_an_announcement_comes_after_the_answer(
    bot: Bot, taken: Taken, police: Phone, person: Path, tmp_path: Path
) -> None:
    notice = tone_wav(tmp_path / "notice.wav", 1200)
    police.script(*announcement_then_person(notice, person))
    leg = bot.dial(taken)
    wait_until(lambda: hears(leg, POLICE_HZ))
    assert leg.early == 0 or leg.states()[-1] == "answered"


def test_released_callers_stay_with_110_and_go_to_humans_after_it(
    bot: Bot,
    taken: Taken,
    caller: Phone,
    police: Phone,
    person: Path,
    pbx: Pbx,
) -> None:
    police.script(*answers(person))
    leg = bot.dial(taken)
    leg.wait("answered")
    offer = police.wait_for("incoming")
    bot.do(taken.control.release())
    leg.wait("ended:transferred")
    bot.do(_finish(taken))
    time.sleep(1.0)
    caller.wait_until_heard(lambda heard: heard.last(0.5).has_tone(POLICE_HZ, 0.8))
    assert sum("WebSocket" in name or "Snoop" in name for name in pbx.channels()) == 0
    police.hang_up()
    # The fallback knows that there is danger: 110 first, with the same hand-off.
    again = police.wait_for("incoming", call=2)
    assert again.headers["user-to-user"] == offer.headers["user-to-user"]
    assert "13800138000" in again.headers["p-asserted-identity"]
    caller.wait_until_heard(lambda heard: heard.between(again.at + 0.3).has_tone(POLICE_HZ, 0.5))


@pytest.mark.parametrize("header", ["from", "extra"])
def test_what_a_stranger_writes_as_a_number_becomes_no_header(
    bot: Bot, police: Phone, person: Path, header: str
) -> None:
    odd = '"A\\" <sip:110@x>;b=\\"" <sip:138%0D%0AX-Injected%3A%20yes%22%3E@127.0.0.1>'
    names = {"from": f"From: {odd};tag=1", "extra": f"P-Asserted-Identity: {odd}"}
    send_raw({**WELL_FORMED, header: names[header]})
    police.script(*answers(person))
    taken = bot.call()
    # What it is worth may be seen: the same everywhere, and nothing else.
    assert taken.offer.info.caller == "138X-Injectedyes"
    bot.dial(taken)
    offer = police.wait_for("incoming")
    assert "x-injected" not in offer.headers
    assert offer.headers["from"].startswith("<sip:138X-Injectedyes@")
    assert offer.headers["p-asserted-identity"].startswith("<sip:138X-Injectedyes@")


def test_no_leg_without_a_trunk(bot: Bot, taken: Taken) -> None:
    elsewhere = POLICE.__class__("119", "119", "", "trunk:fire/119", "119")
    with pytest.raises(TelephonyError) as refused:
        bot.dial(taken, elsewhere)
    assert refused.value.code == "no_such_trunk"


async def _finish(taken: Taken) -> None:
    taken.done.set()
