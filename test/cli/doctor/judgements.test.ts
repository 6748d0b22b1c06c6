// Tests what every check of `ibctl doctor` makes of each set of facts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAccounts } from '../../../src/cli/doctor/accounts.ts';
import {
  judgeAgent,
  judgeCaller,
  judgeConfig,
  judgeUnit,
  judgeUnits,
  judgeUsers,
  type UnitFacts,
} from '../../../src/cli/doctor/check-agent.ts';
import {
  DISKS,
  judgeClock,
  judgeDisk,
  judgeFonts,
  judgeJournal,
  judgeLibraries,
  judgeMemory,
  judgeNeedrestart,
  judgeOtherUsers,
  judgePolkit,
  judgeSystemd,
  judgeTimeZone,
  judgeXvfb,
} from '../../../src/cli/doctor/check-host.ts';
import { hasDefaultRoute, judgeDownloads, judgeServer } from '../../../src/cli/doctor/check-network.ts';
import {
  findListeners,
  judgeCredentials,
  judgeGateway,
  judgeJava,
  judgeJavaFx,
  judgePort,
  judgeSettings,
} from '../../../src/cli/doctor/check-session.ts';
import type { Result, Verdict } from '../../../src/cli/doctor/finding.ts';
import type { AgentAnswer, InstallAnswer } from '../../../src/cli/doctor/machine.ts';
import { checkConfigText } from '../../../src/config/load.ts';

type Row = readonly [what: string, verdict: Verdict, result: Result, evidence: RegExp, command?: RegExp];

function table(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    for (const [what, verdict, result, evidence, command] of rows) {
      it(`${result}: ${what}`, () => {
        assert.equal(verdict.result, result);
        assert.match(verdict.evidence, evidence);
        if (command === undefined) assert.equal(verdict.remedy?.command, undefined);
        else assert.match(verdict.remedy?.command ?? '', command);
        const needsRemedy = result === 'failed' || result === 'warning';
        if (needsRemedy) assert.ok((verdict.remedy?.words.length ?? 0) > 10, 'says what to do');
        if (result === 'ok') assert.equal(verdict.remedy, null);
      });
    }
  });
}

