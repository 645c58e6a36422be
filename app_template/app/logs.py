"""Logs: one JSON object per line on stderr. Start, stop and errors; not one line per request."""

import json
import logging
import re
from datetime import UTC, datetime

_TRACEPARENT = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class JsonFormatter(logging.Formatter):
    """{"time", "level", "message", ...extra={"fields": {...}}, "exception"}"""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage().strip(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def trace_id(traceparent: str | None) -> str:
    """The trace that a request belongs to (W3C Trace Context); "" when it says none, or nonsense."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match[1] if match else ""


def access(method: str, path: str, status: int, seconds: float, *, trace_id: str, caller: str) -> None:
    """One line about one request."""
    fields = {"method": method, "path": path, "status": status, "seconds": round(seconds, 6), "trace_id": trace_id, "caller": caller}
    level = logging.ERROR if status >= 500 else logging.INFO
    logging.getLogger("app").log(level, "request", extra={"fields": {name: value for name, value in fields.items() if value != ""}})


def configure() -> None:
    """Makes this the form of every log line of the process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn's own lines about starting repeat ours, and its warnings can be caused at will by any caller.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
