"""Surge control of a running service: figures in, each call's destination out.

`flows.surge` is the law. Here are its figures (`board`, `arrivals`, `forecasting`), a
supervisor's orders (`orders`), the decision for an offered call (`control`), the way of a
caller who was given to seats (`diverting`), and what is kept about both (`decisions`).
"""
