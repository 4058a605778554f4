from django.db import migrations

from isolation.operations import Policy

# Of an account that is gone or hidden there is nothing to say: a child proves its parent under the reader's own policies.
MINE = "EXISTS (SELECT 1 FROM {schema}.gateway_provideraccount a WHERE a.id = account_id)"


class Migration(migrations.Migration):
    dependencies = [("gateway", "0003_provider_accounts")]

    operations = [
        # An organisation cannot permit itself the installation's own network.
        Policy("ProviderAccount", "admin", using="{can_admin}", check="{can_admin} AND NOT local_network", only="tenant"),
        Policy("ProviderAccount", "operator", using="{can_operator}", only="public"),
        Policy("ProviderAccount", "catalogue", using="{can_service}", command="SELECT", role="service"),
        Policy("CatalogueModel", "admin", using=f"{{can_admin}} AND {MINE}", only="tenant"),
        Policy("CatalogueModel", "operator", using=f"{{can_operator}} AND {MINE}", only="public"),
        Policy("CatalogueModel", "catalogue", using="{can_service}", command="SELECT", role="service"),
        # No person's context reads or writes a key, not even sealed.
        Policy("ProviderSecret", "keep", using=f"{{can_service}} AND {MINE}", role="service"),
    ]
