"""Two tenants, one cast: the same keys and public ids in both, so that a leak shows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from django.db import connections
from django.test import Client

from accounts import tokens
from accounts.models import User
from isolation import context
from isolation.context import Context
from tests import canary

PASSWORD = "correct-horse-battery"
T = TypeVar("T")


def aside(house: House, ask: Callable[[], T]) -> T:
    """Ask the database under sign-in's context in a thread of its own, so that asynchronous tests may, too."""

    def work() -> T:
        try:
            with context.use(context.auth(house.schema)):
                return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


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
        return canary.of(self)

    def person(self, local: str) -> Actor:
        return Actor(self, local)


class WatchedClient(Client):
    """Looks for other people's canaries in every answer."""

    def __init__(self, actor: Actor, **options: Any) -> None:
        super().__init__(**options)
        self.actor = actor

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        if not answer.streaming:
            canary.look(answer.content, self.actor, request["PATH_INFO"])
        return answer


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
        return aside(self.house, lambda: User.objects.get(email=self.email))

    @property
    def context(self) -> Context:
        return self.user.context(self.house.schema)

    def acting(self) -> Any:
        """`with actor.acting():` — queries and services as this person."""
        return context.use(self.context)

    @cached_property
    def token(self) -> str:
        user = self.user
        return aside(self.house, lambda: str(tokens.sign_in(self.house.schema, user)["access"]))

    @cached_property
    def api(self) -> Client:
        """Bearer requests, in this process."""
        bearer = {"host": self.house.host, "authorization": f"Bearer {self.token}"}
        return WatchedClient(self, headers=bearer, raise_request_exception=False)

    @property
    def headers(self) -> dict[str, str]:
        """For clients outside this process."""
        return {"Host": self.house.host, "Authorization": f"Bearer {self.token}"}
