// Checks the agent's own output: one JSON record a line, with the journal's fields, and never a secret.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeAgentLog } from '../../src/agent/event-log.ts';
import { Secret } from '../../src/config/secret.ts';
import { CATALOGUE, completeEvent, type EventDraft, type EventName } from '../../src/events/catalogue.ts';

type Level = Parameters<typeof makeAgentLog>[0];

function aLog(level: Level = 'info') {
  const written: string[] = [];
  const log = makeAgentLog(level, { write: (text) => void written.push(text) });
  const records = () =>
    written
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, written, records };
}

const CONTEXT = { at: 0, session: 'live', state: 'ready', previousState: 'loading' } as const;

describe('the log of the agent', () => {
  it('writes each event as one line of JSON with the fields of the journal, a level and a time', () => {
    const { log, written, records } = aLog();
    log.event(
      completeEvent({ event: 'session-lost', fields: { IB_DETAIL: 'x' }, reason: 'displaced' }, CONTEXT),
    );
    assert.equal(written.length, 1);
    const [record] = records();
    assert.ok(record !== undefined);
    assert.match(String(record['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
    delete record['time'];
    assert.deepEqual(record, {
      level: 'error',
      MESSAGE_ID: CATALOGUE['session-lost'].messageId,
      PRIORITY: '3',
      IB_EVENT: 'session-lost',
      IB_SESSION: 'live',
      IB_STATE: 'ready',
      IB_PREVIOUS_STATE: 'loading',
      IB_REASON: 'displaced',
      IB_HINT: CATALOGUE['session-lost'].remedy,
      IB_DETAIL: 'x',
      msg: 'session lost: x',
    });
  });

  it('writes every event whatever the level, each under the word for its priority', () => {
    const { log, records } = aLog('error');
    const words = { 2: 'critical', 3: 'error', 4: 'warning', 5: 'notice', 6: 'info' };
    for (const name of Object.keys(CATALOGUE) as EventName[]) {
      const fields = Object.fromEntries(CATALOGUE[name].fields.map((field) => [field, 'v']));
      log.event(completeEvent({ event: name, fields } as EventDraft, CONTEXT));
    }
    for (const record of records()) {
      assert.equal(record['level'], words[CATALOGUE[record['IB_EVENT'] as EventName].priority]);
    }
    assert.equal(records().length, Object.keys(CATALOGUE).length);
  });

  it('keeps a value with line breaks, quotes and odd characters on one line', () => {
    const { log, written, records } = aLog();
    const text = 'one\ntwo\r\n"three"\u2028\u0000\ud800';
    const fields = { IB_TITLE: text, IB_TEXT: '', IB_BUTTONS: '', IB_WINDOW: '' };
    log.event(completeEvent({ event: 'dialog-unknown', fields }, CONTEXT));
    assert.equal(written.join('').match(/\n/g)?.length, 1);
    assert.match(String(records()[0]?.['IB_TITLE']), /^one\ntwo\r\n"three"/);
  });

  it('leaves out what is below its level', () => {
    const { log, records } = aLog('warning');
    log.debug({}, 'd');
    log.info({}, 'i');
    log.warn({}, 'w');
    log.error({}, 'e');
    assert.deepEqual(
      records().map((record) => [record['level'], record['msg']]),
      [
        ['warning', 'w'],
        ['error', 'e'],
      ],
    );
  });

  it('never writes a secret, at whatever depth and under whatever name', () => {
    const { log, written } = aLog();
    const secret = new Secret('hunter2');
    log.info({ secret, any: secret, deep: { list: [{ of: secret }] } }, `words with ${secret}`);
    log.error({ err: new Error(`failed for ${secret}`, { cause: { secret } }) }, 'x');
    assert.ok(!written.join('').includes('hunter2'));
    assert.ok(written.join('').includes('[secret]'));
  });

  it('hides a plain string under a telling name as the second line of defence', () => {
    const { log, written } = aLog();
    log.info(
      { password: 'hunter2', username: 'hunter2', session: { password: 'hunter2', seed: 'hunter2' } },
      'x',
    );
    assert.ok(!written.join('').includes('hunter2'));
  });
});
