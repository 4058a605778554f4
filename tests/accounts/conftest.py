"""People are kept between tests: what a test changed is put back, who was added goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from tests.people import House, aside


@pytest.fixture(autouse=True)
def same_cast_after(houses: dict[str, House]) -> Iterator[None]:
    def rows(house: House) -> list[dict[str, Any]]:
        return list(User.objects.values("pk", "password", "role", "is_active", "epoch", "first_name", "group_keys"))

    before = {name: aside(house, lambda house=house: rows(house)) for name, house in houses.items()}
    yield
    for name, house in houses.items():

        def restore(name: str = name) -> None:
            User.objects.exclude(pk__in=[row["pk"] for row in before[name]]).delete()
            for row in before[name]:
                User.objects.filter(pk=row["pk"]).update(**{key: row[key] for key in row if key != "pk"})

        aside(house, restore)
