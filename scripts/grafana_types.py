"""Checks deploy/observability/dashboard.json against the types that Grafana itself is built with.

    .venv/bin/python scripts/grafana_types.py        needs node and npm; not part of the tests

Fetches @grafana/schema and TypeScript from npm into .cache/grafana-types, writes the dashboard as
a literal of their type `Dashboard`, its panels' options as literals of their panel's types, and
has tsc compile that: an unknown name, a value of another type and a missing field are errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "grafana-types"
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
PANELS = {"timeseries": "TimeSeries", "stat": "Stat"}
TYPES = "./node_modules/@grafana/schema/dist/types/raw/composable/{}/panelcfg/x/types.gen.js"
# JSON has the words of an enumeration, and not its members.
PLAIN = """
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""
COMPILER = {
    "strict": True, "noEmit": True, "skipLibCheck": True, "types": [],
    "module": "nodenext", "moduleResolution": "nodenext", "target": "es2022",
}  # fmt: skip


def program(dashboard: dict[str, Any]) -> str:
    """TypeScript that compiles if the dashboard is one."""
    lines = ["import type { Dashboard } from '@grafana/schema';"]
    lines += [f"import type * as {kind} from '{TYPES.format(of)}';" for of, kind in PANELS.items()]
    lines += [PLAIN, f"const dashboard: Plain<Dashboard> = {literal(dashboard)};"]
    for panel in dashboard["panels"]:
        kind = PANELS.get(panel["type"])
        if kind is None:
            continue
        lines.append(
            f"const options{panel['id']}: Partial<Plain<{kind}.Options>>"
            f" = {literal(panel['options'])};"
        )
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            lines.append(
                f"const custom{panel['id']}: Plain<{kind}.FieldConfig> = {literal(custom)};"
            )
    return "\n".join(lines)


def literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text('{"type": "module", "private": true}')
    options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps")
    run("npm", "install", "--no-save", *options, *PACKAGES)
    dashboard = json.loads((ROOT / "deploy/observability/dashboard.json").read_text("utf-8"))
    (FOLDER / "dashboard.ts").write_text(program(dashboard), "utf-8")
    project = {"compilerOptions": COMPILER, "files": ["dashboard.ts"]}
    (FOLDER / "tsconfig.json").write_text(json.dumps(project))
    run("node", "node_modules/typescript/bin/tsc", "-p", "tsconfig.json")
    print(f"The dashboard is one to {PACKAGES[0]}.")


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=FOLDER)  # noqa: S603 - nothing in it is anybody's input
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
