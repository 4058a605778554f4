"""Budgets: reserved before, settled after, never overshot by more than what is in flight; every call recorded once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import people
from accounts.models import User
from core.errors import NotAllowed
from gateway import budgets, catalogue, snapshots, usage
from gateway.budgets import Call, Limits, Reservation
from gateway.errors import BudgetExceeded
from gateway.models import Budget, BudgetHold, BudgetPeriod, UsageRecord
from isolation import context
from tests.people import Actor, House

D = Decimal


@pytest.fixture(autouse=True)
def fresh(owner: psycopg.Connection) -> Iterator[None]:
    catalogue.forget()
    yield
    owner.execute("TRUNCATE public.gateway_budget, public.gateway_budgetperiod, public.gateway_budgethold CASCADE")
    catalogue.forget()


def limit(house: House, scope: str = "tenant", subject: str = "", period: str = "month", **limits: Any) -> Budget:
    admin = house.person("admin")
    with admin.acting():
        found = Limits(**{"money_limit": None, "token_limit": None, **limits})
        return budgets.set_budget(actor=admin.user, scope=scope, subject=subject, period=period, limits=found)


def platform_limit(scope: str = "platform", subject: str = "", **limits: Any) -> Budget:
    with context.use(context.auth("public")):
        user = User.objects.get(email="operator@cloison.test")
    with context.use(user.context("public")):
        found = Limits(**{"money_limit": None, "token_limit": None, **limits})
        return budgets.set_budget(actor=user, scope=scope, subject=subject, period="month", limits=found)


def call_of(actor: Actor, money: str = "1", tokens: int = 100, **more: Any) -> Call:
    return Call(id=uuid.uuid4(), user=actor.user.pk, groups=tuple(actor.user.group_keys), money=D(money), tokens=tokens, **more)


def record_of(call: Call, cost: str = "1", tokens: int = 100) -> UsageRecord:
    return UsageRecord(
        call=call.id,
        user=call.user,
        api_key=call.api_key,
        model="openai/sim",
        provider="openai",
        route="cloud",
        input_tokens=tokens - 10,
        output_tokens=10,
        cost=D(cost),
        currency="EUR",
        latency_ms=5,
        outcome="completed",
    )


def spend(actor: Actor, money: str = "1", cost: str | None = None, **more: Any) -> Reservation:
    call = call_of(actor, money, **more)
    with actor.acting():
        reservation = budgets.reserve(call)
        assert budgets.settle(reservation, record=record_of(call, cost or money))
    return reservation


def ledger(house: House) -> dict[str, tuple[Decimal, Decimal]]:
    """Scope → spent and reserved."""
    with context.use(context.service(house.schema)):
        return {row.budget.scope: (row.spent, row.reserved) for row in BudgetPeriod.objects.select_related("budget")}


def test_what_is_reserved_is_settled_and_the_limit_is_hard(acme: House, globex: House) -> None:
    budget = limit(acme, money_limit=D(3))
    member = acme.person("member")
    spend(member, "1", "0.4")
    spend(member, "1", "0.6")

    spend(member, "2")
    with member.acting(), pytest.raises(BudgetExceeded) as refused:
        budgets.reserve(call_of(member, "0.01"))

    assert ledger(acme) == {"tenant": (D(3), D(0))}
    extra = refused.value.extra
    assert (refused.value.status, refused.value.code) == (429, "budget_exceeded")
    assert extra["budget"] == str(budget.public_id) and extra["scope"] == "tenant" and extra["limit"] == "money"
    assert datetime.fromisoformat(extra["renews_at"]) > timezone.now()
    assert 0 < extra["retry_after"] <= 31 * 86400
    with member.acting():
        budgets.reserve(call_of(member, "0"))  # What costs nothing is not held up by money.
    spend(globex.person("member"), "50")  # Next door nothing is limited.


def test_a_stopped_call_gives_back_what_it_held(acme: House) -> None:
    limit(acme, token_limit=100)
    member = acme.person("member")
    with member.acting():
        reservation = budgets.reserve(call_of(member, tokens=100))
        with pytest.raises(BudgetExceeded):
            budgets.reserve(call_of(member, tokens=1))
        budgets.release(reservation)
        budgets.release(reservation)

        assert budgets.reserve(call_of(member, tokens=100)).schemas == (acme.schema,)


def test_a_settlement_counts_once(acme: House) -> None:
    limit(acme, money_limit=D(10))
    member = acme.person("member")
    call = call_of(member)
    with member.acting():
        first = budgets.reserve(call)
        again = budgets.reserve(call)

        assert budgets.settle(first, record=record_of(call))
        assert not budgets.settle(again, record=record_of(call, "5"))
    assert ledger(acme) == {"tenant": (D(1), D(0))}
    with acme.person("admin").acting():
        assert UsageRecord.objects.get().cost == 1


def test_levels_bind_in_order_and_a_refusal_holds_nothing(acme: House) -> None:
    admin, member, colleague = acme.person("admin"), acme.person("member"), acme.person("member2")
    with admin.acting():
        group = people.add_group(actor=admin.user, name="Legal", members=[member.user.public_id])
    member = Actor(acme, "member")  # Read again, with its group.
    platform_limit(money_limit=D(100))
    platform_limit("tenant", acme.schema, money_limit=D(50))
    limit(acme, money_limit=D(40))
    limit(acme, "group", f"group:{group.pk}", money_limit=D(4))
    limit(acme, "user", f"user:{member.user.pk}", money_limit=D(3))
    limit(acme, "key", "key:7", money_limit=D(2))
    spend(member, "1", api_key=7)

    with member.acting():
        for more, scope in ({"api_key": 7, "money": "1.5"}, "key"), ({"money": "2.5"}, "user"), ({"money": "3.5"}, "user"):
            with pytest.raises(BudgetExceeded) as refused:
                budgets.reserve(call_of(member, **more))  # type: ignore[arg-type]
            assert refused.value.extra["scope"] in {scope, "group"}
    spend(colleague, "30")  # Neither the group nor the person.
    with colleague.acting(), pytest.raises(BudgetExceeded) as refused:
        budgets.reserve(call_of(colleague, "10"))

    assert refused.value.extra["scope"] == "tenant"
    found = ledger(acme)
    assert found == {"tenant": (D(31), D(0)), "group": (D(1), D(0)), "user": (D(1), D(0)), "key": (D(1), D(0))}
    with context.use(context.service("public")):
        assert {(row.spent, row.reserved) for row in BudgetPeriod.objects.all()} == {(D(31), D(0))}
        assert not BudgetHold.objects.exists()
    aside_groups(acme)


def aside_groups(house: House) -> None:
    with context.use(context.auth(house.schema)):
        User.objects.update(group_keys=[])


def test_the_platforms_budget_binds_all_organisations_together(acme: House, globex: House) -> None:
    platform_limit(money_limit=D(3))
    spend(acme.person("member"), "2")

    with globex.person("member").acting(), pytest.raises(BudgetExceeded) as refused:
        budgets.reserve(call_of(globex.person("member"), "2"))

    assert refused.value.extra["scope"] == "platform"
    with acme.person("admin").acting():
        assert not Budget.objects.exists()  # The operator's are not theirs to see,
    with acme.person("admin").acting(), pytest.raises(DatabaseError), transaction.atomic():
        Budget.objects.create(scope="platform", period="month", money_limit=1)  # nor to make.


def test_two_hundred_calls_at_once_never_overshoot(acme: House) -> None:
    """Each takes a little more than it said; the sum passes the limit by no more than that excess of those in flight."""
    limit(acme, money_limit=D(20))
    limit(acme, "user", f"user:{acme.person('member').user.pk}", token_limit=10_000_000)
    member = acme.person("member")
    outcomes: list[str] = []
    most = 0
    lock = threading.Lock()

    def one(_number: int) -> None:
        nonlocal most
        call = call_of(member, "0.5", 50)
        try:
            with member.acting():
                try:
                    reservation = budgets.reserve(call)
                except BudgetExceeded:
                    outcomes.append("refused")
                    return
                with lock:
                    most += 1
                assert budgets.settle(reservation, record=record_of(call, "0.55", 50))
                outcomes.append("served")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(200)))

    served = outcomes.count("served")
    spent, reserved = ledger(acme)["tenant"]
    with acme.person("admin").acting():
        total = sum((row.cost for row in UsageRecord.objects.all()), D(0))
        assert UsageRecord.objects.count() == served
    assert len(outcomes) == 200 and served >= 30
    assert reserved == 0
    assert spent == total == served * D("0.55")
    assert spent <= 20 + 16 * D("0.5")
    assert ledger(acme)["user"] == (total, D(0))


def test_two_hundred_reservations_in_flight_stay_below_the_limit(acme: House) -> None:
    limit(acme, money_limit=D(50))
    member = acme.person("member")

    def one(_number: int) -> bool:
        try:
            with member.acting():
                budgets.reserve(call_of(member, "1"))
            return True
        except BudgetExceeded:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(one, range(200)))

    assert granted == 50
    assert ledger(acme) == {"tenant": (D(0), D(50))}


def test_holds_of_calls_that_never_came_back_are_freed(acme: House, owner: psycopg.Connection) -> None:
    limit(acme, money_limit=D(2))
    member = acme.person("member")
    call = call_of(member, "2")
    with member.acting():
        lost = budgets.reserve(call)
        with pytest.raises(BudgetExceeded):
            budgets.reserve(call_of(member, "1"))
        owner.execute(f"UPDATE {acme.schema}.gateway_budgethold SET expires_at = now() - interval '1 second'")

        reservation = budgets.reserve(call_of(member, "1"))
        assert budgets.settle(lost, record=record_of(call, "0.5"))  # It comes back after all: it is paid for.
        budgets.release(reservation)
    with context.use(context.service(acme.schema)):
        assert budgets.release_expired() == 0
    assert ledger(acme) == {"tenant": (D("0.5"), D(0))}


def test_a_budget_made_in_the_middle_counts_what_was_spent_before(acme: House) -> None:
    member = acme.person("member")
    spend(member, "2")
    spend(acme.person("member2"), "3")
    limit(acme, "user", f"user:{member.user.pk}", money_limit=D(10))
    limit(acme, money_limit=D(100))

    spend(member, "1")

    assert ledger(acme) == {"user": (D(3), D(0)), "tenant": (D(6), D(0))}


def test_a_warning_comes_before_the_end(acme: House) -> None:
    limit(acme, money_limit=D(10))
    member = acme.person("member")

    assert spend(member, "7").warnings == ()
    assert spend(member, "1.5").warnings == ()
    assert spend(member, "1").warnings == ("tenant",)
    with member.acting():
        [row] = usage.binding(member.user)
    assert (row["percent"], row["state"]) == (95, "warn")


def test_without_a_budget_a_reservation_asks_the_database_nothing(acme: House) -> None:
    member = acme.person("member")
    with member.acting():
        snapshots.current()
        with CaptureQueriesContext(connection) as asked:
            reservation = budgets.reserve(call_of(member))

    assert len(asked) == 0 and reservation.schemas == ()


def test_a_call_may_be_bound_until_it_is_known_that_it_is_not(acme: House, globex: House) -> None:
    member, elsewhere = acme.person("member"), globex.person("member")

    def may_bind(actor: Actor) -> bool:
        with actor.acting():
            return budgets.may_bind(call_of(actor))

    for actor in (member, elsewhere):
        with actor.acting():
            snapshots.current()
    assert not may_bind(member)
    limit(acme, money_limit=D(5))  # What was known of Acme is gone with the change, and not read again yet.

    assert may_bind(member) and not may_bind(elsewhere)
    with member.acting():
        snapshots.current()
    assert may_bind(member)


def test_only_administrators_set_budgets_and_the_ledger_is_nobodys(acme: House, globex: House) -> None:
    budget = limit(acme, money_limit=D(10))
    spend(acme.person("member"), "1")

    for local in ("manager", "member", "viewer", "auditor"):
        with acme.person(local).acting(), pytest.raises(NotAllowed):
            budgets.change_budget(actor=acme.person(local).user, budget=budget, limits=Limits(D(99), None))
    with acme.person("admin").acting():
        assert not BudgetPeriod.objects.update(spent=0)
        assert not BudgetHold.objects.exists()
    with globex.person("admin").acting():
        assert not Budget.objects.exists() and not BudgetPeriod.objects.exists()
    with acme.person("admin").acting():
        budgets.remove_budget(actor=acme.person("admin").user, budget=budget)
        assert not Budget.objects.exists()
        assert UsageRecord.objects.exists()


def test_budgets_over_http(acme: House, globex: House) -> None:
    admin, member = acme.person("admin"), acme.person("member")
    made = admin.api.post(
        "/api/v1/budgets/",
        {"scope": "user", "subject": str(member.user.public_id), "money_limit": "5", "period": "day"},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    url = f"/api/v1/budgets/{made.json()['id']}/"

    assert made.json()["subject"] == str(member.user)
    assert [row["id"] for row in admin.api.get("/api/v1/budgets/").json()["results"]] == [made.json()["id"]]
    again = {"scope": "user", "subject": str(member.user.public_id), "token_limit": 5, "period": "day"}
    assert admin.api.post("/api/v1/budgets/", again, content_type="application/json").json()["code"] == "budget_exists"
    nothing = admin.api.post("/api/v1/budgets/", {"scope": "tenant"}, content_type="application/json")
    assert nothing.json()["code"] == "budget_without_limit"
    changed = admin.api.patch(url, {"money_limit": "7.5"}, content_type="application/json")
    assert changed.json()["money_limit"].startswith("7.5")
    assert globex.person("admin").api.get(url).status_code == 404
    for local in ("manager", "member", "viewer", "auditor"):
        assert acme.person(local).api.get("/api/v1/budgets/").status_code == 403
    assert admin.api.delete(url).status_code == 204
    assert admin.api.get(url).status_code == 404


def test_periods_renew() -> None:
    assert budgets.starts("month", date(2026, 2, 17)) == date(2026, 2, 1)
    assert budgets.starts("day", date(2026, 2, 17)) == date(2026, 2, 17)
    assert budgets.renews("month", date(2026, 12, 1)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert budgets.renews("day", date(2026, 2, 28)) == datetime(2026, 3, 1, tzinfo=UTC)
    assert replace(Call(uuid.uuid4(), 1), api_key=2).subjects == {"user:1", "key:2"}
