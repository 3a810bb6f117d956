"""Work after a commit, and work by the clock: the queue, the worker, named jobs and schedules.

Owns the tables `job`, `job_dead` and `named_job`. A job is written in the transaction that causes
it (`service.enqueue`); `app.py` binds its kind to a handler, so news goes up without an import. A
handler may run more than once for one job (a worker can die after the effect and before the job is
crossed off), so it is idempotent.

States of a job: waiting → running (under a lease) → gone when done. After a failure it waits again,
longer each time; after its last attempt it is dead, until somebody revives it. A worker that dies
is an attempt that failed: its lease ends by the database's clock.
"""
