"""What this process is among those of one installation: the roles of [server]."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from telephony.access import is_loopback

Role = Literal["media", "web", "worker", "asr"]

EMBEDDED: tuple[Role, ...] = ("media", "web", "worker")
"""One command that does everything."""


def default_node(roles: Sequence[Role], host: str = "") -> str:
    """A name for this process among the others: of the machine, and of what it does there.

    Parameters:
        host: the machine's name; "" asks the machine.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "-", host or socket.gethostname())[:40] or "node"
    return name if set(EMBEDDED) <= set(roles) else "-".join((name, *roles))


def why_unchecked(roles: Sequence[Role], hosts: Iterable[str], *, ca: bool) -> str:
    """Why other machines' nodes could not be told from whoever has some certificate, and how to
    mend it; "" where they can be. Pure.

    Parameters:
        hosts: where this process is reached, and NATS' servers.
        ca: `server.nodes_ca` names certificates.
    """
    others = [host for host in hosts if not is_loopback(host)]
    if ca or "web" not in roles or not others:
        return ""
    return (
        f"the role web sends staff's tokens to nodes on other machines ({others[0]}), and with the "
        "system's authorities any certificate would do: set it to the certificate (PEM) of your "
        "own authority that has signed the nodes'"
    )


def why_impossible(roles: Sequence[Role], *, nats: bool, postgresql: bool, public_url: bool) -> str:
    """What these roles lack, and how to mend it; "" when they can run so. Pure.

    Parameters:
        nats: `nats.servers` names one.
        postgresql: `database.url` is of PostgreSQL.
        public_url: `notices.public_url` says where the pages are reached.
    """
    given = set(roles)
    if not given:
        return f"no role is named: choose among {', '.join(get_args(Role))}"
    if "asr" in given:
        if given != {"asr"}:
            return "the role asr is a process of its own: start another one for the others"
        return "" if nats else "the role asr decodes for other processes: set nats.servers"
    if set(EMBEDDED) <= given:
        return ""
    others = ", ".join(sorted({*EMBEDDED} - given))
    missing = [] if nats else ["set nats.servers"]
    if not postgresql:
        missing.append("set database.url to a postgresql+psycopg:// address")
    if missing:
        return (
            f"{', '.join(roles)} without {others} is one of several processes, which meet in "
            f"PostgreSQL and NATS: {' and '.join(missing)}, or leave roles at its default"
        )
    if "worker" in given and "web" not in given and not public_url:
        return (
            "the role worker sends 110 and people on duty links to pages, which this process has "
            "not: set notices.public_url to where the role web is reached, such as "
            "https://12345.example"
        )
    return ""
