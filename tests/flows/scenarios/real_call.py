"""A call through the real triage and the real embedder, with hypotheses as they come.

Each sentence is heard as in a call: syllables first, a second ahead, then the words, growing,
then the end of the turn and the final. The knowledge base alone is played by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from flows import events as ev
from flows.actions import Action, FindTickets, Handoff, OpenTicket, Search, StopSpeaking
from flows.dialogue import Limits, Policy, step, texts_to_embed
from flows.prompts import load_prompts
from flows.triage import TriageModel
from tests.flows.scripted_call import Call, every
from voicebot.embedder import SentenceEmbedder


def refs(actions: Sequence[Action]) -> list[str]:
    """What is being written."""
    return [
        action.handoff if isinstance(action, Handoff) else action.ticket
        for action in actions
        if isinstance(action, Handoff | OpenTicket)
    ]


@cache
def real_world(models_dir: Path) -> Mapping[str, Any]:
    """What `RealCall` takes: the policy of the service, and its embedder, each text once a run."""
    embedder = SentenceEmbedder(models_dir)
    wording = {name: prompt.text for name, prompt in load_prompts().items()}
    return {
        "policy": Policy(TriageModel.load(), Limits(), wording=wording),
        "embed": cache(lambda text: embedder.embed([text])[0]),
    }


@dataclass
class RealCall(Call):
    """As `Call`, with real embeddings, partials that grow, and a world that answers."""

    embed: Any = None
    knowledge: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Entry and probability, by the caller's words."""
    inviting: tuple[str, ...] = ()
    """Those of the entries that ask the caller for details."""
    safety: Mapping[str, str] = field(default_factory=dict)
    """Those of them that bear on danger."""
    on_record: tuple[tuple[str, ev.TicketProgress], ...] | None = ()
    """Tickets with the number that each was made with, the newest first; None: unreadable."""
    writes: bool | None = True
    """Whether what is to be written is safe at once; None: no word of it comes."""
    lookups: list[FindTickets] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    """What is being written."""
    cut: list[str] = field(default_factory=list)
    """Utterances that were stopped in the middle."""

    def take(self, event: ev.Event) -> tuple[Action, ...]:
        if isinstance(event, ev.Heard):
            texts = texts_to_embed(self.state, event, self.policy)
            event = replace(event, embeddings={text: self.embed(text) for text in texts})
        speaking = self.state.speaking
        self.state, actions = step(self.state, event, self.policy)
        if speaking is not None and any(isinstance(each, StopSpeaking) for each in actions):
            self.cut.append(speaking)
        self.log.append(event)
        self.done += actions
        self.steps.append(actions)
        self.searches += [search for search in every(Search, actions) if search.final]
        self.records += refs(actions)
        self.lookups += every(FindTickets, actions)
        return actions

    def hears(self, text: str, *, to_the_end: bool = True, **final: Any) -> tuple[Action, ...]:
        """A whole turn, as both ears report it, and what the world answers to it."""
        before = len(self.done)
        self.begins()
        for part in range(2, len(text) + 2, 2):
            self.listener(text[: part + 2])
            if part % 4 == 0:
                self.partial(text[:part])
        self.listener(text, final=True)
        self.ends()
        self.final(text, **final)
        self.goes_on(to_the_end=to_the_end)
        return tuple(self.done[before:])

    def goes_on(self, *, to_the_end: bool = True) -> None:
        """Searches and writes are answered, and what the bot says is heard out."""
        while True:
            self._world()
            if not to_the_end or self.state.quiet:
                return
            self.hear_out()

    def _world(self) -> None:
        while self.cut:
            cut = self.cut.pop(0)
            self.take(ev.PlaybackFinished(self.after(0.05), cut, interrupted=True, seconds=0.8))
        while self.lookups or self.searches or (self.records and self.writes is not None):
            if self.lookups:
                self.take(self._looked_up(self.lookups.pop(0)))
            elif self.searches:
                search = self.searches.pop(0)
                found = self.knowledge.get(search.text)
                self.take(
                    ev.SearchResult(
                        self.after(0.05),
                        search.turn,
                        search.text,
                        "answer" if found else "none",
                        (found,) if found else (),
                        True,
                        tuple(name for name in self.inviting if found and name == found[0]),
                        {name: mark for name, mark in self.safety.items() if found},
                    )
                )
            else:
                self.written(self.records.pop(0), ok=bool(self.writes))

    def _looked_up(self, asked: FindTickets) -> ev.TicketsFound:
        found = tuple(
            ticket
            for number, ticket in self.on_record or ()
            if (asked.caller and number == asked.caller)
            or (ticket.tail == asked.tail and number[-4:] == asked.phone_tail)
        )
        return ev.TicketsFound(self.after(0.05), asked.query, found, self.on_record is None)
