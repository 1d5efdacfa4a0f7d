#!/bin/sh
':' //; command -v node >/dev/null || { echo 'Error: avtomatika-bot needs Node.js 20 or newer, and there is no node in PATH.' >&2; exit 127; }
':' //; exec node -- "$0" "$@"

// A shell runs the lines above, Node.js what follows, in words that the oldest one understands. The "--" is what it is for:
// without it Node.js takes a bot's --env-file, wherever it stands, for its own, and obeys a NODE_OPTIONS in it or ends when
// the file is missing (https://github.com/nodejs/node/issues/54232).
if (parseInt(process.versions.node, 10) >= 20) {
  require('../lib/start.js');
} else {
  console.error('Error: avtomatika-bot needs Node.js 20 or newer, and this is ' + process.versions.node + '.');
  process.exit(1);
}
