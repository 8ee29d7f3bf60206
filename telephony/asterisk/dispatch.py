"""Which of our objects an ARI event concerns: by the channel's id."""

from __future__ import annotations

from collections.abc import Callable

from telephony.asterisk.ari import Event

Handler = Callable[[Event], None]


class Dispatch:
    """The handlers of all channels that are followed. A handler never waits."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def follow(self, channel: str, handler: Handler) -> None:
        self._handlers[channel] = handler

    def forget(self, channel: str, handler: Handler | None = None) -> None:
        """Harmless when it is not followed, or by now by another handler than the one given."""
        if handler is None or self._handlers.get(channel) == handler:
            self._handlers.pop(channel, None)

    def follows(self, channel: str) -> bool:
        return channel in self._handlers

    def give(self, event: Event) -> None:
        """To the handlers of the event's channel, and of the one that dials it, if there are."""
        for channel in dict.fromkeys((channel_of(event), dialling(event))):
            handler = self._handlers.get(channel)
            if handler is not None:
                handler(event)


def channel_of(event: Event) -> str:
    """Id of the channel that the event is about; "" for none."""
    about = event.get("channel") or event.get("peer")
    return str(about.get("id", "")) if isinstance(about, dict) else ""


def dialling(event: Event) -> str:
    """Id of the channel for which another is dialled; "" for none."""
    about = event.get("caller")
    return str(about.get("id", "")) if isinstance(about, dict) else ""
