"""The keys of the settings, which need no database: ``ADMIN_KEY`` and ``RELAY_KEY``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from contracts.permissions import Permission
from uploader.access.dataset_patterns import ALL_DATASETS
from uploader.access.key_text import KeyText
from uploader.access.principal import Principal
from uploader.settings import Settings, split_keys

_RELAY = frozenset({Permission.RELAY, Permission.READ})


@dataclass(frozen=True)
class FixedKey:
    """A key, and who has it."""

    text: KeyText
    principal: Principal


def fixed_keys(settings: Settings) -> list[FixedKey]:
    """Return the keys in ``settings``. A setting may have several, so that a key can be replaced without a gap."""
    return [
        *_keys(settings.admin_key, "admin key", frozenset(Permission)),
        *_keys(settings.relay_key, "relay key", _RELAY),
    ]


def _keys(setting: SecretStr | None, name: str, permissions: frozenset[Permission]) -> Iterator[FixedKey]:
    for each in split_keys(setting):
        text = KeyText.parse(each)
        if text is not None:
            principal = Principal(key_id=text.key_id, name=name, permissions=permissions, datasets=(ALL_DATASETS,))
            yield FixedKey(text, principal)
