"""Simulates runs, or times the schedulers, with the packages on its path: a question a line."""

from __future__ import annotations

from statistics import mean

from benchmarks.processes import listen, tell
from benchmarks.scheduling import campaign, cost


def main() -> None:
    """Answer each question with figures."""
    for question in listen():
        if "cost" in question:
            found = cost.measure(cost.Queue(*question["queue"]), *question["cost"])
            tell({"submit us": found.submit_us, "form a batch us": found.form_us})
        else:
            runs = [campaign.Run(*each) for each in question["runs"]]
            played = [figures for _, figures in campaign.play_all(runs)]
            wanted = question["figures"].items()
            tell({told: mean(each[name] for each in played) for told, name in wanted})


if __name__ == "__main__":
    main()
