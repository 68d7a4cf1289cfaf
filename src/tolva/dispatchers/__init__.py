"""Dispatch adapters; ``config`` alone names them."""
