"""The six families that a final choice is measured on.

Changing the search after reading what it misses here would be tuning on them.
"""

from __future__ import annotations

from cinemill.capabilities.search.evaluation.plan.records import (
    Ask,
    Family,
    FollowUps,
    Miss,
    MissKind,
    QueryClass,
)

SUCCESSION = Family(
    "succession",
    statements=(
        "{person} replaced {person2} as the head of {org}.",
        "As the head of {org}, {person} replaced {person2}.",
    ),
    asks=(
        Ask(QueryClass.RELATION, "Who replaced {person2} as the head of {org}?", "person"),
        Ask(QueryClass.PARAPHRASE, "Who came after {person2} at the top of {org}?", "person"),
    ),
    misses=(
        Miss(
            MissKind.SWAPPED_ROLES,
            "At which company did {person2} replace {person}?",
            "{person2} replaced",
        ),
        Miss(MissKind.PREDICATE, "Who sued {person2}?", "sued"),
        Miss(
            MissKind.ABSENT, "Who replaced {absent_person} as the head of {org}?", "{absent_person}"
        ),
        Miss(MissKind.SWAPPED_NAME, "Whom did {person} replace at {other_org}?"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And who was the head before?", "person2"),
        Ask(QueryClass.FOLLOW_UP, "And at {other_org}?", "other_person"),
        Miss(MissKind.PREDICATE, "And who sued them?", "sued"),
    ),
)

DELIVERY = Family(
    "delivery",
    statements=(
        "The {cargo} for the {thing} will arrive in {place} on the {day} of {month}.",
        "On the {day} of {month}, the {cargo} for the {thing} will arrive in {place}.",
    ),
    asks=(
        Ask(QueryClass.WHEN, "When will the {cargo} for the {thing} arrive?", "day"),
        Ask(QueryClass.PARAPHRASE, "On what date is the shipment to the {thing} due?", "day"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who lost the {cargo} for the {thing}?", "lost"),
        Miss(
            MissKind.ABSENT,
            "When will the {cargo} for the {absent_thing} arrive?",
            "{absent_thing}",
        ),
        Miss(MissKind.NEGATION, "Why were the {cargo} for the {thing} sent back?", "sent back"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And in which city?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And those for the {other_thing}?", "other_day"),
        Miss(MissKind.PREDICATE, "And who lost them?", "lost"),
    ),
)

TICKET = Family(
    "ticket",
    statements=(
        "A ticket for the {thing} in {place} costs {price} euros.",
        "In {place}, a ticket for the {thing} costs {price} euros.",
    ),
    asks=(
        Ask(QueryClass.HOW_MANY, "How much does a ticket for the {thing} cost?", "price"),
        Ask(QueryClass.PARAPHRASE, "What does one pay to enter the {thing}?", "price"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "How many rooms does the {thing} have?", "rooms"),
        Miss(
            MissKind.ABSENT, "How much does a ticket for the {absent_thing} cost?", "{absent_thing}"
        ),
        Miss(MissKind.NEGATION, "On which days is the {thing} free of charge?", "free of charge"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And where is it?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And for the {other_thing}?", "other_price"),
        Miss(MissKind.PREDICATE, "And how many rooms does it have?", "rooms"),
    ),
)

DENIAL = Family(
    "denial",
    statements=(
        "{person} denied that {org} polluted the lake near {place}.",
        "That {org} polluted the lake near {place} was denied by {person}.",
    ),
    asks=(
        Ask(
            QueryClass.STATEMENT, "Who denied that {org} polluted the lake near {place}?", "person"
        ),
        Ask(QueryClass.PARAPHRASE, "Who disputes that {org} made the water dirty?", "person"),
    ),
    misses=(
        Miss(
            MissKind.NEGATION, "Who admitted that {org} polluted the lake near {place}?", "admitted"
        ),
        Miss(MissKind.SWAPPED_NAME, "What did {other_person} deny about {org}?"),
        Miss(MissKind.ABSENT, "Who denied that {absent_org} polluted the lake?", "{absent_org}"),
        Miss(MissKind.PREDICATE, "How much did {org} pay {person}?", "pay"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And near which city is the lake?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And of {other_org}?", "other_person"),
        Miss(MissKind.NEGATION, "And who admitted it?", "admitted"),
    ),
)

NOTICE = Family(
    "notice",
    statements=(),
    slots=("notice",),
    asks=(
        Ask(QueryClass.ON_SCREEN, "the notice {notice}", "notice"),
        Ask(QueryClass.ON_SCREEN, "At which moment does the screen say {notice}?", "notice"),
    ),
    misses=(
        Miss(MissKind.ABSENT, "the notice {absent_notice}", "{absent_notice}"),
        Miss(
            MissKind.ABSENT,
            "At which moment does the screen say {absent_notice}?",
            "{absent_notice}",
        ),
    ),
)

COLORED = Family(
    "colored",
    statements=(),
    slots=("picture",),
    asks=(
        Ask(QueryClass.SEEN, "a scene with {picture}", "picture"),
        Ask(QueryClass.SEEN, "What does the sign say below {picture}?", "sign"),
    ),
    misses=(
        Miss(MissKind.ABSENT, "a scene with {absent_picture}", "{absent_picture}"),
        Miss(MissKind.ABSENT, "What does the sign say below {absent_picture}?", "{absent_picture}"),
    ),
)

TEST_FAMILIES = (SUCCESSION, DELIVERY, TICKET, DENIAL, NOTICE, COLORED)
