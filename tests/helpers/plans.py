"""The plans of statements, on each database."""

from __future__ import annotations

from django.db import connection


def analyse() -> None:
    """Have the planner know the rows of the test. On MariaDB, ANALYZE would commit."""
    if connection.vendor != "mysql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def plan_of(sql: str) -> str:
    """Return the plan of a statement; PostgreSQL reads whole tables only where no index would do."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        return " ".join(str(row) for row in cursor.fetchall())
