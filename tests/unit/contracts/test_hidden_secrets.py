from __future__ import annotations

import pytest

from contracts.hidden_secrets import hide_secrets

KEY, MAC = "k" * 43, "m" * 43


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"GET /own-key?key=csvp_abcd1234_{KEY}&x=1", "GET /own-key?key=csvp_abcd1234_***&x=1"),
        (f"/uploads/csvp_abcd1234_{KEY[:9]}/status", "/uploads/csvp_abcd1234_***/status"),
        (f"//chunks//u//1//download//v1.1790000000.k1.{MAC}", "//chunks//u//1//download//v1.1790000000.k1.***"),
        (
            f"/chunks/u/1/download?signature=v1.1790000000.k1.{MAC}",
            "/chunks/u/1/download?signature=v1.1790000000.k1.***",
        ),
        ("csvpipe v1.2.3.rc4 and csvp_abcd1234", "csvpipe v1.2.3.rc4 and csvp_abcd1234"),
    ],
)
def test_keys_and_signatures_are_hidden_wherever_they_stand(text: str, hidden: str) -> None:
    assert hide_secrets(text) == hidden
