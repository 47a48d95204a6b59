"""A server's status in words: what `status` prints and `top` shows."""

from __future__ import annotations

from typing import Any

OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")
MARKS = {"starving": "▲", "overdue": "◷", "active": "●", "gone": "○"}

Status = dict[str, Any]


def fleet(status: Status) -> list[Status]:
    """Its clients, but for those that only asked what a model takes; worst first."""
    order = list(MARKS)
    found = [client for client in status["clients"] if client["state"] in order]
    return sorted(found, key=lambda client: order.index(client["state"]))


def troubles(status: Status) -> list[str]:
    """What an operator should look at: robots that starve, models that fail."""
    found = [
        f"{client['id']} is starving: {client['why']}"
        for client in status["clients"]
        if client["state"] == "starving"
    ]
    found += [
        f"model {model['id']}: {circuit(model)}: {model['last_error']}"
        for model in status["models"]
        if model["circuit"] != "closed"
    ]
    return found


def state(model: Status) -> str:
    """The state of a model's circuit, or that it is starting or being changed."""
    found: str = model["change"] or model["circuit"].replace("_", " ")
    return found


def circuit(model: Status) -> str:
    """The same in a sentence."""
    found = state(model)
    return found if model["change"] or found == "starting" else f"circuit {found}"


def accounting(status: Status) -> str:
    """The sum that holds at any moment."""
    added = [f"{status[name]} {name}" for name in OUTCOMES if status[name] or name == "ok"]
    added += [f"{status['queued']} queued", f"{status['in_flight']} in flight"]
    ended = sum(status[name] for name in (*OUTCOMES, "queued", "in_flight"))
    off = status["received"] - ended
    told = f"{status['received']} received = {' + '.join(added)}"
    return f"{told}; {off} are unaccounted for" if off else told


def robots(status: Status) -> str:
    """How many of them there are, by state."""
    states = [client["state"] for client in fleet(status)]
    counted = [f"{states.count(state)} {state}" for state in MARKS if state in states]
    return ", ".join(counted) or "no robot yet"


def room(model: Status) -> str:
    """Whether one more robot fits, as far as is known."""
    spare, is_least = model["headroom"], model["headroom_is_least"]
    if spare is None:
        return "?"
    if spare < 0:
        return f"{'at most ' if is_least else ''}{-spare:.0f} too many"
    if is_least:
        return f"at least {spare:.0f} more"
    return f"{spare:.0f} more" if spare else "full"


def number(value: float | None, form: str = "{:.1f}") -> str:
    """A value in this form; `-` where there is none."""
    return "-" if value is None else form.format(value)


def share(value: float | None) -> str:
    """A share from 0 to 1 in percent; `-` where there is none."""
    return "-" if value is None else f"{int(100 * value)} %"


def milliseconds(value: float | None) -> str:
    """A time in ms, with a digit behind the point below 10; `-` where there is none."""
    return number(value, "{:.1f} ms" if value is not None and abs(value) < 10 else "{:.0f} ms")


def latency(model: Status) -> str:
    """The learned time of a call: its fixed part, and what each observation adds."""
    if model["latency_fixed_s"] is None:
        return "-"
    fixed, each = model["latency_fixed_s"], model["latency_per_observation_s"]
    return f"{1000 * fixed:.1f} ms + {1000 * each:.2f} ms"


def call_time(model: Status) -> str:
    """The same in words."""
    return (
        "not known yet"
        if model["latency_fixed_s"] is None
        else f"{latency(model)} per observation"
    )


def name(client: Status) -> str:
    """A client's id, and the door by which it came in, unless its id says so."""
    door = client["door"]
    return client["id"] if client["id"].startswith(door) else f"{client['id']} via {door}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it: seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def settings(status: Status) -> str:
    """Which configuration holds, and what of the newest does not."""
    found = status["config"]
    told = found["file"] or "no configuration file"
    if found["generation"] > 1:
        told += f", changed {found['generation'] - 1} times since the start"
    if found["needs_restart"]:
        told += f"; these need a restart: {', '.join(found['needs_restart'])}"
    if found["refused"]:
        told += f"; not applied: {'; '.join(found['refused'].splitlines())}"
    return told


def door(door: Status) -> str:
    """Who is there by a door, and what was refused at it."""
    told = f"clients: {door['clients']}"
    refused = ", ".join(f"{count} {reason}" for reason, count in door["errors"].items())
    return f"{told}; refused: {refused}" if refused else told


def security(status: Status) -> str:
    """Who is served, and who was refused."""
    found = status["security"]
    told = "clients of this machine only" if found["mode"] == "this machine" else found["mode"]
    if found["mode"] == "keys":
        told = f"clients with one of {found['identities']} keys"
    for what in ("handshakes", "observations"):
        reasons = found[f"{what}_by_reason"]
        if reasons:
            counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            told += f"; {what} refused: {counted}"
    return f"{told}; {found['problem']}" if found["problem"] else told
