"""A controller that can be killed: answers every call and hums at 700 Hz.

    controller_process.py URL PASSWORD [dial] [hold]

With `dial` it dials 110 for every caller; with `hold` it puts the caller on hold, once 110
has answered if it dials. It says on stdout what it has done: `ready`,
`call`, and the states of its leg.
"""

from __future__ import annotations

import asyncio
import sys

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.endpoint import AsteriskEndpoint
from telephony.call_control import CallControl, IncomingCall
from telephony.leg_events import LegEnded, LegProgress
from telephony.leg_state import LegState
from tests.asterisk.bot import POLICE, Ears, tone


def say(word: str) -> None:
    print(word, flush=True)


async def dial(control: CallControl, caller: str) -> None:
    leg = control.new_leg(POLICE, answer_timeout_s=20)
    await leg.connect({"caller": caller, "handoff": "H-1"})
    async for event in leg:
        match event:
            case LegProgress(state=state):
                say(state.value)
                if "hold" in sys.argv and state is LegState.ANSWERED:
                    await hold(control)
            case LegEnded(reason=reason):
                say(f"ended:{reason.value}")


async def hold(control: CallControl) -> None:
    await control.hold(True)
    say("held")


async def hum(control: CallControl) -> None:
    while True:
        for pcm in tone(700, 1.0, control.rate):
            await control.send_audio(pcm)
            await asyncio.sleep(0.02)


async def take(offer: IncomingCall) -> None:
    control, ears = await offer.answer(), Ears()
    control.listen(ears)
    say("call")
    beside = [asyncio.create_task(hum(control))]
    if "dial" in sys.argv:
        beside.append(asyncio.create_task(dial(control, offer.info.caller)))
    elif "hold" in sys.argv:
        await hold(control)
    await ears.gone.wait()
    say("gone")
    for task in beside:
        task.cancel()
    await offer.closed()


async def main() -> None:
    endpoint = AsteriskEndpoint(AsteriskAccess(sys.argv[1], "voicebot", sys.argv[2]), take)
    running = asyncio.create_task(endpoint.run())
    await endpoint.connected.wait()
    say("ready")
    await running


if __name__ == "__main__":
    asyncio.run(main())
