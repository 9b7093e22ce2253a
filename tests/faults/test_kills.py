"""A killed run that is started again ends as one that was left alone.

The long form, and what it found, is in docs/reliability.md.
"""

import aims
import pytest
from campaign import Campaign, plan


def check(campaign, kills):
    assert campaign.failures == []
    assert sum(campaign.counts.values()) >= kills


def test_killed_at_random_moments(short):
    short.at_random(2)
    check(short, 2)


def test_killed_within_saves_and_other_writing(short):
    chosen = {
        name: aims.SCORED[name]
        for name in (
            "save: data there, no index",
            "save: index half written",
            "save: old one half deleted",
            "best save: index half written",
            "metrics line half written",
        )
    }
    short.aimed(chosen, len(chosen))
    check(short, len(chosen))


@pytest.mark.long
def test_killed_within_an_evaluation(short):
    short.in_evaluations(1)
    check(short, 1)


def test_killed_at_the_ends_of_epochs_of_fit(server, tmp_path):
    campaign = Campaign(server, "fit", tmp_path)
    campaign.at_epoch_ends(1)
    check(campaign, 1)


@pytest.mark.long
def test_killed_after_going_back_to_the_start(server, tmp_path):
    campaign = Campaign(server, "short", tmp_path)
    campaign.after_going_back_to_the_start()
    check(campaign, 1)


@pytest.mark.long
@pytest.mark.parametrize("name", ["ring", "garments", "folder", "nan", "fit"])
def test_campaign(server, tmp_path, name):
    campaign = None
    for _, method, arguments in plan([name], 24):
        campaign = campaign or Campaign(server, name, tmp_path)
        getattr(campaign, method)(*arguments)
    check(campaign, 24)
