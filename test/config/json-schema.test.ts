// Tests of the JSON Schema that editors get.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';

type Leaf = { readonly path: string; readonly schema: JsonSchema };

function collect(schema: JsonSchema, path = ''): Leaf[] {
  const parts = Object.entries(schema.properties ?? {}).map(([key, part]): [string, JsonSchema] => [
    `${path}.${key}`,
    part,
  ]);
  if (typeof schema.additionalProperties === 'object') parts.push([`${path}.*`, schema.additionalProperties]);
  return parts.flatMap(([at, part]) => [{ path: at, schema: part }, ...collect(part, at)]);
}

describe('the JSON Schema', () => {
  const schema = configJsonSchema();
  const parts = collect(schema);
  const at = (path: string) => parts.find((part) => part.path === path)?.schema;

  it('can be written as JSON and read back', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
  });

  it('explains every key and says when a change takes effect', () => {
    const silent = parts
      .filter((part) => !part.path.endsWith('.*') && !part.path.includes('.sections.'))
      .filter(({ schema: part }) => (part.description ?? '') === '' || part.restart === undefined);
    assert.deepEqual(
      silent.map((part) => part.path),
      [],
    );
  });

  it('refuses keys that are not known', () => {
    for (const path of ['.agent', '.sessions.*', '.sessions.*.ibc', '.defaults', '.sessions.*.credentials']) {
      assert.equal(at(path)?.additionalProperties, false, path);
    }
  });

  it('has the types, defaults and examples of what is written in the file', () => {
    assert.deepEqual(at('.sessions.*.deadlines.stop')?.default, '60s');
    assert.equal(at('.sessions.*.deadlines.stop')?.type, 'string');
    assert.deepEqual(at('.sessions.*.jvm.heap')?.examples, ['1g']);
    assert.deepEqual(at('.sessions.*')?.required, ['mode', 'install', 'api']);
    assert.deepEqual(at('.sessions.*.mode')?.enum, ['live', 'paper']);
    assert.deepEqual(
      [at('.sessions.*.api.port')?.minimum, at('.sessions.*.api.port')?.maximum],
      [1024, 65_535],
    );
  });

  it('lets sections be empty, and defaults be incomplete', () => {
    assert.deepEqual(at('.sessions')?.type, ['object', 'null']);
    assert.deepEqual(at('.sessions.*.jvm')?.type, ['object', 'null']);
    assert.equal(at('.defaults.install')?.required, undefined);
    assert.equal(at('.defaults')?.required, undefined);
  });

  it('is a fresh object at each call', () => {
    const one = configJsonSchema();
    one.title = 'changed';
    assert.notEqual(configJsonSchema().title, 'changed');
  });
});
