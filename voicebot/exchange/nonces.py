"""Signed requests hold once, also after a restart and in another process: nonces on record."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from voicebot.exchange.signing import REPLAYED, SignatureRefused, Verified
from voicebot.exchange.tables import NonceRow
from voicebot.records.inserting import insert


def use(session: Session, request: Verified) -> None:
    """Take a request's nonce, in the transaction of what the request does.

    Raises:
        SignatureRefused: it was taken before.
    """
    taken = session.execute(
        insert(session, NonceRow)
        .values(key_id=request.key_id, nonce=request.nonce, until=request.until)
        .on_conflict_do_nothing()
        .returning(NonceRow.nonce)
    ).first()
    if taken is None:
        raise SignatureRefused(REPLAYED)


def forget(session: Session, now: float) -> None:
    """Those whose time alone refuses them by now."""
    session.execute(delete(NonceRow).where(NonceRow.until < now))
