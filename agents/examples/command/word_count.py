#!/usr/bin/env python3
"""An agent in Python, with the standard library only: counts the words of texts.

    colony agent run --name counter --on text.written -- python3 word_count.py

For each `text.written` ({"text": ...}) it says `words.counted` about the same entity. A text that names a file
({"path": ...}) is read as an effect: the file is read once, and what was read is recorded, so that another attempt, another
instance and a replay count the same words whatever has become of the file. docs/agent-protocol.md tells what the lines mean.
"""

import json
import sys


def send(line):
    print(json.dumps(line), flush=True)


def receive():
    line = sys.stdin.readline()
    if not line:  # The agent has gone, and so do we.
        sys.exit(0)
    return json.loads(line)


def effect(name, run):
    """Returns what is recorded under a name; where nothing is, runs it and has the result recorded."""
    send({"ask": {"name": name}})
    reply = receive()
    if "run" in reply:
        send({"record": {"name": name, "result": run(reply["run"]["key"])}})
        reply = receive()
    return reply["recorded"]["result"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def react(event):
    data = event.get("data")
    if not isinstance(data, dict) or not ("text" in data or "path" in data):
        raise ValueError("the data has neither a text nor a path")
    if "text" in data:
        text = data["text"]
    else:
        text = effect("read", lambda key: read(data["path"]))
    counted = {"type": "words.counted", "data": {"words": len(text.split())}}
    if "subject" in event:
        counted["subject"] = event["subject"]
    send({"emit": counted})


def main():
    while True:
        frame = receive()
        try:
            react(frame["event"])
            send({"done": frame["position"]})
        except OSError as error:  # The file may be there another time.
            send({"error": {"message": str(error)}})
        except (ValueError, TypeError, AttributeError) as error:  # The event will be the same.
            send({"error": {"message": str(error), "lasting": True}})


if __name__ == "__main__":
    main()
