"""The style of the pages, inline and allowed by its hash."""

import base64
import hashlib
import re
from importlib import resources


def style_of(package: str) -> str:
    """Return the style that all pages share, and what the service adds to it."""
    shared = resources.files("heardback.customer_pages") / "page.css"
    own = resources.files(package) / "templates" / "style.css"
    sheets = [shared, own] if own.is_file() else [shared]
    return _compact("".join(sheet.read_text("utf-8") for sheet in sheets))


def policy_for(style: str) -> str:
    """Return the content-security policy of a page with this style: it, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _compact(css: str) -> str:
    """Return `css` without the comments and the white space that only people need."""
    bare = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    tight = re.sub(r"\s*([{};,])\s*", r"\1", " ".join(bare.split()))
    return tight.replace(": ", ":").replace(";}", "}")
