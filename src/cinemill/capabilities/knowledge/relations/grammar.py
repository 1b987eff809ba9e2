"""The words and dependencies that the grammar of relations knows, as tables.

They are of English and of its grammar, never of a sentence that they were tried on.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLAUSE_HEADS = frozenset(
    {"ROOT", "conj", "ccomp", "xcomp", "advcl", "relcl", "acl", "parataxis", "dep", "csubj"}
)
"""Dependencies of verbs that head a clause of their own. A gerund after a preposition has no
subject that could be trusted."""
SUBJECTS = frozenset({"nsubj", "nsubjpass"})
DIRECT_OBJECTS = frozenset({"dobj", "obj"})
COMPLEMENTS = frozenset({"attr", "acomp", "oprd"})
PREPOSITIONS = frozenset({"prep", "agent", "dative"})
NOMINALS = frozenset({"NOUN", "PROPN", "PRON", "NUM", "DET", "ADJ", "X", "SYM"})
"""Parts of speech that can be an end of a relation."""
NAMES_AND_NOUNS = frozenset({"NOUN", "PROPN"})
NAME_PARTS = frozenset({"compound", "amod", "nummod", "nmod", "quantmod", "advmod", "punct"})
"""Dependents before a noun that belong to what it names."""
RELATIVE_TAGS = frozenset({"WDT", "WP", "WP$", "WRB"})
RELATIVE_WORDS = frozenset({"who", "whom", "which", "that", "whose", "where", "when"})

MODALS = frozenset({"can", "could", "may", "might", "should", "would", "must", "ought", "ca"})
"""Will and shall only say when."""
CONDITIONS = frozenset({"if", "unless", "whether", "lest"})
NOBODY = frozenset({"nobody", "none"})
NEGATIVE_DETERMINERS = frozenset({"no", "neither"})

FACTUAL_INFINITIVES = _words(
    """
    appear begin cease come continue fail get go happen help keep let make manage prove
    remember seem see start stop tend use watch hear dare
    """
)
"""Verbs whose infinitive says what happened, not what somebody intends."""
NEGATIVE_IMPLICATIVES = _words("decline fail forget neglect refuse")
"""Verbs whose infinitive says what did not happen."""
TELLING = _words(
    """
    advise assure convince inform notify persuade remind show teach tell warn
    """
)
"""Verbs that have an object besides the clause that says what."""
OBJECT_CONTROL = _words(
    """
    advise allow ask assist authorize beg bring bid cause challenge command compel direct enable
    encourage expect find forbid force get have hear help hire inspire instruct invite lead leave
    let like make mean need oblige order permit persuade pray prepare press push raise recommend
    remind request require see send summon teach tell tempt train trust urge want warn watch wish
    """
)
"""Verbs whose object does what the infinitive says. With others it is a purpose of the subject."""
DESCRIBING = frozenset({"of", "with", "without"})
"""Prepositions after "be" and a noun that describe the noun: "a girl with red hair"."""
PARTICLES = _words(
    """
    about across ahead apart around aside away back down forth in off on out over up
    """
)
"""Adverbs that belong to the verb right before them."""

LOCATIVES = _words(
    """
    above across against at behind below beneath beside between beyond in inside near on outside
    over under within
    """
)
"""Prepositions of a place: "there is water in the well" says where the water is."""
IDIOMS = frozenset(
    {
        ("after", "all"),
        ("at", "all"),
        ("at", "first"),
        ("at", "last"),
        ("at", "least"),
        ("at", "most"),
        ("at", "once"),
        ("at", "present"),
        ("by", "far"),
        ("for", "ever"),
        ("for", "example"),
        ("for", "instance"),
        ("for", "sure"),
        ("in", "addition"),
        ("in", "all"),
        ("in", "case"),
        ("in", "common"),
        ("in", "fact"),
        ("in", "general"),
        ("in", "order"),
        ("in", "part"),
        ("in", "particular"),
        ("in", "short"),
        ("in", "turn"),
        ("in", "vain"),
        ("of", "course"),
        ("of", "late"),
        ("on", "average"),
        ("to", "day"),
    }
)
"""A preposition and a bare noun that together are an adverb."""

WHEN_AND_WHERE = _words("day hour manner minute moment place reason spot time way year")
"""Nouns that a clause without "that" modifies as an adverb: "the day he left"."""

TITLES = _words(
    """
    mr. mr mrs. mrs miss ms. ms dr. dr sir lord lady king queen prince princess president professor
    senator general captain judge madame madam mademoiselle monsieur saint st.
    """
)
"""Words before a person's name that are part of it: Mr. Bennet is not Mrs. Bennet."""
MALE_WORDS = _words("mr. mr sir lord king prince duke father brother son uncle")
FEMALE_WORDS = _words(
    """
    mrs. mrs miss ms. ms lady madam madame mademoiselle queen princess duchess mother sister
    daughter aunt
    """
)
MALE_NOUNS = _words(
    "king prince duke lord father brother son uncle husband man boy gentleman emperor"
)
FEMALE_NOUNS = _words(
    "queen princess duchess lady mother sister daughter aunt wife woman girl empress"
)
MALE_PRONOUNS = frozenset({"he", "him", "his", "himself"})
FEMALE_PRONOUNS = frozenset({"she", "her", "hers", "herself"})
SPEAKER_PRONOUNS = frozenset({"i", "me", "my", "mine", "myself"})
PERSONAL_PRONOUNS = MALE_PRONOUNS | FEMALE_PRONOUNS | SPEAKER_PRONOUNS
UNNAMED = PERSONAL_PRONOUNS | _words(
    """
    we us our ours ourselves you your yours yourself yourselves it its itself they them their
    theirs themselves this that these those one ones each both all some many few other another
    something anything nothing everything someone anyone everyone somebody anybody nobody
    everybody none who whom which what here there
    """
)
"""Words that name nothing by themselves."""
