"""What a step of the dialogue core depends on besides state and event: values, all handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flows.actions import Action
from flows.state import State
from flows.triage import TriageModel

Step = tuple[State, tuple[Action, ...]]
"""The new state, and what to do, in order."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the conversation, each a setting (`voicebot.toml`, [dialogue])."""

    silence_s: float = 3.6
    """Longest silence left to the caller before the bot says something (DESIGN.md: 4 s)."""
    patience_s: float = 2.4
    """How long a finished turn may wait for its final hypothesis."""
    nudges: int = 2
    """How often a silent caller is spoken to before a human is called in."""
    unheard: int = 2
    """Unintelligible turns before a human is called in."""
    danger_questions: int = 2
    """Times that the question about danger is put before a human decides about the doubt."""
    suspicion: float = 0.15
    """Probability of danger at which the transcriber is asked for the words at once."""
    early_answer: float = 0.8
    """Probability at which a partial hypothesis is enough to answer on."""
    police_over_answer: float = 0.85
    """Probability of an ordinary police matter that outweighs a found answer."""
    undecided: float = 0.4
    """Probability that 110 and 12345 both must have, 110 no less than 12345, for a matter to be
    left to both together."""
    neither: float = 0.6
    """Probability of being outside both scopes at which the caller is guided."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The values a step depends on besides state and event."""

    triage: TriageModel
    limits: Limits = field(default_factory=Limits)
    greetings: Mapping[str, str] = field(default_factory=dict)
    """Prompt id by dialled number, where it is not the ordinary greeting (R16)."""
    wording: Mapping[str, str] = field(default_factory=dict)
    """Text by prompt id: what the bot's own voice sounds like when a line sends it back."""
    hand_back_key: str = "*"
    """What 110 presses to give a caller back to 12345."""