const VERSION = 'systemd 252 (252.39-1~deb12u2)';
table('systemd', [
  [
    'a supported one',
    judgeSystemd({ init: 'systemd', version: VERSION, supervisor: null }),
    'ok',
    /^systemd 252 \(252/,
  ],
  [
    'an old one',
    judgeSystemd({ init: 'systemd', version: 'systemd 249 (249.11)', supervisor: null }),
    'failed',
    /^systemd 249$/,
  ],
  ['no version', judgeSystemd({ init: 'systemd', version: null, supervisor: null }), 'warning', /unknown/],
  [
    'another init',
    judgeSystemd({ init: 'tini', version: VERSION, supervisor: null }),
    'failed',
    /PID 1 is tini/,
  ],
  [
    'another init, and an agent that needs none',
    judgeSystemd({ init: 'tini', version: null, supervisor: 'process' }),
    'skipped',
    /supervises sessions itself/,
  ],
]);

const RULE = '/etc/polkit-1/rules.d/50-ib-agent.rules';
const POLKIT_UP = { load: 'loaded', active: 'active' };
table('polkit', [
  [
    'the rule as shipped',
    judgePolkit({ service: POLKIT_UP, version: '122', rule: 'shipped', path: RULE }),
    'ok',
    /polkit 122, .*50-ib-agent/,
  ],
  [
    '0.106 and later have rules',
    judgePolkit({ service: POLKIT_UP, version: '0.120', rule: 'shipped', path: RULE }),
    'ok',
    /0\.120/,
  ],
  [
    'an old one',
    judgePolkit({ service: POLKIT_UP, version: '0.105', rule: 'shipped', path: RULE }),
    'failed',
    /no rules in JavaScript/,
  ],
  [
    'none',
    judgePolkit({ service: POLKIT_UP, version: null, rule: 'missing', path: null }),
    'failed',
    /not installed/,
    /^sudo apt install polkitd$/,
  ],
  [
    'a masked one',
    judgePolkit({
      service: { load: 'masked', active: 'inactive' },
      version: '122',
      rule: 'shipped',
      path: RULE,
    }),
    'failed',
    /is masked/,
    /^sudo systemctl unmask polkit$/,
  ],
  [
    'one that does not start',
    judgePolkit({
      service: { load: 'loaded', active: 'failed' },
      version: '122',
      rule: 'shipped',
      path: RULE,
    }),
    'failed',
    /its service has failed/,
    /^systemctl status polkit$/,
  ],
  [
    'one that nobody has asked yet',
    judgePolkit({
      service: { load: 'loaded', active: 'inactive' },
      version: '122',
      rule: 'shipped',
      path: RULE,
    }),
    'ok',
    /polkit 122/,
  ],
  [
    'no rule',
    judgePolkit({ service: POLKIT_UP, version: '122', rule: 'missing', path: null }),
    'failed',
    /in neither/,
    /^sudo install .*50-ib-agent\.rules \/etc\/polkit-1\/rules\.d\/$/,
  ],
  [
    'another rule',
    judgePolkit({ service: POLKIT_UP, version: '122', rule: 'other', path: RULE }),
    'warning',
    /not as it was shipped/,
    /^diff /,
  ],
  [
    'not to be seen',
    judgePolkit({ service: POLKIT_UP, version: '122', rule: 'unreadable', path: null }),
    'skipped',
    /only root/,
    /^sudo ibctl doctor$/,
  ],
]);

table('clock', [
  ['synchronised', judgeClock('yes'), 'ok', /^synchronised$/],
  ['not', judgeClock('no'), 'warning', /^not synchronised$/, /^sudo timedatectl set-ntp true$/],
  ['unknown', judgeClock(null), 'warning', /unknown/, /^timedatectl$/],
]);

table('time zone', [
  ['known', judgeTimeZone('America/New_York'), 'ok', /America\/New_York/],
  ['none', judgeTimeZone(''), 'warning', /unknown/, /set-timezone/],
  ['a broken link', judgeTimeZone('Etc/Unknown'), 'warning', /unknown/, /set-timezone/],
]);

const MIB = 1024 ** 2;
const space = (freeMib: number) => ({ freeBytes: freeMib * MIB, totalBytes: 40_960 * MIB });
table('disks', [
  [
    'room',
    judgeDisk('/var/lib', space(10_240), DISKS.state),
    'ok',
    /10\.0 GiB free of 40\.0 GiB \(\/var\/lib\)/,
  ],
  ['little', judgeDisk('/var/lib', space(511), DISKS.state), 'warning', /511 MiB free/],
  ['next to nothing', judgeDisk('/var/lib', space(63), DISKS.state), 'failed', /63 MiB free/],
  [
    'a full journal costs no session',
    judgeDisk('/var/log', space(0), DISKS.journal),
    'warning',
    /0 MiB free/,
  ],
  ['a full /tmp does', judgeDisk('/tmp', space(7), DISKS.tmp), 'failed', /7 MiB free/],
  ['not to be seen', judgeDisk('/tmp', null, DISKS.tmp), 'skipped', /\/tmp/],
]);

table('journal', [
  ['auto with its directory', judgeJournal({ storage: null, hasDirectory: true }), 'ok', /kept/],
  [
    'persistent makes its directory',
    judgeJournal({ storage: 'persistent', hasDirectory: false }),
    'ok',
    /kept/,
  ],
  [
    'auto without',
    judgeJournal({ storage: 'auto', hasDirectory: false }),
    'warning',
    /no \/var\/log\/journal/,
    /^sudo mkdir -p \/var\/log\/journal/,
  ],
  [
    'volatile',
    judgeJournal({ storage: 'volatile', hasDirectory: true }),
    'warning',
    /Storage=volatile/,
    /^sudo systemctl restart systemd-journald$/,
  ],
  ['none', judgeJournal({ storage: 'none', hasDirectory: true }), 'warning', /Storage=none/, /^sudo/],
]);

table('needrestart', [
  ['not there', judgeNeedrestart({ installed: false, excludes: false }), 'ok', /not installed/],
  [
    'told to leave us alone',
    judgeNeedrestart({ installed: true, excludes: true }),
    'ok',
    /leaves the gateways alone/,
  ],
  [
    'not told',
    judgeNeedrestart({ installed: true, excludes: false }),
    'failed',
    /restarts gateways/,
    /^sudo install -D .*needrestart\/conf\.d\/ib-agent\.conf$/,
  ],
]);

const PASSWD = [
  'root:x:0:0:root:/root:/bin/bash',
  'ib-agent:x:999:999::/:/usr/sbin/nologin',
  'ib-gateway:x:998:998::/:/usr/sbin/nologin',
  'alice:x:1000:1000::/home/alice:/bin/bash',
  'bob:x:1001:100::/home/bob:/bin/zsh',
  'service:x:1002:100::/:/usr/sbin/nologin',
  'nobody:x:65534:65534::/:/bin/sh',
];
const GROUP = [
  'ib-agent:x:999:',
  'ib-gateway:x:998:ib-agent',
  'ib-operators:x:997:alice',
  'ib-observers:x:996:',
  'systemd-journal:x:101:ib-agent',
];
const accounts = (passwd = PASSWD, group = GROUP) =>
  parseAccounts(passwd.join('\n'), `${group.join('\n')}\n`);
const many = [...PASSWD, ...[1, 2, 3, 4].map((n) => `user${n}:x:${1100 + n}:100::/:/bin/sh`)];
table('other users', [
  [
    'only operators',
    judgeOtherUsers({ accounts: accounts(PASSWD.slice(0, 4)), filtered: null }),
    'ok',
    /none but operators/,
  ],
  [
    'by primary group too',
    judgeOtherUsers({
      accounts: accounts([...PASSWD.slice(0, 4), 'carol:x:1003:997::/:/bin/sh']),
      filtered: null,
    }),
    'ok',
    /none/,
  ],
  ['another', judgeOtherUsers({ accounts: accounts(), filtered: null }), 'warning', /^bob can log in/],
  [
    'another, filtered',
    judgeOtherUsers({ accounts: accounts(), filtered: true }),
    'ok',
    /bob .* table ib_agent/,
  ],
  [
    'another, not filtered',
    judgeOtherUsers({ accounts: accounts(), filtered: false }),
    'warning',
    /^bob can/,
  ],
  [
    'many',
    judgeOtherUsers({ accounts: accounts(many), filtered: null }),
    'warning',
    /^bob, user1, user2 and 2 more can/,
  ],
  ['no database', judgeOtherUsers({ accounts: null, filtered: null }), 'skipped', /cannot be asked/],
]);

it('other users are told of the example rules', () => {
  assert.match(
    judgeOtherUsers({ accounts: accounts(), filtered: null }).remedy?.words ?? '',
    /etc\/examples\/ib-agent\.nft/,
  );
});

table('memory', [
  [
    'restricted',
    judgeMemory({ ptraceScope: '1', corePattern: '|/usr/lib/systemd/systemd-coredump %P' }),
    'ok',
    /ptrace_scope 1; core dumps go to \/usr\/lib\/systemd\/systemd-coredump, ours are off/,
  ],
  ['a kernel without', judgeMemory({ ptraceScope: null, corePattern: 'core' }), 'ok', /go to files/],
  [
    'open',
    judgeMemory({ ptraceScope: '0', corePattern: 'core' }),
    'warning',
    /ptrace_scope 0/,
    /^sudo sysctl/,
  ],
]);

const cache = (names: readonly string[], label = 'libc6,x86-64') =>
  names.map((name) => `\t${name} (${label}) => /lib/${name}`).join('\n');
const ALL = ['libX11.so.6', 'libXext.so.6', 'libXi.so.6', 'libXrender.so.1', 'libXtst.so.6'];
table('X libraries', [
  ['all', judgeLibraries({ cache: cache(ALL), architecture: 'x64' }), 'ok', /5 libraries/],
  [
    'one missing',
    judgeLibraries({ cache: cache(ALL.slice(0, 4)), architecture: 'x64' }),
    'failed',
    /^libXtst\.so\.6 is missing/,
    /^sudo apt install libxtst6$/,
  ],
  [
    'of another architecture',
    judgeLibraries({ cache: cache(ALL, 'libc6'), architecture: 'x64' }),
    'failed',
    /libX11\.so\.6, .* and libXtst\.so\.6 are missing/,
    /libx11-6 .* libxtst6$/,
  ],
  ['on arm64', judgeLibraries({ cache: cache(ALL, 'libc6,AArch64'), architecture: 'arm64' }), 'ok', /5/],
  ['no ldconfig', judgeLibraries({ cache: null, architecture: 'x64' }), 'skipped', /ldconfig/],
]);

table('fonts and display', [
  ['fonts', judgeFonts(22), 'ok', /^22 fonts$/],
  ['none', judgeFonts(0), 'failed', /no font/, /^sudo apt install fontconfig/],
  ['no fontconfig', judgeFonts(null), 'failed', /not installed/, /^sudo apt install fontconfig/],
  ['Xvfb', judgeXvfb('/usr/bin/Xvfb'), 'ok', /^\/usr\/bin\/Xvfb$/],
  ['no Xvfb', judgeXvfb(null), 'failed', /not installed/, /^sudo apt install xvfb$/],
]);

const noJournal = GROUP.map((line) => line.replace('101:ib-agent', '101:'));
table('users', [
  [
    'all there',
    judgeUsers({ accounts: accounts(), unitGroups: [] }),
    'ok',
    /ib-agent and ib-gateway; groups/,
  ],
  [
    'a user missing',
    judgeUsers({
      accounts: accounts(PASSWD.filter((line) => !line.startsWith('ib-gateway'))),
      unitGroups: [],
    }),
    'failed',
    /missing: user ib-gateway/,
    /^sudo systemd-sysusers /,
  ],
  [
    'a group missing',
    judgeUsers({ accounts: accounts(PASSWD, GROUP.slice(0, 3)), unitGroups: ['systemd-journal'] }),
    'failed',
    /missing: group ib-observers/,
    /^sudo/,
  ],
  [
    'not a member',
    judgeUsers({ accounts: accounts(PASSWD, noJournal), unitGroups: [''] }),
    'failed',
    /ib-agent is not in systemd-journal/,
    /^sudo/,
  ],
  [
    'a member through the unit',
    judgeUsers({ accounts: accounts(PASSWD, noJournal), unitGroups: ['systemd-journal'] }),
    'ok',
    /groups/,
  ],
  ['no database', judgeUsers({ accounts: null, unitGroups: [] }), 'skipped', /cannot be asked/],
]);

table('you', [
  ['root', judgeCaller({ uid: 0, name: 'root', groups: [], access: null }), 'ok', /root may do everything/],
  [
    'an operator',
    judgeCaller({ uid: 1000, name: 'alice', groups: ['alice', 'ib-operators'], access: null }),
    'ok',
    /alice may look and act/,
  ],
  [
    'by the word of the agent',
    judgeCaller({ uid: 1000, name: 'alice', groups: [], access: 'operate' }),
    'ok',
    /look and act/,
  ],
  [
    'an observer',
    judgeCaller({ uid: 1000, name: 'alice', groups: ['ib-observers'], access: 'observe' }),
    'ok',
    /look, not act/,
  ],
  [
    'a stranger',
    judgeCaller({ uid: 1000, name: 'alice', groups: ['alice'], access: null }),
    'warning',
    /in neither/,
    /^sudo usermod -aG ib-operators alice$/,
  ],
  [
    'a uid without a name',
    judgeCaller({ uid: 4711, name: null, groups: [], access: null }),
    'warning',
    /uid 4711/,
    /NAME$/,
  ],
]);

const aUnit = (over: Partial<UnitFacts> = {}): UnitFacts => ({
  unit: 'ib-session@.service',
  loadState: 'loaded',
  fragment: '/etc/systemd/system/ib-session@.service',
  dropIns: [],
  needsReload: false,
  installed: 'text',
  shipped: 'text',
  ...over,
});
table('a unit', [
  ['as shipped', judgeUnit(aUnit()), 'ok', /^loaded as shipped$/],
  ['with a drop-in', judgeUnit(aUnit({ dropIns: ['/etc/x.conf'] })), 'ok', /with 1 drop-in: \/etc\/x\.conf/],
  ['nothing to compare with', judgeUnit(aUnit({ shipped: null })), 'ok', /^loaded$/],
  ['changed', judgeUnit(aUnit({ installed: 'other' })), 'warning', /not as it was shipped/, /^diff /],
  [
    'not reloaded',
    judgeUnit(aUnit({ needsReload: true })),
    'warning',
    /changed on disk/,
    /^sudo systemctl daemon-reload$/,
  ],
  [
    'broken',
    judgeUnit(aUnit({ loadState: 'bad-setting' })),
    'failed',
    /bad-setting/,
    /^systemctl status ib-session@/,
  ],
]);

it('units that are well share a row, and so do those that are missing', () => {
  const missing = { loadState: 'not-found', fragment: '', installed: null };
  const rows = judgeUnits([
    aUnit({ unit: 'ib-ready@.target', ...missing }),
    aUnit({ unit: 'ib.slice', ...missing, loadState: 'loaded' }),
    aUnit({ unit: 'ib-agent.service', dropIns: ['/etc/systemd/system/ib-agent.service.d/x.conf'] }),
    aUnit(),
    aUnit({ unit: 'ib-display@.service', needsReload: true }),
  ]);
  assert.deepEqual(
    rows.map(({ result, subject, evidence }) => [result, subject, evidence]),
    [
      [
        'ok',
        undefined,
        '2 units loaded as shipped; ib-agent.service with /etc/systemd/system/ib-agent.service.d/x.conf',
      ],
      ['failed', undefined, 'systemd does not know ib-ready@.target and ib.slice'],
      ['warning', 'ib-display@.service', 'changed on disk since systemd read it'],
    ],
  );
});

const running: AgentAnswer = {
  kind: 'running',
  version: '0.1.0',
  pid: 812,
  startedAt: 0,
  supervisor: 'systemd',
  access: 'operate',
};
table('agent', [
  [
    'running',
    judgeAgent(running, '0.1.0', 7_500_000, true),
    'ok',
    /^ib-agent 0\.1\.0, pid 812, up 2h 5m, supervises by systemd$/,
  ],
  [
    'of another version',
    judgeAgent(running, '0.2.0', 1000, true),
    'warning',
    /this ibctl is 0\.2\.0/,
    /^sudo systemctl restart ib-agent$/,
  ],
  [
    'refusing',
    judgeAgent({ kind: 'refused', message: 'user bob may not observe' }, '0.1.0', 0, true),
    'ok',
    /it runs; .*bob may not/,
  ],
  [
    'away',
    judgeAgent({ kind: 'away', message: 'no socket' }, '0.1.0', 0, true),
    'failed',
    /does not answer: no socket/,
    /^sudo systemctl start ib-agent$/,
  ],
  [
    'away, without systemd',
    judgeAgent({ kind: 'away', message: 'no socket' }, '0.1.0', 0, false),
    'failed',
    /does not answer/,
  ],
]);

const config = checkConfigText(
  'sessions:\n  live: { mode: live, install: { gatewayVersion: "1037" }, api: { port: 4001 } }\n',
  '/etc/ib.yaml',
);
const bad = (problems: readonly string[]) =>
  judgeConfig({ ok: false, file: '/etc/ib.yaml', problems, hint: 'Correct the file.' });
table('configuration', [
  ['valid', judgeConfig({ ok: true, config }), 'ok', /^\/etc\/ib\.yaml: live$/],
  [
    'empty',
    judgeConfig({ ok: true, config: checkConfigText('sessions: {}\n', '/etc/ib.yaml') }),
    'warning',
    /no session/,
  ],
  [
    'one error',
    bad(['ib.yaml:1:1: wrong']),
    'failed',
    /^ib\.yaml:1:1: wrong$/,
    /^ibctl config check \/etc\/ib\.yaml$/,
  ],
  ['several', bad(['a', 'b', 'c']), 'failed', /^a \(and 2 more errors\)$/, /^ibctl config check/],
]);

const creds = (over: Partial<Parameters<typeof judgeCredentials>[0]> = {}) =>
  judgeCredentials({
    session: 'live',
    uid: 0,
    isSystemd: true,
    source: { kind: 'directory', path: '/etc/ib-agent/credentials/live' },
    method: 'unknown',
    setAt: { username: 1000, password: 2000, seed: null },
    ...over,
  });
table('credentials', [
  ['both', creds(), 'ok', /^user name and password, set 1970-.*; no TOTP seed$/],
  ['and a seed', creds({ setAt: { username: 1, password: 1, seed: 1 } }), 'ok', /; TOTP seed$/],
  [
    'no seed where codes are made from one',
    creds({ method: 'totp' }),
    'failed',
    /^TOTP seed is not set$/,
    /^sudo ibctl credentials set live --only seed$/,
  ],
  [
    'a seed where codes are made from it',
    creds({ method: 'totp', setAt: { username: 1, password: 1, seed: 1 } }),
    'ok',
    /; TOTP seed$/,
  ],
  [
    'no password',
    creds({ setAt: { username: 1, password: null, seed: null } }),
    'failed',
    /^password is not set$/,
    /^sudo ibctl credentials set live$/,
  ],
  [
    'neither',
    creds({ setAt: { username: null, password: null, seed: 1 } }),
    'failed',
    /^user name and password are not set$/,
    /^sudo/,
  ],
  ['not root', creds({ uid: 1000 }), 'skipped', /only root/, /^sudo ibctl doctor live$/],
  ['without systemd', creds({ isSystemd: false }), 'skipped', /\/etc\/ib-agent\/credentials\/live/],
  [
    'a command, without its arguments',
    creds({ isSystemd: false, source: { kind: 'command', argv: ['/bin/pass', 'hunter2'] } }),
    'skipped',
    /the command \/bin\/pass$/,
  ],
]);

const there: InstallAnswer = {
  ok: true,
  programDir: '/opt/g/1037',
  java: '/opt/jre/bin/java',
  classpath: ['/opt/g/1037/jars/a.jar'],
  warnings: [],
};
const noGateway: InstallAnswer = {
  ok: false,
  part: 'gateway',
  message: 'The gateway is not there.',
  hint: 'Install it, please.',
};
const noJava: InstallAnswer = { ok: false, part: 'java', message: 'No Java.', hint: 'Install it, please.' };
const fx = (over: Partial<Parameters<typeof judgeJavaFx>[0]> = {}) =>
  judgeJavaFx({ install: there, release: null, files: [], ...over });
table('gateway and Java', [
  ['gateway', judgeGateway(there), 'ok', /\/opt\/g\/1037/],
  ['no gateway', judgeGateway(noGateway), 'failed', /not there/],
  ['a gateway without Java', judgeGateway(noJava), 'skipped', /Java is missing/],
  ['Java', judgeJava(there), 'ok', /^\/opt\/jre\/bin\/java$/],
  [
    'an old Java',
    judgeJava({ ...there, warnings: ['/x is Java 11; IBC 3.24 needs Java 17 or later'] }),
    'warning',
    /Java 11/,
  ],
  ['no Java', judgeJava(noJava), 'failed', /No Java/],
  ['no gateway, so no Java', judgeJava(noGateway), 'skipped', /no gateway/],
  [
    'JavaFX as a module',
    fx({ release: 'JAVA_VERSION="17"\nMODULES="java.base javafx.base"' }),
    'ok',
    /module/,
  ],
  ['JavaFX as a jar of the runtime', fx({ files: ['jfxrt.jar'] }), 'ok', /jfxrt\.jar/],
  [
    'JavaFX as a jar of the gateway',
    fx({ install: { ...there, classpath: ['/opt/g/jars/javafx-base-17.jar'] } }),
    'ok',
    /javafx-base/,
  ],
  [
    'no JavaFX',
    fx({ release: 'JAVA_VERSION="17"\nMODULES="java.base java.desktop"', files: ['modules'] }),
    'warning',
    /not in \/opt\/jre$/,
  ],
  ['JavaFX without Java', fx({ install: noJava }), 'skipped', /no Java/],
]);

const port = (listeners: readonly number[] | null) =>
  judgePort({ port: 4001, listeners, expected: [998], accounts: accounts() });
table('API port', [
  ['free', port([]), 'ok', /^4001 is free$/],
  ['ours', port([998, 998]), 'ok', /held by ib-gateway$/],
  [
    "somebody else's",
    port([998, 1001, 1001]),
    'failed',
    /held by a program of bob$/,
    /^sudo ss -ltnp sport = :4001$/,
  ],
  ["a stranger's", port([4711]), 'failed', /uid 4711/, /^sudo ss/],
  ['no table', port(null), 'skipped', /table of sockets/],
]);

it('listeners are those that listen on the port, whatever their address', () => {
  const row = (address: string, state: string, uid: number) =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 12345 1`;
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    row('0100007F:0FA1', '0A', 998),
    row('00000000:0FA1', '0A', 1000),
    row('0100007F:0FA1', '01', 1),
    row('0100007F:0FA2', '0A', 2),
    row('0100007F:10FA1', '0A', 3),
  ].join('\n');
  assert.deepEqual(findListeners(text, 4001), [998, 1000]);
});

const settings = (over: Partial<Parameters<typeof judgeSettings>[0]>) =>
  judgeSettings({
    directory: '/var/lib/s',
    look: { ok: true, value: { kind: 'directory', uid: 998, mode: 0o700, changedAt: 0 } },
    owner: 998,
    session: 'live',
    ...over,
  });
const dir = (kind: 'directory' | 'file', uid: number, mode: number) =>
  ({ look: { ok: true, value: { kind, uid, mode, changedAt: 0 } } }) as const;
table('settings', [
  ['private', settings({}), 'ok', /^\/var\/lib\/s$/],
  ['not made yet', settings({ look: { ok: false, code: 'ENOENT' } }), 'ok', /is made at the first start/],
  [
    'not to be seen',
    settings({ look: { ok: false, code: 'EACCES' } }),
    'skipped',
    /EACCES/,
    /^sudo ibctl doctor live$/,
  ],
  ['a file', settings(dir('file', 998, 0o600)), 'failed', /not a directory/],
  [
    "somebody else's",
    settings(dir('directory', 0, 0o700)),
    'failed',
    /belongs to uid 0/,
    /^sudo chown -R ib-gateway: \/var\/lib\/s$/,
  ],
  [
    'of nobody in particular',
    settings({ ...dir('directory', 0, 0o700), owner: null }),
    'ok',
    /\/var\/lib\/s/,
  ],
  ['open', settings(dir('directory', 998, 0o755)), 'warning', /mode 0755/, /^sudo chmod 0700/],
]);

const up = (port: number) => ({ port, reach: { kind: 'answered', ms: 33.4 } }) as const;
const mute = (port: number) => ({ port, reach: { kind: 'silent' } }) as const;
const server = (
  ports: readonly (ReturnType<typeof up> | ReturnType<typeof mute>)[],
  othersAnswer = false,
  address: string | null = '192.0.2.1',
) => judgeServer({ host: 'gdc1.ibllc.com', address, resolverHung: false, ports, othersAnswer });
table('servers', [
  ['both ports', server([up(4001), up(4000)], true), 'ok', /^answers on 4001 \(33 ms\), 4000 \(33 ms\)$/],
  [
    'one port',
    server([mute(4001), up(4000)], true),
    'warning',
    /^answers on 4000 \(33 ms\); silent on 4001$/,
  ],
  ['none, though others answer', server([mute(4001), mute(4000)], true), 'warning', /^silent on 4001, 4000$/],
  ['none at all', server([mute(4001), mute(4000)]), 'failed', /^silent on 4001, 4000$/],
  [
    'refused',
    judgeServer({
      host: 'x',
      address: '192.0.2.1',
      resolverHung: false,
      ports: [{ port: 4001, reach: { kind: 'refused', code: 'ECONNREFUSED' } }],
      othersAnswer: false,
    }),
    'failed',
    /^refuses 4001 \(ECONNREFUSED\)$/,
  ],
  ['no name', server([], false, null), 'failed', /does not resolve/, /^getent ahosts gdc1/],
  [
    'no resolver',
    judgeServer({ host: 'x', address: null, resolverHung: true, ports: [], othersAnswer: false }),
    'failed',
    /^the resolver gave no answer in time$/,
    /^getent/,
  ],
  ['no name, though others answer', server([], true, null), 'warning', /does not resolve/, /^getent/],
  [
    'downloads',
    judgeDownloads({
      host: 'd',
      address: '192.0.2.1',
      resolverHung: false,
      ports: [up(443)],
      othersAnswer: true,
    }),
    'ok',
    /answers on 443/,
  ],
  [
    'no downloads',
    judgeDownloads({
      host: 'd',
      address: '192.0.2.1',
      resolverHung: false,
      ports: [mute(443)],
      othersAnswer: true,
    }),
    'warning',
    /silent on 443/,
  ],
  [
    'no name of downloads',
    judgeDownloads({ host: 'd', address: null, resolverHung: false, ports: [], othersAnswer: true }),
    'warning',
    /does not resolve/,
  ],
]);

it('a default route is one that is up, of either protocol, and rejects nothing', () => {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n';
  const zero = '0'.repeat(32);
  const v6 = (prefix: string, flags: string, device: string) =>
    `${zero} ${prefix} ${zero} 00 fd${'0'.repeat(30)} 00000400 00000002 00000000 ${flags} ${device}\n`;
  assert.equal(hasDefaultRoute(null, null), false);
  assert.equal(hasDefaultRoute(head, ''), false);
  assert.equal(
    hasDefaultRoute(`${head}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`, null),
    true,
  );
  assert.equal(
    hasDefaultRoute(`${head}eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`, null),
    false,
  );
  assert.equal(hasDefaultRoute(head, v6('00', '00000003', 'eth0')), true);
  assert.equal(hasDefaultRoute(head, v6('00', '00200200', 'lo')), false);
  assert.equal(hasDefaultRoute(head, v6('40', '00000003', 'eth0')), false);
});
