/** What the short-lived container does with the files that hold the file systems of bots. */

/** One file or folder for so many bytes; beyond that there is no space for more, however small they are. */
export const bytesPerFile = 8192;

/**
 * Arguments: the name of the store, then jobs, each with the number of its words before it. Prints one line for each:
 * "#INDEX ok ANSWER", or "#INDEX " and what went wrong.
 *
 * - `all`: attaches what is not; the answer is NAME=BYTES for each file. What a killed worker was making is removed.
 * - `make NAME FILEBYTES BYTES`: makes the file, of what is in /from if something is mounted there, or makes it larger, and
 *   attaches it. "only" when the file may be the only copy of something; "large" when /from holds more than BYTES, or more files than
 *   there is space for, and nothing is made.
 * - `moved NAME`: the volume of a file made of /from is there.
 * - `remove NAME`.
 *
 * A file appears under its name when it is complete. mke2fs -d copies owners, modes, times, links and attributes.
 */
export const sizedScript = `
store=$1
shift
links=/dev/bot_runner/$store
index=0
say() { echo "#$index $*"; }
# The device of a file that is attached.
device() { losetup -n -O NAME -j "$1" 2>/dev/null | while read -r name rest; do echo "$name"; break; done; }
attach() {
  loop=$(device "$1")
  if [ -z "$loop" ]; then
    tries=0
    until loop=$(losetup --find --show "$1" 2>&1); do
      tries=$((tries + 1))
      [ $tries -lt 5 ] || { echo "$loop"; return 1; }
    done
  fi
  mkdir -p "$links" && ln -sfn "$loop" "$links/$2" && echo "$loop"
}
detach() {
  loop=$(device "$1")
  [ -z "$loop" ] || losetup -d "$loop"
}
bare() { debugfs -w -R 'rmdir lost+found' "$1" >/dev/null 2>&1; }
# mke2fs -d leaves out the folder itself.
like_from() {
  debugfs -w -R "sif / uid $(stat -c %u /from)" "$1" >/dev/null 2>&1
  debugfs -w -R "sif / gid $(stat -c %g /from)" "$1" >/dev/null 2>&1
  debugfs -w -R "sif / mode 0x$(stat -c %f /from)" "$1" >/dev/null 2>&1
}
checked() {
  out=$(e2fsck -f -p "$1" 2>&1)
  [ $? -lt 4 ] || { echo "$out"; return 1; }
  bare "$1"
}
all() {
  for f in /disks/*.new; do [ ! -e "$f" ] || rm -f "$f"; done
  sizes=
  for f in /disks/*.img; do
    [ -e "$f" ] || continue
    n=\${f#/disks/} n=\${n%.img}
    attach "$f" "$n" >/dev/null || { say "cannot attach $n"; return; }
    sizes="$sizes $n=$(stat -c %s "$f")"
  done
  say "ok$sizes"
}
make() {
  f=/disks/$1.img from=
  if [ -d /from ]; then
    used=$(du -sx -B1 /from) && used=\${used%%[!0-9]*}
    [ "$used" -le "$3" ] || { say ok large; return; }
    # A copy that did not take its place.
    detach "$f"
    rm -f "$f"
    from="-d /from"
    : > /disks/$1.only
  fi
  if [ -e "$f" ]; then
    if [ "$(stat -c %s "$f")" -lt "$2" ]; then
      out=$(checked "$f") || { say "$out"; return; }
      out=$(resize2fs "$f" $(($2 / 1024))K 2>&1) || { say "$out"; return; }
      loop=$(device "$f")
      [ -z "$loop" ] || losetup -c "$loop" || { say "cannot enlarge $loop"; return; }
    fi
  else
    rm -f "$f.new"
    out=$(mke2fs -q -t ext4 -F -m 0 -i ${bytesPerFile} -I 256 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard $from \\
      "$f.new" $(($2 / 1024))K 2>&1) || {
      rm -f "$f.new"
      # The old file is gone by now, or never was: there is no copy.
      [ -z "$from" ] || rm -f "/disks/$1.only"
      case $from$out in
        # What libext2fs says when the new file system is full; a full disk has other words.
        -d*'Could not allocate '*) say ok large ;;
        *) say "$out" ;;
      esac
      return
    }
    bare "$f.new"
    [ -z "$from" ] || like_from "$f.new"
    sync "$f.new" && mv "$f.new" "$f" || { say "cannot write"; return; }
  fi
  out=$(attach "$f" "$1") || { say "$out"; return; }
  [ -e "/disks/$1.only" ] && say ok only || say ok
}
drop() {
  detach "/disks/$1.img"
  rm -f "/disks/$1.img" "/disks/$1.img.new" "/disks/$1.only" "$links/$1"
  rmdir "$links" 2>/dev/null
}
while [ $# -gt 0 ]; do
  words=$1 job=$2
  case $job in
    all) all ;;
    make) make "$3" "$4" "$5" ;;
    moved) rm -f "/disks/$3.only"; say ok ;;
    remove) drop "$3"; say ok ;;
    *) say "unknown $job" ;;
  esac
  shift $((words + 1))
  index=$((index + 1))
done
exit 0
`;
