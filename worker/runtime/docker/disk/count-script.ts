/** What the short-lived container does that counts what bots have written, and what it says. */
import type { DiskMeasure } from '../../container-runtime.ts';

/** A container to be counted. */
export interface CountTarget {
  readonly id: string;
  /** Of its first process. */
  readonly pid: number;
  readonly folders: readonly CountedFolder[];
  /** One of its volumes was made before there were limits. */
  readonly isOld: boolean;
  /** With so many names in one folder it has too many files, and no more are looked at; undefined without a limit. */
  readonly namesMax: number | undefined;
  /** For an engine that does not show the layer; "late" when it could not say in time. */
  readonly layerBytes?: number | 'late';
}

export interface CountedFolder {
  readonly path: string;
  readonly kind: 'layer' | 'volume' | 'sized';
}

/** So many containers are counted at once. */
export const countedAtOnce = 4;
/** With more deleted files open, even if they are the same ones, they are not counted. */
const openMax = 20_000;

export interface CountSettings {
  /** Has a folder for each target, named by its place, with a folder for each of its folders. */
  readonly root: string;
  /** For each target. */
  readonly limitMs: number;
  /** For tests. */
  readonly openMax?: number;
}

export const countArgs = (settings: CountSettings, targets: readonly CountTarget[]): readonly string[] => [
  one,
  settings.root,
  String(settings.limitMs / 1000),
  String(settings.openMax ?? openMax),
  ...targets.flatMap(({ id, pid, folders, namesMax }) => [
    id,
    String(pid),
    folders.map(({ kind }) => kind[0]).join('') || '-',
    String(namesMax ?? 0),
  ]),
];

/**
 * Counts one container. Arguments: its place, the root, its id, its first process, a letter for each folder ("-" for none): l(ayer), v(olume),
 * s(ized), the most names, 0 for any number, and the most deleted files. Each line begins with the place: "at PLACE" before each part, l, d(ata) or o(pen files), "begin UPTIME"
 * and "end UPTIME" around all, "KIND BYTES FILES", "dev KIND NUMBER" for the devices that its files are on, and "open BLOCKS DEVICE" for
 * the deleted files that its processes hold open. Without an end, it could not be counted.
 */
const one = `
i=$1 root=$2 id=$3 pid=$4 kinds=\${5#-} max=$6 open=$7 n=0
read -r up rest < /proc/uptime
echo "$i begin $up"
while [ -n "$kinds" ]; do
  others=\${kinds#?} kind=\${kinds%"\${kinds#?}"} d=$root/$i/$n
  [ $kind = l ] && echo "$i at l" || echo "$i at d"
  if [ $kind = s ]; then
    set -- $(stat -f -c '%b %f %S %c %d' $d)
    echo "$i s $((($1 - $2) * $3)) $(($4 - $5))"
  else
    # Ends with the last name that is looked at.
    names=0
    [ $max -eq 0 ] || names=$(find $d -xdev -printf . 2>/dev/null | head -c $max | wc -c)
    if [ $max -ne 0 ] && [ $names -ge $max ]; then
      echo "$i $kind 0 $max"
    else
      # Files that vanish meanwhile make it end with 1; what it has counted is good all the same.
      bytes=$(du -sx -B1 $d 2>/dev/null)
      files=$(du -sx --inodes $d 2>/dev/null)
      [ -n "$bytes" ] && [ -n "$files" ] || exit 1
      echo "$i $kind \${bytes%%[!0-9]*} \${files%%[!0-9]*}"
    fi
    [ $kind = l ] || echo "$i dev v $(stat -c %d $d)"
  fi
  kinds=$others n=$((n + 1))
done
echo "$i at o"
echo "$i dev l $(stat -L -c %d /proc/$pid/root 2>/dev/null)"
fds=
for f in $(grep -ls "$id" /proc/[0-9]*/cgroup 2>/dev/null); do fds="$fds \${f%/cgroup}/fd"; done
if [ -n "$fds" ]; then
  found=$(find -L $fds -maxdepth 1 -type f -links 0 -printf '%D %i %b\\n' 2>/dev/null | head -n $((open + 1)))
  if [ -n "$found" ]; then
    [ $(printf '%s\\n' "$found" | wc -l) -le $open ] || exit 1
    # Each once: several descriptors may be of the same file.
    printf '%s\\n' "$found" | sort -u | {
      last= before= sum=0
      while read -r device inode blocks; do
        [ "$device $inode" != "$before" ] || continue
        [ -z "$last" ] || [ "$device" = "$last" ] || { echo "$i open $sum $last"; sum=0; }
        last=$device before="$device $inode" sum=$((sum + blocks))
      done
      echo "$i open $sum $last"
    }
  fi
fi
read -r up rest < /proc/uptime
echo "$i end $up"
`;

