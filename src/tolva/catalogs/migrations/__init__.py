"""The catalog's schema through the ages, for Alembic."""
