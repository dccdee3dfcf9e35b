"""Repeats what was said; for some events it asks for an effect, which is written down each time that it really runs."""

import json
import os
import sys


def send(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


ran, pids = sys.argv[1], sys.argv[2]
with open(pids, "a", encoding="utf-8") as file:
    file.write(f"{os.getpid()}\n")

for line in sys.stdin:
    frame = json.loads(line)
    event = frame["event"]
    number = event["data"]
    result = None
    if number % 40 == 0:
        send({"ask": {"name": "tally"}})
        reply = json.loads(sys.stdin.readline() or sys.exit(0))
        if "run" in reply:
            run = os.urandom(8).hex()
            with open(ran, "a", encoding="utf-8") as file:
                file.write(f"{run}\n")
            send({"record": {"name": "tally", "result": run}})
            reply = json.loads(sys.stdin.readline() or sys.exit(0))
        result = reply["recorded"]["result"]
    send({"emit": {"type": "word.repeated", "subject": event["subject"], "data": [number, result]}})
    send({"done": frame["position"]})
