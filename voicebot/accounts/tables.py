"""The tables of accounts, of the sessions they open, and of wrong passwords."""

from __future__ import annotations

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class AccountRow(Base):
    """A person who may log in (账号)."""

    __tablename__ = "account"
    __table_args__ = (Index("uq_account_issuer_subject", "issuer", "subject", unique=True),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    """As it was written; the person's name in the audit and in the knowledge base."""
    key: Mapped[str] = mapped_column(String(192), unique=True)
    """The name as names are compared (`voicebot.accounts.names.key_of`): longer by its letters
    without case, three for one at most."""
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str | None] = mapped_column(Text)
    """argon2id, in PHC's form; None for who logs in at a provider."""
    issuer: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))
    """Who this is at the OIDC provider `issuer`; None for a local account."""
    generation: Mapped[int] = mapped_column(Integer)
    """Counts changes that end the account's sessions: of role or password, and disabling."""
    address: Mapped[str] = mapped_column(String(64))
    """Where the last log-in came from: wrong passwords of others keep nobody out there."""
    created_at: Mapped[float]
    password_at: Mapped[float | None]
    logged_in_at: Mapped[float | None]
    disabled_at: Mapped[float | None]


class SessionRow(Base):
    """A browser that is logged in; only the SHA-256 of its cookie is kept."""

    __tablename__ = "web_session"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str | None] = mapped_column(String(16), index=True)
    token: Mapped[str | None] = mapped_column(String(16))
    """The access token that it was opened with, where that was no account."""
    generation: Mapped[int] = mapped_column(Integer)
    """The account's, when it was opened; with another one the session is over."""
    opened_at: Mapped[float]
    seen_at: Mapped[float]
    """The last request, as of a minute ago."""
    ends_at: Mapped[float] = mapped_column(index=True)


class BrakeRow(Base):
    """How many wrong passwords an account or an address has to its name (`accounts.brake`)."""

    __tablename__ = "login_brake"

    key: Mapped[str] = mapped_column(String(96), primary_key=True)
    level: Mapped[float]
    at: Mapped[float] = mapped_column(index=True)
