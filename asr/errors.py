"""What can go wrong in recognition, each with a stable code and a sentence for the user.

AsrError
 ├─ AudioError         the caller's file or samples
 │   ├─ AudioNotReadable   asr.audio_not_readable
 │   ├─ AudioEmpty         asr.audio_empty
 │   └─ AudioTooLong       asr.audio_too_long
 └─ EngineError        our side
     ├─ ModelMissing       asr.model_missing
     ├─ ModelBroken        asr.model_broken
     └─ UnknownEngine      asr.unknown_engine
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
