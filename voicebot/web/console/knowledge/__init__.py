"""The knowledge desk (知识台): the pages of those who keep the answers.

GET  /console/knowledge                     readers: entries, by state, department, region, words
GET  /console/knowledge/new                 editors: a new entry, from nothing, a question or a gap
GET  /console/knowledge/entries/{id}        readers: one entry, its versions, and what can be done
GET  /console/knowledge/entries/{id}/compare    readers: two versions, word by word
GET  /console/knowledge/try                 readers: ask as a caller does, typed or spoken
POST /console/knowledge/try/{typed,heard}   readers: what the bot would do, and why
GET  /console/knowledge/gaps                editors: what callers asked in vain
GET  /console/knowledge/import              editors: files, with what they would change

Roles are those of `voicebot.web.knowledge`, whose endpoints these pages use for whatever they
change.
"""

from __future__ import annotations

from fastapi import FastAPI

from voicebot.web.console.knowledge.entry_pages import add_entry_pages
from voicebot.web.console.knowledge.file_pages import add_file_pages
from voicebot.web.console.knowledge.gap_pages import add_gap_pages
from voicebot.web.console.knowledge.list_pages import add_list_pages
from voicebot.web.console.knowledge.room import PREFIX, Room
from voicebot.web.console.knowledge.try_pages import add_try_pages
from voicebot.web.console.shell import Console, NavEntry
from voicebot.web.knowledge.desk import EDITORS, READERS, Desk

ENTRIES = (
    ("", "entries", "book-open", READERS),
    ("/try", "try", "message-circle-question-mark", READERS),
    ("/gaps", "gaps", "inbox", EDITORS),
    ("/import", "import", "upload", EDITORS),
)
"""Path below `PREFIX`, name in the catalogue, icon, roles."""


def add_knowledge_desk(app: FastAPI, console: Console, desk: Desk) -> None:
    """Parameters:
    desk: what the endpoints of the knowledge base share.
    """
    console.nav += [
        NavEntry(PREFIX + path, f"knowledge.nav.{name}", icon, roles, "knowledge")
        for path, name, icon, roles in ENTRIES
    ]
    room = Room(app, console, desk)
    for add in (add_list_pages, add_entry_pages, add_try_pages, add_gap_pages, add_file_pages):
        add(room)
