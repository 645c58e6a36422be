"""Logs: one JSON object per line on stderr. Start, stop and errors; requests as far as ACCESS_LOG says."""

import json
import logging
import re
from datetime import UTC, datetime

# https://www.w3.org/TR/trace-context: version, trace, span, flags; later versions may have more behind that.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL)
_LONGEST_PATH = 200  # characters; it is the caller's text
_log = logging.getLogger("app.access")


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


def configure() -> None:
    """Makes this the form of every log line of the process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn's own lines about starting repeat ours, and its warnings can be caused at will by any caller.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def trace_id(traceparent: str | None) -> str:
    """The trace that a caller's `traceparent` header names; empty when there is none, or no valid one."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or (found[1] == "00" and found[3]):
        return ""
    return found[2]


def access(method: str, path: str, status: int, seconds: float, *, model: str = "", trace_id: str = "", caller: str = "") -> None:
    """One line about a request: without its query, its headers and its body, which may hold what must not be in a log."""
    fields: dict[str, object] = {"method": method, "path": path[:_LONGEST_PATH], "status": status, "seconds": round(seconds, 6)}
    fields.update({name: text for name, text in (("model", model), ("trace_id", trace_id), ("caller", caller)) if text})
    _log.log(logging.ERROR if status >= 500 and status != 503 else logging.INFO, "request", extra={"fields": fields})
