"""The secrets of an installation."""

from __future__ import annotations

from pathlib import Path

from appliance.keys import provision_keys, web_keys


def test_case_45_two_installs_make_secrets_of_their_own_which_their_owner_alone_reads(tmp_path: Path) -> None:
    homes = tmp_path / "one", tmp_path / "two"
    for home in homes:
        home.mkdir()

    first, second = ((web_keys(home).values, provision_keys(home).values) for home in homes)

    for mine, theirs in zip(first, second, strict=True):
        assert mine.keys() == theirs.keys() and mine
        assert all(len(value) >= 48 and value != theirs[name] for name, value in mine.items())
    for home in homes:
        assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}
    assert web_keys(homes[0]).values == first[0]  # The second start finds those of the first.
