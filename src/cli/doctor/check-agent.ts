// Owns the checks of ib-agent itself: users and groups, who is asking, units, the running agent, the configuration.

import type { Access } from '../../protocol/envelope.ts';
import { formatDuration } from '../time-text.ts';
import { type Accounts, isMember } from './accounts.ts';
import { SHIPPED } from './check-host.ts';
import { count, failed, list, NO_SYSTEMD, ok, skipped, type Verdict, warning } from './finding.ts';
import { type AgentAnswer, parseProperties, printed, seen } from './machine.ts';
import type { Check, ConfigAnswer, Scene, SubjectVerdict } from './scene.ts';

export type UserFacts = {
  readonly accounts: Accounts | null;
  /** Groups that ib-agent.service adds to its user. */
  readonly unitGroups: readonly string[];
};

const USERS = ['ib-agent', 'ib-gateway'];
const GROUPS = ['ib-gateway', 'ib-operators', 'ib-observers'];
/** To enter the sessions' directories, and to read what gateways say. */
const AGENT_GROUPS = ['ib-gateway', 'systemd-journal'];

export function judgeUsers({ accounts, unitGroups }: UserFacts): Verdict {
  if (accounts === null) return skipped('the user database cannot be asked');
  const make = `sudo systemd-sysusers ${SHIPPED}/ib-agent.sysusers`;
  const missing = [
    ...USERS.filter((name) => !accounts.users.some((user) => user.name === name)).map(
      (name) => `user ${name}`,
    ),
    ...GROUPS.filter((name) => !accounts.groups.some((group) => group.name === name)).map(
      (name) => `group ${name}`,
    ),
  ];
  if (missing.length > 0) {
    return failed(`missing: ${missing.join(', ')}`, 'The installation makes them; make them now.', make);
  }
  const agent = accounts.users.find(({ name }) => name === 'ib-agent');
  const lacking = AGENT_GROUPS.filter(
    (group) => agent !== undefined && !isMember(accounts, agent, group) && !unitGroups.includes(group),
  );
  if (lacking.length > 0) {
    return failed(`ib-agent is not in ${list(lacking)}`, 'Put it in, then restart the agent.', make);
  }
  return ok(`${list(USERS)}; groups ${list(GROUPS)}`);
}

async function checkUsers(scene: Scene): Promise<Verdict> {
  if (!(await scene.isSystemd())) return NO_SYSTEMD;
  const [accounts, unit] = await Promise.all([
    scene.accounts(),
    scene.machine.run('systemctl', 'show', '--property=SupplementaryGroups', '--value', 'ib-agent.service'),
  ]);
  return judgeUsers({ accounts, unitGroups: (printed(unit) ?? '').trim().split(/\s+/) });
}

export type CallerFacts = {
  readonly uid: number;
  readonly name: string | null;
  readonly groups: readonly string[];
  /** What the running agent lets this user do; null when that is not known. */
  readonly access: Access | null;
};

export function judgeCaller({ uid, name, groups, access }: CallerFacts): Verdict {
  const who = name ?? `uid ${uid}`;
  if (uid === 0) return ok('root may do everything');
  if (access === 'operate' || groups.includes('ib-operators')) return ok(`${who} may look and act`);
  const join = `sudo usermod -aG ib-operators ${name ?? 'NAME'}`;
  if (access === 'observe' || groups.includes('ib-observers')) {
    return ok(`${who} may look, not act (group ib-observers)`);
  }
  return warning(
    `${who} is in neither ib-operators nor ib-observers`,
    'The agent refuses this user. To let it act (ib-observers: to let it look):',
    join,
  );
}

