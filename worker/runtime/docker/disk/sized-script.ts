/** What the short-lived container does with the files that hold the file systems of bots. */

/** One file or folder for so many bytes; beyond that there is no space for more, however small they are. */
export const bytesPerFile = 8192;

/**
 * Arguments: the name of the store, then jobs, each with the number of its words before it. Prints one line for each:
 * "#INDEX ok ANSWER", or "#INDEX " and what went wrong; before that, notes: "#INDEX: NOTE".
 *
 * - `all`: attaches what is not; the answer is NAME=BYTES for each file that is attached. What a killed worker was making is removed. Notes:
 *   "without NAME WHY" for a file that cannot be attached, "trial WHY" when no file system can be made. All devices are looked at
 *   once, because a look for one file goes through all of them; and a link stays only to the device of its own file, because the next
 *   file that is attached may get the same one.
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
index=0 most=5
exec 3>&1 9< /disks
say() { echo "#$index $*"; }
note() { echo "#$index: $*" >&3; }
# Of several workers on one engine, none attaches a file that another is just attaching.
lock() { flock -w 60 9; }
busy='another worker does not let go of the file systems'
unlock() { flock -u 9; }
# The device of a file that is attached.
device() { losetup -n -O NAME -j "$1" 2>/dev/null | while read -r name rest; do echo "$name"; break; done; }
# Its file, its name, and its device where it has one. The device is in $loop afterwards, or why there is none.
attach() {
  loop=$3
  if [ -z "$loop" ]; then
    tries=0
    until loop=$(losetup --find --show "$1" 2>&1); do
      loop=\${loop:-losetup failed} tries=$((tries + 1))
      [ $tries -lt $most ] || return 1
    done
  fi
  [ "$links/$2" -ef "$loop" ] || { mkdir -p "$links" && ln -sfn "$loop" "$links/$2"; } || {
    loop="cannot write to $links"
    return 1
  }
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
# The file, its KiB, and what mke2fs takes besides.
format() {
  file=$1 size=$2
  shift 2
  mke2fs -q -t ext4 -F -m 0 -i ${bytesPerFile} -I 256 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$@" "$file" "$size"K 2>&1
}
trial() {
  f=/disks/trial.new
  if ! out=$(format $f 4096); then
    note "trial \${out:-mke2fs failed}"
  elif ! loop=$(losetup --find --show $f 2>&1); then
    note "trial \${loop:-losetup failed}"
    most=1
  else
    losetup -d "$loop"
  fi
  rm -f $f
}
# One line for each file: its size, its inode, and its name.
files() { find /disks -maxdepth 1 -name '*.img' -printf '%s %i %f\\n'; }
# Sets the variable loop_INODE for each device of a file here.
look() {
  found=$(losetup -n -O NAME,BACK-INO,BACK-MAJ:MIN 2>&1) || return 1
  at=$(stat -c %d /disks)
  here=$(( ((at >> 8) & 0xfff) | ((at >> 32) & ~0xfff) )):$(( (at & 0xff) | ((at >> 12) & ~0xff) ))
  eval "$(printf '%s\\n' "$found" | while read -r name inode on; do
    case $name$inode in /dev/loop*[!0-9]*) continue ;; esac
    [ "$on" != "$here" ] || echo "loop_$inode=$name"
  done)"
}
# Before anything gets a device.
unlink_others() {
  for link in "$links"/*; do
    [ ! -h "$link" ] || [ -e "/disks/\${link##*/}.img" ] || rm -f "$link"
  done
  files | while read -r size inode n; do
    n=\${n%.img}
    [ -h "$links/$n" ] || continue
    eval "loop=\\$loop_$inode"
    [ -n "$loop" ] && [ "$links/$n" -ef "$loop" ] || rm -f "$links/$n"
  done
}
all() {
  lock || { say "$busy"; return; }
  for f in /disks/*.new; do [ ! -e "$f" ] || { detach "$f"; rm -f "$f"; }; done
  trial
  look || { unlock; say "\${found:-losetup failed}"; return; }
  unlink_others
  sizes=$(files | while read -r size inode n; do
    n=\${n%.img}
    case $n in *[!A-Za-z0-9_.-]*) continue ;; esac
    eval "loop=\\$loop_$inode"
    if attach "/disks/$n.img" "$n" "$loop"; then echo "$n=$size"; else note "without $n $loop"; fi
  done)
  unlock
  say ok $sizes
}
make() {
  f=/disks/$1.img from=
  if [ -d /from ]; then
    used=$(du -sx -B1 /from) && used=\${used%%[!0-9]*}
    [ "$used" -le "$3" ] || { say ok large; return; }
    # A copy that did not take its place.
    detach "$f"
    rm -f "$f"
    from=yes
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
    out=$(format "$f.new" $(($2 / 1024)) \${from:+-d /from}) || {
      rm -f "$f.new"
      # The old file is gone by now, or never was: there is no copy.
      [ -z "$from" ] || rm -f "/disks/$1.only"
      case $from$out in
        # What libext2fs says when the new file system is full; a full disk has other words.
        yes*'Could not allocate '*) say ok large ;;
        *) say "\${out:-mke2fs failed}" ;;
      esac
      return
    }
    bare "$f.new"
    [ -z "$from" ] || like_from "$f.new"
    sync "$f.new" && mv "$f.new" "$f" || { say "cannot write"; return; }
  fi
  lock || { say "$busy"; return; }
  attach "$f" "$1" "$(device "$f")" || { unlock; say "$loop"; return; }
  unlock
  [ -e "/disks/$1.only" ] && say ok only || say ok
}
drop() {
  lock || return 1
  detach "/disks/$1.img"
  rm -f "/disks/$1.img" "/disks/$1.img.new" "/disks/$1.only" "$links/$1"
  rmdir "$links" 2>/dev/null
  unlock
}
while [ $# -gt 0 ]; do
  words=$1 job=$2
  case $job in
    all) all ;;
    make) make "$3" "$4" "$5" ;;
    moved) rm -f "/disks/$3.only"; say ok ;;
    remove) drop "$3" && say ok || say "$busy" ;;
    *) say "unknown $job" ;;
  esac
  shift $((words + 1))
  index=$((index + 1))
done
exit 0
`;
