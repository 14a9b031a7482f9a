"""What simulated customers write, by how they feel."""

import random
from collections.abc import Mapping
from typing import Final

from heardback.vocabulary import Category

_OPENINGS: Final[Mapping[Category, tuple[str, ...]]] = {
    Category.DETRACTOR: (
        "The parcel came nine days late and nobody told me",
        "I was charged twice and still wait for the money",
        "Support closed my ticket without an answer",
        "The app logs me out every single day",
        "The item arrived broken, the box was soaked",
        "I had to explain my problem to four different people",
        "Setting it up took a whole weekend",
        "The price went up and the service went down",
        "Your return label did not work at the post office",
        "Search never finds what I know you sell",
    ),
    Category.PASSIVE: (
        "Does what it should",
        "Good product, slow delivery",
        "Friendly people, but I waited two days for a reply",
        "Fine, though the invoice was hard to find",
        "It works; the instructions could be clearer",
        "Nice, but a competitor is a little cheaper",
        "The export misses the columns that I need",
        "Mostly happy; the mobile page is a bit clumsy",
    ),
    Category.PROMOTER: (
        "Arrived the next morning, well packed",
        "Anna from support solved it in ten minutes",
        "We were up and running the same afternoon",
        "Best fit that I have ever bought online",
        "You fixed what I reported last time, thank you",
        "Fair prices and no surprises",
        "The new dashboard saves me an hour a week",
        "Everything simply worked",
    ),
}
_ENDINGS: Final[Mapping[Category, tuple[str, ...]]] = {
    Category.DETRACTOR: (
        "",
        " I expected better.",
        " Please call me back.",
        " This is the second time.",
        " I am looking at other options.",
        " Why is that so hard?",
    ),
    Category.PASSIVE: ("", " All in all okay.", " Could be better.", " Will see next time."),
    Category.PROMOTER: (
        "",
        " Thank you!",
        " Keep it up.",
        " Told my sister about you. ❤",
        " 10/10",
    ),
}


_RELIEF: Final = (
    "Somebody called me the same day and sorted it out",
    "The money is back, and I got an apology",
    "Thank you for listening. It works now",
    "I did not expect to hear from you at all, well done",
    "The new one arrived the next morning",
    "They asked what happened and did something about it",
    "Solved, and without a form to fill in",
    "Fast and friendly this time",
)


def write_relief(chance: random.Random) -> str:
    """Return a short text as somebody would write it whose problem was solved."""
    return chance.choice(_RELIEF) + chance.choice((".", "!", ". Thank you.", ". I will stay."))


def write_comment(category: Category, chance: random.Random) -> str:
    """Return a short text as such a customer would write it; some are hasty typists."""
    opening, ending = chance.choice(_OPENINGS[category]), chance.choice(_ENDINGS[category])
    text = f"{opening}.{ending}"
    return text.lower().replace(",", "").rstrip(".") if chance.random() < 0.2 else text
