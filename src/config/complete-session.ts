// Owns the step from a session as the file has it to the session as everybody reads it: defaults that depend on its name, tidy paths.

import { dirname, join, normalize } from 'node:path';
import { type Roots, sessionPaths } from './paths.ts';
import type { ParsedSession } from './schema.ts';
import type { CredentialSource, SessionConfig } from './types.ts';

/** `file` is the absolute path of the configuration: credentials are looked for beside it unless the session says where. */
export function completeSession(
  name: SessionConfig['name'],
  parsed: ParsedSession,
  roots: Roots,
  file: string,
): SessionConfig {
  const { deadlines, restart } = parsed;
  return {
    name,
    gateway: parsed.gateway,
    driver: 'ibc',
    mode: parsed.mode,
    user: parsed.user ?? name,
    autostart: parsed.autostart,
    install: {
      ibcDir: tidyPath(parsed.install.ibcDir),
      gatewayDir: tidyPath(parsed.install.gatewayDir),
      gatewayVersion: parsed.install.gatewayVersion,
      java: parsed.install.java === undefined ? null : javaExecutable(tidyPath(parsed.install.java)),
    },
    settingsDir: resolveSettingsDir(parsed.settingsDir, roots, name),
    api: { host: '127.0.0.1', ...parsed.api },
    timeZone: parsed.timeZone,
    display: { ...parsed.display.size, depth: parsed.display.depth },
    jvm: { heapMiB: parsed.jvm.heap, options: parsed.jvm.options },
    ibc: withoutUndefined(parsed.ibc),
    commandServer: parsed.commandServer,
    jts: jtsSections(parsed.jts),
    secondFactor: { method: parsed.secondFactor.method, device: parsed.secondFactor.device ?? null },
    dialogs: { answer: parsed.dialogs.answer },
    restart: {
      policy: restart.policy,
      backoffMinMs: restart.backoffMin,
      backoffMaxMs: restart.backoffMax,
      maxLoginsPerHour: restart.maxLoginsPerHour,
      maxLoginsPerDay: restart.maxLoginsPerDay,
      maxPushesPerHour: restart.maxPushesPerHour,
      maxPushesPerDay: restart.maxPushesPerDay,
      maxMissedSecondFactors: restart.maxMissedSecondFactors,
    },
    deadlines: {
      startMs: deadlines.start,
      loginMs: deadlines.login,
      secondFactorMs: deadlines.secondFactor,
      loadingMs: deadlines.loading,
      warmRestartMs: deadlines.warmRestart,
      stopMs: deadlines.stop,
      termMs: deadlines.term,
    },
    credentials: credentialSource(parsed.credentials, name, file),
  };
}

/** The settings directory of a session, given or by default. */
export function resolveSettingsDir(given: string | undefined, roots: Roots, session: string): string {
  return tidyPath(given ?? sessionPaths(roots, session).defaultSettings);
}

/** Doubled and trailing slashes removed: -DjtsConfigDir takes no trailing one, and paths are compared as texts. */
function tidyPath(path: string): string {
  const tidy = normalize(path);
  return tidy.length > 1 && tidy.endsWith('/') ? tidy.slice(0, -1) : tidy;
}

function javaExecutable(path: string): string {
  return path.endsWith('/bin/java') ? path : join(path, 'bin', 'java');
}

function credentialSource(
  parsed: ParsedSession['credentials'],
  name: string,
  file: string,
): CredentialSource {
  if (parsed?.command !== undefined) return { kind: 'command', argv: parsed.command };
  const directory = parsed?.directory ?? join(dirname(file), 'credentials', name);
  return { kind: 'directory', path: tidyPath(directory) };
}

function jtsSections(jts: ParsedSession['jts']): SessionConfig['jts'] {
  const sections: Record<string, Record<string, string>> = {};
  const put = (section: string, key: string, value: string | undefined) => {
    if (value === undefined) return;
    const settings = sections[section] ?? {};
    settings[key] = value;
    sections[section] = settings;
  };
  put('Communication', 'Region', jts.region);
  put('Communication', 'Peer', jts.peer);
  put('Communication', '2ndFactor', jts.secondFactor);
  put('Logon', 'TimeZone', jts.timeZone);
  for (const [section, settings] of Object.entries(jts.sections)) {
    for (const [key, value] of Object.entries(settings)) put(section, key, value);
  }
  return sections;
}

function withoutUndefined(settings: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const present: Record<string, string> = {};
  for (const [key, value] of Object.entries(settings)) if (value !== undefined) present[key] = value;
  return present;
}
