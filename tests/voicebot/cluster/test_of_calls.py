"""Which requests go to the node that has the call."""

from __future__ import annotations

import pytest

from voicebot.web.of_calls import OfCall, concerns


@pytest.mark.parametrize(
    ("path", "concerned"),
    [
        ("/v1/agent/calls/CA1/acts", OfCall("running", "CA1")),
        ("/v1/agent/calls/a/b@c/stream", OfCall("running", "a/b@c")),
        ("/v1/agent/calls/a/b@c/draft", OfCall("call", "a/b@c")),
        ("/v1/agent/offers/L7/line", OfCall("leg", "L7")),
        ("/console/110/CA1-h2/stream", OfCall("handoff", "CA1")),
        ("/console/110/CA1-h2/recording", OfCall("recording", "CA1")),
        ("/console/calls/a/b/recording", OfCall("recording", "a/b")),
        ("/media", OfCall("new_call", "")),
        ("/media/fork", OfCall("new_call", "")),
        ("/console/110/CA1-h2", None),
        ("/v1/agent/stream", None),
        ("/console/calls/CA1", None),
        ("/api/calls/CA1/live", None),
        ("/media/other", None),
    ],
)
def test_a_path_says_which_call_it_concerns(path: str, concerned: OfCall | None) -> None:
    assert concerns(path) == concerned
