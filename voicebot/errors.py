"""What the application can complain of, each with a stable code and a sentence for people.

VoicebotError
├── ModelUnavailable   a model's files are missing or damaged, or cannot run here
│   └── EmbedderFailed     sentences cannot be embedded just now; calls go on without
├── FetchFailed        a model could not be fetched (network, space, wrong contents)
└── SpeechUnavailable  no voice can speak this text
"""

from __future__ import annotations


class VoicebotError(Exception):
    """``str()`` says what is wrong and what to do; ``code`` is for machines."""

    code = "voicebot.error"


class ModelUnavailable(VoicebotError):
    """A model's files are missing or damaged, or cannot run on this machine."""

    code = "voicebot.model_unavailable"


class EmbedderFailed(ModelUnavailable):
    """Sentences cannot be embedded just now: judge and search without their vectors."""

    code = "voicebot.embedder_failed"


class FetchFailed(VoicebotError):
    """A model could not be fetched."""

    code = "voicebot.fetch_failed"


class SpeechUnavailable(VoicebotError):
    """No voice is installed that could speak."""

    code = "voicebot.speech_unavailable"
