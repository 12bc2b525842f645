"""What every client's story shares: where the exchange is, what is really so there, and the steps
as they pass. Only the standard library, so that no client brings its own truth."""

import json
import os
import sys
import time
import urllib.request

ANNOUNCEMENT = json.loads(os.environ["CROSSGUARD_SIM"])
REST = ANNOUNCEMENT["rest"]
STREAM = ANNOUNCEMENT["stream"]
WS_API = ANNOUNCEMENT["wsApi"]
KEY = ANNOUNCEMENT["apiKey"]
SECRET = ANNOUNCEMENT["secret"]

SYMBOL = "BTCUSDT"
LEVERAGE = 7
WAIT_SECONDS = 20

STEPS = [
    "markets",
    "balance",
    "leverage",
    "margin type",
    "limit order",
    "amend",
    "cancel",
    "stop",
    "market order",
    "fill on the user stream",
    "reduce-only close",
]

_client = sys.argv[0].rsplit("/", 1)[-1].removesuffix(".py")
_passed = []


def truth():
    """What is really so at the exchange, whatever the client was told."""
    with urllib.request.urlopen(REST + "/sim/truth", timeout=WAIT_SECONDS) as reply:
        return json.load(reply)


def position():
    """The true signed amount held."""
    held = [p["positionAmt"] for p in truth()["positions"] if p["symbol"] == SYMBOL]
    return float(held[0]) if held else 0.0


def orders():
    return [order for order in truth()["orders"] if order["symbol"] == SYMBOL]


def stops():
    return [order for order in truth()["algoOrders"] if order["symbol"] == SYMBOL]


def setting():
    return truth()["settings"][SYMBOL]


def below(price):
    """A price that rests, on the tick and inside the price band."""
    return round(float(price) * 0.98, 1)


def until(condition, what):
    """Waits for something that the exchange tells in its own time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{_client}: waited {WAIT_SECONDS} s for {what}")
        time.sleep(0.02)


def passed(step, condition, seen=None):
    """Notes a step, or ends the story with what was seen instead."""
    if step not in STEPS:
        raise AssertionError(f"{_client}: no such step: {step}")
    if not condition:
        raise AssertionError(f"{_client}: {step}: {seen}")
    _passed.append(step)
    print(f"ok  {_client:<10} {step}", flush=True)


def finish():
    """Ends the story; a step that was left out is a failure."""
    missing = [step for step in STEPS if step not in _passed]
    if missing:
        raise AssertionError(f"{_client}: left out: {', '.join(missing)}")
