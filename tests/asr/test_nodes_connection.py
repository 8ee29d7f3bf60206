"""A connection to NATS ends when it is told to, whatever the library makes of that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import ConnectionClosedError

from asr.nodes.address import NatsServers
from asr.nodes.connection import Connection
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - a fixture


@pytest.mark.parametrize("then", [None, ConnectionClosedError()])
async def test_a_cancellation_that_the_library_hides_ends_the_connection_all_the_same(
    nats_server: NatsServer,  # noqa: F811
    then: Exception | None,
) -> None:
    """As `asyncio.wait_for` hides one that comes together with the server's answer."""
    waits = asyncio.Event()

    async def subscribe(client: Client) -> None:
        async def flush(**_: Any) -> None:
            first = not waits.is_set()
            waits.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if not first:
                    raise
                if then is not None:
                    raise then from None

        client.flush = flush  # type: ignore[method-assign]

    connection = Connection(NatsServers((nats_server.url,)), "one", subscribe=subscribe)
    running = asyncio.create_task(connection.run())
    await waits.wait()
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=10)
    assert done == {running}
    assert running.cancelled()
