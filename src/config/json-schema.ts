// Owns the configuration's schema as JSON Schema: for editors, for the generated texts, and for what is known of keys.

import * as z from 'zod';
import { configSchema } from './schema.ts';

/** JSON Schema (2020-12) as far as it is used here. `restart` is ours: when a change takes effect. */
export type JsonSchema = {
  $schema?: string;
  $id?: string;
  title?: string;
  description?: string;
  examples?: unknown[];
  default?: unknown;
  restart?: 'agent' | 'session' | 'none';
  type?: string | string[];
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  propertyNames?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
};

let made: JsonSchema | null = null;

/** The schema of what may be written in the file; the same object at each call, not to be changed. */
export function schemaOfFile(): JsonSchema {
  made ??= makeSchema();
  return made;
}

function makeSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    // zod leaves out examples of what it transforms, taking them for outputs; ours are what stands in the file.
    override: ({ zodSchema, jsonSchema }) => {
      const examples = z.globalRegistry.get(zodSchema)?.['examples'];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  }) as JsonSchema;
  const session = schema.properties?.['sessions']?.additionalProperties;
  const defaults = schema.properties?.['defaults'];
  if (defaults !== undefined && typeof session === 'object') {
    const partial = withoutRequired(session);
    delete defaults.propertyNames;
    defaults.additionalProperties = false;
    if (partial.properties !== undefined) defaults.properties = partial.properties;
  }
  return schema;
}

function withoutRequired(schema: JsonSchema): JsonSchema {
  const { required: _required, properties, ...rest } = schema;
  if (properties === undefined) return rest;
  const partial = Object.entries(properties).map(([key, value]) => [key, withoutRequired(value)]);
  return { ...rest, properties: Object.fromEntries(partial) };
}

/** Whether a key leads to a section: a map that is as good as empty when the file does not have it. */
export function isSection(parent: JsonSchema, key: string): boolean {
  const schema = parent.properties?.[key];
  if (schema?.type !== 'object') return false;
  if (typeof schema.default === 'object') return true;
  return schema.properties !== undefined && parent.required?.includes(key) === true;
}

/** JSON Schema of the configuration file, for editors and other tools. A fresh object at each call. */
export function configJsonSchema(): JsonSchema {
  const schema = structuredClone(schemaOfFile());
  allowEmptySections(schema);
  return { ...schema, title: 'Configuration of ib-agent (ib-agent.yaml)' };
}

/** In YAML a section whose keys are all commented out is null. */
function allowEmptySections(schema: JsonSchema): void {
  for (const [key, part] of Object.entries(schema.properties ?? {})) {
    const emptied = isSection(schema, key) || key === 'sessions' || key === 'defaults';
    allowEmptySections(part);
    if (typeof part.additionalProperties === 'object') allowEmptySections(part.additionalProperties);
    if (emptied) part.type = ['object', 'null'];
  }
}
