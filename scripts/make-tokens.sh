#!/bin/sh
# Makes the tokens of a production platform: writes .env beside compose.yml, for its owner's eyes alone.
#
#   sh scripts/make-tokens.sh
#
# Never changes a .env that is there: whoever holds the old tokens would be locked out. Needs no more than a POSIX shell,
# head, base64 and tr.
set -eu
cd "$(dirname "$0")/.."

# 24 random bytes are 32 letters, without padding; the alphabet of URLs needs no quoting anywhere.
token() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
client=$(token) admin=$(token) worker=$(token)
if [ ${#client}${#admin}${#worker} != 323232 ]; then
  echo "make-tokens: no random bytes could be had from /dev/urandom" >&2
  exit 1
fi

if [ -e .env ]; then
  echo "make-tokens: .env is there already and was not changed; move it away to make new tokens" >&2
  exit 1
fi
umask 077
# noclobber: of two runs at once only one makes the file.
set -C
cat > .env << END
# Read by docker compose. Whoever has these tokens has the platform.
CLIENT_TOKEN=$client
ADMIN_TOKEN=$admin
WORKER_TOKEN=$worker

# The port is published to this host alone. For others to reach it: an address here, and one of the two ways to TLS below
# (docs/DEPLOY.md, "TLS").
ORCHESTRATOR_LISTEN=127.0.0.1:8000

# COMPOSE_FILE=compose.yml:compose.tls.yml
# For bots of people you do not know, add :compose.strangers.yml (docs/DEPLOY.md, "Strangers").
# TLS_FOLDER=/etc/bot-runner/tls
# PUBLIC_NAME=bots.example.org

# ALLOW_CLEARTEXT=1
END
echo "make-tokens: .env is written; the token of users is CLIENT_TOKEN in it"
