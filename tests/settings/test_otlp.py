"""The standard variables of OTLP exporters, for the sink `otlp`."""

from pathlib import Path

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.settings import OtlpDestination, Settings
from tests.settings.support import PREFIX, SERVER, TOKEN, from_env, problems, settings

SINK = {PREFIX + "SINK": "otlp"}
STANDARD = "OTEL_EXPORTER_OTLP_"
HTTP, GRPC = "http/protobuf", "grpc"


def at(endpoint: str, protocol: str = HTTP) -> OtlpDestination:
    """Returns a receiver."""
    return OtlpDestination(endpoint=endpoint, protocol=protocol)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, at("http://localhost:4318/v1/logs")),
        ({"PROTOCOL": "grpc"}, at("http://localhost:4317", GRPC)),
        ({"ENDPOINT": "HTTP://Collector:4318/"}, at("http://collector:4318/v1/logs")),
        ({"ENDPOINT": "https://gateway.example/otlp"}, at("https://gateway.example/otlp/v1/logs")),
        ({"ENDPOINT": "https://t.example/api/v2/otlp/"}, at("https://t.example/api/v2/otlp/v1/logs")),
        ({"ENDPOINT": "http://c:4318", "LOGS_ENDPOINT": "http://logs:4318/in/"}, at("http://logs:4318/in/")),
        ({"LOGS_ENDPOINT": "http://logs:4318"}, at("http://logs:4318")),
        ({"ENDPOINT": "http://c:4317/ignored", "PROTOCOL": "GRPC"}, at("http://c:4317", GRPC)),
        ({"ENDPOINT": "c:4317", "PROTOCOL": "grpc"}, at("https://c:4317", GRPC)),
        ({"ENDPOINT": "c:4317", "PROTOCOL": "grpc", "INSECURE": "true"}, at("http://c:4317", GRPC)),
        ({"ENDPOINT": "https://c", "PROTOCOL": "grpc", "INSECURE": "true"}, at("https://c", GRPC)),
        ({"ENDPOINT": "http://c", "LOGS_PROTOCOL": "grpc", "PROTOCOL": HTTP}, at("http://c", GRPC)),
        ({"ENDPOINT": "http://c:4317", "LOGS_ENDPOINT": "l:1", "PROTOCOL": "grpc"}, at("https://l:1", GRPC)),
    ],
)
def test_where_logs_go(environ: dict[str, str], expected: OtlpDestination) -> None:
    """Base and signal's own endpoint, path and scheme mean what the standard says."""
    found = Settings.from_env(SINK | {STANDARD + name: value for name, value in environ.items()})
    assert found.destination == expected
    assert found.changed().destination == expected


def test_a_receiver_is_known_by_its_id() -> None:
    """It comes from the endpoint, however that was written; headers and time-outs play no part."""
    found = Settings.from_env(SINK | {STANDARD + "ENDPOINT": "http://C:4318/"})
    same = [
        SINK | {STANDARD + "LOGS_ENDPOINT": "http://c:4318/v1/logs", STANDARD + "HEADERS": "a=b"},
        SINK | {STANDARD + "ENDPOINT": "http://c:4318", STANDARD + "TIMEOUT": "1", PREFIX + "SHIP": "off"},
    ]
    assert {Settings.from_env(environ).destination_id for environ in same} == {found.destination_id}
    others = [{"ENDPOINT": "http://d:4318"}, {"ENDPOINT": "http://c:4318", "PROTOCOL": "grpc"}, {}]
    ids = [from_env(SINK | {STANDARD + name: text for name, text in other.items()}).destination_id for other in others]
    assert len({*ids, found.destination_id, Settings.from_env(SERVER).destination_id}) == 5
    assert len(found.destination_id) == 12
    assert found.destination is not None
    assert found.destination.label == "http://c:4318/v1/logs (http/protobuf)"


