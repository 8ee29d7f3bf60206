"""A main process of its own, for tests that kill it: `python -m tests.sip.service SPEC`.

SPEC is JSON: `settings` of the endpoint, `dial` (an address, or none) for every caller. A
JSON line tells each step: started, answered, joined.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from telephony.call_control import IncomingCall
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.settings import SipSettings
from tests.sip.bot import Served, until


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


async def main(spec: dict[str, Any]) -> None:
    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        served = Served(call.info, line)
        line.listen(served)
        served.speak()
        say(event="answered")
        if spec.get("dial"):
            leg = served.leg(spec["dial"])
            await leg.connect({})
            if spec.get("wait", "answered") != "reached":
                await until(leg, spec.get("wait", "answered"))
            say(event="joined")
        await served.gone.wait()
        say(event="gone")

    endpoint = SipEndpoint(SipSettings(**spec["settings"]), take)
    running = asyncio.create_task(endpoint.run())
    await endpoint.started.wait()
    say(
        event="started",
        port=endpoint.port,
        pid=os.getpid(),
        workers=[process.pid for process in endpoint.processes],
    )
    await running


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
