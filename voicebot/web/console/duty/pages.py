"""Adds the duty desk to the console: its entries in the navigation and its pages."""

from __future__ import annotations

from fastapi import FastAPI

from voicebot.web.board import Board
from voicebot.web.console.duty.board_pages import add_board_pages
from voicebot.web.console.duty.call_pages import add_call_pages
from voicebot.web.console.duty.caller_pages import add_caller_pages
from voicebot.web.console.duty.desk import PREFIX, STAFF, SUPERVISORS, Desk
from voicebot.web.console.duty.exchange_pages import add_exchange_pages
from voicebot.web.console.duty.figure_pages import add_figure_pages
from voicebot.web.console.duty.incident_pages import add_incident_pages
from voicebot.web.console.duty.ticket_pages import add_ticket_pages
from voicebot.web.console.shell import Console, NavEntry
from voicebot.web.service import Service

ENTRIES = (
    ("", "board", "gauge", STAFF),
    ("alarms", "alarms", "bell-ring", SUPERVISORS),
    ("calls", "calls", "search", STAFF),
    ("handoffs", "handoffs", "phone-forwarded", STAFF),
    ("incidents", "incidents", "flame", STAFF),
    ("tickets", "tickets", "ticket", STAFF),
    ("disputes", "disputes", "scale", SUPERVISORS),
    ("figures", "figures", "chart-column", SUPERVISORS),
    ("topics", "topics", "trending-up", SUPERVISORS),
    ("missed", "missed", "phone-missed", STAFF),
    ("limits", "limits", "ban", STAFF),
    ("reconciliations", "reconciliations", "git-compare", SUPERVISORS),
    ("roster", "roster", "users", STAFF),
)
"""Path below `PREFIX`, name in the catalogue, icon, roles."""


def add_duty_desk(app: FastAPI, service: Service, console: Console, board: Board) -> None:
    """Parameters:
    board: shared with the API.
    """
    desk = Desk(app, service, console, board)
    console.nav += [
        NavEntry(PREFIX + path, f"duty.nav.{name}", icon, roles, "duty")
        for path, name, icon, roles in ENTRIES
    ]
    for add in (
        add_board_pages,
        add_call_pages,
        add_incident_pages,
        add_ticket_pages,
        add_figure_pages,
        add_caller_pages,
        add_exchange_pages,
    ):
        add(desk)
