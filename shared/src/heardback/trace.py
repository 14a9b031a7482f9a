"""W3C Trace Context on messages: one trace from the upstream event to the closed task.

A message carries the `traceparent` of its creation; what it causes carries the same trace on.
Source: W3C Trace Context level 1, sections 3.2 and 4.3.
"""

import re
import secrets
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, TraceFlags

_TRACEPARENT: Final = re.compile(
    r"^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$"
)


def valid_traceparent(text: str) -> str | None:
    """Return `text` when it is a valid traceparent, or None: then it is ignored."""
    match = _TRACEPARENT.match(text.strip())
    if match is None or (match[1] == "00" and match[5] is not None):
        return None
    return match[0]


def new_traceparent() -> str:
    """Return the traceparent of the current span, or of a new trace where there is none."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    told = secrets.token_hex(24)
    return f"00-{told[:32]}-{told[32:]}-01"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id for a log line: 32 hexadecimal digits."""
    return traceparent.split("-")[1] if traceparent else None


def link_to(traceparent: str) -> Link:
    """Return a span link to the creation of a message."""
    _, trace_id, span_id, flags, *_ = traceparent.split("-")
    return Link(
        SpanContext(
            int(trace_id, 16),
            int(span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(int(flags, 16)),
        )
    )
