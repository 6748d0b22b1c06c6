// Owns the form of a configuration that may be printed: everything in it but what could be a secret.

import { formatDuration } from './duration.ts';
import type {
  Config,
  CredentialSource,
  NotifyForm,
  NotifyTarget,
  SecretRef,
  SessionConfig,
} from './types.ts';

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
    agent: { ...config.agent, notifySecrets: config.notify.secretsDir },
    notify: Object.fromEntries(config.notify.targets.map((target) => [target.name, describeTarget(target)])),
    clock: { ...config.clock },
    sessions: Object.fromEntries(config.sessions.map((session) => [session.name, describeSession(session)])),
  };
}

const WORD_OF_PRIORITY = { 2: 'critical', 3: 'error', 4: 'warning', 5: 'notice', 6: 'info' } as const;

function describeTarget(target: NotifyTarget): Printable {
  return {
    type: target.form.kind,
    events: target.events,
    ...(target.sessions === null ? {} : { sessions: target.sessions }),
    minPriority: WORD_OF_PRIORITY[target.leastPriority],
    debounce: formatDuration(target.debounceMs),
    timeout: formatDuration(target.timeoutMs),
    retries: target.retries,
    ...describeForm(target.form),
    allowInsecure: target.allowInsecure,
  };
}

function describeForm(form: NotifyForm): { readonly [key: string]: Printable } {
  const named = (key: string, ref: SecretRef | null) => (ref === null ? {} : { [key]: ref.secretName });
  // Whoever knows the topic of a public server can read along.
  const either = (key: string, value: string | SecretRef, shown: (text: string) => string) =>
    typeof value === 'string' ? { [key]: shown(value) } : named(`${key}Secret`, value);
  switch (form.kind) {
    case 'ntfy':
      return {
        server: describeAddress(form.server),
        ...either('topic', form.topic, () => '[secret]'),
        ...named('secret', form.token),
      };
    case 'slack':
      return named('secret', form.url);
    case 'telegram':
      return { server: describeAddress(form.server), chat: form.chat, ...named('secret', form.token) };
    case 'webhook':
      return {
        ...either('url', form.url, describeAddress),
        headers: Object.fromEntries(Object.keys(form.headers).map((name) => [name, '[secret]'])),
        secretHeaders: Object.fromEntries(
          Object.entries(form.secretHeaders).map(([name, ref]) => [name, ref.secretName]),
        ),
        ...named('secret', form.key),
      };
    case 'command': {
      const [program = '', ...hidden] = form.argv;
      return { command: hidden.length === 0 ? [program] : [program, `[${hidden.length} more]`] };
    }
  }
}

/** Many services put their token into the path or the query. */
function describeAddress(address: string): string {
  const { origin, pathname, search } = new URL(address);
  return pathname === '/' && search === '' ? origin : `${origin}/[secret]`;
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
    commandServer: session.commandServer,
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
      maxLoginsPerDay: restart.maxLoginsPerDay,
      maxPushesPerHour: restart.maxPushesPerHour,
      maxPushesPerDay: restart.maxPushesPerDay,
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
