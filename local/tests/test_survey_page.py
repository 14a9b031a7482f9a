"""Reading mails and pages as a browser does."""

import pytest

from heardback_local.survey_page import score_links, survey_form

PAGE = """
<form method="get" action="/search"><input name="q"></form>
<form method="post" action="">
 <input type="hidden" name="seen" value="a&amp;b">
 <input type="radio" name="score" value="8"> <input type="radio" name="score" value="9" checked>
 <input type="checkbox" name="again" value="yes">
 <textarea name="comment">
so far</textarea>
 <button name="go" value="1">Send</button>
</form>
"""


def test_links_are_found_by_their_score_when_a_mail_has_both_parts() -> None:
    html = '<a href="https://x.test/s/t?score=9&amp;via=html">9</a> <a href="/other">x</a>'
    text = "9: https://x.test/s/t?score=9\n10: <https://x.test/s/t?score=10>\nhttps://x.test/u"
    assert score_links(text=text, html=html) == {
        9: "https://x.test/s/t?score=9&via=html",
        10: "https://x.test/s/t?score=10",
    }


def test_the_form_sends_what_a_browser_would_when_it_is_filled_in() -> None:
    form = survey_form(PAGE)
    assert form is not None
    assert (form.method, form.action, form.preselected) == ("post", "", "9")
    expected = {"seen": "a&b", "score": "8", "comment": "thanks"}
    assert form.filled(score=8, comment="thanks") == expected
    assert form.filled(score=8, comment=None)["comment"] == "so far"


def test_a_form_is_not_filled_in_when_it_lacks_the_score() -> None:
    form = survey_form(PAGE)
    assert form is not None
    with pytest.raises(KeyError):
        form.filled(score=3, comment=None)


def test_no_form_is_found_when_a_page_asks_for_no_score() -> None:
    assert survey_form("<p>Thank you</p><form><input name=q></form>") is None
