// Owns what is known of key names: the sections at each place, and what to say of a key that is none.

import { findNearest } from '../protocol/nearest.ts';
import { DURATION_PATTERN } from './duration.ts';
import { findRefusedSetting, REFUSED_IBC_SETTINGS, type RefusedIbcSetting } from './ibc-settings.ts';
import { isSection, type JsonSchema, schemaOfFile } from './json-schema.ts';
import type { Path } from './yaml-source.ts';

export type UnknownKey = {
  readonly message: string;
  /** The known name, or a path within the same part of the file, that was probably meant. */
  readonly nearest: string | null;
};

/** Keys that many try first, in the spelling without case, hyphens and underscores. */
const CREDENTIAL_WORDS =
  /^(ib)?(user|userid|username|loginid|login|pass|passwd|password|pw|secret|totp|totpsecret|token)$/;

/** Keys at a path that lead to sections: maps that may be left out or left empty. */
export function sectionKeys(path: Path): readonly string[] {
  const schema = schemaAt(path);
  return schema === null ? [] : Object.keys(schema.properties ?? {}).filter((key) => isSection(schema, key));
}

/** Parts of a session where even a wrong value may be a secret, or next to one. */
const CONFIDENTIAL: readonly Path[] = [
  ['credentials'],
  ['jvm', 'options'],
  ['jts', 'secondFactor'],
  ['jts', 'sections'],
];

/** Of a target of notifications: where nothing is wanted that could be a secret. Its address, topic or `secret` may well be one. */
const SHOWABLE_OF_TARGET: readonly string[] = [
  'type',
  'minPriority',
  'debounce',
  'timeout',
  'retries',
  'allowInsecure',
];

/** Whether a wrong value at this path may be printed: only where one value, and no secret, belongs. */
export function isShowable(path: Path): boolean {
  const schema = schemaAt(path);
  if (schema === null || schema.type === 'object' || schema.type === 'array') return false;
  // An address may have a password in it.
  if (path[0] === 'clock') return false;
  if (path[0] === 'notify') return path.length === 3 && SHOWABLE_OF_TARGET.includes(String(path[2]));
  const inSession = path[0] === 'sessions' ? path.slice(2) : path.slice(1);
  return !CONFIDENTIAL.some((hidden) => hidden.every((part, index) => inSession[index] === part));
}

/**
 * A path as far as it may be printed: a key that does not look like one, or stands under `credentials` without being known, may be
 * a secret that landed in the wrong place.
 */
export function printablePath(path: Path): Path {
  const credentials = path[0] === 'sessions' ? 2 : 1;
  const end = path.findIndex((part, index) => {
    if (typeof part === 'number') return false;
    if (!/^[\w.-]{1,64}$/.test(part)) return true;
    if (index <= credentials || path[credentials] !== 'credentials') return false;
    return part !== 'directory' && part !== 'command' && !CREDENTIAL_WORDS.test(foldKey(part));
  });
  return end === -1 ? path : path.slice(0, end);
}

function foldKey(key: string): string {
  return key.toLowerCase().replaceAll(/[-_]/g, '');
}

/** The right spelling that a wrong value was probably meant to have, as it would stand in the file; null for no idea. */
export function guessValue(path: Path, value: unknown, plain: string | null): string | null {
  const schema = schemaAt(path);
  const text = plain ?? (typeof value === 'string' ? value : null);
  if (schema === null || text === null || !isShowable(path)) return null;
  if (schema.pattern === DURATION_PATTERN.source) return /^\d{1,6}$/.test(text) ? `${text}s` : null;
  if (path.at(-1) === 'gatewayVersion') return typeof value === 'number' ? `"${text}"` : null;
  if (path.at(-1) === 'timeZone') return findNearest(text, ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  const choices = schema.enum?.filter((choice) => typeof choice === 'string') ?? [];
  return findNearest(text, choices);
}

/** What to tell about a key that the schema does not have at this path. */
export function describeUnknownKey(path: Path, key: string): UnknownKey {
  const inSession = path[0] === 'sessions' ? path.slice(2) : path[0] === 'defaults' ? path.slice(1) : null;
  const folded = foldKey(key);
  if (key === '<<') {
    return known('YAML 1.2 has no merge key; put what the sessions share under defaults');
  }
  if (inSession?.[0] === 'ibc' && inSession.length === 1) return describeIbcKey(path, key);
  if (path[0] === 'notify' && CREDENTIAL_WORDS.test(folded)) {
    return known(
      'secrets never stand in this file; put it into a file below credentials/notify and name that: secret: NAME',
    );
  }
  if (CREDENTIAL_WORDS.test(folded)) {
    return known('credentials never stand in this file; name a directory or a command under credentials');
  }
  if (inSession?.[0] === 'api' && folded === 'host') {
    return known('the API is used on 127.0.0.1 only, there is nothing to set');
  }
  const nearest = findNearest(key, Object.keys(schemaAt(path)?.properties ?? {})) ?? findElsewhere(path, key);
  return { message: 'unknown key', nearest };
}

function describeIbcKey(path: Path, key: string): UnknownKey {
  const refused = findRefusedSetting(key);
  if (refused !== undefined) return known(`refused: ${explain(refused)}`);
  const passed = Object.keys(schemaAt(path)?.properties ?? {});
  const nearest = findNearest(key, [...passed, ...REFUSED_IBC_SETTINGS.map((setting) => setting.name)]);
  const meant = nearest === null ? undefined : findRefusedSetting(nearest);
  if (meant !== undefined) {
    return known(`IBC has no such setting; ${meant.name}, if that was meant, is refused: ${explain(meant)}`);
  }
  return { message: 'IBC has no such setting', nearest };
}

function explain(setting: RefusedIbcSetting): string {
  return setting.instead === null ? setting.reason : `${setting.reason}; use ${setting.instead}`;
}

function known(message: string): UnknownKey {
  return { message, nearest: null };
}

/** The one place, within the session or the whole file, where a key of just this name is at home. */
function findElsewhere(path: Path, key: string): string | null {
  const named = path[0] === 'sessions' || path[0] === 'notify';
  const top = path.slice(0, named ? 2 : 1);
  const start = named || path[0] === 'defaults' ? top : [];
  const homes = collectHomes(schemaAt(start), key, []);
  return homes.length === 1 ? (homes[0] ?? null) : null;
}

function collectHomes(schema: JsonSchema | null, key: string, path: readonly string[]): string[] {
  const homes: string[] = [];
  for (const [name, part] of Object.entries(schema?.properties ?? {})) {
    // The keys below defaults are those of a session again.
    if (name === 'defaults' && path.length === 0) continue;
    if (name === key) homes.push([...path, name].join('.'));
    homes.push(...collectHomes(part, key, [...path, name]));
    if (name === 'sessions' && typeof part.additionalProperties === 'object') {
      homes.push(...collectHomes(part.additionalProperties, key, [...path, name, 'NAME']));
    }
  }
  return homes;
}

/** The part of the schema that a path leads to; null when it leads nowhere. */
function schemaAt(path: Path): JsonSchema | null {
  let schema: JsonSchema | undefined = schemaOfFile();
  for (const part of path) {
    if (schema === undefined || typeof part === 'number') return null;
    const named: JsonSchema | undefined =
      schema.properties !== undefined && Object.hasOwn(schema.properties, part)
        ? schema.properties[part]
        : undefined;
    const more: boolean | JsonSchema | undefined = schema.additionalProperties;
    schema = named ?? (typeof more === 'object' ? more : undefined);
  }
  return schema ?? null;
}
