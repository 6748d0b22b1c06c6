// Owns the checks of the way to IBKR: a route, names, and servers that answer. Nothing is sent to them.

import type { Reach } from '../../host/reach.ts';
import { failed, list, ok, skipped, type Verdict, warning } from './finding.ts';
import { printed, seen } from './machine.ts';
import type { Check, Scene, SubjectVerdict } from './scene.ts';

/** IBKR's login servers, one for each region, and the ports that gateways use: TLS and, at first, plain. */
const SERVERS = ['gdc1.ibllc.com', 'ndc1.ibllc.com', 'cdc1.ibllc.com', 'hdc1.ibllc.com'];
const SERVER_PORTS = [4001, 4000];
/** Where installers come from; only `ibctl gateway` needs it. */
const DOWNLOADS = { host: 'download2.interactivebrokers.com', port: 443 };

export type HostFacts = {
  readonly host: string;
  /** Null when the name does not resolve. */
  readonly address: string | null;
  /** Whether the resolver gave no answer in time. */
  readonly resolverHung: boolean;
  readonly ports: readonly { readonly port: number; readonly reach: Reach }[];
  /** Whether another server of the kind answers, so that this one may not be needed. */
  readonly othersAnswer: boolean;
};

/** Whether the text of /proc/net/route or /proc/net/ipv6_route has a default route that is usable. */
export function hasDefaultRoute(ipv4: string | null, ipv6: string | null): boolean {
  const rows = (text: string | null) => (text ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  // Flag 1 is RTF_UP; 0x200 is RTF_REJECT, which IPv6 has as its last resort.
  const usable = (flags: string | undefined) => {
    const number = Number.parseInt(flags ?? '0', 16);
    return (number & 1) !== 0 && (number & 0x200) === 0;
  };
  return (
    rows(ipv4).some(
      ([, destination, , flags, , , , mask]) =>
        destination === '00000000' && mask === '00000000' && usable(flags),
    ) ||
    rows(ipv6).some(
      (row) =>
        row.length === 10 &&
        /^0{32}$/.test(row[0] ?? '') &&
        row[1] === '00' &&
        row[9] !== 'lo' &&
        usable(row[8]),
    )
  );
}

/** Of one login server. */
export function judgeServer(facts: HostFacts): Verdict {
  const { host, address, ports, othersAnswer } = facts;
  const bad = othersAnswer ? warning : failed;
  const region = othersAnswer ? ' Other regions answer; an account needs its own.' : '';
  if (address === null) {
    return bad(unresolved(facts), `Check the resolver of this host.${region}`, `getent ahosts ${host}`);
  }
  const mute = ports.filter(({ reach }) => reach.kind !== 'answered');
  const evidence = reachText(ports);
  if (mute.length === 0) return ok(evidence);
  const open = `Let this host reach TCP ${list(mute.map(({ port }) => String(port)))} of IBKR's servers.`;
  if (mute.length < ports.length) return warning(evidence, open);
  return bad(evidence, `${open}${region}`);
}

export function judgeDownloads(facts: HostFacts): Verdict {
  const { address, ports } = facts;
  if (ports.length > 0 && ports.every(({ reach }) => reach.kind === 'answered')) return ok(reachText(ports));
  return warning(
    address === null ? unresolved(facts) : reachText(ports),
    'Gateways cannot be downloaded from here; those that are installed do not need it.',
  );
}

function unresolved({ resolverHung }: HostFacts): string {
  return resolverHung ? 'the resolver gave no answer in time' : 'the name does not resolve';
}

/** `answers on 4001 (33 ms); silent on 4000`. */
function reachText(ports: HostFacts['ports']): string {
  const answered = ports.flatMap(({ port, reach }) =>
    reach.kind === 'answered' ? [`${port} (${Math.round(reach.ms)} ms)`] : [],
  );
  const silent = ports.filter(({ reach }) => reach.kind === 'silent').map(({ port }) => String(port));
  const refused = ports.flatMap(({ port, reach }) =>
    reach.kind === 'refused' ? [`${port} (${reach.code})`] : [],
  );
  const part = (words: string, some: readonly string[]) =>
    some.length === 0 ? [] : [`${words} ${some.join(', ')}`];
  return [...part('answers on', answered), ...part('silent on', silent), ...part('refuses', refused)].join(
    '; ',
  );
}

async function lookAt(
  { machine }: Scene,
  host: string,
  wanted: readonly number[],
): Promise<Omit<HostFacts, 'othersAnswer'>> {
  // By getent and not in this process: it asks what Java asks, and can be ended when the resolver hangs.
  const answer = await machine.run('getent', 'ahosts', host);
  const resolverHung = answer.timedOut;
  const address = printed(answer)?.split(/\s/, 1)[0] ?? '';
  if (address === '') return { host, address: null, resolverHung, ports: [] };
  const ports = await Promise.all(
    wanted.map(async (port) => ({ port, reach: await machine.reach(address, port) })),
  );
  return { host, address, resolverHung, ports };
}

/** `cdc1.ibllc.com:4000` of a session's configuration, without the port. */
function peersOf(scene: Scene): readonly string[] {
  return scene.sessions.flatMap(({ jts }) => {
    const peer = jts['Communication']?.['Peer'];
    return peer === undefined ? [] : [peer.replace(/:\d+$/, '')];
  });
}

async function checkNetwork(scene: Scene): Promise<readonly SubjectVerdict[]> {
  if (scene.offline) return [skipped('--offline')];
  const [ipv4, ipv6] = await Promise.all([
    scene.machine.readText('/proc/net/route'),
    scene.machine.readText('/proc/net/ipv6_route'),
  ]);
  if (!hasDefaultRoute(seen(ipv4), seen(ipv6))) return [skipped('this host has no default route')];
  const [downloads, ...servers] = await Promise.all([
    lookAt(scene, DOWNLOADS.host, [DOWNLOADS.port]),
    ...[...new Set([...SERVERS, ...peersOf(scene)])].map((host) => lookAt(scene, host, SERVER_PORTS)),
  ]);
  const answers = (facts: (typeof servers)[number]) =>
    facts.ports.some(({ reach }) => reach.kind === 'answered');
  const othersAnswer = servers.some(answers);
  return [
    ...servers.map((facts) => ({ ...judgeServer({ ...facts, othersAnswer }), subject: facts.host })),
    { ...judgeDownloads({ ...downloads, othersAnswer }), subject: downloads.host },
  ];
}

export const NETWORK_CHECKS: readonly Check[] = [{ id: 'ibkr', group: 'Network', run: checkNetwork }];
