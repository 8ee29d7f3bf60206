"""Sentences with blanks are said clause by clause: what is fixed in them is rendered before calls.

The voice speaks each clause by itself anyway, so they sound as they would in one go. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from flows.prompts import Prompt
from kb.entry import Entry
from voicebot.call.voices.reading import clauses

_BLANK = "\ue000"
"""Stands for what is filled in; nobody writes or speaks it."""


def fixed_clauses(prompt: Prompt) -> tuple[str, ...]:
    """Those of its clauses that no blank is in."""
    text = prompt.fill(dict.fromkeys(prompt.blanks, _BLANK))
    return tuple(clause.text for clause in clauses(text) if _BLANK not in clause.text)


def prompt_texts(prompts: Iterable[Prompt]) -> list[str]:
    """All that can be rendered of prompts before there is a call."""
    return [
        text
        for prompt in prompts
        for text in (fixed_clauses(prompt) if prompt.blanks else (prompt.text,))
    ]


def title_clauses(entries: Iterable[Entry]) -> list[str]:
    """Of the questions: which of them is meant is asked by naming two."""
    return [clause.text for entry in entries for clause in clauses(entry.question)]
