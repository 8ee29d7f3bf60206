"""What an answer that is no success is raised as.

ApiError
├── NotAllowed        401, 403: no valid token, or its role may not do that
├── NotFound          404
├── Conflict          409, 412, 428: what is there does not allow it, or was changed meanwhile
├── Invalid           400, 405, 413, 422: the request is not as it must be
├── TooManyRequests   429
└── Unavailable       5xx, or no answer at all: come again
NoToken               the client has no token to show
"""

from __future__ import annotations


class NoToken(Exception):
    """The client has no token to show; the message says where one may stand."""


class ApiError(Exception):
    """The service did not do what it was asked.

    Parameters:
        status: of HTTP; 0 where there was no answer.
        code: the API's, for programs: ``not_found``, ``ticket.changed`` …; it does not change.
        message: for people: what is wrong, what to do.
        retry_after_s: when to come again, where the service says so.
        details: all that was answered.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.retry_after_s, self.details = retry_after_s, details or {}


class NotAllowed(ApiError):
    pass


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class Invalid(ApiError):
    pass


class TooManyRequests(ApiError):
    pass


class Unavailable(ApiError):
    pass


def error_class(status: int) -> type[ApiError]:
    """What an answer of this status is raised as."""
    known = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 429: TooManyRequests}
    if status in known:
        return known[status]
    if status in (409, 412, 428):
        return Conflict
    return Unavailable if status >= 500 else Invalid
