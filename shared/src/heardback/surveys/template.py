"""What the texts of a survey may name."""

from typing import Final

from heardback import templating
from heardback.templating import Template, Vocabulary

VARIABLES: Final = {
    "company": "in whose name we ask",
    "customer.name": "what to call the customer; may be empty",
    "touchpoint": "what happened, by its name, such as purchase",
    "occurred_on": "the day on which it happened, in words",
    "minutes": "how many minutes the survey takes",
    "link": "where to answer; for the text message",
}
"""Every variable, and what it says."""

_VOCABULARY: Final = Vocabulary(variables=VARIABLES, constant=frozenset({"company", "minutes"}))


def compile_template(source: str) -> Template:
    """Return the template that `source` is.

    Raises: BadTemplate, with what to do.
    """
    return templating.compile_template(source, _VOCABULARY)
