"""A process that sends to 110 until it is killed: ``exchange_sender.py CONFIG STEP``.

STEP says where it stops and waits for that: ``writing``: within the transaction, ``written``:
before it sends, ``sending``: nowhere, it sends.
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, ticket
from voicebot.config import load_settings
from voicebot.exchange.platform import Platform
from voicebot.exchange.sending import send
from voicebot.exchange.worker import EnvelopeWorker
from voicebot.records.store import Records


def say(word: str) -> None:
    print(word, flush=True)


async def main(config: str, step: str) -> None:
    settings = load_settings(Path(config))
    records = await Records.open(settings)

    def write(session: Session) -> None:
        send(session, ticket(f"K-{step}"), subject=f"K-{step}", at=AT.timestamp())
        if step == "writing":
            say(step)
            sys.stdin.read()  # until it is killed

    await records.transact(write)
    say("written")
    if step == "sending":
        await EnvelopeWorker(records, Platform(settings.exchange)).run()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
