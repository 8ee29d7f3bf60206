"""What an agent's desk follows, as server-sent events: the list of calls, and one call's words.

A stream begins with all that there is (`snapshot`), so that a page that comes back has missed
nothing; words go out as soon as the recogniser has them, other news at most every `PAUSE_S`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from voicebot.security import Principal
from voicebot.web.console.agent.standing import may_follow, row, running, standing

if TYPE_CHECKING:
    from voicebot.call.agent_desks import AgentDesks
    from voicebot.call.session import CallSession
    from voicebot.exchange.dossier import TranscriptTurn
    from voicebot.web.service import Service

    Turns = tuple[tuple[str, TranscriptTurn], ...]

PAUSE_S = 0.2
BEAT_S = 10.0
"""So often a beat: a page that is gone is noticed by it."""
_WORDS = frozenset({"hypothesis", "far_side_hypothesis"})
"""What is being said: no news for whoever does not follow the call."""
_NOTES = frozenset(
    {
        "transfer",
        "handoff",
        "ticket",
        "key",
        "far_side_key",
        "hung_up",
        "decision",
        "police_word",
    }
)


def event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def desk(service: Service, who: Principal) -> AsyncGenerator[str, None]:
    """`calls`: the running calls, then `changes` of them; `offers`: what rings here; `presence`;
    `beat`, which the page answers (PUT /v1/agent/presence). Until it is closed.
    """
    desks, changed, loop = service.desks, asyncio.Event(), asyncio.get_running_loop()
    beats_at = loop.time() + BEAT_S
    told: dict[str, str] = {}
    lines = CallList(who)
    with desks.open(who.token_id, who.name, changed.set):
        listening = asyncio.create_task(wake_on_news(service, changed))
        try:
            while True:
                changed.clear()
                known = {
                    **desks.elsewhere.running,
                    **running(service.sessions, service.settings, desks),
                }
                if (news := lines.news(known)) is not None:
                    yield event(*news)
                for name, data in _of_desk(desks, known, who).items():
                    text = event(name, data)
                    if told.get(name) != text:
                        told[name] = text
                        yield text
                if listening.done():  # the service ends
                    return
                await asyncio.sleep(PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(beats_at):
                        await changed.wait()
                if loop.time() >= beats_at:
                    beats_at = loop.time() + BEAT_S
                    yield event("beat", {})
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def wake_on_news(service: Service, changed: asyncio.Event) -> None:
    """Sets `changed` with each message of the calls that a list of them could show; returns when
    the service ends.
    """
    async with aclosing(service.live.subscribe()) as messages:  # type: ignore[type-var]
        async for message in messages:
            if message["kind"] not in _WORDS:
                changed.set()
    changed.set()


def _of_desk(
    desks: AgentDesks, known: Mapping[str, Mapping[str, Any]], who: Principal
) -> dict[str, Any]:
    offers = [
        {"leg": offer.leg, "own": bool(offer.agent), **row(known[offer.call_id], who)}
        for offer in desks.rings(who.token_id)
        if offer.call_id in known
    ]
    presence = {"presence": desks.presence(who.token_id).value, "me": who.token_id}
    return {"offers": offers, "presence": presence}


class CallList:
    """What a page has yet to be told of the running calls."""

    def __init__(self, who: Principal) -> None:
        self._who = who
        self._told: dict[str, Mapping[str, Any]] | None = None

    def news(self, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, Any] | None:
        """`calls` with all lines the first time, in no order; then `changes`, ``{"rows": lines
        that are new or different, "gone": ids}``; None where there are none.

        Parameters:
            known: `standing.facts` of the calls that are running, by id.
        """
        before, self._told = self._told, dict(known)
        if before is None:
            return "calls", [row(each, self._who) for each in known.values()]
        rows = [row(each, self._who) for call, each in known.items() if before.get(call) != each]
        gone = [call for call in before if call not in known]
        return ("changes", {"rows": rows, "gone": gone}) if rows or gone else None


class Words:
    """Which turns of a call are new or different since they were last asked for."""

    def __init__(self, has_transcriber: bool) -> None:
        self._has_transcriber = has_transcriber
        self._told: dict[str, tuple[str, bool]] = {}
        self._settled: set[str] = set()
        self._at: dict[str, float] = {}
        self._unsettled: dict[str, TranscriptTurn] = {}

    def heard(self, message: Mapping[str, Any]) -> None:
        """A hypothesis: whether its turn is settled by it, and when the recogniser had it."""
        if message["kind"] == "far_side_hypothesis":
            self._at[message["key"]] = message["at"]
            return
        key = f"turn{message['turn']}"
        self._at[key] = message["at"]
        best = message["ear"] == "transcriber" or not self._has_transcriber
        if message["final"] and best:
            self._settled.add(key)

    def news(self, turns: Turns, unsettled: Turns = ()) -> list[dict[str, Any]]:
        """``{"key", "side", "text", "start", "end", "entry", "partial", "at"}`` for each; without
        text, and not partial, for one that was no speech after all.

        Parameters:
            unsettled: what far sides are saying.
        """
        now = [
            (key, turn, turn.side == "caller" and key not in self._settled) for key, turn in turns
        ]
        now += [(key, turn, True) for key, turn in unsettled]
        now += self._taken_back({key for key, _, _ in now})
        found = []
        for key, turn, partial in now:
            if self._told.get(key) != (turn.text, partial):
                self._told[key] = turn.text, partial
                found.append(
                    {
                        "key": key,
                        "side": turn.side,
                        "text": turn.text,
                        "start": turn.start,
                        "end": turn.end,
                        "entry": turn.entry or "",
                        "partial": partial,
                        "at": self._at.get(key, turn.end),
                    }
                )
        self._unsettled = dict(unsettled)
        return found

    def _taken_back(self, present: Collection[str]) -> list[tuple[str, TranscriptTurn, bool]]:
        return [
            (key, turn.model_copy(update={"text": ""}), False)
            for key, turn in self._unsettled.items()
            if key not in present
        ]

    def all_settled(self, turns: tuple[tuple[str, TranscriptTurn], ...]) -> None:
        """What was said before somebody followed."""
        self._settled.update(key for key, _ in turns[:-1])


async def call(
    service: Service, call_id: str, session: CallSession, who: Principal
) -> AsyncGenerator[str, None]:
    """`snapshot`, then `turn`, `standing`, `note`, at last `ended`."""
    words = Words(service.engines.transcriber is not None)
    words.all_settled(session.transcript)
    shown = ""

    def stands() -> dict[str, Any]:
        return standing(call_id, session, service.settings, service.desks, who)

    async with aclosing(_messages(service, call_id)) as messages:
        await anext(messages)  # nothing that is said from now on is missed
        first = stands()
        shown = json.dumps(first)
        said = words.news(session.transcript, session.unsettled)
        yield event("snapshot", {"turns": said, "standing": first})
        async for message in messages:
            kind = message["kind"]
            if kind in _WORDS:
                words.heard(message)
            if not may_follow(session, call_id, who, service.desks):
                yield event("closed", {"reason": "confidential"})
                return
            for turn in words.news(session.transcript, session.unsettled):
                yield event("turn", turn)
            if kind in _NOTES:
                yield event("note", message)
            now = stands()
            if (text := json.dumps(now)) != shown:
                shown = text
                yield event("standing", now)
            ended = kind == "call" and message.get("state") == "ended"
            # Where so much was said that the message of its end was lost, the call is gone.
            if ended or service.sessions.get(call_id) is not session:
                yield event("ended", {"outcome": message.get("outcome", "")})
                return
            if kind == "beat":
                yield ": beat\n\n"


async def _messages(service: Service, call_id: str) -> AsyncGenerator[dict[str, Any], None]:
    """Those of `call_messages`, with `changed` for news of the desks."""
    changed = asyncio.Event()
    with service.desks.watched(changed.set):
        async with aclosing(call_messages(service, call_id, BEAT_S, changed)) as messages:
            async for message in messages:
                yield message


async def call_messages(
    service: Service, call_id: str, beat_s: float, changed: asyncio.Event | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """`watching`, then the live messages of one call, `changed` where that is set, and beats
    between.
    """
    news = changed or asyncio.Event()
    async with aclosing(service.live.subscribe()) as feed:  # type: ignore[type-var]
        coming = asyncio.ensure_future(anext(feed))
        asked = asyncio.ensure_future(news.wait())
        try:
            await asyncio.sleep(0)  # it is subscribed once its task has begun
            yield {"kind": "watching"}
            while True:
                await asyncio.wait(
                    {coming, asked}, timeout=beat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if asked.done():
                    news.clear()
                    asked = asyncio.ensure_future(news.wait())
                    yield {"kind": "changed"}
                if not coming.done():
                    yield {"kind": "beat"}
                    continue
                message = coming.result()
                coming = asyncio.ensure_future(anext(feed))
                if message.get("call_id") == call_id:
                    yield message
        except StopAsyncIteration:
            return
        finally:
            for task in (coming, asked):
                task.cancel()
            await asyncio.gather(coming, asked, return_exceptions=True)
