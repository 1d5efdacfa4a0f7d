/**
 * How much running bots have written: in /data and the volumes of their images, and elsewhere in their containers. Many are
 * measured by one short-lived container, which sees these folders, read-only, and the host's processes, because a deleted file
 * that a bot holds open is in no folder.
 */
import type { DiskMeasure } from '../../container-runtime.ts';
import { list, number, record, text, texts } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasStatus } from '../engine-errors.ts';
import type { RunTools } from './run-tools.ts';
import { isSizedVolume, limitedLabel } from './sized-names.ts';
import type { ToolsImage } from './tools-image.ts';

export interface MeasureDeps {
  readonly engine: EngineClient;
  readonly run: RunTools;
}

interface Folder {
  readonly path: string;
  readonly kind: 'layer' | 'volume' | 'sized';
}

interface Target {
  readonly id: string;
  readonly pid: number;
  readonly folders: readonly Folder[];
  readonly isOld: boolean;
  /** For an engine that does not say where the layer is. */
  readonly layerBytes: number | undefined;
}

const countMs = 20_000;
const inspectsAtOnce = 4;

/** For each of the containers that still runs. Throws EngineRefusal when the engine does not run the container that measures. */
export async function measureContainers(
  deps: MeasureDeps,
  tools: ToolsImage,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly DiskMeasure[]> {
  const waiting = [...ids];
  const targets: Target[] = [];
  const worker = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const target = await targetOf(deps.engine, id, signal);
      if (target !== undefined) targets.push(target);
    }
  };
  await Promise.all(Array.from({ length: inspectsAtOnce }, worker));
  // Without any, it shows that measuring works.
  const mounts = targets.flatMap(({ folders }, index) =>
    folders.map(({ path }, at) => ({
      Type: 'bind',
      Source: path,
      Target: `/m/${index}/${at}`,
      ReadOnly: true,
      // The engine asks for that within its own folder.
      BindOptions: { Propagation: 'rslave' },
    })),
  );
  const args = targets.flatMap(({ id, pid, folders }) => [
    id,
    String(pid),
    folders.map(({ kind }) => kind[0]).join(''),
  ]);
  const host = { Mounts: mounts, PidMode: 'host', CgroupnsMode: 'host', CapAdd: ['SYS_PTRACE', 'DAC_READ_SEARCH'] };
  const timeoutMs = 30_000 + targets.length * 4 * countMs;
  const { code, output } = await deps.run(tools, { script: measureScript, args, timeoutMs, host }, signal);
  if (code !== 0) throw new Error(`the container that measures disks ended with ${code}: ${output.slice(0, 200)}`);
  const measures = readMeasures(targets, output);
  if (targets.length > 0 && measures.length === 0) throw new ToolsError("du does not count, as busybox's does not");
  return measures;
}

/** The programs of the image are of another kind than those that the script is for. */
export class ToolsError extends Error {}

