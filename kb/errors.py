"""What can go wrong in the knowledge base, each with a stable code and a sentence for the user.

KbError
 ├─ FileNotReadable    kb.file_not_readable   a CSV or JSON Lines file that cannot be used at all
 ├─ FileNotWritable    kb.file_not_writable   entries that a file of this form cannot hold
 ├─ UnknownEntry       kb.unknown_entry       an entry id that is not in the knowledge base
 ├─ FormRefused        kb.form_refused        a field of an entry that cannot be used
 ├─ StepRefused        kb.step_refused        a step that the life-cycle does not allow
 │   ├─ SamePerson     kb.same_person         who wrote it may not review it
 │   └─ Outdated       kb.outdated            somebody else has changed the entry meanwhile
 ├─ IndexNotReadable   kb.index_not_readable  a damaged or foreign search index
 ├─ RankerNotReadable  kb.ranker_not_readable weights that are missing or fit no feature list
 └─ AdapterNotReadable kb.adapter_not_readable maps of embeddings that are missing or damaged
"""


class KbError(Exception):
    """Base of all errors of this package; ``str()`` is fit to be shown to the user."""

    code = "kb.error"


class FileNotReadable(KbError):
    """The file as a whole cannot be used; errors of single rows are values, never raised."""

    code = "kb.file_not_readable"


class FileNotWritable(KbError):
    """A file of this form cannot hold the entries; nothing was written."""

    code = "kb.file_not_writable"


class UnknownEntry(KbError):
    """There is no entry of that id."""

    code = "kb.unknown_entry"


class FormRefused(KbError):
    """A field that somebody filled in cannot be used; nothing was changed."""

    code = "kb.form_refused"


class StepRefused(KbError):
    """The life-cycle does not allow this step; nothing was changed."""

    code = "kb.step_refused"


class SamePerson(StepRefused):
    """Who wrote a part of a version may not review it."""

    code = "kb.same_person"


class Outdated(StepRefused):
    """The version that was changed is no longer the newest."""

    code = "kb.outdated"


class IndexNotReadable(KbError):
    """The stored search index is damaged, or was made for other entries or another embedder."""

    code = "kb.index_not_readable"


class RankerNotReadable(KbError):
    """The stored weights of the ranker are missing, damaged or for another list of features."""

    code = "kb.ranker_not_readable"


class AdapterNotReadable(KbError):
    """The stored maps of embeddings are missing or damaged."""

    code = "kb.adapter_not_readable"
