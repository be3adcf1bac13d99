"""Who drops out of the race and who goes on, with the noise of a machine simulated."""

from __future__ import annotations

import math
import random

import pytest

from hatframe.bench.race import FEWEST_ROUNDS, MOST_ROUNDS, Race, Samples


class Machine:
    """Functions with true times, on a machine that drifts in its speed, with noise and sometimes an interrupt."""

    def __init__(self, times: list[float], noise: float = 0.01, drift: float = 0.1, seed: int = 0) -> None:
        self.times = times
        self.random = random.Random(seed)
        self.noise = noise
        self.drift = drift
        self.samples = {row: Samples() for row in range(len(times))}
        self.race = Race(len(times))
        self.active = set(self.samples)
        self.round = 0
        self.dropped: dict[int, int] = {}

    def run(self, rounds: int) -> Machine:
        for _ in range(rounds):
            self.round += 1
            speed = 1 + self.drift * math.sin(self.round / 15)
            for row in self.active:
                disturbed = 1.3 if self.random.random() < 0.02 else 1.0
                mean = self.times[row] * speed * disturbed * (1 + self.random.gauss(0, self.noise))
                self.samples[row].means.append(mean)
                self.samples[row].rounds.append(self.round)
                self.samples[row].processes.append(self.round % 2)
            for row in self.race.behind(self.samples, sorted(self.active), self.round):
                self.active.remove(row)
                self.dropped[row] = self.round
        return self


def test_nobody_drops_out_in_the_first_rounds() -> None:
    machine = Machine([1.0, 1.001, 50.0])
    first = MOST_ROUNDS
    machine.run(first - 1)
    assert machine.active == {0, 1, 2}
    assert not machine.race.undecided(0)
    machine.run(1)
    assert machine.active == {0, 1}


@pytest.mark.parametrize(("rows", "first"), [(1000, FEWEST_ROUNDS), (60, 83), (3, MOST_ROUNDS)])
def test_many_functions_have_fewer_first_rounds(rows: int, first: int) -> None:
    machine = Machine([1.0, *[9.0] * (rows - 1)])
    machine.run(first - 1)
    assert len(machine.active) == rows
    machine.run(1)
    assert machine.active == {0}


@pytest.mark.parametrize("seed", range(8))
def test_those_that_are_slower_drop_out_and_near_ties_go_on(seed: int) -> None:
    machine = Machine([1.0, 1.002, 1.1, 1.3, 2.0, 1.003], seed=seed).run(MOST_ROUNDS + 60)
    assert {2, 3, 4} <= set(machine.dropped)
    assert {0, 1, 5} <= machine.active
    assert machine.dropped[4] == MOST_ROUNDS, "so far behind that no interval is needed"


@pytest.mark.parametrize("seed", range(3))
def test_near_ties_are_undecided_until_enough_rounds_tell_them_apart(seed: int) -> None:
    machine = Machine([1.0, 1.02], noise=0.04, seed=seed).run(MOST_ROUNDS)
    assert machine.race.undecided(0)
    assert machine.race.undecided(1)
    machine.run(1500)
    assert not machine.race.undecided(1), "two percent are seen by now"
    assert not machine.race.undecided(0), "who is alone at the head needs no more"
    assert machine.active == {0, 1}, "but that is no reason to drop it: the mean is not known yet"


@pytest.mark.parametrize("seed", range(20))
def test_the_fastest_is_not_dropped_on_a_noisy_machine(seed: int) -> None:
    times = [1.0 + 0.005 * row for row in range(20)]
    machine = Machine(times, noise=0.08, drift=0.3, seed=seed).run(150)
    assert 0 in machine.active


def test_the_leader_counts_although_it_is_measured_no_more() -> None:
    machine = Machine([1.0, 3.0])
    machine.active.discard(0)
    machine.samples[0] = Samples(
        means=[1.0] * MOST_ROUNDS, rounds=list(range(1, MOST_ROUNDS + 1)), processes=[1] * MOST_ROUNDS
    )
    machine.run(MOST_ROUNDS)
    assert machine.dropped == {1: MOST_ROUNDS}
