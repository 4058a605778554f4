from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "assistants.profiles"
    label = "profiles"