async function checkCaller(scene: Scene): Promise<Verdict> {
  const { machine } = scene;
  const name = printed(await machine.run('id', '-un'))?.trim() ?? null;
  const [groups, agent] = await Promise.all([
    // Of the name, not of this process: the agent asks the database too, so a new group counts at once.
    name === null ? null : machine.run('id', '-Gn', name),
    scene.agent(),
  ]);
  return judgeCaller({
    uid: machine.uid,
    name,
    groups: (groups === null ? '' : (printed(groups) ?? '')).trim().split(/\s+/),
    access: agent.kind === 'running' ? agent.access : null,
  });
}

export type UnitFacts = {
  readonly unit: string;
  readonly loadState: string;
  readonly fragment: string;
  readonly dropIns: readonly string[];
  readonly needsReload: boolean;
  /** Text of the file that systemd has loaded; null when it cannot be read. */
  readonly installed: string | null;
  /** Text that came with ib-agent; null when there is none to compare with. */
  readonly shipped: string | null;
};

/** Of one unit that systemd knows. */
export function judgeUnit(facts: UnitFacts): Verdict {
  const { unit, loadState } = facts;
  if (loadState !== 'loaded') {
    return failed(`systemd says: ${loadState}`, 'See why it cannot be loaded.', `systemctl status ${unit}`);
  }
  if (facts.needsReload) {
    return warning(
      'changed on disk since systemd read it',
      'What runs is the old one.',
      'sudo systemctl daemon-reload',
    );
  }
  if (facts.shipped !== null && facts.installed !== null && facts.shipped !== facts.installed) {
    return warning(
      `${facts.fragment} is not as it was shipped`,
      'Compare them; put your own settings into a drop-in (systemctl edit).',
      `diff ${facts.fragment} ${SHIPPED}/${unit}`,
    );
  }
  const notes =
    facts.dropIns.length === 0
      ? ''
      : `, with ${count(facts.dropIns.length, 'drop-in')}: ${facts.dropIns.join(', ')}`;
  return ok(`${facts.shipped === null ? 'loaded' : 'loaded as shipped'}${notes}`);
}

/** One row for all units that are as they should be, one for those that are missing, and one for each other. */
export function judgeUnits(units: readonly UnitFacts[]): readonly SubjectVerdict[] {
  // A slice without a file is "loaded" all the same, with an empty path.
  const isMissing = ({ loadState, fragment }: UnitFacts) =>
    loadState === 'not-found' || (loadState === 'loaded' && fragment === '');
  const missing = units.filter(isMissing);
  const rows = units
    .filter((facts) => !isMissing(facts))
    .map((facts) => ({ facts, verdict: judgeUnit(facts) }));
  const good = rows.filter(({ verdict }) => verdict.result === 'ok').map(({ facts }) => facts);
  const bad = rows.filter(({ verdict }) => verdict.result !== 'ok');
  return [
    ...(good.length === 0 ? [] : [judgeGood(good)]),
    ...(missing.length === 0 ? [] : [judgeMissing(missing.map(({ unit }) => unit))]),
    ...bad.map(({ facts, verdict }) => ({ ...verdict, subject: facts.unit })),
  ];
}

function judgeGood(units: readonly UnitFacts[]): Verdict {
  const shipped = units.every((unit) => unit.shipped !== null);
  const noted = units.filter(({ dropIns }) => dropIns.length > 0);
  return ok(
    [
      `${count(units.length, 'unit')} loaded${shipped ? ' as shipped' : ''}`,
      ...noted.map(({ unit, dropIns }) => `${unit} with ${list(dropIns)}`),
    ].join('; '),
  );
}

function judgeMissing(units: readonly string[]): Verdict {
  return failed(
    `systemd does not know ${list(units)}`,
    'Install the unit files again, then let systemd read them.',
    `cd ${SHIPPED} && sudo install -m 0644 ${units.join(' ')} /etc/systemd/system/ && sudo systemctl daemon-reload`,
  );
}

const UNITS = [
  'ib-agent.service',
  'ib-clock@.service',
  'ib-code@.service',
  'ib-display@.service',
  'ib-ready@.target',
  'ib-session@.service',
];

