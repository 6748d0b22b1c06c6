// Owns the texts that are made from the schema: the commented etc/ib-agent.yaml and docs/configuration.md.

import { DURATION_PATTERN } from './duration.ts';
import { IBC_SETTINGS, type IbcSetting, REFUSED_IBC_SETTINGS } from './ibc-settings.ts';
import { type JsonSchema, schemaOfFile } from './json-schema.ts';
import { KEYS_OF_TYPES, TARGET_TYPES } from './notify-schema.ts';
import { DEFAULT_CONFIG_FILE } from './paths.ts';

const WIDTH = 100;

const YAML_HEADER = `\
# Configuration of ib-agent: which IBKR logins this host keeps up, and how.
#
# A line that starts with "# " is text. A line that starts with "#" and a word is a setting, shown
# with its default or, where there is none, with an example: remove its "#", and that of the lines
# it stands under, to use it. User names and passwords never stand in this file.
#
# To check the file: ibctl config check ${DEFAULT_CONFIG_FILE}
# Every key with its type, its bounds and when a change takes effect: docs/configuration.md
`;

/** A session that needs nothing but the keys without default, shown before the one with every key. */
const SMALLEST_SESSION = `\
  # The least a session needs. Its user name and password are the files username and password in
  # the directory credentials/paper beside this file, mode 0400. Nothing logs in before you say:
  # ibctl login paper
  #paper:
    #mode: paper
    #install:
      #gatewayVersion: "10.37"
    #api:
      #port: 4002
`;

/** Text of etc/ib-agent.yaml: valid as it is, without any session; every setting is there as a comment. */
export function exampleConfig(): string {
  const schema = schemaOfFile();
  const parts = Object.entries(schema.properties ?? {});
  const lines = YAML_HEADER.trimEnd().split('\n');
  for (const [key, part] of parts) {
    lines.push('');
    lines.push(...wrapComment(part.description ?? '', 0));
    if (key === 'defaults') {
      lines.push('#defaults:', '  #install:', '    #gatewayVersion: "10.37"');
    } else if (key === 'notify') {
      lines.push('notify:', ...exampleTargets(part.additionalProperties));
    } else if (key === 'sessions') {
      lines.push(
        'sessions:',
        ...SMALLEST_SESSION.trimEnd().split('\n'),
        '',
        '  # A session with every key.',
        '  #live:',
      );
      const session = part.additionalProperties;
      if (typeof session === 'object') lines.push(...exampleKeys(session, 2));
    } else {
      lines.push(`${key}:`, ...exampleKeys(part, 1));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Names of the targets in the example, and which of two keys that exclude each other each shows. */
const EXAMPLE_TARGETS: Readonly<Record<(typeof TARGET_TYPES)[number], readonly [string, readonly string[]]>> =
  {
    ntfy: ['phone', ['topicSecret']],
    slack: ['team', ['allowInsecure']],
    telegram: ['chat', ['server', 'allowInsecure']],
    webhook: ['ops', ['urlSecret', 'allowInsecure']],
    command: ['program', []],
  };

/** The first target has the keys that all have, with their texts; the others only what is their own. */
function exampleTargets(target: boolean | JsonSchema | undefined): string[] {
  if (typeof target !== 'object') throw new Error('the schema has no targets');
  const lines: string[] = [];
  for (const [index, type] of TARGET_TYPES.entries()) {
    const [name, left] = EXAMPLE_TARGETS[type];
    if (index > 0) lines.push('');
    lines.push(`  #${name}:`);
    for (const [key, part] of Object.entries(target.properties ?? {})) {
      const types = KEYS_OF_TYPES[key];
      if (types === undefined ? index > 0 && key !== 'type' : !types.includes(type) || left.includes(key))
        continue;
      if (index === 0 || types?.[0] === type) lines.push(...wrapComment(part.description ?? '', 2));
      const example = key === 'type' ? type : key === 'secret' ? `${name}-secret` : exampleOf(part);
      if (isPlainMap(example)) lines.push(...exampleMap(key, example, 2));
      else lines.push(`    #${key}: ${yamlValue(example)}`);
    }
  }
  return lines;
}

function exampleKeys(schema: JsonSchema, depth: number): string[] {
  const lines: string[] = [];
  for (const [key, part] of Object.entries(schema.properties ?? {})) {
    // Of two keys that exclude each other only the first can stand in an example that is valid as a whole.
    const excluded = key === 'command' && schema.properties?.['directory'] !== undefined;
    if (depth === 2 && lines.length > 0) lines.push('');
    const text = commentOf(part, schema.required?.includes(key) === true);
    lines.push(...wrapComment(excluded ? `Instead of the directory: ${text}` : text, depth));
    const pad = '  '.repeat(depth);
    const example = exampleOf(part);
    if (excluded) lines.push(`${pad}# command: ${yamlValue(example)}`);
    else if (part.type === 'object' && part.properties !== undefined && key !== 'ibc') {
      lines.push(`${pad}#${key}:`, ...exampleKeys(part, depth + 1));
    } else if (isPlainMap(example)) lines.push(...exampleMap(key, example, depth));
    else lines.push(`${pad}#${key}: ${yamlValue(example)}`);
  }
  return lines;
}

function commentOf(schema: JsonSchema, required: boolean): string {
  const text = schema.description ?? '';
  if (required && schema.properties === undefined) return `${text} Required.`;
  return text;
}

/** The example is the default where there is one, so that removing the "#" alone changes nothing. */
function exampleOf(schema: JsonSchema): unknown {
  const { default: value } = schema;
  const empty = Array.isArray(value)
    ? value.length === 0
    : isPlainMap(value) && Object.keys(value).length === 0;
  return value === undefined || empty ? schema.examples?.[0] : value;
}

function exampleMap(key: string, map: Readonly<Record<string, unknown>>, depth: number): string[] {
  const pad = '  '.repeat(depth);
  const lines = [`${pad}#${key}:`];
  for (const [name, value] of Object.entries(map)) {
    if (isPlainMap(value)) lines.push(...exampleMap(name, value, depth + 1));
    else lines.push(`${pad}  #${name}: ${yamlValue(value)}`);
  }
  return lines;
}

function isPlainMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One value as a person would write it: quotes where YAML 1.1 or 1.2 would read something else than the text. */
function yamlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlValue).join(', ')}]`;
  if (typeof value !== 'string') return String(value);
  const plain =
    /^(\/|[A-Za-z]|\d+(ms|s|m|h|g)$|\d+x\d+$|-)[\w./+:=-]*$/.test(value) &&
    !/^(true|false|null)$/.test(value);
  return plain ? value : JSON.stringify(value);
}

/** A comment at a depth of indentation, in lines of at most WIDTH. */
function wrapComment(text: string, depth: number): string[] {
  const prefix = `${'  '.repeat(depth)}#`;
  const lines: string[] = [];
  let line = prefix;
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH && line !== prefix) {
      lines.push(line);
      line = prefix;
    }
    line += ` ${word}`;
  }
  lines.push(line);
  return lines;
}

