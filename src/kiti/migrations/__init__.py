"""Numbered SQL, forward only. Each file's header comment says why it exists."""
