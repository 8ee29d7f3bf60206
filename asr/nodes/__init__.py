"""A transcriber that is shared: nodes with its weights answer processes without any, over NATS.

Each request holds all audio that it is about (16-bit, at most 24 s of it: 768 kB of NATS's 1 MB),
so any node can answer it, and a node that is lost costs one decode and no word. ``transcriber`` is
the ``Recognizer`` of those without weights, ``node`` the side that answers; ``messages`` is what
they say, ``roster`` what is known of the nodes.

Subjects, below the installation's own (``nats.subject``):

asr.decode       requests; the queue group ``asr`` gives each to one node
asr.node.NODE    requests for that node; an empty message asks how it is
asr.status       how each node is, once a second
asr.hello        an empty message asks all nodes how they are
"""
