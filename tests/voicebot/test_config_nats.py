"""[nats]: callers' voices cross it, so it is spoken to over TLS or on this machine alone."""

import nats
import pytest
from pydantic import ValidationError

from tests.nats_server import NatsServer, nats_server  # noqa: F401 - a fixture
from voicebot.config_nats import Nats


@pytest.mark.parametrize(
    "url", ["tls://nats.example:4222", "nats://127.0.0.1:4222", "nats://[::1]:4222"]
)
def test_takes_tls_and_this_machine(url: str) -> None:
    assert Nats(servers=(url,)).servers == (url,)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nats://nats.example:4222", "only over TLS"),
        ("tls://user:secret@nats.example", "token_file"),
        ("http://127.0.0.1:4222", "must be like"),
        ("tls://nats.example:4222/path", "must be like"),
        ("nats://127.0.0.1:99999", "must be like"),
        ("", "must be like"),
    ],
)  # fmt: skip
def test_refuses_what_is_unsafe_or_no_address(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Nats(servers=(url,))


async def test_the_server_of_the_tests_carries_messages(nats_server: NatsServer) -> None:  # noqa: F811
    connection = await nats.connect(nats_server.url)
    got = await connection.subscribe("voicebot.test")
    await connection.publish("voicebot.test", b"1")
    message = await got.next_msg(timeout=5)
    await connection.close()
    assert message.data == b"1"
