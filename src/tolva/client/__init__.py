"""The Python client of a tolva server: submit, upload, watch, and take results as files, rows, Arrow or pandas.

>>> from pathlib import Path
>>> from tolva.client import Client
>>> client = Client("http://127.0.0.1:8321")
>>> job = client.submit("job.yaml")
>>> job.upload_all({"transactions": sorted(Path("coffee").glob("transactions/*.csv"))})
>>> job.start()
>>> job.wait()
>>> for row in job.rows("q1"): ...

Errors are those of ``tolva.errors``, as the server found them. Calls that can be repeated are repeated when the
connection or the server fails for a moment.
"""

from tolva.client.client import Client
from tolva.client.job import Job
from tolva.client.views import JobInfo, PartInfo

__all__ = ["Client", "Job", "JobInfo", "PartInfo"]
