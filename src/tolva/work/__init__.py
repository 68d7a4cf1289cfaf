"""What a worker does: claim, run, commit, tell; the children that run tasks; the engine that answers their SQL."""
