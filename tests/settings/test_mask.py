"""Secrets in texts of a server: masked as a whole where they are secrets, and the text stays readable."""

import pytest

from otel_job_measure.settings.secret import mask


@pytest.mark.parametrize(
    ("text", "secrets", "masked"),
    [
        ("404 Not Found; set INFLUXDB_URL", ["t"], "404 Not Found; set INFLUXDB_URL"),
        ("404 Not Found; set INFLUXDB_URL", ["INF"], "404 Not Found; set INFLUXDB_URL"),
        ("you sent Token t", ["t"], "you sent Token ***"),
        ('{"authorization": "t", "at": 1}', ["t"], '{"authorization": "***", "at": 1}'),
        ("token=abc expired", ["abc"], "token=*** expired"),
        ("token to use", ["t"], "token to use"),
        ("bearer abcd is not abcde", ["abcd"], "bearer *** is not abcde"),
        ("unauthorized: abcd.", ["abcd"], "unauthorized: ***."),
        ("id=xa-long-secrety", ["a-long-secret"], "id=x***y"),
        ("Bearer a-long-secret", ["Bearer a-long-secret", "a-long-secret"], "***"),
        ("nothing to hide", [], "nothing to hide"),
        ("nothing to hide", [""], "nothing to hide"),
        ("a.b+c$d is literal, axbxc is not", ["a.b+c$d"], "*** is literal, axbxc is not"),
    ],
)
def test_a_secret_is_masked_where_it_is_one(text: str, secrets: list[str], masked: str) -> None:
    """Long secrets anywhere, medium ones as whole words, and short ones only after the name of a credential."""
    assert mask(text, secrets) == masked
