"""Texts for customers inside rulebooks: each is a template that has to work."""

from collections.abc import Callable, Iterator, Mapping

from closeloop_service.rulebook.documents.fields import MessageDocument
from heardback.faults import Fault, Path
from heardback.locales import chain
from heardback.templating import BadTemplate, Template

Compile = Callable[[str], Template]


def check_messages(
    texts: Mapping[str, MessageDocument], path: Path, *, subject: Compile, text: Compile
) -> Iterator[Fault]:
    """Return what is wrong with a message; `subject` and `text` compile its parts."""
    for locale, message in texts.items():
        if (named := chain(locale)) == () or named[0] != locale:
            advice = f"write a language such as en, de or pt-BR, not {locale!r}"
            yield Fault(path=(*path, locale), message=advice)
        for field, source, compiled in (
            ("subject", message.subject, subject),
            ("text", message.text, text),
        ):
            try:
                compiled(source)
            except BadTemplate as error:
                yield Fault(path=(*path, locale, field), message=str(error))
