# Waits until whoever started it is gone, then ends the processes that name its folder and removes it. See setup.ts.
read -r folder || exit 0
cat > /dev/null
case "$folder" in
  */botrunner-t-*) ;;
  *) exit 1 ;;
esac
# What is being killed may start something more: looked at until nothing is left, for 15 s at most.
tries=0
while [ "$tries" -lt 300 ]; do
  # By a pattern on the standard input: on the command line grep would find itself.
  pids=$(printf '%s\n' "$folder" | grep -lsF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline | cut -d/ -f3 | sort -u)
  [ -z "$pids" ] && break
  kill -9 $pids 2> /dev/null
  tries=$((tries + 1))
  sleep 0.05
done
rm -rf --one-file-system "$folder"
