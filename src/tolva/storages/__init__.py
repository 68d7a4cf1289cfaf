"""Storage adapters; ``config`` alone names them."""
