"""The knowledge base: approved questions and answers, and finding the one a caller means.

`importer` reads them, `store` keeps every version and alone decides what may be spoken, `index`
makes them searchable, `search` finds or abstains, `evaluation` says how well.

Heavy parts (numpy, SQLAlchemy) load when a name is first used, so that commands start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kb.batch import BadLine, search_file
    from kb.corpus import read_gaps, read_labelled
    from kb.entry import Entry, Status
    from kb.errors import KbError
    from kb.evaluation import evaluate
    from kb.importer import Imported, read_entries, read_phrasings
    from kb.index import Embedder, Index, build
    from kb.index_file import open_index
    from kb.ranker import Ranker
    from kb.search import Candidate, Searcher, SearchResult
    from kb.store import import_entries, import_gaps, import_phrasings, published, revision
    from kb.training import train

_HOMES = {
    "BadLine": "batch",
    "Candidate": "search",
    "Embedder": "index",
    "Entry": "entry",
    "Imported": "importer",
    "Index": "index",
    "KbError": "errors",
    "Ranker": "ranker",
    "SearchResult": "search",
    "Searcher": "search",
    "Status": "entry",
    "build": "index",
    "evaluate": "evaluation",
    "import_entries": "store",
    "import_gaps": "store",
    "import_phrasings": "store",
    "open_index": "index_file",
    "published": "store",
    "read_entries": "importer",
    "read_gaps": "corpus",
    "read_labelled": "corpus",
    "read_phrasings": "importer",
    "revision": "store",
    "search_file": "batch",
    "train": "training",
}

__all__ = [
    "BadLine",
    "Candidate",
    "Embedder",
    "Entry",
    "Imported",
    "Index",
    "KbError",
    "Ranker",
    "SearchResult",
    "Searcher",
    "Status",
    "build",
    "evaluate",
    "import_entries",
    "import_gaps",
    "import_phrasings",
    "open_index",
    "published",
    "read_entries",
    "read_gaps",
    "read_labelled",
    "read_phrasings",
    "revision",
    "search_file",
    "train",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"kb.{home}"), name)
