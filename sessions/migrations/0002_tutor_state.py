from django.db import migrations

BESIDE_OLD_CODE = "It makes one row if that is not there."


def create(apps, schema_editor):
    apps.get_model("reading_sessions", "TutorState").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    """The single row that every claim locks."""

    dependencies = [("reading_sessions", "0001_initial")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
