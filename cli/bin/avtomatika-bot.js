#!/bin/sh
':' //; file=$(readlink -f -- "$0" 2>/dev/null) || file=$0; node=${file%/*}/../../node_modules/node/bin/node
':' //; [ -x "$node" ] || node=node; command -v "$node" >/dev/null || { echo 'Error: avtomatika-bot needs Node.js, and there is no node in PATH.' >&2; exit 127; }
':' //; exec "$node" -- "$0" "$@"

// A shell runs the lines above, Node.js what follows. The "--" is what it is for: without it Node.js takes a bot's --env-file,
// wherever it stands, for its own, and obeys a NODE_OPTIONS in it or ends when the file is missing
// (https://github.com/nodejs/node/issues/54232). The Node.js of `npm install` is new enough; any other is looked at next.
await import('./launch.js');
