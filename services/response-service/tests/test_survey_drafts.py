"""Texts that somebody types: read, or refused with a line; never anything else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from heardback.surveys import ready_made
from response_service.console import views
from response_service.console.drafts import read_draft

TEXT = views.as_yaml(ready_made()["relationship-nps"].document)


@settings(max_examples=150)
@given(
    at=st.integers(0, len(TEXT)),
    length=st.integers(0, 40),
    typed=st.text(alphabet="{}%|\"':- \nab*&é\0", max_size=12),
)
def test_text_is_read_or_refused_on_a_line_whatever_is_typed(
    at: int, length: int, typed: str
) -> None:
    text = TEXT[:at] + typed + TEXT[at + length :]
    draft = read_draft(text, survey_id="relationship-nps")
    assert (draft.survey is None) == bool(draft.faults)
    for fault in (*draft.faults, *draft.advice):
        assert fault.message
        assert 1 <= fault.line <= text.count("\n") + 2


def test_text_says_the_same_when_it_is_written_and_read_again() -> None:
    for survey in ready_made().values():
        draft = read_draft(views.as_yaml(survey.document), survey_id=survey.survey_id)
        assert draft.survey is not None
        assert views.ordered(draft.survey.document) == views.ordered(survey.document)
        assert draft.advice == []
