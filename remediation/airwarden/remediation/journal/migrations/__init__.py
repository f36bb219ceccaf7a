"""The schema's revisions (Alembic), shipped with the package."""
