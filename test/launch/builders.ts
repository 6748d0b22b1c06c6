// Owns the builders that tests of launchers and gateway files share: a session's configuration and an installed gateway on disk.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionConfig } from '../../src/config/types.ts';
import { parseSessionName } from '../../src/protocol/session-name.ts';

export function aSession(changes: Partial<SessionConfig> = {}): SessionConfig {
  const name = parseSessionName('live');
  if (name === null) throw new Error('live is a session name');
  return {
    name,
    gateway: 'ibgateway',
    driver: 'ibc',
    mode: 'live',
    user: 'live',
    autostart: false,
    install: { ibcDir: '/opt/ibc', gatewayDir: '/opt/Jts', gatewayVersion: '1045', java: null },
    settingsDir: '/var/lib/ib-session/live/settings',
    api: { host: '127.0.0.1', port: 4001, clientId: 901 },
    timeZone: 'America/New_York',
    display: { width: 1024, height: 768, depth: 24 },
    jvm: { heapMiB: 768, options: [] },
    ibc: {},
    commandServer: false,
    jts: {},
    secondFactor: { method: 'ib-key', device: null },
    dialogs: { answer: [] },
    restart: {
      policy: 'always',
      backoffMinMs: 1000,
      backoffMaxMs: 60_000,
      maxLoginsPerHour: 3,
      maxLoginsPerDay: 12,
      maxPushesPerHour: 3,
      maxPushesPerDay: 10,
      maxMissedSecondFactors: 2,
    },
    deadlines: {
      startMs: 120_000,
      loginMs: 60_000,
      secondFactorMs: 180_000,
      loadingMs: 150_000,
      warmRestartMs: 180_000,
      stopMs: 30_000,
      termMs: 10_000,
    },
    credentials: { kind: 'directory', path: '/etc/ib-agent/credentials/live' },
    ...changes,
  };
}

/** Lays out an install as the installers do, with jars that hold nothing and the given text as `java`. */
export function layGateway(root: string, java = '#!/bin/sh\nexit 0\n'): SessionConfig['install'] {
  const program = join(root, 'Jts', 'ibgateway', '1045');
  const jre = join(root, 'jre');
  for (const directory of [
    join(program, 'jars'),
    join(program, '.install4j'),
    join(jre, 'bin'),
    join(root, 'ibc'),
  ]) {
    mkdirSync(directory, { recursive: true });
  }
  for (const jar of ['total-2023.jar', 'jts4launch-1045.jar', 'Zlast.jar', 'log4j-api-2.17.jar']) {
    writeFileSync(join(program, 'jars', jar), '');
  }
  writeFileSync(join(program, 'jars', 'notes.txt'), '');
  writeFileSync(join(program, '.install4j', 'i4jruntime.jar'), '');
  writeFileSync(join(program, '.install4j', 'inst_jre.cfg'), `${jre}\n`);
  writeFileSync(
    join(program, '.install4j', 'i4jparams.conf'),
    Buffer.from('\x00\xffbinary -DjxBrowserKey=KEY123 -DjxBrowserKey=SECOND "end"\x00', 'latin1'),
  );
  writeFileSync(
    join(program, 'ibgateway.vmoptions'),
    '# a comment\n\n-Xmx512m\n  -XX:+UseG1GC  \n-Dinstaller.uuid=1\n-Dsun.locale.formatasdefault=true\n-javaagent:/opt/an agent.jar=a\\b\n',
  );
  writeFileSync(join(program, 'ibgateway'), '#!/bin/sh\n');
  writeFileSync(join(root, 'ibc', 'IBC.jar'), '');
  writeFileSync(join(jre, 'bin', 'java'), java);
  chmodSync(join(jre, 'bin', 'java'), 0o755);
  return { ibcDir: join(root, 'ibc'), gatewayDir: join(root, 'Jts'), gatewayVersion: '1045', java: null };
}
