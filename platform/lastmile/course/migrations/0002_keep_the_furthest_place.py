from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_the_last_place(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Of what was read before, the last place is all that is known."""
    apps.get_model("course", "ReadingPosition").objects.update(furthest=models.F("part"))


class Migration(migrations.Migration):
    dependencies = [
        ("course", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="readingposition",
            name="furthest",
            field=models.FloatField(default=0),
        ),
        migrations.RunPython(take_the_last_place, migrations.RunPython.noop),
    ]
