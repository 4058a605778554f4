"""Two tenants, one cast: the same keys and public ids in both, so that a leak shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.test import Client

from accounts import tokens
from accounts.models import User
from isolation import context
from isolation.context import Context

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class House:
    """A tenant of the suite."""

    name: str
    schema: str

    @property
    def host(self) -> str:
        return f"{self.name.lower()}.localhost"

    @property
    def canary(self) -> str:
        return f"CANARY-{self.name.upper()}-7f3a91bd"

    def person(self, local: str) -> Actor:
        return Actor(self, local)


@dataclass(frozen=True)
class Actor:
    """Somebody of the cast, with clients that speak for them."""

    house: House
    local: str

    @property
    def email(self) -> str:
        return f"{self.local}@{self.house.name.lower()}.test"

    @cached_property
    def user(self) -> User:
        with context.use(context.auth(self.house.schema)):
            return User.objects.get(email=self.email)

    @property
    def context(self) -> Context:
        return self.user.context(self.house.schema)

    def acting(self) -> Any:
        """`with actor.acting():` — queries and services as this person."""
        return context.use(self.context)

    @cached_property
    def token(self) -> str:
        with context.use(context.auth(self.house.schema)):
            return str(tokens.sign_in(self.house.schema, self.user)["access"])

    @cached_property
    def api(self) -> Client:
        """Bearer requests, in this process."""
        return Client(headers={"host": self.house.host, "authorization": f"Bearer {self.token}"}, raise_request_exception=False)

    @property
    def headers(self) -> dict[str, str]:
        """For clients outside this process."""
        return {"Host": self.house.host, "Authorization": f"Bearer {self.token}"}
