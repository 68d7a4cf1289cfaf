"""Catalog adapters over one SQL schema; ``config`` alone names them."""
