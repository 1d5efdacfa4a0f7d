/** The figures of all rounds as a table: medians, and ratios taken round by round. */
import { median } from '../quantile.ts';
import type { Figures } from './measure.ts';

export interface Row {
  readonly name: string;
  readonly durable: string;
  /** By round. */
  readonly rounds: readonly Figures[];
}

const of = (row: Row, key: keyof Figures): number => median(row.rounds.map((figures) => figures[key]));

/** `rivals`: the rows that others are divided by. */
export function table(title: string, rows: readonly Row[], rivals: readonly string[]): string {
  const bases = rows.filter(({ name }) => rivals.includes(name));
  const head = [
    'contestant',
    'on disk before the answer',
    'p50 ms',
    'p99 ms',
    'ack p50',
    'jobs/s',
    'server CPU ms/job',
    'all CPU ms/job',
    'server load',
    'RSS MB',
    ...bases.flatMap(({ name }) => [`p50 / ${short(name)}`, `jobs/s / ${short(name)}`]),
  ];
  const lines = rows.map((row) => [
    row.name,
    row.durable,
    of(row, 'p50').toFixed(2),
    of(row, 'p99').toFixed(2),
    of(row, 'ackP50').toFixed(2),
    of(row, 'perSecond').toFixed(0),
    of(row, 'serverCpu').toFixed(2),
    of(row, 'allCpu').toFixed(2),
    `${(100 * of(row, 'serverLoad')).toFixed(0)} %`,
    of(row, 'rssMb').toFixed(0),
    ...bases.flatMap((base) => [ratio(row, base, 'p50'), ratio(row, base, 'perSecond')]),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [`### ${title}`, '', line(head), line(head.map(() => '---')), ...lines.map(line), ''].join('\n');
}

const short = (name: string): string => name.split(',')[0] ?? name;

function ratio(row: Row, base: Row, key: 'p50' | 'perSecond'): string {
  if (row === base) return '1';
  return median(row.rounds.map((figures, n) => figures[key] / (base.rounds[n]?.[key] ?? Number.NaN))).toFixed(2);
}
