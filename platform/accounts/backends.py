"""Django's way to ask for a person: by address and password, inside the current tenant."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from accounts import services
from accounts.models import User
from isolation import context


class EmailBackend(BaseBackend):
    """Looks people up under the `auth` capability of the tenant in force."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        email = username or kwargs.get("email")
        if not email or password is None:
            return None
        with context.use(context.auth(context.current().schema)):
            try:
                return services.authenticate(email=email, password=password)
            except services.WrongCredentials:
                return None

    def get_user(self, user_id: int) -> User | None:
        with context.use(context.auth(context.current().schema)):
            return User.objects.filter(pk=user_id, is_active=True).first()
