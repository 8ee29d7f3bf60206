"""axe-core (https://github.com/dequelabs/axe-core) finds nothing on any page of the navigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.console.stage import OFFICE, PHONE, Person, Stage, nav_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async (standards) => {
  const found = await axe.run(document, { runOnly: { type: "tag", values: standards } });
  return found.violations.map(({ id, help, nodes }) =>
    ({ id, help, where: nodes.slice(0, 5).map((node) => node.target.join(" ") + "  " +
      (node.any[0]?.message ?? "")) }));
}"""


async def violations(person: Person) -> list[dict[str, Any]]:
    # Not as a <script>, which the page's policy forbids.
    await person.page.evaluate(AXE)
    found: list[dict[str, Any]] = await person.page.evaluate(RUN, STANDARDS)
    return found


async def everywhere(stage: Stage, role: str, **how: Any) -> dict[str, Any]:
    """What is wrong, by path, with the pages that this role finds in its navigation."""
    wrong: dict[str, Any] = {}
    async with stage.person(role, **how) as person:
        paths = await nav_of(person)
        assert paths
        for path in paths:
            answer = await person.page.goto(path)
            assert answer.status == 200, path
            await person.gone("[data-again-after]")  # figures that are still being counted
            found = await violations(person)
            wide = await person.page.evaluate("() => document.documentElement.scrollWidth")
            if wide > how.get("size", OFFICE)["width"]:
                found.append({"id": "wide", "where": [f"{wide} px"]})
            if person.complaints:
                found.append({"id": "complaints", "where": list(person.complaints)})
                person.complaints.clear()
            if found:
                wrong[path] = found
    return wrong


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["supervisor", "agent", "reviewer", "admin"])
async def test_no_page_shuts_anybody_out(stage: Stage, role: str, dark: bool) -> None:
    assert await everywhere(stage, role, dark=dark) == {}


async def test_no_page_shuts_anybody_out_on_a_telephone(stage: Stage) -> None:
    assert await everywhere(stage, "supervisor", size=PHONE) == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_way_in_shuts_nobody_out(stage: Stage, dark: bool) -> None:
    async with stage.person(None, "/console/login", dark=dark) as person:
        assert await violations(person) == []
