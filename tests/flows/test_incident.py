"""The incident of tests/soak/incident.py in small: four causes, a group held, a site suspended, a campaign purged, two restarts, all of
it undone and delivered in the end, by what an operator types and reads on 80 columns."""

from __future__ import annotations

from tests.soak.incident import Incident


def test_an_incident_and_its_aftermath() -> None:
    story: list[str] = []
    with Incident(400, story.append) as incident:
        incident.unfold()
    assert not incident.differences, "\n".join(story)
    assert not incident.findings