async function targetOf(engine: EngineClient, id: string, signal: AbortSignal): Promise<Target | undefined> {
  try {
    const found = record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal));
    const pid = number(record(found['State'])['Pid']);
    if (pid === 0) return undefined;
    const volumes = list(found['Mounts'])
      .map(record)
      .filter(({ Type }) => Type === 'volume');
    const facts = await Promise.all(volumes.map(({ Name }) => volumeFacts(engine, text(Name), signal)));
    const folders = volumes.map(({ Source }, at): Folder => {
      return { path: text(Source), kind: facts[at]?.isSized ? 'sized' : 'volume' };
    });
    const layer = texts(record(found['GraphDriver'])['Data'])['UpperDir'];
    const isOld = facts.some((fact) => fact?.isOld);
    if (layer !== undefined)
      return { id, pid, folders: [{ path: layer, kind: 'layer' }, ...folders], isOld, layerBytes: undefined };
    const sized = await engine.call(
      { method: 'GET', path: `/containers/${id}/json`, query: { size: true }, slow: true },
      signal,
    );
    return { id, pid, folders, isOld, layerBytes: number(record(sized)['SizeRw']) };
  } catch (error) {
    // Ended and removed meanwhile.
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

async function volumeFacts(engine: EngineClient, name: string, signal: AbortSignal) {
  const volume = record(await engine.call({ method: 'GET', path: `/volumes/${encodeURIComponent(name)}` }, signal));
  return { isSized: isSizedVolume(volume), isOld: texts(volume['Labels'])[limitedLabel] === undefined };
}

/**
 * Arguments: for each container its id, its first process and a letter for each folder: l(ayer), v(olume), s(ized). Prints
 * "INDEX KIND BYTES FILES", "INDEX KIND ? ?" for what could not be counted in time, "INDEX bad"
 * where the programs do not do what they should, "INDEX dev KIND NUMBER" for the devices that
 * its files are on, and "INDEX open BLOCKS DEVICE INODE" for each deleted file that one of its processes holds open.
 */
const measureScript = `
i=0
while [ $# -gt 0 ]; do
  id=$1 pid=$2 kinds=$3 n=0
  shift 3
  while [ -n "$kinds" ]; do
    rest=\${kinds#?} kind=\${kinds%"\${kinds#?}"} d=/m/$i/$n
    if [ $kind = s ]; then
      set -- $(stat -f -c '%b %f %S %c %d' $d) "$@"
      echo "$i s $((($1 - $2) * $3)) $(($4 - $5))"
      shift 5
    else
      # Files that vanish meanwhile make it end with 1; what it has counted is good all the same.
      bytes=$(timeout ${countMs / 1000} du -sx -B1 $d 2>/dev/null)
      late=$? files=
      [ $late -eq 124 ] || { files=$(timeout ${countMs / 1000} du -sx --inodes $d 2>/dev/null); late=$?; }
      if [ $late -eq 124 ]; then echo "$i $kind ? ?"
      elif [ -z "$bytes" ] || [ -z "$files" ]; then echo "$i bad"
      else echo "$i $kind \${bytes%%[!0-9]*} \${files%%[!0-9]*}"; fi
      [ $kind = l ] || echo "$i dev v $(stat -c %d $d)"
    fi
    kinds=$rest n=$((n + 1))
  done
  echo "$i dev l $(stat -L -c %d /proc/$pid/root 2>/dev/null)"
  fds=
  for f in $(grep -ls "$id" /proc/[0-9]*/cgroup 2>/dev/null); do fds="$fds \${f%/cgroup}/fd"; done
  [ -z "$fds" ] || find -L $fds -maxdepth 1 -type f -links 0 -printf "$i open %b %D %i\\n" 2>/dev/null
  i=$((i + 1))
done
exit 0
`;

/** What the script has printed. Pure. */
export function readMeasures(
  targets: readonly Pick<Target, 'id' | 'folders' | 'isOld' | 'layerBytes'>[],
  output: string,
): readonly DiskMeasure[] {
  const lines = output.split('\n').map((line) => line.trim().split(' '));
  return targets.flatMap(({ id, folders, isOld, layerBytes }, index) => {
    const mine = lines.filter(([first]) => first === String(index)).map(([, ...words]) => words);
    if (mine.some(([word]) => word === 'bad')) return [];
    const counted = (kinds: string) => mine.filter(([kind = '']) => kind.length === 1 && kinds.includes(kind));
    const sum = (kinds: string, at: number) => counted(kinds).reduce((all, words) => all + (Number(words[at]) || 0), 0);
    const devices = new Map(mine.flatMap(([word, kind = '', device = '']) => (word === 'dev' ? [[device, kind]] : [])));
    const open = { l: 0, v: 0 };
    const seen = new Set<string>();
    for (const [word, blocks, device = '', inode = ''] of mine) {
      const kind = devices.get(device);
      // Those of a sized volume are in what it has used, and those in memory are on no disk.
      if (word !== 'open' || (kind !== 'l' && kind !== 'v') || seen.has(`${device} ${inode}`)) continue;
      seen.add(`${device} ${inode}`);
      open[kind] += (Number(blocks) || 0) * 512;
    }
    return {
      containerId: id,
      dataBytes: sum('vs', 1) + open.v,
      layerBytes: sum('l', 1) + open.l + (layerBytes ?? 0),
      dataFiles: sum('vs', 2),
      layerFiles: sum('l', 2),
      isSized: folders.every(({ kind }) => kind !== 'volume'),
      isOld,
      isUncountable: counted('lv').some(([, bytes]) => bytes === '?'),
    };
  });
}
