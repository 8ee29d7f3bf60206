"""Why something cannot be had at the agent desk: a code, and a sentence that says what to do."""

from __future__ import annotations

from voicebot.web.access import Refusal

MESSAGES = {
    "ended": "The call is over.",
    "not_started": "The call is only being answered; ask again in a second.",
    "agent_on_the_line": "An agent has the call already.",
    "you_talk": "You are on a call already; leave it or pass it on first.",
    "no_agent": "No agent is on the line; take the call first.",
    "police_called": "110 is being called, or has the call.",
    "danger": "Danger is open: no answers, no hold. Ask where the caller is; call 110.",
    "bot_asks": "The bot is taking something down; take the call, then speak.",
    "quiet": "The bot is not speaking, or says what must be heard to its end.",
    "not_yours": "It is not your call: another agent's, or on a telephone that nobody has claimed.",
    "line_cannot_hold": "This caller's line has no music to wait with (a browser or carrier "
    "WebSocket); mute the microphone instead.",
    "desk_closed": "Open the agent desk in this browser first: it is where the call rings.",
    "no_destination": "Nobody is reached there; GET /v1/agent/destinations lists who is.",
    "not_published": "No entry of this id may be read out to this caller now.",
    "confidential": "The caller wants confidence (保密): for who has the call, and supervisors.",
    "no_sms": "No SMS gateway for free text is set (notices.sms_url without notices.sms_template); "
    "copy the link, or let the bot say it.",
    "no_number": "The calling number is withheld; there is nowhere to send it.",
    "not_sent": "The SMS gateway has not taken it; try again.",
    "no_link": "This entry names no channel or address on line.",
}
NO_CALL = {"code": "not_found", "message": "No call of this id is running."}


def refuse(reason: str, *, status: int = 409) -> Refusal:
    """For a reason of `flows.agent.refusal` or of the desk."""
    return Refusal(status, {"code": f"agent.{reason}", "message": MESSAGES[reason]})