const DOCS_INTRO = `\
# Configuration

<!-- Generated from src/config/schema.ts by "npm run docs"; edits are lost. -->

The agent, its launchers and \`ibctl config\` read one YAML file, \`${DEFAULT_CONFIG_FILE}\` unless \`--config\` names another.
\`ibctl config check FILE\` tells everything that is wrong with a file at once, with line and column; \`ibctl config schema\`
prints the JSON Schema for editors. Neither needs the agent to run.

- YAML 1.2: \`yes\` and \`no\` are texts, \`true\` and \`false\` are not. Anchors and aliases work; there is no merge key (\`<<\`).
- Lengths of time are one whole number and one unit: \`500ms\`, \`30s\`, \`2m\`, \`1h\`.
- Times of day and versions stand in quotes: \`"11:45 PM"\`, \`"10.37"\`.
- Paths are absolute. \`~\` and variables are not expanded.
- A section whose keys are all commented out counts as empty.
- A name that is not known is an error, so that no setting is lost to a slip of the keyboard.

A change takes effect, by the column *from*: \`agent\`: when ib-agent is restarted (and, where the gateway has a part in it,
when the session is started next); \`session\`: when the session is started next.
`;

/** Text of docs/configuration.md. */
export function configurationReference(): string {
  const schema = schemaOfFile();
  const agent = schema.properties?.['agent'];
  const notify = schema.properties?.['notify'];
  const sessions = schema.properties?.['sessions'];
  const session = sessions?.additionalProperties;
  if (agent === undefined || typeof session !== 'object')
    throw new Error('the schema has no agent or no sessions');
  const text = [DOCS_INTRO];
  text.push(`## agent\n\n${agent.description ?? ''}\n\n${keyTable(agent)}`);
  const target = notify?.additionalProperties;
  if (typeof target !== 'object') throw new Error('the schema has no targets');
  text.push(
    `## notify\n\n${notify?.description ?? ''}\n\nThe keys of a target. Those whose meaning begins with a type belong to that type:\n\n${keyTable(target)}`,
    NOTIFY_NOTE,
  );
  text.push(`## defaults\n\n${schema.properties?.['defaults']?.description ?? ''}\n`);
  text.push(
    `## sessions\n\n${sessions?.description ?? ''}\n\nThe keys of a session:\n\n${keyTable(session)}`,
  );
  for (const [name, part] of Object.entries(session.properties ?? {})) {
    if (part.properties === undefined) continue;
    const table = name === 'ibc' ? ibcTables() : keyTable(part);
    text.push(`### ${name}\n\n${part.description ?? ''}\n\n${table}`);
    if (name === 'credentials') text.push(CREDENTIALS_NOTE);
    if (name === 'jvm') text.push(JVM_NOTE);
  }
  return `${text.join('\n').trimEnd()}\n`;
}

