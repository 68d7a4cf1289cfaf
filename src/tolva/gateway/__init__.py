"""The gateway: the job service over HTTP. ``app`` puts it together; every other file is one subject of the API."""
