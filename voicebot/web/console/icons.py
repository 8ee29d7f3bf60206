"""Icons of Lucide (https://lucide.dev, ISC), drawn into the page as they are asked for."""

from __future__ import annotations

import json
from functools import cache

from markupsafe import Markup, escape

from voicebot.web.console.places import HERE


@cache
def icon(name: str, title: str = "") -> Markup:
    """One of `icons.json`; without a title it is for the eye alone.

    Raises:
        KeyError: there is none of this name.
    """
    shapes = "".join(_shape(tag, values) for tag, values in _shapes()[name])
    label = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    return Markup(f'<svg class="icon" viewBox="0 0 24 24" {label}>{shapes}</svg>')  # noqa: S704


def _shape(tag: str, values: dict[str, str]) -> str:
    attributes = " ".join(f'{key}="{escape(value)}"' for key, value in values.items())
    return f"<{tag} {attributes}/>"


@cache
def _shapes() -> dict[str, list[tuple[str, dict[str, str]]]]:
    found: dict[str, list[tuple[str, dict[str, str]]]] = json.loads(
        (HERE / "icons.json").read_text("utf-8")
    )
    return found