/**
 * Arguments: the script for one container, the root, the limit for each in seconds, the most deleted files of each, then four words for each. Says "tools" first if the programs do
 * what they are needed for.
 */
export const countScript = `
one=$1 root=$2 limit=$3 open=$4 lane=0
shift 4
[ -n "$(du -sx -B1 /etc 2>/dev/null)" ] && [ -n "$(du -sx --inodes /etc 2>/dev/null)" ] && echo tools
while [ $lane -lt ${countedAtOnce} ]; do
  (
    i=0
    while [ $# -gt 0 ]; do
      [ $((i % ${countedAtOnce})) -ne $lane ] || timeout -k 1 "$limit" sh -c "$one" sh $i "$root" "$1" "$2" "$3" "$4" "$open"
      shift 4
      i=$((i + 1))
    done
  ) &
  lane=$((lane + 1))
done
wait
exit 0
`;

/** What the script has printed; undefined when it said that its programs are of another kind. Pure. */
export function readMeasures(targets: readonly CountTarget[], output: string): readonly DiskMeasure[] | undefined {
  const lines = output.split('\n').map((line) => line.trim().split(' '));
  if (!lines.some(([first]) => first === 'tools')) return undefined;
  return targets.map(({ id, folders, isOld, layerBytes }, index) => {
    const mine = lines.filter(([first]) => first === String(index)).map(([, ...words]) => words);
    const counted = (kinds: string) => mine.filter(([kind = '']) => kind.length === 1 && kinds.includes(kind));
    const sum = (kinds: string, at: number) => counted(kinds).reduce((all, words) => all + (Number(words[at]) || 0), 0);
    const devices = new Map(mine.flatMap(([word, kind = '', device = '']) => (word === 'dev' ? [[device, kind]] : [])));
    const open = { l: 0, v: 0 };
    for (const [word, blocks, device = ''] of mine) {
      const kind = devices.get(device);
      // Those of a sized volume are in what it has used, and those in memory are on no disk.
      if (word === 'open' && (kind === 'l' || kind === 'v')) open[kind] += (Number(blocks) || 0) * 512;
    }
    const timeOf = (name: string) => Number(mine.find(([word]) => word === name)?.[1] ?? Number.NaN) * 1000;
    const hasEnd = !Number.isNaN(timeOf('end'));
    const place = mine.findLast(([word]) => word === 'at')?.[1] === 'd' ? 'data' : 'layer';
    return {
      containerId: id,
      dataBytes: sum('vs', 1) + open.v,
      layerBytes: sum('l', 1) + open.l + (layerBytes === 'late' ? 0 : (layerBytes ?? 0)),
      dataFiles: sum('vs', 2),
      layerFiles: sum('l', 2),
      isSized: folders.every(({ kind }) => kind !== 'volume'),
      isOld,
      uncountable: !hasEnd ? place : layerBytes === 'late' ? 'layer' : undefined,
      tookMs: hasEnd ? Math.max(0, Math.round(timeOf('end') - timeOf('begin'))) : undefined,
    };
  });
}
