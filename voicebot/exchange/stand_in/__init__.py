"""A stand-in for 110's platform, for tests, trials and the demo: `voicebot exchange stand-in`.

A process of its own with a store of its own. It keeps to docs/exchange.md without our tables,
outbox or inbox, so that what we send is read by somebody else's code; and it can be told to
misbehave in the ways that platforms do (`faults`).
"""
