"""The duty desk (值班台) of supervisors (值班长): what is going on, what is late, what was decided.

Its pages read what the HTTP API reads; what is done on them is done by the API (`static/duty.js`).
"""
