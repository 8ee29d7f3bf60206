"""REFER through the real Asterisk: done, refused, and a caller who is given back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.call_control import Capability, NotCapable
from tests.asterisk.bot import POLICE, SEAT, Bot, Taken, access_to, wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import (
    Phone,
    Step,
    answered,
    answers,
    busy,
    declines,
    loop,
    reject,
    ring,
    rings_for_ever,
    tone_wav,
)

CONTEXT = "voicebot-refer"
"""Of deploy/asterisk."""
REFERRED = dataclasses.replace(POLICE, url="trunk:police/110?transfer=blind")


@pytest.fixture
def bot(pbx: Pbx) -> Iterator[Bot]:
    with Bot(dataclasses.replace(access_to(pbx), refer_context=CONTEXT)) as bot:
        yield bot


@pytest.fixture
def taken(bot: Bot, caller: Phone, tmp_path: Path) -> Taken:
    wav = tone_wav(tmp_path / "caller.wav", 440)
    caller.call("12345", caller="13800138000", steps=(answered(), loop(wav)))
    return bot.call()


def test_110_takes_the_caller_over(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, pbx: Pbx, tmp_path: Path
) -> None:
    police.script(*answers(tone_wav(tmp_path / "police.wav", 1000)))
    assert Capability.BLIND_TRANSFER in taken.control.capabilities
    leg = bot.dial(taken, REFERRED)
    offer = police.wait_for("incoming")
    assert "13800138000" in offer.headers["from"]
    leg.wait("ended:transferred")
    police.wait_until_tone(440)
    wait_until(taken.ears.gone.is_set, 3)
    wait_until(lambda: not pbx.channels(), 3, pbx.channels)
    assert not police.seen("ended")


@pytest.mark.parametrize(
    ("script", "end"),
    [
        (busy(), "ended:busy"),
        (declines(), "ended:ended"),
        ((reject(503),), "ended:ended"),
        ((ring(0.1), reject(480)), "ended:no_answer"),
    ],
)
def test_a_refused_caller_is_given_back_and_the_next_route_is_tried(
    bot: Bot,
    taken: Taken,
    caller: Phone,
    police: Phone,
    seats: Phone,
    tmp_path: Path,
    script: tuple[Step, ...],
    end: str,
) -> None:
    police.script(*script)
    seats.script(*answers(tone_wav(tmp_path / "seat.wav", 1500)))
    leg = bot.dial(taken, REFERRED)
    leg.wait(end)
    failed = police.wait_for("ended").at
    bot.talk(taken, 700, 3)
    caller.wait_until_tone(700)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.8))
    again = bot.dial(taken, SEAT)
    print(f"MEASURED refused REFER → next route {seats.wait_for('rings').at - failed:.2f} s")
    again.wait("answered")
    caller.wait_until_tone(1500)
    seats.wait_until_tone(440)
    assert taken.ears.ends == 0


def test_a_caller_who_is_refused_late_is_given_back_all_the_same(
    bot: Bot, taken: Taken, caller: Phone, police: Phone
) -> None:
    police.script(*rings_for_ever())
    leg = bot.dial(taken, REFERRED, answer_timeout_s=1.0)
    leg.wait("ended:no_answer", 3)
    # The caller's own switch still tries: only it can give them back.
    police.then(1, reject(486))
    bot.talk(taken, 700, 3)
    caller.wait_until_tone(700)
    assert taken.ears.ends == 0


def test_the_caller_hangs_up_while_being_referred(
    bot: Bot, taken: Taken, caller: Phone, police: Phone, pbx: Pbx
) -> None:
    police.script(*rings_for_ever())
    leg = bot.dial(taken, REFERRED)
    police.wait_for("rings")
    # Their telephone's own hang-up would be of the new call alone.
    (channel,) = [name for name in pbx.channels() if name.startswith("PJSIP/carrier")]
    pbx.cli(f"channel request hangup {channel}")
    wait_until(taken.ears.gone.is_set, 3)
    leg.wait("ended:hung_up", 3)
    police.then(1, reject(486))
    wait_until(lambda: not pbx.channels(), 5, pbx.channels)


def test_no_refer_without_its_context(pbx: Pbx, caller: Phone) -> None:
    with Bot(access_to(pbx)) as bot:
        caller.call("12345", steps=(answered(),))
        taken = bot.call()
        assert Capability.BLIND_TRANSFER not in taken.control.capabilities
        with pytest.raises(NotCapable):
            bot.dial(taken, REFERRED)
