"""What would be said if the caller's silence went on is rendered while it lasts.

A sentence with a caller's number or words in it takes the voice up to a second. Begun when the
silence is too long already, that would make it longer.
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Say
from flows.dialogue import step
from flows.events import Silence
from flows.policy import Policy
from flows.state import State
from voicebot.call.player import Rendered
from voicebot.call.rendering import Parts, Rendering


class LookAhead:
    """Parameters:
    render: audio of an utterance, which may come to nothing; what it raises is raised again where
        that utterance is really wanted.
    """

    def __init__(self, render: Rendered) -> None:
        self._render = render
        self._begun: dict[object, Rendering] = {}

    def silent(self, state: State, event: Silence, policy: Policy) -> None:
        """So long nobody has said anything, and nothing has come of it yet."""
        limit_s = max(event.seconds, policy.limits.silence_s)
        later = replace(event, at=event.at + limit_s - event.seconds, seconds=limit_s)
        _, actions = step(state, later, policy)
        wanted = {_key(each): each for each in actions if isinstance(each, Say) and each.values}
        for key in self._begun.keys() - wanted.keys():
            self._begun.pop(key).cancel()
        for key in wanted.keys() - self._begun.keys():
            self._begun[key] = Rendering(self._render(wanted[key]))

    def audio(self, say: Say) -> Parts:
        """What is spoken now, begun already or not; raises as `render` does."""
        begun = self._begun.pop(_key(say), None)
        return begun.parts() if begun is not None else self._render(say)


def _key(say: Say) -> object:
    return say.prompt, say.region, frozenset(say.values.items())
