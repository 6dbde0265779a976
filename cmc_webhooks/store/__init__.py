"""All writes: sets of rows, sorted by key, so that concurrent batches queue up instead of deadlocking.

`ignore_conflicts` is not used: it deadlocks MariaDB, drops rows with any error on SQLite and truncates text
on MariaDB. Raw SQL on the package's tables is used here and nowhere else.

A batch is stored by a `BatchWriter`: by the portable one, which uses the ORM and is the reference, or by one
that is as fast as its database allows.
"""
