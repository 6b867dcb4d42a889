"""How the SQL of the hot paths reaches either database's driver. It knows no statement.

SQLite's driver lets go of the interpreter at each step: each row that is found, each row that `executemany` writes.
While others compute, its thread waits for it every time, up to the switch interval: a batch of 64 questions took 6 ms alone
and 172 beside a busy loop. So many rows are written by one statement and read as one row of JSON, which made that 23
(2026-11-28). Django's cursor is passed by there: it goes through a statement's text for each parameter at every call.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from operator import attrgetter
from uuid import UUID

import pydantic_core
from django.db import connection, models

# A UUID travels as the 32 hexadecimal digits that SQLite keeps, a list as one JSON text.
PARAMETERS = {
    "sqlite": {
        "uuid": "%s",
        "keys": "SELECT value FROM json_each(%s)",
        "uuids": "SELECT value FROM json_each(%s)",
        "pairs": "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(%s)",
    },
    "postgresql": {
        "uuid": "%s::uuid",
        "keys": "SELECT value::bigint FROM json_array_elements_text(%s)",
        "uuids": "SELECT value::uuid FROM json_array_elements_text(%s)",
        "pairs": "SELECT (value->>0)::uuid, (value->>1)::uuid FROM json_array_elements(%s)",
    },
}


def rows(sql: str, *parameters) -> list[tuple]:
    """Return all that a statement finds."""
    return _run(_text(sql, connection.vendor), parameters, finds=True)


def execute(sql: str, *parameters) -> None:
    """Execute a statement that finds nothing."""
    _run(_text(sql, connection.vendor), parameters)


class Listing:
    """A SELECT that may find many rows: what it returns of each, which may be no BLOB, and all from its FROM on."""

    def __init__(self, columns: str, source: str):
        self._columns = columns
        self._source = source

    @cached_property
    def _sql(self) -> str:
        wanted = f"json_group_array(json_array({self._columns}))" if connection.vendor == "sqlite" else self._columns
        return f"SELECT {wanted} {self._source}"

    def rows(self, *parameters) -> list:
        """Return all that it finds, each a sequence of its columns."""
        found = rows(self._sql, *parameters)
        return pydantic_core.from_json(found[0][0]) if connection.vendor == "sqlite" else found


@lru_cache(maxsize=512)
def _text(sql: str, vendor: str) -> str:
    return sql.format_map(PARAMETERS[vendor])


@lru_cache(maxsize=512)
def _for_sqlite(text: str) -> str:
    return text.replace("%s", "?")


def _run(text: str, parameters: Iterable, *, finds: bool = False) -> list[tuple] | None:
    if connection.vendor == "sqlite" and not connection.queries_logged:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            cursor: sqlite3.Cursor = connection.connection.execute(_for_sqlite(text), parameters)
            return cursor.fetchall() if finds else None
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if finds else None


# ---- What the databases take


def to_json(value) -> str:
    """Return JSON text; six times as fast as Python's json where values are small, as these are."""
    return pydantic_core.to_json(value).decode()


def uuid_of(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def moment():
    """Return what makes a moment fit: Django keeps it in SQLite as text, in UTC and without saying so."""
    return _as_sqlite_text if connection.vendor == "sqlite" else lambda value: value


@lru_cache(maxsize=256)
def _as_sqlite_text(moment: datetime) -> str:
    """Kept, for a batch says the same of most of its rows."""
    return moment.replace(tzinfo=None).isoformat(" ")


class Rows:
    """Rows of a model's table that are written together: its columns `names`, all if none are named.

    PostgreSQL takes them as one JSON text, whatever their number. SQLite needs twice as long to take that apart as to be
    given the values, so there they go by powers of two: 45 rows as 32, 8, 4 and 1, in statements that its driver keeps.
    """

    def __init__(self, model: type[models.Model], *names: str):
        self._table = model._meta.db_table
        self._fields = [model._meta.get_field(name) for name in names] or model._meta.concrete_fields
        self._columns = [field.column for field in self._fields]

    def values_of(self, row: models.Model) -> list:
        """Return what a model holds in these columns."""
        return [getattr(row, field.attname) for field in self._fields]

    def insert(self, rows: list[Iterable]) -> None:
        """Insert rows, each the values of the columns in their order."""
        columns = ", ".join(self._columns)
        for source, parameters in self._sources(rows):
            execute(f"INSERT INTO {self._table} ({columns}) SELECT * FROM {source}", *parameters)

    def update(self, rows: list[Iterable]) -> None:
        """Update rows that are known by the last column."""
        *changed, key = zip(self._columns, self._source_columns, strict=True)
        values = ", ".join(f"{column} = rows.{value}" for column, value in changed)
        for source, parameters in self._sources(rows):
            execute(f"UPDATE {self._table} SET {values} FROM {source} WHERE {self._table}.{key[0]} = rows.{key[1]}",
                    *parameters)

    def _sources(self, rows: list[Iterable]) -> Iterator[tuple[str, Iterable]]:
        """Yield what gives the rows in a FROM, under the name `rows`, with its parameters; several parts on SQLite."""
        fitted = [self._fitted(row) for row in rows]
        if connection.vendor == "sqlite":
            while fitted:
                count = 1 << len(fitted).bit_length() - 1
                yield _values(len(self._columns), count), chain.from_iterable(fitted[:count])
                del fitted[:count]
        elif fitted:
            yield self._recordset, (to_json([dict(zip(self._columns, row, strict=True)) for row in fitted]),)

    @cached_property
    def _source_columns(self) -> list[str]:
        return [f"column{place}" for place in range(1, len(self._columns) + 1)] if connection.vendor == "sqlite" \
            else self._columns

    @cached_property
    def _recordset(self) -> str:
        types = ", ".join(f"{field.column} {field.db_type(connection)}" for field in self._fields)
        return f"json_to_recordset(%s) AS rows({types})"

    @cached_property
    def _fittings(self) -> list[tuple[int, Callable]]:
        """(place of a value, what makes it fit)…"""
        return [(place, fit) for place, field in enumerate(self._fields) if (fit := _fitting(field)) is not None]

    def _fitted(self, row: Iterable) -> list:
        values = list(row)
        for place, fit in self._fittings:
            if values[place] is not None:
                values[place] = fit(values[place])
        return values


@lru_cache
def _values(width: int, count: int) -> str:
    row = f"({', '.join(['%s'] * width)})"
    return f"(VALUES {', '.join([row] * count)}) AS rows"


def _fitting(field: models.Field) -> Callable | None:
    """Return what makes a field's value fit SQLite, or the JSON that PostgreSQL is given."""
    target = field.target_field if field.is_relation else field
    if isinstance(target, models.UUIDField):
        return attrgetter("hex")
    if connection.vendor == "sqlite":
        if isinstance(target, models.DateTimeField):
            return moment()
        return to_json if isinstance(target, models.JSONField) else None
    return (lambda value: rf"\x{value.hex()}") if isinstance(target, models.BinaryField) else None
