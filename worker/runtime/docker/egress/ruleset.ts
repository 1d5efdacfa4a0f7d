/**
 * The firewall of one worker as text for nft(8): a table of its own, which is put in place of the one before in a single step.
 * Bots and builds are known by the names of their bridges, so that a network made later is under the rules already. Pure.
 *
 * It comes before the engine's own chains and can only take away: what it accepts these still judge. Nothing of it is in
 * DOCKER-USER, which other programs flush.
 */
import { forbiddenIpv4 } from '#common/forbidden-address.ts';
import { shortHash } from '#common/ids.ts';
import type { Destination } from './places.ts';

/** Who is meant: a name of an interface, or the beginning of names with a * behind. */
export type Bridges = readonly string[];

export interface Ruleset {
  readonly table: string;
  readonly bots: Bridges;
  readonly builds: Bridges;
  /** Every public address may be reached but by what is refused. */
  readonly internet: boolean;
  /** Reached although private, or although nothing else is. */
  readonly forBots: readonly Destination[];
  readonly forBuilds: readonly Destination[];
  /** Addresses of the name servers that the engine hands to containers. */
  readonly resolvers: readonly Destination[];
  /** Never reached, public or not, unless a place above names it: the orchestrator. */
  readonly refused: readonly Destination[];
}

// By number: names of protocols are read from a file that small images lack.
const tcp = 6;
const tcpUdp = `${tcp}, 17`;

/** The set that remembers what was refused of late. */
const refusedSet = 'refused';
const refusedMax = 512;

/** SMTP, SMTP over TLS, submission, and what some relays offer beside these. */
const mailPorts = [25, 465, 587, 2525];
/** DNS and DNS over TLS: only the engine's own resolver is asked. */
const namePorts = [53, 853];

// Documentation ranges are nobody's: leaving them out lets tests have public addresses that nobody has.
const documentation = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'];
const privateIpv4: readonly string[] = forbiddenIpv4.filter((range) => !documentation.includes(range));
// What holds an IPv4 address is only refused for those of them that are private: behind NAT64 the rest is the internet.
const privateIpv6 = [
  '::/16', // this host, IPv4-mapped and -compatible
  '64:ff9b:1::/48', // NAT64 of an own network
  '100::/64', // discarded
  '2001::/23', // Teredo and other protocols' own
  '2002::/16', // 6to4: holds any IPv4 address
  'fc00::/7', // private; metadata of AWS
  'fe80::/10', // link-local
  'fec0::/10', // site-local, of old
  'ff00::/8', // multicast
  ...privateIpv4.map(behindNat64),
];

/** Text for `nft`, on an engine's host. Fails as a whole or holds as a whole. */
export function rulesetText(rules: Ruleset): string {
  const body = tableBody(rules);
  return `add table inet ${rules.table}
delete table inet ${rules.table}
table inet ${rules.table} {
${body}
  chain rules_${shortHash(body, 16)} {
  }
}
`;
}

function tableBody(rules: Ruleset): string {
  const { bots, builds } = rules;
  return `  set ${refusedSet} { type ifname . ipv4_addr . inet_proto . inet_service; flags dynamic, timeout; timeout 1h; size ${refusedMax}; }
  set private4 { type ipv4_addr; flags interval; elements = { ${privateIpv4.join(', ')} }; }
  set private6 { type ipv6_addr; flags interval; elements = { ${privateIpv6.join(', ')} }; }
  chain refuse {
    ip version 4 meta l4proto { ${tcpUdp} } update @${refusedSet} { iifname . ip daddr . meta l4proto . th dport }
    meta l4proto ${tcp} ct state established reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain resolvers {
${lines(rules.resolvers.map((to) => acceptance({ ...to, port: 53 })))}
  }
  chain for_bots {
    jump resolvers
${lines(rules.forBots.map(acceptance))}
  }
  chain for_builds {
    jump resolvers
${lines(rules.forBuilds.map(acceptance))}
  }
  chain elsewhere {
    meta l4proto { ${tcpUdp} } th dport { ${namePorts.join(', ')} } goto refuse
    tcp dport { ${mailPorts.join(', ')} } goto refuse
${lines(rules.refused.map(refusal))}
    ip daddr @private4 goto refuse
    ip6 daddr @private6 goto refuse
    ${rules.internet ? 'accept' : 'goto refuse'}
  }
  chain bots {
    ct direction reply accept
    jump for_bots
    goto elsewhere
  }
  chain builds {
    ct direction reply accept
    jump for_builds
    goto elsewhere
  }
  chain host {
    ct direction reply accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
${lines(bots.map((name) => `iifname "${name}" goto bots`))}
${lines(builds.map((name) => `iifname "${name}" goto builds`))}
${lines([...bots, ...builds].map((name) => `oifname "${name}" ct direction original drop`))}
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
${lines(bots.flatMap((name) => inputRules(name, 'for_bots')))}
${lines(builds.flatMap((name) => inputRules(name, 'for_builds')))}
  }`;
}

/** Shows the rules and what was refused since they were put there; fails when they are not there any more. */
export const showText = (table: string): string => `list table inet ${table}\n`;

/** In what `showText` shows when it is these rules that are there, whole as they were put. */
export const rulesMark = (rules: string): string => /\bchain (rules_[a-z2-7]+)/.exec(rules)?.[1] ?? rules;

export const removalText = (table: string): string => `add table inet ${table}\ndelete table inet ${table}\n`;

/** In hexadecimal: nft reads no dots in IPv6. */
function behindNat64(range: string): string {
  const [address = '', bits] = range.split('/');
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `64:ff9b::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}/${96 + Number(bits)}`;
}

const lines = (rules: readonly string[]): string => rules.map((rule) => `    ${rule}`).join('\n');

const inputRules = (name: string, places: string): readonly string[] =>
  ['jump host', `jump ${places}`, 'goto refuse'].map((rule) => `iifname "${name}" ${rule}`);

/**
 * By where the connection was made to, before the engine sent it on: a port that the engine publishes on an address leads
 * to a container with another one.
 */
function acceptance({ family, range, port }: Destination): string {
  const to = `ct original ${family === 4 ? 'ip' : 'ip6'} daddr ${range}`;
  return port === undefined ? `${to} accept` : `meta l4proto { ${tcpUdp} } ${to} ct original proto-dst ${port} accept`;
}

function refusal({ family, range, port }: Destination): string {
  const to = `${family === 4 ? 'ip' : 'ip6'} daddr ${range}`;
  return port === undefined ? `${to} goto refuse` : `${to} meta l4proto { ${tcpUdp} } th dport ${port} goto refuse`;
}
