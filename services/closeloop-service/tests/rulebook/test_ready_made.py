"""The ready-made rules: valid, with words that work in every language, as the product promises."""

from datetime import timedelta

import pytest

from closeloop_service.domain import reporting, writing
from closeloop_service.domain.rules import AlertKind, MessageTemplate, Opens, Rank
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.drafts import check_text
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.ready_made import ready_made, ready_made_books
from heardback.vocabulary import Category, SlaClock

RULES = compile_rules(ready_made_books(), version=0)
LANGUAGES = ["en", "de", "fr", "ar"]
TEMPLATES = [
    pytest.param(template, id=f"{category}-{name}")
    for category, playbook in RULES.playbooks.by_category.items()
    for name, template in playbook.templates.items()
]
KNOWN = {
    "company": "Northwind",
    "customer": {"name": "Ada"},
    "owner": "Ana Ruiz",
    "improvement": "Late parcels",
}
NAMELESS = {**KNOWN, "customer": {"name": ""}}


@pytest.mark.parametrize("kind", Kind)
def test_text_is_valid_when_it_is_saved_as_it_is(kind: Kind) -> None:
    assert check_text(kind, ready_made()[kind], ready_made_books(), ()).faults == ()


def test_targets_are_those_that_the_product_promises_when_nobody_changed_them() -> None:
    (policy,) = RULES.policies
    first, resolution = (
        policy.targets[SlaClock.FIRST_RESPONSE],
        policy.targets[SlaClock.RESOLUTION],
    )
    assert (first.business, first.ceiling) == (timedelta(hours=4), timedelta(hours=24))
    assert (resolution.business, resolution.calendar_id) == (timedelta(hours=48), "always")
    assert policy.warning_share == 0.75
    assert [level.ranks for level in policy.escalations] == [
        (Rank.OWNER,),
        (Rank.LEAD,),
        (Rank.HEAD,),
    ]


def test_nobody_is_invented_when_nobody_was_named() -> None:
    assert [team.members for team in RULES.routing.teams.values()] == [()]
    assert RULES.alerting.targets == {}
    assert RULES.improvements.trackers == {}


def test_every_alert_is_named_when_the_text_says_what_can_be_told() -> None:
    assert all(kind in ready_made()[Kind.ALERTS] for kind in AlertKind)


def test_each_group_has_its_playbook_when_nobody_changed_them() -> None:
    """Row 44: acknowledge, listen, explain and act, follow up; and those of the others."""
    steps = {
        category: [step.step_id for step in playbook.steps]
        for category, playbook in RULES.playbooks.by_category.items()
    }
    assert steps == {
        Category.DETRACTOR: ["acknowledge", "listen", "explain-and-act", "follow-up"],
        Category.PASSIVE: ["ask", "help", "roadmap"],
        Category.PROMOTER: ["thank", "review", "referral", "beta-group"],
    }
    opens = {category: playbook.opens for category, playbook in RULES.playbooks.by_category.items()}
    assert opens == {
        Category.DETRACTOR: Opens.ALWAYS,
        Category.PASSIVE: Opens.COMMENTED,
        Category.PROMOTER: Opens.NEVER,
    }


@pytest.mark.parametrize("template", TEMPLATES)
def test_message_says_something_when_a_name_is_known_or_not(template: MessageTemplate) -> None:
    assert list(template.texts) == LANGUAGES
    for subject, text in template.texts.values():
        assert 0 < len(writing.subject_template(subject).render(KNOWN)) < 80
        compiled = writing.text_template(text)
        named, nameless = compiled.render(KNOWN), compiled.render(NAMELESS)
        assert "Ada" in named
        assert "Ana Ruiz" in named
        assert not any(bad in nameless for bad in ("  ", " ,", " ،", "{", "}"))
        assert named.count("\n\n") >= 2


def test_reporters_are_told_in_their_language_when_something_ships() -> None:
    assert list(RULES.improvements.told) == LANGUAGES
    for subject, text in RULES.improvements.told.values():
        assert reporting.subject_template(subject).render(KNOWN)
        assert "Late parcels" in reporting.text_template(text).render(NAMELESS)
