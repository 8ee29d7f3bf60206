"""What `make bench` runs: each measurement beside the ordinary way, in the same run.

`bench_latency` is end of the caller's speech → first sound of an answer, over real
calls; `asr` is recognition: character errors, cost, and latency with many calls.
"""
