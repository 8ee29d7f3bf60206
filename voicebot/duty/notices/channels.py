"""The ways a message takes: webhook, SMS gateway, e-mail."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

import aiosmtplib
import httpx

from voicebot.config_notices import Notices
from voicebot.duty.notices.secret import signature_headers
from voicebot.duty.notices.telling import Channel
from voicebot.exchange.address import unsafe

TIMEOUT_S = 10.0
"""Of each step: to connect, to write, to be answered."""


class NotDelivered(Exception):
    """Why the message did not arrive, without personal data; it is tried again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way.

    Parameters:
        id: the same however often it is sent.
        address: telephone number, e-mail address or https address.
        content: `voicebot.duty.notices.content.message`.
    """

    id: str
    address: str
    content: Mapping[str, Any]


class Way(Protocol):
    async def send(self, message: Outgoing) -> bool:
        """True: the receiver has acknowledged it in the same breath.

        Raises:
            NotDelivered: it did not arrive, or may not have.
        """
        ...


class Webhook:
    """JSON, signed; an answer ``{"acknowledged": true}`` is the receipt."""

    def __init__(self, client: httpx.AsyncClient, secret: bytes) -> None:
        self._client, self._secret = client, secret

    async def send(self, message: Outgoing) -> bool:
        body = json.dumps({"id": message.id, **message.content}, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.id,
            **signature_headers(self._secret, message.id, time.time(), body),
        }
        answer = await _post(self._client, message.address, body, headers)
        try:
            said = answer.json()
        except ValueError:  # an answer of another kind says that it has arrived, no more
            return False
        return isinstance(said, dict) and said.get("acknowledged") is True


class SmsGateway:
    """An SMS gateway's HTTP interface: number, text, and the template's id and values.

    For a gateway of another form, another class with the same `send`.
    """

    def __init__(self, client: httpx.AsyncClient, settings: Notices) -> None:
        self._client, self._url = client, settings.sms_url
        self._token = settings.sms_token.get_secret_value()
        self._template, self._reminder_template = (
            settings.sms_template,
            settings.sms_reminder_template,
        )

    async def send(self, message: Outgoing) -> bool:
        content = message.content
        reminder = "reminder" in content
        names = ("line", "place", "order", "reminder" if reminder else "number", "minutes", "link")
        body = {
            "id": message.id,
            "to": message.address,
            "template": self._reminder_template if reminder else self._template,
            "parameters": {name: content[name] for name in names},
            "text": content["text"],
        }
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        await _post(self._client, self._url, json.dumps(body, ensure_ascii=False).encode(), headers)
        return False


class Email:
    """By SMTP (RFC 5321), encrypted beyond this machine."""

    def __init__(self, settings: Notices) -> None:
        self._settings = settings

    async def send(self, message: Outgoing) -> bool:
        settings = self._settings
        domain = settings.smtp_from.rpartition("@")[2]
        mail = EmailMessage()
        mail["Subject"] = message.content["title"]
        mail["From"], mail["To"] = settings.smtp_from, message.address
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note answers it
        mail.set_content(message.content["text"])
        secure = settings.smtp_security
        try:
            await aiosmtplib.send(
                mail,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password.get_secret_value() or None,
                local_hostname=domain,
                timeout=TIMEOUT_S,
                use_tls=secure == "tls",
                start_tls=secure == "starttls",
                tls_context=None if secure == "none" else ssl.create_default_context(),
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            code = getattr(error, "code", None)
            raise NotDelivered(f"SMTP {code}" if code else type(error).__name__) from None
        return False


def ways(client: httpx.AsyncClient, settings: Notices, secret: bytes) -> dict[Channel, Way]:
    """The channels that the settings have."""
    found: dict[Channel, Way] = {"webhook": Webhook(client, secret)}
    if settings.sms_url:
        found["sms"] = SmsGateway(client, settings)
    if settings.smtp_host:
        found["email"] = Email(settings)
    return found


async def _post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    # Looked at again: the row may be older than the check of the file.
    if reason := unsafe(url):
        raise NotDelivered(reason)
    try:
        answer = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotDelivered(type(error).__name__) from None
    if not answer.is_success:
        raise NotDelivered(f"HTTP {answer.status_code}")
    return answer
