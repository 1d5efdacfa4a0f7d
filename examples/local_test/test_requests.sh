#!/usr/bin/env bash
# Terminal 3 of the test without Docker: asks the orchestrator for what the guide promises and checks every answer.
#
#     bash examples/local_test/test_requests.sh
#
# Needs curl. Environment: AVTOMATIKA_URL (http://localhost:8000), AVTOMATIKA_TOKEN (test-client-token).
set -euo pipefail
url=${AVTOMATIKA_URL:-http://localhost:8000}
token=${AVTOMATIKA_TOKEN:-test-client-token}
failed=0

post() {
  curl -sS -X POST "$url/jobs" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$1"
}
get() {
  curl -sS "$url/jobs/$1" -H "Authorization: Bearer $token"
}
# check NAME ANSWER PART...: every part must be in the answer
check() {
  local name=$1 answer=$2 part
  shift 2
  for part in "$@"; do
    if [[ $answer != *"$part"* ]]; then
      printf 'FAILED  %s\n        expected %s\n        got      %s\n' "$name" "$part" "$answer"
      failed=1
      return
    fi
  done
  printf 'ok      %s\n' "$name"
}
# job DATA: posts it, waits until it has ended, prints the job
job() {
  local accepted id answer
  accepted=$(post "$1")
  id=$(sed -n 's/.*"job_id":"\([^"]*\)".*/\1/p' <<<"$accepted")
  if [[ -z $id ]]; then
    printf '%s' "$accepted"
    return
  fi
  for _ in $(seq 100); do
    answer=$(get "$id")
    [[ $answer =~ \"status\":\"(completed|failed|cancelled)\",\"reason\" ]] && break
    sleep 0.2
  done
  printf '%s' "$answer"
}
bot() {
  printf '{"blueprint":"bot_runner","data":%s}' "$1"
}

check 'the orchestrator is healthy' "$(curl -sS "$url/health")" '{"status":"ok"}'
check 'test_workflow is done by the worker' "$(job '{"blueprint":"test_workflow","data":{"input":"hello"}}')" '"state":"completed"' '"result":"HELLO"'
check 'a bot starts' "$(job "$(bot '{"action":"start","bot_id":"local-bot","deployment_mode":"simple","code":"print(1)","env_vars":{"BOT_TOKEN":"123:ABC"}}')")" '"state":"completed"' '"status":"started"'
check 'the bot is listed' "$(job "$(bot '{"action":"list"}')")" '"bot_id":"local-bot"' '"status":"running"'
check 'the bot has a status' "$(job "$(bot '{"action":"status","bot_id":"local-bot"}')")" '"exists":true'
check 'the bot stops' "$(job "$(bot '{"action":"stop","bot_id":"local-bot"}')")" '"status":"stopped"'
check 'a missing field is named, with hint and example' "$(post "$(bot '{"action":"start","bot_id":"test"}')")" MISSING_REQUIRED_FIELD '"hint":"' '"example":{'
check 'a bad bot id is refused' "$(post "$(bot '{"action":"start","bot_id":"тест бот!","deployment_mode":"simple"}')")" INVALID_BOT_ID
check 'an unknown action is refused' "$(post "$(bot '{"action":"strat"}')")" INVALID_ACTION 'Did you mean'
check 'a wrong token is refused' "$(curl -sS -X POST "$url/jobs" -H 'Authorization: Bearer wrong-token' -H 'Content-Type: application/json' -d '{}')" UNAUTHENTICATED

if [[ $failed -eq 0 ]]; then echo 'All requests were answered as promised.'; fi
exit $failed