/** `ib-session@live.service`: systemctl shows templates by an instance only. */
function instanceOf(unit: string, session: string): string {
  return unit.replace('@.', `@${session}.`);
}

async function checkUnits(scene: Scene): Promise<readonly SubjectVerdict[]> {
  if (!(await scene.isSystemd())) return [NO_SYSTEMD];
  const { machine } = scene;
  const names = (seen(await machine.list(SHIPPED)) ?? []).filter((name) =>
    /\.(service|target|slice|socket|timer)$/.test(name),
  );
  const units = names.length === 0 ? UNITS : [...names].sort();
  const session = scene.sessions[0]?.name ?? 'live';
  const facts = await Promise.all(
    units.map(async (unit): Promise<UnitFacts> => {
      const shown = await machine.run(
        'systemctl',
        'show',
        '--property=LoadState,FragmentPath,DropInPaths,NeedDaemonReload',
        instanceOf(unit, session),
      );
      const properties = parseProperties(printed(shown) ?? '');
      const fragment = properties.get('FragmentPath') ?? '';
      const [installed, shipped] = await Promise.all([
        fragment === '' ? null : machine.readText(fragment),
        machine.readText(`${SHIPPED}/${unit}`),
      ]);
      return {
        unit,
        loadState: properties.get('LoadState') ?? 'unknown',
        fragment,
        dropIns: (properties.get('DropInPaths') ?? '').split(' ').filter((path) => path !== ''),
        needsReload: properties.get('NeedDaemonReload') === 'yes',
        installed: installed === null ? null : seen(installed),
        shipped: seen(shipped),
      };
    }),
  );
  return judgeUnits(facts);
}

/** `own`: version of this ibctl. */
export function judgeAgent(agent: AgentAnswer, own: string, now: number, isSystemd: boolean): Verdict {
  if (agent.kind === 'refused') return ok(`it runs; to this user it says: ${agent.message}`);
  if (agent.kind === 'away') {
    return failed(
      `does not answer: ${agent.message}`,
      isSystemd
        ? 'Start it; what it said last: journalctl -u ib-agent -n 20'
        : 'Start ib-agent, and see what it says.',
      isSystemd ? 'sudo systemctl start ib-agent' : undefined,
    );
  }
  const evidence = `ib-agent ${agent.version}, pid ${agent.pid}, up ${formatDuration(now - agent.startedAt)}, supervises by ${agent.supervisor === 'process' ? 'itself' : agent.supervisor}`;
  if (agent.version === own) return ok(evidence);
  return warning(
    `${evidence}; this ibctl is ${own}`,
    'An upgrade is not in effect yet. Restart the agent; gateways under systemd stay logged in.',
    'sudo systemctl restart ib-agent',
  );
}

export function judgeConfig(answer: ConfigAnswer): Verdict {
  if (answer.ok) {
    const { file, sessions } = answer.config;
    if (sessions.length > 0) return ok(`${file}: ${sessions.map(({ name }) => name).join(', ')}`);
    return warning(`${file}: no session`, 'Add one under `sessions`.');
  }
  const [first = '', ...more] = answer.problems;
  return failed(
    more.length === 0 ? first : `${first} (and ${count(more.length, 'more error')})`,
    answer.hint,
    `ibctl config check ${answer.file}`,
  );
}

export function agentChecks(version: string): readonly Check[] {
  return [
    { id: 'users', group: 'Agent', run: async (scene) => [await checkUsers(scene)] },
    { id: 'you', group: 'Agent', run: async (scene) => [await checkCaller(scene)] },
    { id: 'config', group: 'Agent', run: async ({ config }) => [judgeConfig(config)] },
    { id: 'units', group: 'Agent', run: checkUnits },
    {
      id: 'agent',
      group: 'Agent',
      run: async (scene) => [
        judgeAgent(await scene.agent(), version, scene.machine.now, await scene.isSystemd()),
      ],
    },
  ];
}
