"""The WebSocket to a speech server, and its failures as errors of this package."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from asr.errors import RemoteProtocolBroken, RemoteRefused, RemoteUnreachable
from asr.remote.address import RemoteServer

MAX_MESSAGE_BYTES = 2**20
"""An answer holds an utterance's words at most; whoever sends more is no speech server."""


_NO_WEBSOCKET = (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA)


class _DirectConnect(connect):
    """Follows no redirect: audio goes to the address it is meant for, or nowhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def open_socket(
    server: RemoteServer, tls: ssl.SSLContext | None, *, connect_timeout_s: float
) -> AsyncIterator[ClientConnection]:
    """A connected socket, closed at the end.

    Raises:
        RemoteUnreachable, RemoteRefused: it cannot be had.
        RemoteUnreachable, RemoteProtocolBroken: it broke off while it was used.
    """
    with _translated(connect_timeout_s):
        socket = await _DirectConnect(
            server.url,
            ssl=tls,
            additional_headers=server.headers(),
            open_timeout=connect_timeout_s,
            close_timeout=0.5,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,  # audio does not compress
            proxy=None,  # a proxy of the environment must not hear calls
        )
        async with socket:
            yield socket


@contextmanager
def _translated(connect_timeout_s: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise RemoteUnreachable(
            f"The speech server did not answer within {connect_timeout_s:g} seconds."
        ) from None
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (401, 403):
            raise RemoteRefused(
                f"The speech server refused the token (HTTP {status}); check asr.token_file."
            ) from None
        raise RemoteUnreachable(
            f"The speech server refused the connection (HTTP {status})."
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise RemoteRefused(
            f"The speech server's certificate is not trusted ({error.verify_message}); check "
            "asr.url and set asr.tls_ca if the certificate is your own."
        ) from None
    except ssl.SSLError as error:
        raise RemoteRefused(
            f"TLS with the speech server failed ({error.reason}); check asr.url."
        ) from None
    except ConnectionClosed as error:
        if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
            raise RemoteProtocolBroken(
                f"The speech server sent a message of more than {MAX_MESSAGE_BYTES} bytes."
            ) from None
        if error.sent is not None and error.sent.code in _NO_WEBSOCKET:
            raise RemoteProtocolBroken("The speech server sent what is no WebSocket.") from None
        raise RemoteUnreachable("The speech server broke off the connection.") from None
    except (OSError, EOFError, InvalidHandshake, asyncio.IncompleteReadError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RemoteUnreachable(
            f"The speech server cannot be reached ({reason}); check that it runs and asr.url."
        ) from None
