#!/bin/sh
# An agent in shell: greets every visitor.
#
#     colony agent run --name greeter --on visitor.came -- ./greeter.sh
#
# A line is one event; `sed` takes out what is needed. `position` is the line's second member, so the first match is the right
# one. The visitor is the event's `subject`, which sed reads correctly where the name holds no quotes or backslashes; for data of any
# shape use a language with JSON. docs/agent-protocol.md tells what the lines mean.
while IFS= read -r line; do
  position=$(printf '%s\n' "$line" | sed -n 's/^{"colony":1,"position":\([0-9]*\),.*/\1/p')
  visitor=$(printf '%s\n' "$line" | sed -n 's/.*"subject":"\([^"\\]*\)".*/\1/p')
  if [ -z "$visitor" ]; then
    printf '{"error":{"message":"the event is about nobody whose name I can read","lasting":true}}\n'
    continue
  fi
  printf '{"emit":{"type":"visitor.greeted","subject":"%s","data":"Welcome, %s!"}}\n' "$visitor" "$visitor"
  printf '{"done":%s}\n' "$position"
done
