"""The twelve families that weights are fitted on."""

from __future__ import annotations

from cinemill.capabilities.search.evaluation.plan.records import (
    Ask,
    Family,
    FollowUps,
    Miss,
    MissKind,
    QueryClass,
)

OPENING = Family(
    "opening",
    statements=(
        "{person} opened the {thing} in {place} on the {day} of {month}.",
        "The {thing} in {place} was opened by {person} on the {day} of {month}.",
    ),
    asks=(
        Ask(QueryClass.WHO, "Who opened the {thing}?", "person"),
        Ask(QueryClass.PARAPHRASE, "Which person inaugurated the {thing}?", "person"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who demolished the {thing}?", "demolished"),
        Miss(MissKind.ABSENT, "Who opened the {absent_thing}?", "{absent_thing}"),
        Miss(MissKind.SWAPPED_NAME, "When did {person} open the {other_thing}?"),
        Miss(MissKind.NEGATION, "Who refused to open the {thing}?", "refused to open"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And where is it?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And the {other_thing}?", "other_person"),
        Miss(MissKind.PREDICATE, "And who demolished it?", "demolished"),
    ),
)

BUDGET = Family(
    "budget",
    statements=(
        "{org} will spend {number} million euros on the {thing}.",
        "The {thing} will receive {number} million euros from {org}.",
    ),
    asks=(
        Ask(QueryClass.HOW_MANY, "How much will {org} spend on the {thing}?", "number"),
        Ask(QueryClass.PARAPHRASE, "What is the budget of the {thing}?", "number"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "How many people does {org} employ?", "employ"),
        Miss(MissKind.ABSENT, "How much will {absent_org} spend on the {thing}?", "{absent_org}"),
        Miss(MissKind.SWAPPED_NAME, "How much will {other_org} spend on the {thing}?"),
        Miss(MissKind.ABSENT, "What is the budget of the {absent_thing}?", "{absent_thing}"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And who pays for it?", "org"),
        Ask(QueryClass.FOLLOW_UP, "And {other_org} on the {other_thing}?", "other_number"),
        Miss(MissKind.PREDICATE, "And who designed it?", "designed"),
    ),
)

RELOCATION = Family(
    "relocation",
    statements=(
        "{person} moved from {place} to {place2} after the {event}.",
        "After the {event}, {person} moved from {place} to {place2}.",
    ),
    asks=(
        Ask(QueryClass.WHY, "Why did {person} leave {place}?", "event"),
        Ask(QueryClass.PARAPHRASE, "What made {person} relocate to {place2}?", "event"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "What did {person} study in {place}?", "study"),
        Miss(MissKind.ABSENT, "Why did {absent_person} move to {place2}?", "{absent_person}"),
        Miss(
            MissKind.SWAPPED_ROLES,
            "Why did {person} move from {place2} to {place}?",
            "{person} moved from {place2}",
        ),
        Miss(MissKind.NEGATION, "Why did {person} stay in {place}?", "stay in"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And where did they move?", "place2"),
        Ask(QueryClass.FOLLOW_UP, "And {other_person}, why did that one move?", "other_event"),
        Miss(MissKind.PREDICATE, "And what did they study there?", "study"),
    ),
)

DEMAND = Family(
    "demand",
    statements=(
        "{person} said that {org} must stop work on the {thing}.",
        "According to {person}, {org} must stop work on the {thing}.",
    ),
    asks=(
        Ask(QueryClass.STATEMENT, "What must {org} stop, according to {person}?", "thing"),
        Ask(QueryClass.PARAPHRASE, "Who wants {org} to give up the {thing}?", "person"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Which election did {person} win?", "win"),
        Miss(MissKind.SWAPPED_NAME, "What must {org} stop, according to {other_person}?"),
        Miss(
            MissKind.ABSENT,
            "Who said that {absent_org} must stop work on the {thing}?",
            "{absent_org}",
        ),
        Miss(
            MissKind.NEGATION,
            "Who said that {org} may continue work on the {thing}?",
            "may continue",
        ),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And which company is that about?", "org"),
        Ask(QueryClass.FOLLOW_UP, "And {other_org}, according to {other_person}?", "other_thing"),
        Miss(MissKind.PREDICATE, "And which election did they win?", "win"),
    ),
)

SCHEDULE = Family(
    "schedule",
    statements=(
        "The meeting about the {thing} in {place} starts at {hour} in the morning.",
        "At {hour} in the morning, the meeting about the {thing} starts in {place}.",
    ),
    asks=(
        Ask(QueryClass.WHEN, "When does the meeting about the {thing} start?", "hour"),
        Ask(QueryClass.PARAPHRASE, "At what time do people gather to discuss the {thing}?", "hour"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who cancelled the meeting about the {thing}?", "cancelled"),
        Miss(
            MissKind.ABSENT,
            "When does the meeting about the {absent_thing} start?",
            "{absent_thing}",
        ),
        Miss(MissKind.PREDICATE, "Who leads the meeting about the {thing}?", "leads"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And in which city?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And the one about the {other_thing}?", "other_hour"),
        Miss(MissKind.PREDICATE, "And who leads it?", "leads"),
    ),
)

EMPLOYMENT = Family(
    "employment",
    statements=(
        "{person} works for {org} as {job}.",
        "{person} is {job} and works for {org}.",
    ),
    asks=(
        Ask(QueryClass.RELATION, "For whom does {person} work?", "org"),
        Ask(QueryClass.PARAPHRASE, "Who employs {person}?", "org"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "How old is {person}?", "years old"),
        Miss(MissKind.ABSENT, "For whom does {absent_person} work?", "{absent_person}"),
        Miss(MissKind.SWAPPED_NAME, "As what does {person} work for {other_org}?"),
        Miss(MissKind.NEGATION, "Why did {person} leave {org}?", "leave"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And as what?", "job"),
        Ask(QueryClass.FOLLOW_UP, "And {other_person}?", "other_org"),
        Miss(MissKind.PREDICATE, "And how old is that person?", "years old"),
    ),
)

SALE = Family(
    "sale",
    statements=(
        "{org} sold the {thing} to {org2} for {number} million euros.",
        "For {number} million euros, {org} sold the {thing} to {org2}.",
    ),
    asks=(
        Ask(QueryClass.RELATION, "To whom did {org} sell the {thing}?", "org2"),
        Ask(QueryClass.PARAPHRASE, "Which company bought the {thing} from {org}?", "org2"),
    ),
    misses=(
        Miss(
            MissKind.SWAPPED_ROLES,
            "For how much did {org2} sell the {thing} to {org}?",
            "{org2} sold",
        ),
        Miss(MissKind.PREDICATE, "Who insured the {thing}?", "insured"),
        Miss(MissKind.SWAPPED_NAME, "To whom did {org} sell the {other_thing}?"),
        Miss(MissKind.ABSENT, "To whom did {absent_org} sell the {thing}?", "{absent_org}"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And for how much?", "number"),
        Ask(QueryClass.FOLLOW_UP, "And the {other_thing}?", "other_org2"),
        Miss(MissKind.PREDICATE, "And who insured it?", "insured"),
    ),
)

REFUSAL = Family(
    "refusal",
    statements=(
        "{person} did not sign the contract with {org} in {place}.",
        "In {place}, {person} did not sign the contract with {org}.",
    ),
    asks=(
        Ask(QueryClass.NEGATION, "Who did not sign the contract with {org}?", "person"),
        Ask(QueryClass.PARAPHRASE, "Who turned down an agreement with {org}?", "person"),
    ),
    misses=(
        Miss(
            MissKind.NEGATION, "When did {person} sign the contract with {org}?", "{person} signed"
        ),
        Miss(MissKind.SWAPPED_NAME, "Where did {person} not sign the contract with {other_org}?"),
        Miss(MissKind.ABSENT, "Who did not sign the contract with {absent_org}?", "{absent_org}"),
        Miss(MissKind.PREDICATE, "Which court fined {person}?", "court"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And in which city was that?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And the one with {other_org}?", "other_person"),
        Miss(MissKind.NEGATION, "And when did they sign it?", "{person} signed"),
    ),
)

CLOSURE = Family(
    "closure",
    statements=(
        "The {thing} in {place} was closed because of {reason}.",
        "Because of {reason}, the {thing} in {place} was closed.",
    ),
    asks=(
        Ask(QueryClass.WHY, "Why was the {thing} closed?", "reason"),
        Ask(QueryClass.PARAPHRASE, "What caused the {thing} to shut its doors?", "reason"),
    ),
    misses=(
        Miss(MissKind.PREDICATE, "Who photographed the {thing}?", "photographed"),
        Miss(MissKind.NEGATION, "Why does the {thing} remain open?", "remain open"),
        Miss(MissKind.ABSENT, "Why was the {absent_thing} closed?", "{absent_thing}"),
    ),
    follow_ups=FollowUps(
        Ask(QueryClass.FOLLOW_UP, "And where is it?", "place"),
        Ask(QueryClass.FOLLOW_UP, "And the {other_thing}?", "other_reason"),
        Miss(MissKind.PREDICATE, "And who photographed it?", "photographed"),
    ),
)

QUOTE = Family(
    "quote",
    statements=(
        '{person} called the {thing} "a {quote}".',
        '"A {quote}" is what {person} called the {thing}.',
    ),
    asks=(
        Ask(QueryClass.QUOTE, '"a {quote}"', "quote"),
        Ask(QueryClass.QUOTE, 'Who used the words "{quote}"?', "person"),
    ),
    misses=(
        Miss(MissKind.ABSENT, 'Who used the words "{absent_quote}"?', "{absent_quote}"),
        Miss(MissKind.SWAPPED_NAME, 'When did {other_person} use the words "{quote}"?'),
        Miss(MissKind.ABSENT, '"a {absent_quote}"', "{absent_quote}"),
    ),
)

SIGN = Family(
    "sign",
    statements=(),
    asks=(
        Ask(QueryClass.ON_SCREEN, "the sign {sign}", "sign"),
        Ask(QueryClass.ON_SCREEN, "Where can one read {sign} on the screen?", "sign"),
    ),
    misses=(
        Miss(MissKind.ABSENT, "the sign {absent_sign}", "{absent_sign}"),
        Miss(MissKind.ABSENT, "Where can one read {absent_sign} on the screen?", "{absent_sign}"),
    ),
)

SHAPES_SEEN = Family(
    "shapes",
    statements=(),
    slots=("picture",),
    asks=(
        Ask(QueryClass.SEEN, "{picture}", "picture"),
        Ask(QueryClass.SEEN, "Which sign is shown with {picture}?", "sign"),
    ),
    misses=(
        Miss(MissKind.ABSENT, "{absent_picture}", "{absent_picture}"),
        Miss(MissKind.ABSENT, "Which sign is shown with {absent_picture}?", "{absent_picture}"),
    ),
)

TUNE_FAMILIES = (
    *(OPENING, BUDGET, RELOCATION, DEMAND, SCHEDULE, EMPLOYMENT),
    *(SALE, REFUSAL, CLOSURE, QUOTE, SIGN, SHAPES_SEEN),
)
