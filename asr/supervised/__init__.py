"""A recogniser in a process of its own: what crashes or hangs there costs no call.

The audio of each utterance stays here (``stream``); a lost process is replaced by one that is
loaded already (``supervisor``), and is told the utterance from its beginning. One request is at
work at a time; a process that has grown or aged is replaced where an utterance begins (``wear``).
"""
