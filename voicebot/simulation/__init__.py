"""The hotline as a simulation: queue, wait, abandonment and containment before it is so.

Calls of a scenario's day go through `flows.surge.decide`, the law that admits real ones.
"""
