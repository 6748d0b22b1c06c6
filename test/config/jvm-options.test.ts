// Tests of which java options a user may add.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { initialHeapBytes, jvmOptionName, refuseJvmOption } from '../../src/config/jvm-options.ts';

describe('a java option', () => {
  for (const option of [
    '-XX:+UseG1GC',
    '-XX:MaxGCPauseMillis=200',
    '-Xms512m',
    '-Xss1m',
    '-verbose:gc',
    '-Xlog:gc',
    '-Dsun.java2d.noddraw=true',
    '-Duser.home=/srv/ib',
    '-Djava.awt.headless=false',
    '-Dcom.sun.management.jmxremote.authenticate=true',
    '-javaagent:/opt/agent.jar=port=1',
    '--add-opens=java.base/java.lang=ALL-UNNAMED',
    '-DrestartX=1',
  ]) {
    it(`may be ${option}`, () => assert.equal(refuseJvmOption(option), null));
  }

  for (const option of [
    '-Xmx1g',
    '-XX:MaxHeapSize=1g',
    '-cp',
    '-classpath',
    '--class-path=/x',
    '-Xbootclasspath/a:/x.jar',
    '-jar',
    '-version',
    '--help',
    '-X',
    '--add-opens',
    '-agentlib:jdwp=transport=dt_socket',
    '-Xrunjdwp:x',
    '-Xdebug',
    '-Drestart',
    '-Drestart=abc',
    '-DjtsConfigDir=/x',
    '-Dibcsessionid=x',
    '-DjxBrowserKey=x',
    '-Dchannel=beta',
    '-Duser.timezone=UTC',
    '-Duser.language=de',
    '-Duser.country.format=DE',
    '-Djava.awt.headless',
    '-Djava.awt.headless=true',
    '-Dcom.sun.management.jmxremote.authenticate=false',
  ]) {
    it(`may not be ${option}`, () => assert.match(refuseJvmOption(option) ?? '', /\w/));
  }

  it('is named without its value', () => {
    assert.equal(jvmOptionName('-Dpassword=hunter2'), '-Dpassword');
    assert.equal(jvmOptionName('-Xmx1g'), '-Xmx1g');
  });

  it('for the first size of the heap is understood in every unit', () => {
    assert.equal(initialHeapBytes('-Xms1g'), 2 ** 30);
    assert.equal(initialHeapBytes('-Xms2M'), 2 ** 21);
    assert.equal(initialHeapBytes('-Xms4k'), 4096);
    assert.equal(initialHeapBytes('-XX:InitialHeapSize=1048576'), 2 ** 20);
    assert.equal(initialHeapBytes('-Xss1m'), null);
  });
});
