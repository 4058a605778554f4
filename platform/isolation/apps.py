from django.apps import AppConfig


class IsolationConfig(AppConfig):
    name = "isolation"

    def ready(self) -> None:
        from isolation import checks, contenttypes

        contenttypes.install()
        checks.register_checks()
