"""A running service is asked by a command, with this machine's token or a given one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voicebot.commands.call import api_url, default_url, tokens_for
from voicebot.commands.session import InputError
from voicebot.config import Settings

if TYPE_CHECKING:
    import httpx


def ask(
    settings: Settings, url: str, token: str, path: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    """GET `path` of the service; POST where there is a body.

    Parameters:
        url: the service's; "": the one that the settings describe.
        token: "": this machine's, which is shown to its own service alone.

    Raises:
        InputError: it does not answer, or refuses.
    """
    import httpx

    base = url.rstrip("/") or api_url(default_url(settings))
    if url and not token:
        raise InputError(f"This machine's token is not sent to {url}: give its own with --token.")
    if not token:
        token = tokens_for(settings, default_url(settings), "", "")[1] or ""
    try:
        answer = httpx.request(
            "GET" if body is None else "POST",
            f"{base}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=5.0,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise InputError(
            f"{base} does not answer ({type(error).__name__}): it is the running service that "
            "knows; start it with `voicebot serve`, or name another with --url."
        ) from None
    if not answer.is_success:
        raise InputError(f"{base} refused ({answer.status_code}): {answer.text[:200]}")
    return answer
