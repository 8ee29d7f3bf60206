"""An installation of several nodes on this machine, under SIP calls: what is lost when one dies?"""
