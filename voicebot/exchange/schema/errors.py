"""What is wrong with a message, by the names of its fields and never by their values."""

from __future__ import annotations

import re

from pydantic import ValidationError

from voicebot.errors import VoicebotError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHOWN = 10
# pydantic's own words for these repeat what was sent.
_OWN_WORDS = {
    "union_tag_invalid": "is no kind of message that this version knows",
    "union_tag_not_found": "is missing",
    "missing": "is missing",
    "extra_forbidden": "is not in the schema",
    "json_invalid": "is not valid JSON",
}


class MessageInvalid(VoicebotError):
    """A message does not follow the schema; `fields` names where, ``body.category``."""

    code = "exchange.invalid"

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        self.fields = tuple(field for field, _ in problems)
        shown = "; ".join(f"{field} {words}" for field, words in problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(f"{shown}{more}.")

    @classmethod
    def of(cls, error: ValidationError) -> MessageInvalid:
        """From pydantic's errors, without the values that they hold."""
        return cls(
            *(
                (_field(each["type"], each["loc"]), _words(each["type"], each["msg"]))
                for each in error.errors(
                    include_url=False, include_input=False, include_context=False
                )
            )
        )


def _words(kind: str, message: str) -> str:
    own = _OWN_WORDS.get(kind)
    return own or message[:1].lower() + message[1:]


def _field(error: str, location: tuple[int | str, ...]) -> str:
    """Dotted; what is no plain name came from the sender and may be personal."""
    if error.startswith("union_tag_"):
        return "kind"
    parts = [str(p) if isinstance(p, int) or _NAME.fullmatch(p) else "?" for p in location]
    return ".".join(parts) or "message"
