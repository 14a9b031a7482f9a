"""Addresses as they come from product systems: usable, or none."""

import uuid

import phonenumbers
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


def usable_phone(phone: str | None) -> str | None:
    """Return the number as E.164, or None when no message can reach it.

    It must be international ("+44 20 7946 0000"): which country is meant otherwise, nobody knows.
    """
    if phone is None:
        return None
    try:
        number = phonenumbers.parse(phone, region=None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_canonical_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID as links carry it: lower case, with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
