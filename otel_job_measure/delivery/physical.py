"""What the shipper sees in physical lines, without reading them."""


def points_of(data: bytes) -> list[bytes]:
    """Returns the lines that are points: no comments, no blank lines, without their newlines."""
    return [line for line in data.split(b"\n") if line and not line.startswith(b"#") and not line.isspace()]


def first_point(data: bytes) -> bytes | None:
    """Returns the first line that is a point, without looking at the others."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin)
        end = len(data) if end < 0 else end
        if points := points_of(data[begin:end]):
            return points[0]
        begin = end + 1
    return None


def time_of(line: bytes) -> int | None:
    """Returns a point's time, in ns since 1970; None where it has none."""
    try:
        return int(line.rpartition(b" ")[2])
    except ValueError:
        return None
