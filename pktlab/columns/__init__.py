"""What do a million packets say?

Fields by name and type, and filters over them. It imports `flows`, `capture`, `wire` and what is below.
"""
