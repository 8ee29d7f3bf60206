"""What can be wrong with triage's data, each with a stable code and a sentence for the user.

TriageError
 ├─ PhraseError     triage.phrases    the phrase table
 ├─ ExampleError    triage.examples   the labelled lines
 ├─ WeightsError    triage.weights    the trained classifier
 └─ InputError      triage.input      a row handed in to be assessed
"""


class TriageError(Exception):
    """Base of all errors of this package; ``str()`` is fit to be shown to the user."""

    code = "triage.error"


class PhraseError(TriageError):
    """The phrase table breaks its schema."""

    code = "triage.phrases"


class ExampleError(TriageError):
    """A labelled line breaks its form."""

    code = "triage.examples"


class WeightsError(TriageError):
    """The classifier's weights are missing, damaged or of another version."""

    code = "triage.weights"


class InputError(TriageError):
    """A row that was handed in cannot be assessed."""

    code = "triage.input"
