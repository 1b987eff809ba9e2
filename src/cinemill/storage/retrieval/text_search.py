"""Parts of the search statement that find passages by their words.

Ranking every passage with a common word takes seconds. So a bounded number is ranked: passages with
all words of the query, with one of its rarest words and another, with one of its rarer words alone,
and, only if these were too few, with a common one. How common a word is PostgreSQL knows from its
statistics. The rank is BM25 with each word counted once, which a passage of ten seconds hardly ever
repeats.
"""

from __future__ import annotations

import re
from typing import Any

from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.retrieval.filters import Conditions

MOST_WITH_ALL = 1000
MOST_WITH_TWO = 150
"""With one of the rarer words and any other of the query."""
MOST_PAIRED = 4
"""Of the rarest words, that are looked for with one of as many that follow them."""
MOST_WITH_COMMON = 1000
MOST_SCANNED = 20_000
"""Passages that are read for common words. They have no index's help: one that lists a third of all
passages takes longer to read than the passages that are wanted."""
MOST_TERMS = 16
"""The rarest words of a query; its other words are ignored."""
MOST_RARE_TERMS = 8
COMMON_ROWS = 20_000
"""A word in more passages than this is common: gathering all of them takes too long."""
COMMON_TERMS = 3
COMMON_TERMS_OF_ALL = 4
"""Of those that a passage with all words must have: more of them take time and drop hardly any."""
LONGEST_TEXT = 1000
"""Characters of a query that are read; sixteen words are looked for anyway."""
MOST_PHRASES = 4
TYPICAL_LENGTH = 30
"""Different words and stems of a passage of ten seconds."""

LEAST_SIMILARITY = 0.3
"""Of a word, by shared trigrams: Zareef and Zarif have so many in common."""
SIMILAR_WORDS = 8
PASSAGES_OF_SIMILAR_WORD = 200

_PHRASE = re.compile(r'"([^"]+)"')

_QUOTED = r"""'''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''''"""

_TERMS = f"""
common AS MATERIALIZED (
    SELECT lexeme, frequency FROM pg_stats CROSS JOIN LATERAL unnest(
        CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs)
        AS known (lexeme, frequency)
    WHERE schemaname = current_schema() AND tablename = 'passage' AND attname = 'words'
      AND lexeme IS NOT NULL
), passages AS MATERIALIZED (
    SELECT greatest(reltuples, 1) AS number FROM pg_class
    WHERE oid = to_regclass('passage')
), lexemes AS (
    SELECT lexeme, place, false AS is_stem
    FROM unnest(to_tsvector('simple', :text)) AS word (lexeme, places, weights)
    CROSS JOIN unnest(places) AS place
    UNION ALL
    SELECT lexeme, place, true FROM unnest(to_tsvector('english', :text))
        AS word (lexeme, places, weights) CROSS JOIN unnest(places) AS place
), asked AS MATERIALIZED (
    SELECT DISTINCT array_agg(DISTINCT lexeme ORDER BY lexeme) AS lexemes,
           bool_or(is_stem) AS has_stem, coalesce(max(frequency), 0) AS frequency
    FROM lexemes LEFT JOIN common USING (lexeme) GROUP BY place
), term AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY frequency, lexemes) AS rarity,
           CAST((SELECT string_agg({_QUOTED}, ' | ') FROM unnest(lexemes) AS lexeme) AS tsquery)
               AS query,
           frequency * number > CAST(:common_rows AS int) AS is_common,
           frequency, least_frequency, number,
           ln(1 + 1 / greatest(frequency, least_frequency)) AS weight
    FROM (
        SELECT lexemes, frequency FROM asked
        -- Words such as "the" have no stem; they count where there is nothing else.
        WHERE has_stem OR NOT EXISTS (SELECT FROM asked WHERE has_stem)
    ) AS counted CROSS JOIN (
        SELECT number, greatest(1 / number, (SELECT min(frequency) / 2 FROM common))
            AS least_frequency FROM passages) AS known
    ORDER BY rarity LIMIT {MOST_TERMS}
)"""  # noqa: S608

