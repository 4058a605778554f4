from django.db import migrations

from isolation.operations import DropPolicy, Policy


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_rotation")]

    operations = [
        # Several policies that allow a reading are all asked for every row; in one, a person's own row is found first.
        DropPolicy("User", "own", using="id = {uid}", command="SELECT", only="tenant"),
        DropPolicy("User", "manager_read", using="{can_manager}", command="SELECT", only="tenant"),
        Policy("User", "read", using="id = {uid} OR {can_admin} OR {can_manager}", command="SELECT", only="tenant"),
        Policy("User", "admin", using="{can_admin}", command="UPDATE", only="tenant", was={"using": "{can_admin}"}),
        Policy("User", "admin_add", using="{can_admin}", command="INSERT", only="tenant"),
        Policy("User", "admin_remove", using="{can_admin}", command="DELETE", only="tenant"),
    ]
