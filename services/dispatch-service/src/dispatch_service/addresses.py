"""Mail addresses as they come from product systems: usable, or none."""

import uuid

from email_validator import EmailNotValidError, validate_email


def usable_address(address: str | None) -> str | None:
    """Return the address in the form that goes on the wire, or None when mail can't reach it."""
    if address is None:
        return None
    try:
        valid = validate_email(address.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return valid.ascii_email


def is_canonical_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID as links carry it: lower case, with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
