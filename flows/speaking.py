"""The bot's voice in the dialogue core: what is queued, what may be interrupted. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Action, Decide, Purpose, Say, StopSpeaking
from flows.events import PlaybackFinished, PlaybackStarted
from flows.state import State

SAFETY = frozenset(
    {
        "ask_danger",
        "connecting_110",
        "trying_110",
        "transferring_110",
        "connecting_public",
        "connecting_unit",
        "connecting_110_119",
        "connecting_110_120",
        "connecting_110_119_120",
        "connecting_110_122",
        "connecting_110_12395",
        "connecting_110_repair",
        "connecting_110_railway",
        "call_back_110",
        "joining_110",
        "where_are_you",
        "next_route",
        "still_connecting",
        "still_connecting_110",
        "lines_full",
        "lines_full_police",
        "lines_full_still",
        "line_free",
        "noted",
    }
)
"""Prompts of ``purpose = "safety"`` in prompts.toml: they are heard to their end."""

PASSING = frozenset(
    {"anything_else", "are_you_there", "go_on", "keys", "not_heard", "noted", "one_moment"}
)
"""Prompts that nobody wants to hear again: 再说一遍 means what was said before them."""

DANGER = "ask_danger"


def say(state: State, prompt: str, **values: str) -> tuple[State, Say]:
    """Queue a prompt. While a hand-off is open nothing the caller says cuts it off."""
    safety = prompt in SAFETY
    spoken = Say(
        _next(state),
        Purpose.SAFETY if safety else Purpose.PROMPT,
        prompt=prompt,
        values=values,
        region=state.region if values else None,
        interruptible=not safety and state.handoff is None,
    )
    return _queue(state, spoken), spoken


def say_entry(state: State, entry: str, *, safety: bool = False) -> tuple[State, Say]:
    """Queue an approved answer, or the safety wording of an entry, which is not cut off."""
    purpose = Purpose.SAFETY if safety else Purpose.ANSWER
    spoken = Say(_next(state), purpose, entry=entry, region=state.region, interruptible=not safety)
    return _queue(state, spoken), spoken


def say_again(state: State) -> tuple[State, Say]:
    """Queue once more what the caller did not catch."""
    if state.said is None:
        return say(state, "go_on")
    spoken = replace(state.said, utterance=_next(state), heard_s=0.0)
    return replace(_queue(state, spoken), repeats=state.repeats + 1), spoken


def cut_off(state: State) -> State:
    """The caller speaks over the bot: it is remembered what is about to be stopped."""
    said = state.said
    interrupted = said is not None and said.utterance == state.speaking
    return replace(state, cut=said if interrupted else None)


def go_on(state: State) -> tuple[State, tuple[Action, ...]] | None:
    """It was a noise that stopped the bot: it goes on, once, where it was."""
    cut = state.cut
    if cut is None or not cut.heard_s or not state.quiet:
        return None
    spoken = replace(cut, utterance=_next(state))
    return _queue(state, spoken), (Decide("resumed", "打断的声音不是话，接着说"), spoken)


def stopped(state: State, event: PlaybackFinished) -> State:
    """How much was heard of what was stopped; a second time it is not taken up again."""
    cut = state.cut
    if cut is None or not event.interrupted or event.utterance != cut.utterance:
        return state
    return replace(state, cut=None if cut.heard_s else replace(cut, heard_s=event.seconds))


def _next(state: State) -> str:
    return f"u{state.utterances + 1}"


def _queue(state: State, spoken: Say) -> State:
    protected = state.protected
    question = spoken.prompt == DANGER
    passing = spoken.prompt in PASSING or (not spoken.prompt and spoken.purpose is Purpose.SAFETY)
    return replace(
        state,
        utterances=state.utterances + 1,
        queued=(*state.queued, spoken.utterance),
        protected=protected if spoken.interruptible else (*protected, spoken.utterance),
        prompt=spoken.prompt or "",
        said=state.said if passing else spoken,
        repeats=state.repeats if passing else 0,
        question_id=spoken.utterance if question else state.question_id,
        question_at=None if question else state.question_at,
        said_at=state.at,
        cut=None,
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
    state = replace(state, speaking=event.utterance, queued=queued, said_at=state.at)
    return _begun(state, event.utterance)


def _begun(state: State, utterance: str) -> State:
    if utterance != state.question_id or state.question_at is not None:
        return state
    return replace(state, question_at=state.at)


def finished(state: State, event: PlaybackFinished) -> State | None:
    """The state after it, None if the utterance had been flushed before."""
    if event.utterance != state.speaking and event.utterance not in state.queued:
        return None
    state = replace(
        state,
        speaking=None if state.speaking == event.utterance else state.speaking,
        queued=tuple(name for name in state.queued if name != event.utterance),
        protected=tuple(name for name in state.protected if name != event.utterance),
        said_at=state.at,
    )
    return _begun(state, event.utterance)
