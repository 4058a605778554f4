from django.db import migrations

from isolation.operations import Policy


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_oidc")]

    operations = [
        # Sealing again writes the secret of a service that administrators manage.
        Policy("OIDCProvider", "rotate", using="{can_auth}", command="UPDATE", role="service"),
    ]
