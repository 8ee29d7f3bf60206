"""What is counted as it happens; what can be read off at any moment is in `standing`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from flows.events import LegState
from flows.routes import POLICE
from flows.surge import Decision
from telephony.call_control import Rejection

STAGES = ("triage", "search", "final", "reply", "answer", "handoff")
"""``triage``: a hypothesis, until it is decided what it means. ``search``: of the knowledge base.
``final``: the end of a turn, until its final words. ``reply``: the end of a turn, until the bot is
heard. ``answer``: the same, until an entry is read out. ``handoff``: the end of the audio that
the decisive hypothesis is of, until 110 is dialled."""

ENGINES = ("listener", "transcriber", "knowledge_base", "speech")
"""Those of `flows.events.EngineFailed`."""
OUTCOMES = ("answer", "clarify", "none")
"""Of a search: `flows.events.SearchResult`."""
LIMITS = ("client", "refused", "sign_in")
"""Of requests: `voicebot.web.limiting`."""
NOT_ANSWERED = "not_answered"
"""The line was gone, or failed, before it was answered; it counts as a refusal."""

STAGE_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
PERSON_BUCKETS_S = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """The counters of one service, in a registry of their own. Thread-safe; never raises."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        # Series that alerts look at exist from the start: of one that begins with 1, Prometheus
        # sees no increase.
        self._routed = Counter(
            "voicebot_calls_routed",
            "Offered calls, by where surge control sent them.",
            ("line", "destination", "reason"),
            registry=registry,
        )
        self._refused = Counter(
            "voicebot_calls_refused", "Calls not answered.", ("reason",), registry=registry
        )
        self._answered = Counter(
            "voicebot_calls_answered", "Calls answered by the bot.", ("trunk",), registry=registry
        )
        self._ended = Counter(
            "voicebot_calls_ended",
            "Calls that are over, by what they came to.",
            ("outcome",),
            registry=registry,
        )
        self._triage = Counter(
            "voicebot_triage_calls",
            "Calls that are over, by the route that their words meant in the end.",
            ("route",),
            registry=registry,
        )
        self._searches = Counter(
            "voicebot_searches",
            "Searches for whole questions: answer, clarify or none.",
            ("outcome",),
            registry=registry,
        )
        self._handoffs = Counter(
            "voicebot_handoffs", "Hand-offs begun.", ("to", "reason"), registry=registry
        )
        self._legs = Counter(
            "voicebot_handoff_legs",
            "Progress of the legs of hand-offs.",
            ("to", "state"),
            registry=registry,
        )
        self._alone = Counter(
            "voicebot_police_lines_alone",
            "Lines to 110, asked for or given to who waited, on which this process decided without "
            "the others: the database, which gives out the lines of all nodes, had not answered.",
            registry=registry,
        )
        self._failures = Counter(
            "voicebot_engine_failures",
            "Calls that went on without an ear, the knowledge base or a prompt.",
            ("engine",),
            registry=registry,
        )
        self._limited = Counter(
            "voicebot_requests_limited",
            "Requests that were told to come later.",
            ("why",),
            registry=registry,
        )
        self._webhooks = Counter(
            "voicebot_webhook_requests",
            "Events sent to webhooks, by what came of it: delivered or failed.",
            ("webhook", "outcome"),
            registry=registry,
        )
        stage = Histogram(
            "voicebot_stage_seconds",
            "How long callers wait for each stage.",
            ("stage",),
            buckets=STAGE_BUCKETS_S,
            registry=registry,
        )
        for reason in (*Rejection, NOT_ANSWERED):
            self._refused.labels(str(reason))
        for why in LIMITS:
            self._limited.labels(why)
        for engine in ENGINES:
            self._failures.labels(engine)
        for outcome in OUTCOMES:
            self._searches.labels(outcome)
        for state in LegState:
            self._legs.labels(POLICE, state.value)
        self._stages = {name: stage.labels(name) for name in STAGES}
        self._person = Histogram(
            "voicebot_handoff_person_seconds",
            "From a hand-off until a person there is heard.",
            ("to",),
            buckets=PERSON_BUCKETS_S,
            registry=registry,
        )

    def routed(self, line: str, decision: Decision) -> None:
        """`line`: one of the settings'."""
        self._routed.labels(line, decision.destination.value, decision.reason.value).inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def answered(self, trunk: str) -> None:
        self._answered.labels(trunk).inc()

    def ended(self, outcome: str, route: str) -> None:
        """`route`: of `flows.triage.ROUTES`, ``unknown`` where nothing was said."""
        self._ended.labels(outcome).inc()
        self._triage.labels(route).inc()

    def searched(self, outcome: str) -> None:
        self._searches.labels(outcome).inc()

    def handed_off(self, to: str, reason: str) -> None:
        self._handoffs.labels(to, reason).inc()

    def leg(self, to: str, state: str) -> None:
        self._legs.labels(to, state).inc()

    def line_alone(self) -> None:
        self._alone.inc()

    def failed(self, engine: str) -> None:
        self._failures.labels(engine).inc()

    def limited(self, why: str) -> None:
        """`why`: one of `LIMITS`."""
        self._limited.labels(why).inc()

    def webhook_known(self, webhook: str) -> None:
        """Its series exist from now on; `webhook`: one of the settings'."""
        for outcome in ("delivered", "failed"):
            self._webhooks.labels(webhook, outcome)

    def webhook_sent(self, webhook: str, *, delivered: bool) -> None:
        self._webhooks.labels(webhook, "delivered" if delivered else "failed").inc()

    def took(self, stage: str, seconds: float) -> None:
        """`stage`: one of `STAGES`."""
        self._stages[stage].observe(max(0.0, seconds))

    def person_heard(self, to: str, seconds: float) -> None:
        self._person.labels(to).observe(seconds)
