"""From people to verdicts: leaks are failed by a named criterion, and sound releases by none."""

import pytest

from benchmarks.detection import LEAKING, SOUND, detection


def test_a_leak_is_failed_and_a_sound_release_is_not():
    found = detection([1])
    assert {name: found[name]["any"] for name in (*LEAKING, *SOUND)} == dict.fromkeys(LEAKING, 1) | dict.fromkeys(
        SOUND, 0
    )
    assert all(found[name]["RR-05"] for name in LEAKING)


@pytest.mark.slow
def test_it_holds_for_nearly_every_split_of_the_people():
    found = detection(range(20))
    assert all(found[name]["any"] >= 19 for name in LEAKING) and all(found[name]["any"] <= 1 for name in SOUND)
