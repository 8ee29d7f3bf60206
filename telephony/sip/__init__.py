"""Direct SIP without a PBX (直连SIP): media processes built on PJSUA2, and their supervisor.

`endpoint.SipEndpoint` is what an application uses; `worker` is the program of a media
process. Nothing else outside this folder knows PJSUA2.
"""
