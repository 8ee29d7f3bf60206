"""REFER through the real Asterisk: done, refused, and a caller who is given back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.call_control import Capability, NotCapable
from tests.asterisk.bot import POLICE, Bot, Taken, access_to, wait_until
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import (
    Phone,
    answered,
    answers,
    busy,
    loop,
    reject,
    rings_for_ever,
    tone_wav,
)

CONTEXT = "voicebot-refer"
REFERRED = dataclasses.replace(POLICE, url="trunk:police/110?transfer=blind")

_DIALPLAN = (
    "s,1,Transfer,PJSIP/${VB_REFER_TO}",
    's,2,GotoIf,$["${TRANSFERSTATUS}" = "SUCCESS"]?5',
    "s,3,Stasis,voicebot,referred,${VB_DID}",
    "s,4,Goto,voicebot-fallback,s,1",
    "s,5,Hangup",
)


@pytest.fixture
def bot(pbx: Pbx) -> Iterator[Bot]:
    for line in _DIALPLAN:
        extension, priority, application, *arguments = line.split(",", 3)
        command = f"{application}({''.join(arguments)})".replace('"', '\\"')
        pbx.cli(f'dialplan add extension {extension},{priority},"{command}" into {CONTEXT} replace')
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


def test_110_is_busy_and_the_caller_is_given_back(
    bot: Bot, taken: Taken, caller: Phone, police: Phone
) -> None:
    police.script(*busy())
    began = time.monotonic()
    leg = bot.dial(taken, REFERRED)
    leg.wait("ended:busy")
    print(f"MEASURED busy REFER → next route {1000 * (time.monotonic() - began):.0f} ms")
    bot.talk(taken, 700, 3)
    caller.wait_until_tone(700)
    wait_until(lambda: taken.ears.heard().last(0.4).has_tone(440, 0.8))
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
