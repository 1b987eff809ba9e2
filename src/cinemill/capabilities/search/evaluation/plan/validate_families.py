"""The six families that thresholds are set on."""

from __future__ import annotations

from cinemill.capabilities.search.evaluation.plan.records import (
    Ask,
    Family,
    FollowUps,
    Miss,
    MissKind,
    QueryClass,
)

FOUNDING = Family(
    "founding",
    statements=(
        "{org} was founded in {place} in {year}.",
        "In {year}, {org} was founded in {place}.",
    ),
    asks=(
        Ask(QueryClass.WHEN, "In which year was {org} founded?", "year"),
        Ask(QueryClass.PARAPHRASE, "Since when has {org} existed?", "year"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "When did {org} go bankrupt?", "bankrupt"),
        Miss(MissKind.ABSENT, "In which year was {absent_org} founded?", "{absent_org}"),
        Miss(MissKind.PREDICATE, "Which sport does {org} sponsor?", "sponsor"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And where?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And {other_org}?", "other_year"),
        Miss(MissKind.PREDICATE, "And when did it go bankrupt?", "bankrupt"),
    ),
)

ATTENDANCE = Family(
    "attendance",
    statements=(
        "On its first day, {visitors} visitors came to the {thing} in {place}.",
        "The {thing} in {place} had {visitors} visitors on its first day.",
    ),
    asks=(
        Ask(QueryClass.HOW_MANY, "How many visitors came to the {thing}?", "visitors"),
        Ask(QueryClass.PARAPHRASE, "How large was the crowd at the {thing}?", "visitors"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "How many people were arrested at the {thing}?", "arrested"),
        Miss(MissKind.ABSENT, "How many visitors came to the {absent_thing}?", "{absent_thing}"),
        Miss(MissKind.NEGATION, "Why did nobody come to the {thing}?", "nobody"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And in which city is it?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And to the {other_thing}?", "other_visitors"),
        Miss(MissKind.PREDICATE, "And how many were arrested?", "arrested"),
    ),
)

LESSON = Family(
    "lesson",
    statements=(
        "{person} taught {person2} how to repair {object}.",
        "How to repair {object} is what {person} taught {person2}.",
    ),
    asks=(
        Ask(QueryClass.WHAT, "What did {person} teach {person2}?", "object"),
        Ask(QueryClass.PARAPHRASE, "From whom did {person2} learn a skill?", "person"),
    ),
    misses=(
        Miss(MissKind.SWAPPED_ROLES, "What did {person2} teach {person}?", "{person2} taught"),
        Miss(MissKind.ABSENT, "What did {absent_person} teach {person2}?", "{absent_person}"),
        Miss(MissKind.SWAPPED_NAME, "What did {person} teach {other_person2}?"),
        Miss(MissKind.PREDICATE, "Whom did {person2} marry?", "marry"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And who was the teacher?", "person"),
        Ask(QueryClass.FOLLOW_UP, "And {other_person}, to {other_person2}?", "other_object"),
        Miss(MissKind.PREDICATE, "And whom did they marry?", "marry"),
    ),
)

STORAGE = Family(
    "storage",
    statements=(
        "{person} keeps the {item} of the {thing} in {spot}.",
        "The {item} of the {thing} are kept by {person} in {spot}.",
    ),
    asks=(
        Ask(QueryClass.WHERE, "Where does {person} keep the {item} of the {thing}?", "spot"),
        Ask(
            QueryClass.PARAPHRASE,
            "What is the hiding place of the {item} from the {thing}?",
            "spot",
        ),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who stole the {item} of the {thing}?", "stole"),
        Miss(MissKind.ABSENT, "Where are the {item} of the {absent_thing} kept?", "{absent_thing}"),
        Miss(MissKind.SWAPPED_NAME, "Where does {other_person} keep the {item} of the {thing}?"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And who keeps them there?", "person"),
        Ask(QueryClass.FOLLOW_UP, "And the {other_item} of the {other_thing}?", "other_spot"),
        Miss(MissKind.PREDICATE, "And who stole them?", "stole"),
    ),
)

DAMAGE = Family(
    "damage",
    statements=(
        "{person} believes that {cause} damaged the {thing}.",
        "In the opinion of {person}, {cause} damaged the {thing}.",
    ),
    asks=(
        Ask(QueryClass.STATEMENT, "What damaged the {thing}, according to {person}?", "cause"),
        Ask(
            QueryClass.PARAPHRASE, "What does {person} blame for the state of the {thing}?", "cause"
        ),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who painted the {thing}?", "painted"),
        Miss(MissKind.SWAPPED_NAME, "What damaged the {thing}, according to {other_person}?"),
        Miss(MissKind.ABSENT, "What damaged the {absent_thing}?", "{absent_thing}"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And who believes that?", "person"),
        Ask(QueryClass.FOLLOW_UP, "And the {other_thing}?", "other_cause"),
        Miss(MissKind.PREDICATE, "And who painted it?", "painted"),
    ),
)

COUNTED = Family(
    "counted",
    statements=(),
    slots=("picture",),
    asks=(
        Ask(QueryClass.SEEN, "How many {shape}s are above the sign {sign}?", "count"),
        Ask(QueryClass.SEEN, "What is the color of the picture with the sign {sign}?", "color"),
    ),
    misses=(
        Miss(
            MissKind.ABSENT, "How many {shape}s are above the sign {absent_sign}?", "{absent_sign}"
        ),
        Miss(
            MissKind.ABSENT,
            "What is the color of the picture with the sign {absent_sign}?",
            "{absent_sign}",
        ),
        Miss(MissKind.ABSENT, "Which sign is below {absent_picture}?", "{absent_picture}"),
    ),
)

VALIDATE_FAMILIES = (FOUNDING, ATTENDANCE, LESSON, STORAGE, DAMAGE, COUNTED)
