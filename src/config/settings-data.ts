// Owns operations on the file's plain data before it is checked: empty sections and defaults.

import { sectionKeys } from './known-keys.ts';
import type { Path } from './yaml-source.ts';

export type MapData = Readonly<Record<string, unknown>>;

export function isMapData(value: unknown): value is MapData {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path, or undefined. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** A section whose keys are all commented out, or that is not there, is an empty one: its faults are those of its keys. */
export function fillSections(data: unknown, path: Path, mayBeEmpty: readonly string[]): unknown {
  if (!isMapData(data)) return data;
  const filled: Record<string, unknown> = Object.assign(Object.create(null), data);
  for (const name of sectionKeys(path)) {
    const value = filled[name] ?? {};
    filled[name] = fillSections(value, [...path, name], []);
  }
  for (const name of mayBeEmpty) if (filled[name] === null) filled[name] = {};
  return filled;
}

/** Maps key by key; everything else, and the credentials, as a whole. An empty section (null) changes nothing. */
export function mergeSettings(base: MapData, over: MapData, depth = 0): MapData {
  const merged: Record<string, unknown> = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    const whole = depth === 0 && key === 'credentials';
    if (isMapData(below) && isMapData(value) && !whole) merged[key] = mergeSettings(below, value, depth + 1);
    else if (value !== null || !isMapData(below)) merged[key] = value;
  }
  return merged;
}
