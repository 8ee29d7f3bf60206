"""One fault of each kind against a running service under calls: is anything lost?"""
