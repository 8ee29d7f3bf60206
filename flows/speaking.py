"""The bot's voice in the dialogue core: what is queued, what may be interrupted. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Action, Purpose, Say, StopSpeaking
from flows.events import PlaybackFinished, PlaybackStarted
from flows.state import State

SAFETY = frozenset(
    {
        "ask_danger",
        "connecting_110",
        "trying_110",
        "transferring_110",
        "where_are_you",
        "next_route",
        "still_connecting",
        "noted",
    }
)
"""Prompts of ``purpose = "safety"`` in prompts.toml: they are heard to their end."""


def say(state: State, prompt: str, **values: str) -> tuple[State, Say]:
    """Queue a prompt. While a hand-off is open nothing the caller says cuts it off."""
    safety = prompt in SAFETY
    spoken = Say(
        f"u{state.utterances + 1}",
        Purpose.SAFETY if safety else Purpose.PROMPT,
        prompt=prompt,
        values=values,
        interruptible=not safety and state.handoff is None,
    )
    return _queue(state, spoken), spoken


def say_entry(state: State, entry: str) -> tuple[State, Say]:
    """Queue an approved answer."""
    spoken = Say(f"u{state.utterances + 1}", Purpose.ANSWER, entry=entry)
    return _queue(state, spoken), spoken


def _queue(state: State, spoken: Say) -> State:
    protected = state.protected
    return replace(
        state,
        utterances=state.utterances + 1,
        queued=(*state.queued, spoken.utterance),
        protected=protected if spoken.interruptible else (*protected, spoken.utterance),
        prompt=spoken.prompt or "",
        said_at=state.at,
    )


def hush(state: State) -> tuple[State, tuple[Action, ...]]:
    """Stop whatever is being said or about to be."""
    if state.quiet:
        return state, ()
    return silenced(state), (StopSpeaking(),)


def silenced(state: State) -> State:
    """Nothing is being said, as far as the core knows."""
    return replace(state, speaking=None, queued=(), protected=())


def interruptible(state: State) -> bool:
    """Something is being said, and the caller may cut it off."""
    return not state.quiet and not state.protected


def started(state: State, event: PlaybackStarted) -> State:
    if event.utterance not in state.queued:
        return state  # flushed meanwhile
    queued = tuple(name for name in state.queued if name != event.utterance)
    return replace(state, speaking=event.utterance, queued=queued, said_at=state.at)


def finished(state: State, event: PlaybackFinished) -> State | None:
    """The state after it, None if the utterance had been flushed before."""
    if event.utterance != state.speaking and event.utterance not in state.queued:
        return None
    return replace(
        state,
        speaking=None if state.speaking == event.utterance else state.speaking,
        queued=tuple(name for name in state.queued if name != event.utterance),
        protected=tuple(name for name in state.protected if name != event.utterance),
        said_at=state.at,
    )
