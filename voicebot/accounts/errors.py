"""What log-ins can complain of; the messages are for the person who logs in or for the operator.

AccountsError
├── NoSuchAccount   no account has that name
└── LoginRefused    a log-in that fails, each with a code of its own
"""

from __future__ import annotations

from voicebot.errors import VoicebotError


class AccountsError(VoicebotError):
    """An account cannot be made or changed as asked."""

    code = "accounts.error"


class NoSuchAccount(AccountsError):
    """No account has that name."""

    code = "accounts.not_found"


class LoginRefused(AccountsError):
    """A log-in fails. Who tries learns no more than `code` and the message.

    Attributes:
        code: wrong_login, too_many_tries, busy, …
        retry_s: after how many seconds it may be tried again; 0: at once.
    """

    def __init__(self, code: str, message: str, retry_s: float = 0.0) -> None:
        super().__init__(message)
        self.code, self.retry_s = code, retry_s
