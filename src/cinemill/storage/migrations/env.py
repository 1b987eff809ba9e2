"""Run by Alembic with the connection that ``storage.database.migrate`` hands over."""

from __future__ import annotations

from alembic import context

import cinemill.storage.analyses.tables  # these tables are of the same schema
import cinemill.storage.findings.tables
import cinemill.storage.knowledge.tables
import cinemill.storage.projection.tables
import cinemill.storage.providers.tables
import cinemill.storage.retrieval.tables  # noqa: F401
from cinemill.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
