// Owns the form of a configuration that may be printed: everything in it but what could be a secret.

import { formatDuration } from './duration.ts';
import type { Config, CredentialSource, SessionConfig } from './types.ts';

type Printable =
  | string
  | number
  | boolean
  | null
  | readonly Printable[]
  | { readonly [key: string]: Printable };

const SECRET_PROPERTY = /pass|secret|token|key|credential/i;

/** Plain data in the spelling of the file, defaults filled in: durations as text, arguments of credential commands counted only. */
export function describeConfig(config: Config): { readonly [key: string]: Printable } {
  return {
    file: config.file,
    agent: { ...config.agent },
    sessions: Object.fromEntries(config.sessions.map((session) => [session.name, describeSession(session)])),
  };
}

function describeSession(session: SessionConfig): Printable {
  const { restart, deadlines, display, jvm, jts } = session;
  return {
    gateway: session.gateway,
    mode: session.mode,
    user: session.user,
    autostart: session.autostart,
    install: { ...session.install },
    settingsDir: session.settingsDir,
    api: { port: session.api.port, clientId: session.api.clientId },
    timeZone: session.timeZone,
    display: { size: `${display.width}x${display.height}`, depth: display.depth },
    jvm: { heap: `${jvm.heapMiB}m`, options: jvm.options.map(describeOption) },
    ibc: { ...session.ibc },
    jts: Object.fromEntries(
      Object.entries(jts).map(([section, keys]) => [section, describeJtsSection(section, keys)]),
    ),
    secondFactor: { ...session.secondFactor },
    dialogs: { answer: [...session.dialogs.answer] },
    restart: {
      policy: restart.policy,
      backoffMin: formatDuration(restart.backoffMinMs),
      backoffMax: formatDuration(restart.backoffMaxMs),
      maxLoginsPerHour: restart.maxLoginsPerHour,
      maxMissedSecondFactors: restart.maxMissedSecondFactors,
    },
    deadlines: {
      start: formatDuration(deadlines.startMs),
      login: formatDuration(deadlines.loginMs),
      secondFactor: formatDuration(deadlines.secondFactorMs),
      loading: formatDuration(deadlines.loadingMs),
      warmRestart: formatDuration(deadlines.warmRestartMs),
      stop: formatDuration(deadlines.stopMs),
      term: formatDuration(deadlines.termMs),
    },
    credentials: describeSource(session.credentials),
  };
}

function describeSource(source: CredentialSource): Printable {
  if (source.kind === 'directory') return { directory: source.path };
  const [program = '', ...hidden] = source.argv;
  return { command: hidden.length === 0 ? [program] : [program, `[${hidden.length} more]`] };
}

/** `-Dname=value` of a name that sounds secret is shown without its value. */
function describeOption(option: string): string {
  const end = option.indexOf('=');
  return end > 0 && SECRET_PROPERTY.test(option.slice(0, end)) ? `${option.slice(0, end)}=[secret]` : option;
}

/** The second-factor token identifies a paired phone; whoever sees the screen needs only its presence. */
function describeJtsSection(section: string, keys: Readonly<Record<string, string>>): Printable {
  const hidden = (key: string) => section === 'Communication' && key === '2ndFactor';
  return Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [key, hidden(key) ? '[secret]' : value]),
  );
}
