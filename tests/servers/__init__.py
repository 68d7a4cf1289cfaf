"""Real servers for tests: PostgreSQL, RabbitMQ and an S3 server, on free ports and in temporary folders.

They are started and stopped by process id, and never touch servers or data that are not the tests' own.
"""
