"""Migrations run while the code of the release before still serves: nothing may be taken from under it.

The rule stands in docs/operations.md: expand, then contract. A migration that contracts says in `UNUSED_SINCE` which
released version stopped using what it takes; one with SQL of its own or a data migration says in `BESIDE_OLD_CODE` why
old code goes on meanwhile.
"""

import re
import types
from importlib import import_module
from pathlib import Path

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

ROOT = Path(__file__).resolve().parent.parent
APPS = ("classrooms", "reading_sessions")
# Before the first release there was no old code to serve meanwhile.
BEFORE_FIRST_RELEASE = {("classrooms", "0002_accounts_and_texts"), ("classrooms", "0003_drop_text_source"),
                        ("reading_sessions", "0007_where_receipts_are_found")}
TAKES = (migrations.RemoveField, migrations.RenameField, migrations.DeleteModel, migrations.RenameModel,
         migrations.AlterModelTable, migrations.AlterField, migrations.AddConstraint, migrations.AlterUniqueTogether)
OPAQUE = (migrations.RunSQL, migrations.RunPython, migrations.SeparateDatabaseAndState)
# What of a field no statement of old code depends on.
WORDS = ("verbose_name", "help_text", "choices", "validators", "error_messages", "editable", "blank", "default",
         "related_name", "related_query_name", "on_delete", "db_index")


def released() -> list[str]:
    """Return the versions of the changelog that are out, the newest first."""
    headings = re.findall(r"^## (\S+)(.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return [version for version, rest in headings if "unreleased" not in rest]


def is_widened(old: models.Field, new: models.Field) -> bool:
    """True when the new column takes all that old code writes, and old code can read all that stands in it."""
    (_, _, old_args, before), (_, _, new_args, after) = old.deconstruct()[:4], new.deconstruct()[:4]
    for words in (before, after):
        for name in WORDS:
            words.pop(name, None)
    longer = (before.pop("max_length", None) or 0) <= (after.pop("max_length", None) or 0)
    given = after.pop("db_default", NOT_PROVIDED) == before.pop("db_default", NOT_PROVIDED) or "db_default" not in before
    return type(old) is type(new) and old_args == new_args and longer and given and before == after


def is_new_here(operation, migration) -> bool:
    """True when the operation is on a table that this very migration makes."""
    made = {made.name.lower() for made in migration.operations if isinstance(made, migrations.CreateModel)}
    return getattr(operation, "model_name", getattr(operation, "name", "")).lower() in made


def faults(migration, before, *, said) -> list[str]:
    """Return what in a migration old code would stumble over. `before` is the state it starts from, `said` its module."""
    found = []
    contracts = getattr(said, "UNUSED_SINCE", None)
    for operation in migration.operations:
        if is_new_here(operation, migration):
            continue
        what = operation.describe()
        if isinstance(operation, migrations.AddField):
            field = operation.field
            if not (field.null or field.db_default is not NOT_PROVIDED or field.many_to_many):
                found.append(f"{what}: old code inserts rows without it; give it null or db_default")
        elif isinstance(operation, OPAQUE):
            if not getattr(said, "BESIDE_OLD_CODE", ""):
                found.append(f"{what}: say in BESIDE_OLD_CODE why old code goes on")
        elif isinstance(operation, migrations.AlterField):
            old = before.models[migration.app_label, operation.model_name_lower].fields[operation.name]
            if not is_widened(old, operation.field) and contracts not in released():
                found.append(f"{what}: the column becomes another; add a new one")
        elif isinstance(operation, TAKES) and contracts not in released():
            found.append(f"{what}: say in UNUSED_SINCE which released version stopped using it")
    return found


def all_migrations():
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return sorted(key for key in loader.disk_migrations if key[0] in APPS)


@pytest.mark.parametrize("key", all_migrations(), ids="_".join)
def test_old_code_goes_on_while_it_runs(key):
    if key in BEFORE_FIRST_RELEASE:
        return
    loader = MigrationLoader(None, ignore_no_migrations=True)
    migration = loader.disk_migrations[key]
    assert faults(migration, loader.project_state(key, at_end=False), said=import_module(type(migration).__module__)) == []


# ---------------------------------------------------------------- the rule itself


def made_up(*operations, **said):
    """Return a migration after the newest of `classrooms`, its starting state and its module."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    newest = loader.graph.leaf_nodes("classrooms")[0]
    migration = migrations.Migration("made_up", "classrooms")
    migration.operations = list(operations)
    return migration, loader.project_state(newest), types.SimpleNamespace(**said)


@pytest.mark.parametrize(("operation", "complaint"), [
    (migrations.RemoveField("text", "level"), "UNUSED_SINCE"),
    (migrations.RenameField("text", "level", "reading_level"), "UNUSED_SINCE"),
    (migrations.DeleteModel("Passage"), "UNUSED_SINCE"),
    (migrations.RenameModel("Passage", "Part"), "UNUSED_SINCE"),
    (migrations.AddConstraint("text", models.UniqueConstraint(fields=["title"], name="one")), "UNUSED_SINCE"),
    (migrations.AddField("text", "pages", models.IntegerField(default=0)), "null or db_default"),
    (migrations.AlterField("text", "title", models.CharField(max_length=3)), "becomes another"),
    (migrations.AlterField("text", "title", models.TextField()), "becomes another"),
    (migrations.RunSQL("DELETE FROM classrooms_text"), "BESIDE_OLD_CODE"),
    (migrations.RunPython(migrations.RunPython.noop), "BESIDE_OLD_CODE"),
])
def test_what_breaks_old_code_is_found(operation, complaint):
    migration, before, said = made_up(operation)
    (fault,) = faults(migration, before, said=said)
    assert complaint in fault


@pytest.mark.parametrize("operation", [
    migrations.AddField("text", "pages", models.IntegerField(null=True)),
    migrations.AddField("text", "pages", models.IntegerField(db_default=0)),
    migrations.AddField("text", "readers", models.ManyToManyField("classrooms.User")),
    migrations.AddIndex("text", models.Index(fields=["title"], name="by_title")),
    migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())]),
    migrations.RemoveIndex("text", "by_title"),
])
def test_what_only_adds_is_let_through(operation):
    migration, before, said = made_up(operation)
    assert faults(migration, before, said=said) == []


def test_a_longer_column_and_other_words_are_let_through():
    _, before, said = made_up()
    old = before.models["classrooms", "text"].fields["title"]
    longer = models.CharField("another name", max_length=old.max_length + 1)
    migration, before, said = made_up(migrations.AlterField("text", "title", longer))
    assert faults(migration, before, said=said) == []


def test_a_later_constraint_on_a_new_table_takes_nothing():
    migration, before, said = made_up(
        migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())]),
        migrations.AddConstraint("shelf", models.UniqueConstraint(fields=["name"], name="one_shelf")))
    assert faults(migration, before, said=said) == []


def test_a_contraction_names_a_release_that_is_out(monkeypatch):
    removal = migrations.RemoveField("text", "level")
    monkeypatch.setitem(globals(), "released", lambda: ["0.2.0", "0.1.0"])
    for since, well in (("0.1.0", True), ("0.3.0", False), ("soon", False)):
        migration, before, said = made_up(removal, UNUSED_SINCE=since)
        assert (faults(migration, before, said=said) == []) == well
    migration, before, said = made_up(migrations.RunSQL("SELECT 1"), BESIDE_OLD_CODE="It changes nothing.")
    assert faults(migration, before, said=said) == []
