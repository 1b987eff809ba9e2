"""Forms in which a corpus' facts can be asked for in other words, each with its near miss.

They are written for the facts of the splits tune and validate, to see how relevance does on forms
of questions that nothing was fitted on; ``tools/measure_reworded.py`` asks them.
"""

from __future__ import annotations

from typing import NamedTuple


class Rewording(NamedTuple):
    """A form of question: templates with the slots of its family."""

    question: str
    answer: str
    """The slot with the answer."""
    near_miss: str
    """The same form, asking for what nobody says."""


REWORDINGS: dict[str, tuple[Rewording, ...]] = {
    "opening": (
        Rewording("Who cut the ribbon at the {thing}?", "person", "Who set fire to the {thing}?"),
        Rewording(
            "At whose hands did the {thing} first welcome the public?",
            "person",
            "At whose hands did the {thing} first lose its roof?",
        ),
        Rewording(
            "On what date was the inauguration of the {thing}?",
            "day",
            "On what date was the demolition of the {thing}?",
        ),
        Rewording(
            "Since which day can people enter the {thing}?",
            "day",
            "Since which day do ghosts haunt the {thing}?",
        ),
        Rewording(
            "In which town did {person} launch the {thing}?",
            "place",
            "In which town did {person} sketch the {thing}?",
        ),
        Rewording(
            "I would like to know who unveiled the {thing}.",
            "person",
            "I would like to know who vandalized the {thing}.",
        ),
        Rewording(
            "Name the guest of honor who declared the {thing} ready for use.",
            "person",
            "Name the inspector who declared the {thing} unsafe for children.",
        ),
    ),
    "budget": (
        Rewording(
            "How much money is set aside for the {thing}?",
            "number",
            "How much electricity is used up by the {thing}?",
        ),
        Rewording(
            "What will the {thing} cost {org}?",
            "number",
            "What profit will the {thing} bring {org}?",
        ),
        Rewording("Who finances the {thing}?", "org", "Who criticizes the {thing}?"),
        Rewording(
            "Which company foots the bill for the {thing}?",
            "org",
            "Which company drew the plans for the {thing}?",
        ),
        Rewording(
            "How large is the investment of {org} in the {thing}?",
            "number",
            "How old is the rivalry of {org} with the {thing}?",
        ),
        Rewording(
            "Where does the funding for the {thing} come from?",
            "org",
            "Where does the marble for the {thing} come from?",
        ),
        Rewording(
            "Into which project does {org} put its money?",
            "thing",
            "Into which river does {org} pump its waste?",
        ),
    ),
    "relocation": (
        Rewording("Where is {person}'s new home?", "place2", "Where is {person}'s birthplace?"),
        Rewording(
            "What drove {person} out of {place}?", "event", "What drew {person} into politics?"
        ),
        Rewording(
            "In which city did {person} live before?",
            "place",
            "In which city did {person} get a degree?",
        ),
        Rewording("Where has {person} settled?", "place2", "Where has {person} performed?"),
        Rewording(
            "What event led to {person}'s departure?",
            "event",
            "What event led to {person}'s arrest?",
        ),
        Rewording(
            "Tell me the reason for {person}'s change of residence.",
            "event",
            "Tell me the reason for {person}'s change of religion.",
        ),
        Rewording(
            "Which city lost {person} as a resident?",
            "place",
            "Which city chose {person} as a mayor?",
        ),
    ),
    "demand": (
        Rewording(
            "What is {org} urged to abandon?", "thing", "What is {org} invited to celebrate?"
        ),
        Rewording(
            "Who objects to {org} building the {thing}?",
            "person",
            "Who helps {org} paint the {thing}?",
        ),
        Rewording(
            "Which firm should halt the {thing} in {person}'s view?",
            "org",
            "Which firm should insure the {thing} in {person}'s view?",
        ),
        Rewording(
            "Who calls for an end to the {thing}?", "person", "Who raises money for the {thing}?"
        ),
        Rewording(
            "Which project does {person} oppose?", "thing", "Which prize does {person} hold?"
        ),
        Rewording(
            "What does {person} demand of {org}?", "thing", "What does {person} owe to {org}?"
        ),
    ),
    "schedule": (
        Rewording(
            "How early must one arrive for the talk on the {thing}?",
            "hour",
            "How many chairs must one bring for the talk on the {thing}?",
        ),
        Rewording(
            "Where is the {thing} going to be debated?",
            "place",
            "Where is the {thing} going to be rebuilt?",
        ),
        Rewording(
            "Which town hosts the session on the {thing}?",
            "place",
            "Which town won the prize for the {thing}?",
        ),
        Rewording(
            "When do the discussions on the {thing} begin?",
            "hour",
            "When do the repairs of the {thing} end?",
        ),
        Rewording(
            "From what hour will they talk over the {thing}?",
            "hour",
            "From what height will they take photos of the {thing}?",
        ),
    ),
    "employment": (
        Rewording("What firm pays {person}'s salary?", "org", "What firm makes {person}'s shoes?"),
        Rewording(
            "What does {person} do for a living?", "job", "What does {person} do for exercise?"
        ),
        Rewording("What is {person}'s profession?", "job", "What is {person}'s hobby?"),
        Rewording("Who is on the staff of {org}?", "person", "Who is on the blacklist of {org}?"),
        Rewording(
            "By which company has {person} been hired?",
            "org",
            "By which company has {person} been sued?",
        ),
        Rewording(
            "In what role does {person} serve {org}?",
            "job",
            "In what court does {person} sue {org}?",
        ),
        Rewording("Where is {person} on the payroll?", "org", "Where is {person} on holiday?"),
    ),
    "sale": (
        Rewording(
            "Who is the new owner of the {thing}?", "org2", "Who is the architect of the {thing}?"
        ),
        Rewording(
            "What price was paid for the {thing}?",
            "number",
            "What fine was imposed for the {thing}?",
        ),
        Rewording("Who got rid of the {thing}?", "org", "Who got lost in the {thing}?"),
        Rewording("Who acquired the {thing}?", "org2", "Who renovated the {thing}?"),
        Rewording(
            "How much did {org2} pay for the {thing}?",
            "number",
            "How much water did {org2} pump out of the {thing}?",
        ),
        Rewording(
            "Whose property was the {thing} before {org2} took it over?",
            "org",
            "Whose idea was the {thing} before {org2} made it famous?",
        ),
        Rewording(
            "What did {org2} purchase from {org}?", "thing", "What did {org2} borrow from {org}?"
        ),
    ),
    "refusal": (
        Rewording(
            "Who declined to do business with {org}?", "person", "Who planned to break in at {org}?"
        ),
        Rewording(
            "With whom did {person} refuse to make a deal?",
            "org",
            "With whom did {person} refuse to share a room?",
        ),
        Rewording(
            "Whose offer was rejected by {person}?", "org", "Whose car was repaired by {person}?"
        ),
        Rewording(
            "Who would not put a signature under the papers of {org}?",
            "person",
            "Who put coffee stains on the papers of {org}?",
        ),
        Rewording(
            "Where did the deal between {person} and {org} fall through?",
            "place",
            "Where did the friendship between {person} and {org} begin?",
        ),
        Rewording(
            "Which company failed to win over {person}?",
            "org",
            "Which company managed to outbid {person}?",
        ),
    ),
    "closure": (
        Rewording(
            "For what reason is the {thing} no longer accessible?",
            "reason",
            "For what reason is the {thing} no longer blue?",
        ),
        Rewording("What put an end to the {thing}?", "reason", "What gave a name to the {thing}?"),
        Rewording(
            "Where is the {thing} that had to shut down?",
            "place",
            "Where is the {thing} that had to pay damages?",
        ),
        Rewording(
            "What keeps people out of the {thing}?", "reason", "What draws people into the {thing}?"
        ),
        Rewording(
            "Why can nobody visit the {thing} any more?",
            "reason",
            "Why can nobody afford the {thing} any more?",
        ),
        Rewording(
            "What led to the shutdown of the {thing}?",
            "reason",
            "What led to the triumph of the {thing}?",
        ),
    ),
    "quote": (
        Rewording(
            "Who described the {thing} as a {quote}?",
            "person",
            "Who inherited the {thing} as a {quote}?",
        ),
        Rewording(
            "What does {person} think of the {thing}?",
            "quote",
            "What does {person} earn at the {thing}?",
        ),
        Rewording(
            "How was the {thing} labeled by {person}?",
            "quote",
            "How was the {thing} cleaned by {person}?",
        ),
        Rewording("Who commented on the {thing}?", "person", "Who trespassed on the {thing}?"),
        Rewording(
            "What is {person}'s opinion of the {thing}?",
            "quote",
            "What is {person}'s share of the {thing}?",
        ),
    ),
    "founding": (
        Rewording("How long ago was {org} set up?", "year", "How long ago was {org} robbed?"),
        Rewording("What is the birth year of {org}?", "year", "What is the phone number of {org}?"),
        Rewording("Where did {org} get its start?", "place", "Where did {org} get its logo?"),
        Rewording("Where does {org} have its roots?", "place", "Where does {org} have its ships?"),
        Rewording(
            "In which city was {org} established?", "place", "In which city was {org} fined?"
        ),
        Rewording("When did {org} come into being?", "year", "When did {org} merge with a rival?"),
    ),
    "attendance": (
        Rewording(
            "What was the turnout at the {thing}?",
            "visitors",
            "What was the temperature at the {thing}?",
        ),
        Rewording(
            "How many people saw the {thing}?", "visitors", "How many people own the {thing}?"
        ),
        Rewording(
            "How many guests did the {thing} attract at the beginning?",
            "visitors",
            "How many awards did the {thing} receive at the end?",
        ),
        Rewording(
            "How popular was the {thing} at its debut?",
            "visitors",
            "How expensive was the {thing} at its sale?",
        ),
    ),
    "lesson": (
        Rewording(
            "Who learned from {person} how to fix something?",
            "person2",
            "Who heard from {person} how to swim?",
        ),
        Rewording("Who trained {person2}?", "person", "Who betrayed {person2}?"),
        Rewording("Whose pupil was {person2}?", "person", "Whose cousin was {person2}?"),
        Rewording(
            "Which skill does {person2} owe to {person}?",
            "object",
            "Which sum does {person2} owe to {person}?",
        ),
        Rewording(
            "What was shown to {person2} by {person}?",
            "object",
            "What was stolen from {person2} by {person}?",
        ),
    ),
    "storage": (
        Rewording(
            "Who looks after the {item} of the {thing}?",
            "person",
            "Who made the {item} of the {thing}?",
        ),
        Rewording(
            "In what place can one find the {item} belonging to the {thing}?",
            "spot",
            "In what year did one lose the {item} belonging to the {thing}?",
        ),
        Rewording(
            "What is stored away by {person}?", "item", "What is composed at home by {person}?"
        ),
        Rewording(
            "Who is the guardian of the {item} from the {thing}?",
            "person",
            "Who is the buyer of the {item} from the {thing}?",
        ),
    ),
    "damage": (
        Rewording(
            "Who suspects that {cause} ruined the {thing}?",
            "person",
            "Who hopes that {cause} spare the {thing}?",
        ),
        Rewording(
            "What harmed the {thing}, if {person} is right?",
            "cause",
            "What saved the {thing}, if {person} is right?",
        ),
        Rewording(
            "What does {person} hold responsible for the decay of the {thing}?",
            "cause",
            "What does {person} propose for the rescue of the {thing}?",
        ),
        Rewording(
            "What is the culprit in the case of the {thing}?",
            "cause",
            "What is the entrance fee in the case of the {thing}?",
        ),
        Rewording(
            "Whose theory explains the poor shape of the {thing}?",
            "person",
            "Whose money restores the bright colors of the {thing}?",
        ),
    ),
}
"""By the name of a family."""