def test_every_standard_variable_is_read(tmp_path: Path) -> None:
    """The signal's own goes before the general one."""
    file = tmp_path / "pem"
    file.touch()
    general = {
        "HEADERS": "authorization=Bearer%20abc,X-Tenant = a%2Cb ,",
        "TIMEOUT": "2.5",
        "COMPRESSION": "gzip",
        "CERTIFICATE": str(file),
        "CLIENT_CERTIFICATE": str(file),
        "CLIENT_KEY": str(file),
    }
    wrong = dict.fromkeys(general, "wrong wrong")
    as_general = {STANDARD + name: value for name, value in general.items()}
    as_own = {f"{STANDARD}LOGS_{name}": value for name, value in general.items()}
    found = Settings.from_env(SINK | as_general)
    assert found == Settings.from_env(SINK | as_own | {STANDARD + name: value for name, value in wrong.items()})
    assert found.headers() == {"authorization": "Bearer abc", "x-tenant": "a,b"}
    assert (found.otlp_timeout_s, found.otlp_compression, found.otlp_client_key) == (2.5, "gzip", file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "ftp://c"),
        ("ENDPOINT", "http://"),
        ("ENDPOINT", "http:/c"),
        ("ENDPOINT", "c:4318"),
        ("ENDPOINT", "http://c/<"),
        ("ENDPOINT", "http://c:99999"),
        ("LOGS_ENDPOINT", "c"),
        ("LOGS_ENDPOINT", "http://c?x"),
        ("PROTOCOL", "http/json"),
        ("HEADERS", "no equals"),
        ("HEADERS", "a b=c"),
        ("HEADERS", "a=b%0Ac"),
        ("HEADERS", "a=ü"),
        ("HEADERS", "=a"),
        ("HEADERS", "a-bin=b"),
        ("HEADERS", "grpc-timeout=b"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "10000"),
        ("TIMEOUT", "soon"),
        ("COMPRESSION", "zstd"),
        ("CERTIFICATE", "/no/such/file"),
        ("CLIENT_KEY", "/no/such/file"),
        ("INSECURE", "perhaps"),
    ],
)
def test_a_wrong_value_is_one_clear_error_and_nothing_with_the_other_sink(name: str, value: str) -> None:
    """It names the variable and the values it takes; with the sink `influxdb` it may have any value."""
    lines = problems(SINK | {STANDARD + name: value})
    line = lines[0]
    assert line.startswith(f"{STANDARD}{name} (argument otlp_{name.lower()}")
    assert ": got " in line
    assert Settings.from_env(SERVER | {STANDARD + name: value}) == Settings.from_env(SERVER)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"otlp_client_key": __file__}, STANDARD + "CLIENT_CERTIFICATE"),
        ({"otlp_client_certificate": __file__}, STANDARD + "CLIENT_KEY"),
        ({"influxdb_bucket": "b"}, "INFLUXDB_BUCKET"),
        ({"influxdb_token": "a\nb"}, "INFLUXDB_TOKEN"),
        ({"sink": "influx"}, PREFIX + "SINK"),
        ({"sink": "influxdb", "otlp_endpoint": "http://c"}, STANDARD + "ENDPOINT"),
        ({"ship": False, "confirm_start": "server"}, PREFIX + "CONFIRM_START"),
        ({"ship": False, "state_dir": "memory"}, PREFIX + "STATE_DIR"),
    ],
)
def test_what_does_not_go_together_is_one_clear_error(wrong: dict[str, object], named: str) -> None:
    """Halves of pairs, and what belongs to the sink that isn't used; as arguments and beside variables."""
    with pytest.raises(SettingsError) as caught:
        settings(**{"sink": "otlp"} | wrong)
    assert str(caught.value).splitlines()[-1].startswith(named)
    assert problems(SINK, **wrong) == str(caught.value).splitlines()


def test_our_own_variable_of_the_other_sink_is_an_error() -> None:
    """The general ones may be the app's; one with our prefix was meant for us."""
    assert Settings.from_env(SINK | SERVER) == Settings.from_env(SINK)
    (line,) = problems(SINK | {PREFIX + "INFLUXDB_BUCKET": "jobs"})
    assert "INFLUXDB_BUCKET (argument influxdb_bucket): set" in line
    assert "OTEL_JOB_MEASURE_SINK" in line


@pytest.mark.parametrize(
    "environ",
    [
        SINK | {PREFIX + "HISTORY": "off"},
        SINK | {PREFIX + "STATE_DIR": "memory", PREFIX + "HISTORY": "off"},
        SINK | {PREFIX + "CONFIRM_START": "server"},
        SINK | {PREFIX + "SHIP": "off"},
    ],
)
def test_a_receiver_is_a_destination(environ: dict[str, str]) -> None:
    """The default endpoint is one too: nothing else has to be set."""
    assert Settings.from_env(environ).destination == at("http://localhost:4318/v1/logs")


def test_a_client_of_influxdb_is_of_no_use_to_a_receiver() -> None:
    """Whichever way the sink was set."""
    client: object = type("Client", (), {"url": "http://h", "org": "o", "token": "t", "api_client": None})()
    with pytest.raises(SettingsError, match="influxdb_client"):
        JobMeasure(Settings(sink="otlp"), influxdb_client=client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # any will do
    with pytest.raises(SettingsError, match="OTEL_JOB_MEASURE_SINK"):
        JobMeasure(influxdb_client=client, sink="otlp")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the same


@pytest.mark.parametrize(
    "wrong",
    [
        {"otlp_headers": f"a={TOKEN}\n{TOKEN}"},
        {"otlp_headers": f"a b={TOKEN}"},
        {"otlp_headers": [TOKEN]},
        {"otlp_endpoint": f"http://user:{TOKEN}@c"},
        {"otlp_endpoint": f"user:{TOKEN}@c"},
        {"otlp_logs_endpoint": f"http://c?key={TOKEN}"},
        {"timeout_s": -1},
    ],
)
def test_no_error_shows_a_header(wrong: dict[str, object]) -> None:
    """Neither what is refused nor what is right, wherever the error comes from; nor a repr."""
    good = {"sink": "otlp", "otlp_headers": f"authorization=Bearer%20{TOKEN}"}
    assert TOKEN not in repr(settings(**good))
    with pytest.raises(SettingsError) as caught:
        settings(**good | wrong)
    assert TOKEN not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
