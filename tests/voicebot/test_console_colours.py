"""Text of the console can be read in light and in dark: WCAG AA, and the dark theme is one."""

import re

import pytest

from voicebot.web.console.places import HERE

CSS = (HERE / "static" / "console.css").read_text("utf-8")

TEXT = [
    (ink, ground)
    for ground in ("page", "card", "raised", "field", "hover", "bot", "caller", "mark")
    for ink in ("ink",)
] + [
    ("soft", "page"), ("soft", "card"), ("soft", "hover"), ("soft", "bot"), ("soft", "caller"),
    ("soft", "field"), ("accent", "card"), ("accent", "page"), ("accent-strong", "hover"),
    ("accent-strong", "accent-soft"), ("on-accent", "accent"), ("on-accent", "accent-strong"),
    ("danger", "card"), ("danger", "danger-soft"), ("on-solid", "danger-solid"),
    ("warn", "card"), ("warn", "warn-soft"), ("ok", "card"), ("ok", "ok-soft"),
    ("info", "info-soft"), ("muted", "muted-soft"), ("ink", "danger-soft"), ("ink", "accent-soft"),
    ("rail-ink", "rail"), ("rail-soft", "rail"), ("rail-strong", "rail-present"),
    ("rail-strong", "rail-hover"), ("soft", "accent-soft"),
]  # fmt: skip
"""What stands on what."""
SHAPES = [
    ("edge", "field"), ("edge", "card"), ("accent", "page"), ("danger-solid", "card"),
    ("rail-strong", "rail"), *((f"chart-{number}", "card") for number in range(1, 7)),
]  # fmt: skip
"""Borders of fields, marks and lines of charts: 3 to 1."""


def tokens(selector: str) -> dict[str, str]:
    block = re.search(re.escape(selector) + r" \{([^}]*)\}", CSS)
    assert block is not None, selector
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block[1]))


THEMES = {
    "light": tokens(":root"),
    "dark": tokens(':root[data-theme="dark"]'),
}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_stands_out_by_4_5_to_1(theme: str, ink: str, ground: str) -> None:
    assert contrast(THEMES[theme][ink], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shapes_that_mean_something_stand_out_by_3_to_1(
    theme: str, shape: str, ground: str
) -> None:
    assert contrast(THEMES[theme][shape], THEMES[theme][ground]) >= 3.0


def test_the_dark_of_the_system_is_the_dark_that_is_chosen() -> None:
    assert tokens(':root:not([data-theme="light"])') == THEMES["dark"]
    assert THEMES["dark"].keys() == THEMES["light"].keys()
