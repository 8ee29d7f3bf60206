"""Figures of the hotline (R15, R17, R20): what is counted, and what callers call about.

`indicators.py` defines each figure once; `counting.py` computes them in SQL; `topics.py` finds
what many callers mean; `rising.py` says when that is unusual.
"""
