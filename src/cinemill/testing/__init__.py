"""A stand-in for the client, for the tests of programs that use Cinemill.

::

    from cinemill.testing import FakeClient, fail, succeed

    client = FakeClient(outcomes={"process_video": succeed(output_filename="video.mp4")})
    job = client.upload("video.mp4")
    assert [event.status for event in client.watch(job["id"])][-1] == "completed"

It is a :class:`cinemill.client.Client` with the same methods, documents and errors, that talks to
no server: jobs, assets and files are in memory, and jobs go as they are scripted. Requests are
planned as a server plans them, so that what a server rejects is rejected here.
"""

from cinemill.testing.fake_client import FakeClient
from cinemill.testing.outcomes import Outcome, fail, hold, succeed

__all__ = ["FakeClient", "Outcome", "fail", "hold", "succeed"]
