"""Opens the client side of a media WebSocket: the caller's and the leg's way out."""

from __future__ import annotations

import asyncio
import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from telephony.access import check_media_url
from telephony.errors import TelephonyError

MAX_INCOMING_BYTES = 2**20
"""Above this websockets itself closes; below, `messages.MAX_MESSAGE_BYTES` is only counted."""


class _DirectConnect(connect):
    """Follows no redirect: a call goes to the address it was meant for, or nowhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_media_socket(
    url: str,
    token: str | None,
    *,
    connect_timeout_s: float = 2.0,
    ping_interval_s: float | None = 5.0,
    ping_timeout_s: float | None = 5.0,
) -> ClientConnection:
    """A connected WebSocket to `url`, with `token` as bearer.

    Errors: TelephonyError `bad_url`, `tls_required`, `unreachable`, `timeout`,
    `wrong_token`, `refused`.
    """
    check_media_url(url)
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        return await _DirectConnect(
            url,
            additional_headers=headers,
            open_timeout=connect_timeout_s,
            ping_interval=ping_interval_s,
            ping_timeout=ping_timeout_s,
            close_timeout=0.5,
            max_size=MAX_INCOMING_BYTES,
            compression=None,  # audio does not compress, and deflate costs a core at scale
            proxy=None,  # a proxy of the environment must not see calls
        )
    except TimeoutError:
        raise TelephonyError(
            "timeout", f"The far side did not answer within {connect_timeout_s:g} seconds."
        ) from None
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (401, 403):
            raise TelephonyError(
                "wrong_token",
                f"The far side refused the token (HTTP {status}); check the token that is "
                "configured for this address.",
            ) from None
        raise TelephonyError(
            "refused", f"The far side refused the connection (HTTP {status})."
        ) from None
    except ssl.SSLError as error:
        raise TelephonyError(
            "unreachable", f"TLS with the far side failed ({error.reason}); check its certificate."
        ) from None
    except (OSError, EOFError, InvalidHandshake, ValueError, asyncio.IncompleteReadError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise TelephonyError(
            "unreachable",
            f"The far side could not be reached ({reason}); check that it runs and the address.",
        ) from None