const NOTIFY_NOTE = `\
A secret is a file: \`ib-notify.NAME\` or \`NAME\` among the agent's own systemd credentials, else \`NAME\` in
\`agent.notifySecrets\`, checked as the credentials of a session are (below). One that is missing keeps nothing from
starting; \`ibctl notify list\` and \`ibctl notify test\` tell of it.
`;

const CREDENTIALS_NOTE = `\
A file or an output holds the bare credential in UTF-8; one line end after it is taken off, nothing else. It is refused when it is
empty, has several lines or a NUL, begins with a byte order mark, or is longer than 4 KiB. A file is refused when it is a symbolic
link, belongs to another user than the one that reads it or root, or is open to its group or to others; so is a directory that
others can change. A command is run without a shell and without input, has 30 seconds, and what it writes to stderr is not kept.
`;

const JVM_NOTE = `\
Refused among the options: the heap (\`jvm.heap\`), the class path, the properties that the launcher sets, the time zone
(\`timeZone\`), other locales than English (IBC would not understand its own times), headless mode, \`-version\` and the like, and
what opens a port through which any local user could run code in the gateway: a debugger, JMX without authentication.
\`-javaagent:\` is not refused: it is code that the owner of this file chose; know that it can read the password.
`;

function keyTable(schema: JsonSchema): string {
  const rows = Object.entries(schema.properties ?? {}).map(([key, part]) => {
    const required = schema.required?.includes(key) === true;
    return `| \`${key}\` | ${typeOf(part)} | ${defaultOf(part, required)} | ${part.restart ?? ''} | ${describe(part)} |`;
  });
  return `| key | type | default | from | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
}

function describe(schema: JsonSchema): string {
  const text = cell(schema.description ?? '');
  const examples = (schema.examples ?? []).filter((example) => !isPlainMap(example));
  if (examples.length === 0) return text;
  return `${text} Example: ${examples.map((example) => `\`${cell(yamlValue(example))}\``).join(', ')}`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.anyOf?.some((choice) => choice.type === 'array') === true) return 'list of texts, or `"*"`';
  if (schema.anyOf?.some((choice) => choice.type === 'integer') === true) return 'number or text';
  if (schema.properties !== undefined) return 'section, see below';
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.pattern === DURATION_PATTERN.source) return 'duration';
  if (schema.type === 'integer') return `${schema.minimum}–${schema.maximum}`;
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'array') return 'list of texts';
  if (schema.type === 'object') return 'map';
  return 'text';
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return schema.properties === undefined ? '**required**' : 'has required keys';
  if (schema.default === undefined || isPlainMap(schema.default)) return '';
  return `\`${yamlValue(schema.default)}\``;
}

function ibcTables(): string {
  const passed = IBC_SETTINGS.map(
    (setting) => `| \`${setting.name}\` | ${ibcValues(setting)} | ${ibcMeaning(setting)} |`,
  );
  const refused = REFUSED_IBC_SETTINGS.map((setting) => {
    const instead = setting.instead === null ? '' : `\`${setting.instead}\``;
    return `| \`${setting.name}\` | ${cell(setting.reason)} | ${instead} |`;
  });
  return `\
| setting | values | meaning |
|---|---|---|
${passed.join('\n')}

Refused, because each has its own key or is ib-agent's to decide:

| setting | why | use instead |
|---|---|---|
${refused.join('\n')}
`;
}

function ibcMeaning(setting: IbcSetting): string {
  return cell(`${setting.description}${setting.twsOnly === true ? ' Acts on TWS only.' : ''}`);
}

function ibcValues(setting: IbcSetting): string {
  const { value } = setting;
  switch (value.kind) {
    case 'yes-no':
      return '`yes`, `no`';
    case 'choice':
      return value.values.map((choice) => `\`${choice}\``).join(', ');
    case 'integer':
      return `${value.min}–${value.max}`;
    case 'time-of-day':
      return 'time of day such as `"11:45 PM"`';
    case 'text':
      return cell(value.expected);
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
