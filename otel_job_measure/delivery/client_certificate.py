"""The client certificate of a sink, and what is wrong with it."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from otel_job_measure import names
from otel_job_measure.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """The variables of a client certificate and of its key, and the files that they name, if they are set."""

    certificate_variable: str
    key_variable: str
    certificate: Path | str | None = None
    key: Path | str | None = None

    @classmethod
    def for_influxdb(cls, settings: Settings | None = None) -> Self:
        """Returns the one for InfluxDB; without settings, only its variables."""
        return cls(
            certificate_variable="INFLUXDB_CLIENT_CERTIFICATE",
            key_variable="INFLUXDB_CLIENT_KEY",
            certificate=None if settings is None else settings.influxdb_client_certificate,
            key=None if settings is None else settings.influxdb_client_key,
        )

    @classmethod
    def for_otlp(cls, settings: Settings) -> Self:
        """Returns the one for a receiver of OTLP."""
        return cls(
            certificate_variable=f"{names.ENV_OTLP_PREFIX}CLIENT_CERTIFICATE",
            key_variable=f"{names.ENV_OTLP_PREFIX}CLIENT_KEY",
            certificate=settings.otlp_client_certificate,
            key=settings.otlp_client_key,
        )

    def trouble(self) -> str | None:
        """Returns why the files cannot be used, None if they can or if there are none."""
        if self.certificate is None or self.key is None:
            return None
        asked: list[bool] = []

        def password() -> str:  # without this, OpenSSL asks the terminal
            asked.append(True)
            return ""

        what = f"the client certificate of {self.certificate_variable} cannot be used"
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.certificate, self.key, password)
        except ssl.SSLError as error:
            if asked:
                return f"{what}: the key of {self.key_variable} has a password; take it off with `openssl pkey`"
            if error.reason == "KEY_VALUES_MISMATCH":
                return f"{what}: the key of {self.key_variable} belongs to another certificate"
            return f"{what}: it or the key of {self.key_variable} is not in PEM format"
        except OSError as error:
            return f"{what}: it or the key of {self.key_variable} cannot be read: {error.strerror}"
        return None

    def doubt(self) -> str:
        """Returns what to look at if a server refuses a connection without a clear word."""
        if self.certificate is None:
            return f"if it wants a client certificate, set {self.certificate_variable} and {self.key_variable}"
        return f"it may refuse the client certificate of {self.certificate_variable}: is it expired, or of another CA?"
