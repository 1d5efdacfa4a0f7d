/** What the firewall has refused, as nft(8) shows its set. Pure. */

export interface Refused {
  readonly bridge: string;
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
}

/** Elements such as `"boabcde12345678" . 10.0.0.5 . tcp . 6379 expires 59m`; ports may be shown by name. */
export function parseRefused(text: string): readonly Refused[] {
  const found: Refused[] = [];
  for (const [, bridge = '', address = '', protocol = '', port = ''] of text.matchAll(
    /"([\w-]{1,15})" \. ([\d.]{7,15}) \. (\w+) \. (\d{1,5})\b/g,
  )) {
    found.push({ bridge, address, protocol, port: Number(port) });
  }
  return found;
}
