"""What can go wrong in recognition, each with a stable code and a sentence for the user.

AsrError
 ├─ AudioError         the caller's file or samples
 │   ├─ AudioNotReadable   asr.audio_not_readable
 │   ├─ AudioEmpty         asr.audio_empty
 │   └─ AudioTooLong       asr.audio_too_long
 └─ EngineError        our side
     ├─ ModelMissing       asr.model_missing
     ├─ ModelBroken        asr.model_broken
     ├─ UnknownEngine      asr.unknown_engine
     ├─ EngineLost         asr.engine_lost     its process
     │   └─ NodesAway      asr.nodes_away      no node of the shared transcriber answers
     ├─ DecodeFailed       asr.decode_failed   in its process
     └─ RemoteError        asr.remote       a server that recognises for us
         ├─ RemoteAddressInvalid  asr.remote_address
         ├─ RemoteUnreachable     asr.remote_unreachable
         ├─ RemoteRefused         asr.remote_refused
         ├─ RemoteProtocolBroken  asr.remote_protocol
         └─ RemoteTooSlow         asr.remote_too_slow
"""


class AsrError(Exception):
    """Base of all errors of this package; ``str()`` is fit to be shown to the user."""

    code = "asr.error"


class AudioError(AsrError):
    """The audio handed in cannot be used."""

    code = "asr.audio"


class AudioNotReadable(AudioError):
    """The file is missing, damaged or no audio."""

    code = "asr.audio_not_readable"


class AudioEmpty(AudioError):
    """The file holds no samples."""

    code = "asr.audio_empty"


class AudioTooLong(AudioError):
    """The file is longer than the limit."""

    code = "asr.audio_too_long"


class EngineError(AsrError):
    """A recogniser cannot be used."""

    code = "asr.engine"


class ModelMissing(EngineError):
    """A model's files are not where they were looked for."""

    code = "asr.model_missing"


class ModelBroken(EngineError):
    """A model's files are there but the engine refuses them."""

    code = "asr.model_broken"


class UnknownEngine(EngineError):
    """There is no engine of that name."""

    code = "asr.unknown_engine"


class EngineLost(EngineError):
    """An engine's process ended or hung, and so did the one after it; the next utterance may do."""

    code = "asr.engine_lost"


class NodesAway(EngineLost):
    """No node of the shared transcriber is there, or NATS is away; tried again with each decode."""

    code = "asr.nodes_away"


class DecodeFailed(EngineError):
    """An engine in its process raised at this audio; the process goes on."""

    code = "asr.decode_failed"


class RemoteError(EngineError):
    """A speech server cannot be used."""

    code = "asr.remote"


class RemoteAddressInvalid(RemoteError):
    """Its address, token file or certificates cannot be used."""

    code = "asr.remote_address"


class RemoteUnreachable(RemoteError):
    """It is away; it is tried again."""

    code = "asr.remote_unreachable"


class RemoteRefused(RemoteError):
    """It refuses us or we do not trust it; trying again soon is of no use."""

    code = "asr.remote_refused"


class RemoteProtocolBroken(RemoteError):
    """It sends what is none of its protocol."""

    code = "asr.remote_protocol"


class RemoteTooSlow(RemoteError):
    """It gave nothing in time."""

    code = "asr.remote_too_slow"
