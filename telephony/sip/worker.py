"""The program of a media process: `python -m telephony.sip.worker FD`.

FD is its end of the socket pair; the first message on it holds the settings. It loads no
model and little else, answers at most `SLOTS` calls, and outlives the main process for
as long as it has callers (`telephony.sip.caretaker`).
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time

import pjsua2 as pj

from telephony.sip.agent import Agent
from telephony.sip.audio_port import OutQueue
from telephony.sip.board import Board
from telephony.sip.link import MainLink
from telephony.sip.settings import SipSettings

log = logging.getLogger("telephony.sip.worker")

TURN_MS, IDLE_TURN_MS = 20, 100
"""How long PJSIP is waited for before the main process's requests are looked at, with and without
callers. What comes by SIP ends the wait at once."""
BEAT_S = 0.5
GOODBYE_S = 1.0
"""How long PJSIP has for its last BYEs."""


def ask_for_priority() -> bool:
    """The real-time class for all threads of ours, where it is allowed (LimitRTPRIO=1).

    Frames are due every 20 ms while recognisers want all of the machine; what this process
    needs of it is a few percent.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    return True


def run(sock: socket.socket) -> int:
    """Serves until the main process lets go and no caller is left; the exit status."""
    priority = ask_for_priority()
    outputs: dict[tuple[int, int], OutQueue] = {}
    link = MainLink(sock, outputs)
    start = link.wait()
    if start is None or start.op != "settings":
        return 2
    settings = SipSettings.from_values(start.values["settings"])
    board = Board(settings, start.values["front"], link, outputs)
    try:
        board.agent = Agent(settings, start.values["port"], board.offered, board.give_up)
    except pj.Error as error:
        log.error("SIP cannot be started: %s", error.reason)
        link.report("failed", reason=error.reason)
        return 3
    # Collected by hand: the collector must not end PJSIP's objects on its media thread.
    gc.disable()
    gc.freeze()
    link.report("ready", port=board.agent.port, priority=priority)
    serve(board, board.agent, link)
    return 0


def serve(board: Board, agent: Agent, link: MainLink) -> None:
    """The loop. PJSIP is left as it is: destroying its objects in any order may abort."""
    orphaned = False
    beat_at = collect_at = 0.0
    room_told = -1
    while not orphaned or board.rooms:
        agent.turn(TURN_MS if board.rooms else IDLE_TURN_MS)
        for control in link.controls():
            board.obey(control)
        now = time.monotonic()
        if not orphaned and not link.alive:
            log.warning("the main process has let go")
            link.close()
            orphaned = True
            board.orphaned(now)
        board.tick(now)
        room = board.callers_left()
        if now >= beat_at or room != room_told:
            beat_at, room_told = now + BEAT_S, room
            link.report("beat", room=room)
        if now >= collect_at:
            collect_at = now + 60.0
            gc.collect()
    until = time.monotonic() + GOODBYE_S
    while time.monotonic() < until:
        agent.turn(TURN_MS)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="sip-worker %(process)d %(message)s")
    sock = socket.socket(fileno=int(sys.argv[1]))
    status = run(sock)
    logging.shutdown()
    sys.stdout.flush()
    # Destructors of PJSUA2 that run with the interpreter's end abort; there is nothing left.
    os._exit(status)


if __name__ == "__main__":
    main()
