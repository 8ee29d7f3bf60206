"""What can be read off the service at any moment, as gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from asr.pool import PoolFigures, UrgencyFigures
from flows.pending import Phase
from flows.state import State
from flows.surge_terms import Mode
from voicebot.loop_lag import Lag
from voicebot.metrics.backlog import Backlog


@dataclass(frozen=True, slots=True)
class Standing:
    """The service at one moment.

    Parameters:
        calls, room: calls of the bot, and the most that the settings allow.
        states: of the calls whose conversation has begun.
        lines, lines_room: outgoing lines in use, and how many there are.
        modes: of surge control, by the settings' lines.
        available: the database takes writes and nothing is left in the spool.
        traces: spans by what became of them; empty without traces.
        bus: what this process and the others tell each other; None where it is the only one.
    """

    calls: int
    room: int
    lines: int
    lines_room: int
    stopping: bool
    available: bool
    recognition: PoolFigures
    lag: Lag
    states: tuple[State, ...] = ()
    waiting_for_line: int = 0
    transcriber: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, Mode] = field(default_factory=dict)
    traces: Mapping[str, int] = field(default_factory=dict)
    bus: BusStanding | None = None
    listener: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BusStanding:
    """The way to the other processes of the installation.

    Parameters:
        connected: NATS is there.
        messages: by what became of them: sent, lost, received, unreadable.
        nodes: other processes that are heard, by role.
    """

    connected: bool
    messages: Mapping[str, int]
    nodes: Mapping[str, int]


def families(standing: Standing, backlog: Backlog | None) -> Iterator[Metric]:
    """The metrics; those of the database are left out where it did not answer (None)."""
    yield from _calls(standing)
    yield from _recognition(standing)
    yield _by(
        "voicebot_loop_lag_seconds",
        "How late the event loop was in the last minute.",
        "quantile",
        {"0.5": standing.lag.p50, "0.99": standing.lag.p99, "1": standing.lag.max},
        scale=0.001,
    )
    yield _by(
        "voicebot_surge",
        "1 while the line is in surge (高峰).",
        "line",
        {line: float(mode is Mode.SURGE) for line, mode in standing.modes.items()},
    )
    yield _one(
        "voicebot_records_available",
        "1 while the database takes writes and nothing waits in the spool.",
        standing.available,
    )
    if standing.traces:
        yield _counted(
            "voicebot_trace_spans",
            "Spans for the collector of traces: sent, failed or dropped.",
            "outcome",
            standing.traces,
        )
    if standing.bus is not None:
        yield from _bus(standing.bus)
    yield _one("voicebot_backlog_known", "1: what waits could be read.", backlog is not None)
    if backlog is not None:
        yield from _backlog(backlog)


def _calls(standing: Standing) -> Iterator[Metric]:
    yield _one("voicebot_calls", "Calls of the bot.", standing.calls)
    yield _one("voicebot_calls_room", "The most that the settings allow.", standing.room)
    phases = Counter(state.phase.value for state in standing.states)
    yield _by(
        "voicebot_calls_by_phase",
        "Calls by where the conversation stands.",
        "phase",
        {phase.value: phases[phase.value] for phase in Phase},
    )
    yield _one("voicebot_outgoing_lines", "Outgoing lines in use.", standing.lines)
    yield _one("voicebot_outgoing_lines_room", "Outgoing lines.", standing.lines_room)
    yield _one(
        "voicebot_waiting_for_line",
        "Callers who wait for a line to 110.",
        standing.waiting_for_line,
    )
    yield _one("voicebot_stopping", "1 while no call is taken any more.", standing.stopping)
    legs = GaugeMetricFamily(
        "voicebot_handoffs_open", "Legs of running calls' hand-offs.", labels=("to", "state")
    )
    for (to, leg), count in sorted(Counter(_legs(standing.states)).items()):
        legs.add_metric((to, leg), count)
    yield legs


def _legs(states: Iterable[State]) -> Iterator[tuple[str, str]]:
    for state in states:
        if state.handoff is None or state.phase is Phase.ENDED:
            continue
        yield state.handoff.route.kind, state.handoff.leg.value
        for side in state.handoff.sides:
            if not side.over:
                yield side.line, side.leg.value


def _bus(bus: BusStanding) -> Iterator[Metric]:
    yield _one("voicebot_bus_connected", "1 while NATS is there.", bus.connected)
    yield _counted(
        "voicebot_bus_messages",
        "Messages between processes: sent, lost, received or unreadable.",
        "outcome",
        bus.messages,
    )
    yield _by(
        "voicebot_nodes",
        "Other processes of the installation that are heard.",
        "role",
        {role: float(count) for role, count in bus.nodes.items()},
    )


def _recognition(standing: Standing) -> Iterator[Metric]:
    pool = standing.recognition
    urgencies = {"final": pool.final, "sentinel": pool.sentinel, "partial": pool.partial}

    def each(name: str, help_: str, of: Mapping[str, float], scale: float = 1.0) -> Metric:
        return _by(name, help_, "urgency", of, scale=scale)

    yield each("voicebot_decodes_waiting", "Decodes that wait.", _of(urgencies, "waiting"))
    yield each(
        "voicebot_decode_wait_p95_seconds",
        "What 95 of 100 of the last decodes waited at most.",
        _of(urgencies, "wait_ms_p95"),
        0.001,
    )
    yield each(
        "voicebot_real_time_factor",
        "Seconds of decoding a second of speech.",
        _of(urgencies, "real_time_factor"),
    )
    done = CounterMetricFamily("voicebot_decodes", "Decodes done.", labels=("urgency",))
    for urgency, figures in urgencies.items():
        done.add_metric((urgency,), figures.done)
    yield done
    yield CounterMetricFamily(
        "voicebot_decodes_dropped", "Partials without a place.", value=pool.dropped_partials
    )
    yield _one("voicebot_recogniser_utilisation", "Share of its time, 0..1.", pool.utilisation)
    if pool.room is not None:
        yield _one("voicebot_recogniser_room", "Calls it has room for, as measured.", pool.room)
    yield _counted(
        "voicebot_transcriber_faults",
        "What did not go as it should with its processes.",
        "kind",
        standing.transcriber,
    )
    yield _counted(
        "voicebot_listener_faults",
        "What did not go as it should with the ear process.",
        "kind",
        standing.listener,
    )


def _of(urgencies: Mapping[str, UrgencyFigures], attribute: str) -> dict[str, float]:
    return {name: float(getattr(figures, attribute)) for name, figures in urgencies.items()}


def _backlog(backlog: Backlog) -> Iterator[Metric]:
    queues = backlog.queues
    yield _by(
        "voicebot_backlog",
        "Messages that wait.",
        "queue",
        {queue: waiting.count for queue, waiting in queues.items()},
    )
    yield _by(
        "voicebot_backlog_oldest_seconds",
        "Age of the oldest of them.",
        "queue",
        {queue: waiting.oldest_s for queue, waiting in queues.items()},
    )
    yield _by("voicebot_inbox_not_taken", "Messages of 110 for people.", "state", backlog.not_taken)
    yield _one("voicebot_incidents_open", "Incidents that are open.", backlog.incidents)


def _one(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=float(value))


def _counted(name: str, help_: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=(label,))
    for key, count in counts.items():
        family.add_metric((key,), count)
    return family


def _by(
    name: str, help_: str, label: str, values: Mapping[str, float], *, scale: float = 1.0
) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), scale * value)
    return family
