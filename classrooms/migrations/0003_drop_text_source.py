from django.db import migrations


class Migration(migrations.Migration):
    """The column whose content 0002 moved to its own table; apart, so that nothing is dropped before it is copied."""

    dependencies = [
        ('classrooms', '0002_accounts_and_texts'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='text',
            name='source',
        ),
    ]
