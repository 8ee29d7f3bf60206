"""The settings read again while calls run: what new calls can go by at once, and what waits.

Each call keeps the settings that it began with, so nothing changes under a caller. What is built
at the start (engines, endpoints, the database, doors) is not built again: its keys are named as
needing a restart, and stay as they are. A file that cannot be used changes nothing.

The duty directory, the knowledge base, surge orders, tokens and accounts are in the database and
followed from there; they need neither.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from voicebot import logs
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.config_base import Section
from voicebot.config_callers import DialledLine
from voicebot.records.store import Records
from voicebot.security import Principal

log = structlog.get_logger()

AT_ONCE: Mapping[str, frozenset[str]] = {
    "lines": frozenset({"greeting", "region", "merged_into", "opens", "closes", "weekdays"}),
    "dialogue": frozenset(
        {
            *("silence_s", "patience_s", "nudges", "unheard", "danger_questions", "suspicion"),
            *("early_answer", "police_over_answer", "undecided", "neither"),
        }
    ),
    "turn": frozenset({"vad_confidence", "start_s", "stop_s", "ceiling_s", "max_turn_s"}),
    "asr": frozenset({"partial_every_s"}),
    "handoff": frozenset(
        {"answer_timeout_s", "confirm_timeout_s", "queue_patience_s", "queue_timeout_s"}
    ),
    "admission": frozenset(
        {
            *("calls", "calls_at_least", "final_within_s", "handoff_reserve", "handoff_lines"),
            *("per_number", "retry_after_s", "drain_s"),
        }
    ),
    "surge": frozenset(
        {
            *("enter_wait_s", "leave_wait_s", "hold_s", "call_back_wait_s", "look_ahead_s"),
            *("stale_after_s", "seat_reserve", "remote_keeps", "remote", "call_back", "bot_first"),
            *("queues", "lines"),
        }
    ),
    "callers": frozenset({"limit_days", "evaluate_calls"}),
    "log": frozenset({"level"}),
}
"""Keys that count from the next call on; every other key needs a restart."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a file that was read again means for a running service.

    Parameters:
        settings: those in force from now on.
        changed: keys whose value in the file counts now, such as ``admission.calls`` or
            ``lines.12345.greeting``.
        restart: keys whose value in the file counts after a restart; the old one stays.
    """

    settings: Settings
    changed: tuple[str, ...]
    restart: tuple[str, ...]


def reloaded(running: Settings, file: Settings) -> Reloaded:
    """What of `file` a service that goes by `running` takes over. Pure."""
    sections: dict[str, Any] = {}
    changed: list[str] = []
    restart: list[str] = []

    def taken(name: str, old: Section, new: Section, at_once: frozenset[str]) -> Section:
        differs = [key for key in type(old).model_fields if getattr(old, key) != getattr(new, key)]
        now = [key for key in differs if key in at_once]
        changed.extend(f"{name}.{key}" for key in now)
        restart.extend(f"{name}.{key}" for key in differs if key not in at_once)
        return old.model_copy(update={key: getattr(new, key) for key in now})

    for name in Settings.model_fields:
        old, new = getattr(running, name), getattr(file, name)
        if isinstance(old, Section):
            sections[name] = taken(name, old, new, AT_ONCE.get(name, frozenset()))
        elif name != "lines":
            restart.extend([name] if old != new else [])
        elif not _same_numbers(old, new):
            restart.append("lines")
        else:
            sections[name] = tuple(
                taken(f"lines.{line.did}", line, other, AT_ONCE["lines"])
                for line, other in zip(old, _in_order(old, new), strict=True)
            )
    return Reloaded(running.model_copy(update=sections), tuple(changed), tuple(restart))


def _same_numbers(old: tuple[DialledLine, ...], new: tuple[DialledLine, ...]) -> bool:
    return sorted(line.did for line in old) == sorted(line.did for line in new)


def _in_order(old: tuple[DialledLine, ...], new: tuple[DialledLine, ...]) -> Iterator[DialledLine]:
    by_number = {line.did: line for line in new}
    return (by_number[line.did] for line in old)


class Running(Protocol):
    """What is reloaded: `voicebot.app.Service`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def records(self) -> Records: ...
    def take_settings(self, settings: Settings) -> None:
        """What new calls go by from now on."""
        ...


async def reload(
    service: Running,
    who: Principal,
    client: str = "",
    *,
    dry_run: bool = False,
    read: Callable[[], Settings] = load_settings,
) -> Reloaded:
    """Reads the settings again and takes over what can be; the act is audited, refused or not.

    Parameters:
        dry_run: say what would change, and change nothing.

    Raises:
        ConfigError: they cannot be used; everything stays as it is.
    """
    try:
        found = reloaded(service.settings, await asyncio.to_thread(read))
    except ConfigError as error:
        log.error("settings_not_reloaded", reason=str(error))
        await service.records.audit(who, "config.reload", "refused", client, allowed=False)
        raise
    if dry_run:
        return found
    service.take_settings(found.settings)
    if "log.level" in found.changed:
        logs.configure(found.settings.log.level, as_json=found.settings.log.as_json)
    await service.records.audit(who, "config.reload", " ".join(found.changed), client)
    log.info("settings_reloaded", changed=found.changed, restart=found.restart)
    return found


class OnHangUp:
    """SIGHUP reads the settings again (`systemctl reload voicebot`); before the service is
    loaded it is passed over, for what it would read has just been read.
    """

    AUTHOR = Principal("SIGHUP", "local", "")

    def __init__(self) -> None:
        self.service: Running | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._begin)

    def _begin(self) -> None:
        if self.service is None:
            return
        task = asyncio.create_task(self._reload(self.service))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self, service: Running) -> None:
        try:
            await reload(service, self.AUTHOR)
        except ConfigError:
            pass  # said in the log; nobody waits for an answer
        except Exception:
            log.exception("settings_not_reloaded")
