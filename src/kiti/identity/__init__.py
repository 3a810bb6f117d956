"""Who is calling: accounts, roles, sessions, tokens, guests.

Owns the tables account, account_role and session. Holds: an e-mail belongs to one account, in lower
case; passwords are argon2id; a session is one family of refresh tokens, kept as hashes, of which
one is current; a role comes from the database, never from a client. A session is live until it is
revoked or past `expires_at`, by the database's clock.
"""