_GATHER = f"""
with_all AS MATERIALIZED (
    SELECT p.id, p.words FROM passage AS p WHERE p.words @@ (
        SELECT CAST(string_agg('(' || CAST(query AS text) || ')', ' & ') AS tsquery) FROM term
        WHERE NOT is_common OR rarity <= {COMMON_TERMS_OF_ALL}
        -- As if words came independently of each other.
        HAVING exp(sum(ln(greatest(frequency, least_frequency)))) * max(number)
            <= CAST(:common_rows AS int))
        AND {{conditions}} LIMIT CAST(:most_with_all AS int)
), rare AS MATERIALIZED (
    SELECT query, (
        SELECT CAST(string_agg('(' || CAST(others.query AS text) || ')', ' | ') AS tsquery)
        FROM term AS others WHERE term.rarity <= {MOST_PAIRED}
            AND others.rarity BETWEEN term.rarity + 1 AND term.rarity + {MOST_PAIRED}) AS others
    FROM term WHERE NOT is_common ORDER BY rarity LIMIT {MOST_RARE_TERMS}
), with_two AS MATERIALIZED (
    SELECT found.id, found.words FROM rare CROSS JOIN LATERAL (
        SELECT p.id, p.words FROM passage AS p
        WHERE p.words @@ (rare.query && rare.others) AND {{conditions}} LIMIT {MOST_WITH_TWO}
    ) AS found
), with_rare AS MATERIALIZED (
    SELECT found.id, found.words FROM rare CROSS JOIN LATERAL (
        SELECT p.id, p.words FROM passage AS p WHERE p.words @@ rare.query AND {{conditions}}
        LIMIT :limit
    ) AS found LIMIT 2 * :limit
), with_common AS MATERIALIZED (
    SELECT p.id, p.words FROM (
        SELECT p.id, p.words FROM passage AS p WHERE {{conditions}} LIMIT CAST(:most_scanned AS int)
    ) AS p
    WHERE p.words @@ (
        SELECT CAST(string_agg('(' || CAST(query AS text) || ')', ' | ') AS tsquery) FROM (
            SELECT query FROM term WHERE is_common ORDER BY rarity LIMIT {COMMON_TERMS}
        ) AS frequent)
        AND (SELECT count(*) FROM with_all) + (SELECT count(*) FROM with_rare) < :limit
    LIMIT {MOST_WITH_COMMON}
), gathered AS MATERIALIZED (
    SELECT DISTINCT ON (id) id, words FROM (
        SELECT id, words FROM with_all UNION ALL SELECT id, words FROM with_two
        UNION ALL SELECT id, words FROM with_rare UNION ALL SELECT id, words FROM with_common
    ) AS every ORDER BY id
), text_hit AS MATERIALIZED (
    SELECT p.id, ranked.score / (0.25 + 0.75 * length(p.words) / {TYPICAL_LENGTH}.0 + 1 / 1.2)
        * (1 + 1 / 1.2) AS score
    FROM gathered AS p CROSS JOIN LATERAL (
        SELECT sum(term.weight) AS score FROM term WHERE p.words @@ term.query) AS ranked
    ORDER BY score DESC, p.id LIMIT :limit
)"""  # noqa: S608

_TRIGRAMS = f"""
near_word AS MATERIALIZED (
    SELECT asked.word AS asked, near.word, near.score
    FROM unnest(CAST(:unknown_words AS text[])) AS asked (word) CROSS JOIN LATERAL (
        SELECT word.word, similarity(word.word, lower(asked.word)) AS score
        FROM word WHERE word.owner = :owner AND word.word % lower(asked.word)
        ORDER BY score DESC, word.word LIMIT {SIMILAR_WORDS}
    ) AS near
), trigram_hit AS MATERIALIZED (
    SELECT id, sum(score) / cardinality(CAST(:unknown_words AS text[])) AS score FROM (
        SELECT near.asked, found.id, max(near.score) AS score
        FROM (SELECT asked, word AS lexeme, score FROM near_word) AS near CROSS JOIN LATERAL (
            SELECT p.id FROM passage AS p
            WHERE p.words @@ CAST({_QUOTED} AS tsquery) AND {{conditions}}
            LIMIT {PASSAGES_OF_SIMILAR_WORD}
        ) AS found GROUP BY near.asked, found.id
    ) AS every GROUP BY id ORDER BY score DESC, id LIMIT :limit
)"""  # noqa: S608


def compose_text_search(
    query: CandidateQuery, conditions: Conditions
) -> tuple[str, dict[str, Any]]:
    """Return the common table expressions that define ``text_hit``, and their values."""
    asked = query.text[:LONGEST_TEXT]
    phrases = [*dict.fromkeys(_PHRASE.findall(asked))][:MOST_PHRASES]
    names = [f"phrase_{number}" for number in range(len(phrases))]
    # A phrase without words would match nothing.
    in_order = [
        f"(numnode(phraseto_tsquery('simple', :{name})) = 0"
        f" OR p.words @@ phraseto_tsquery('simple', :{name}))"
        for name in names
    ]
    every = " AND ".join([conditions.sql, *in_order])
    values = {
        "text": asked,
        "common_rows": COMMON_ROWS,
        "most_with_all": MOST_WITH_ALL,
        "most_scanned": MOST_SCANNED,
        **dict(zip(names, phrases, strict=True)),
    }
    return f"{_TERMS.strip()}, {_GATHER.format(conditions=every).strip()}", values


def compose_trigram_search(
    query: CandidateQuery, conditions: Conditions
) -> tuple[str, dict[str, Any]]:
    """Return the common table expressions that define ``trigram_hit``, and their values."""
    words = [*dict.fromkeys(query.unknown_words)][:MOST_TERMS]
    return _TRIGRAMS.format(conditions=conditions.sql).strip(), {"unknown_words": words}
