import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, QuerySet, Subquery

from isolation.operations import UpdateRows


def fill(rows: QuerySet) -> int:
    conversation = rows.model._meta.get_field("conversation").related_model
    return rows.update(owner_id=Subquery(conversation.objects.filter(pk=OuterRef("conversation_id")).values("owner_id")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("conversations", "0006_leave_in_one_call"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="owner",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        UpdateRows("Message", where={}, to=fill, only="tenant"),
    ]
