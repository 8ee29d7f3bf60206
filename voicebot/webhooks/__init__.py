"""Events for other systems: told at least once, in order for each subject, signed.

    telling.py        an event is written for whoever wants it, in the transaction of what it tells
    events.py         what each event says; no number in full, no word of a caller
    publications.py   the same for the knowledge base, whose code knows nothing of events
    queue.py          what is due, what became of it, what waits: each one transaction
    posting.py        one event, signed (RFC 9421), to one receiver
    worker.py         does it, in the service; each receiver by itself

Two outboxes are older: dossiers are states, of which the newest counts, and envelopes of the
exchange are confirmed by their content. Here each event counts, is for several receivers, and any
answer of 2xx takes it. Signatures, keys, addresses and pauses are the exchange's.
"""
