"""A believable network of West and East Africa to try Kiti with: our own data, no real company.

Its trips renew themselves: running it again adds the days that have come, and nothing else.
"""
