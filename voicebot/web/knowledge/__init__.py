"""The knowledge base (知识库) as HTTP: what the console's knowledge desk does, for programs too.

    POST /v1/knowledge/search                 readers: search as the bot does, with reasons
    POST /v1/knowledge/heard                  readers: the same with a recording of the question
    GET  /v1/knowledge/entries                readers: a page of entries
    GET  /v1/knowledge/entries/{id}           readers: all its versions; the newest as ETag
    GET  /v1/knowledge/entries/{id}/diff      readers: what two versions differ in, by words
    POST /v1/knowledge/entries                editors: a new entry
    PUT  /v1/knowledge/entries/{id}           editors: a new version, on that of If-Match
    POST /v1/knowledge/entries/{id}/acts      editors: submit; reviewers: approve, reject …
    POST /v1/knowledge/spoken                 readers: an answer's audio, rendered if need be
    POST /v1/knowledge/publications           reviewers: approved entries become spoken
    GET  /v1/knowledge/publications/{id}      readers: how far that is
    POST /v1/knowledge/imports                editors: what a file would change
    POST /v1/knowledge/imports/{id}/confirm   editors: do it
    GET  /v1/knowledge/gaps                   editors: what callers asked in vain
    …    /v1/knowledge/gaps/known             editors: the list of known gaps

Readers: editor, reviewer, supervisor, agent, admin; editors: editor, reviewer, admin; reviewers:
reviewer, admin. Nobody approves what he wrote, whatever his role (`kb.rules`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from voicebot.web.knowledge.desk import Desk
from voicebot.web.knowledge.entries import add_entries
from voicebot.web.knowledge.files import add_files
from voicebot.web.knowledge.gaps import add_gaps
from voicebot.web.knowledge.publications import add_publications
from voicebot.web.knowledge.searching import add_searching

if TYPE_CHECKING:
    from voicebot.web.service import Service


def add_knowledge(app: FastAPI, service: Service) -> Desk:
    """Adds the endpoints above; what they share, for the console's pages."""
    desk = Desk(service)
    add_searching(app, desk)
    add_entries(app, desk)
    add_publications(app, desk)
    add_files(app, desk)
    add_gaps(app, desk)
    return desk
