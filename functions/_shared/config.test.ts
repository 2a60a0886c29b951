import { expect, test } from 'vitest';
import { z } from 'zod';
import { bytes, ConfigError, duration, flag, integer, knob, readConfig, redact, url } from './config.ts';

const knobs = {
  port: knob('PORT', integer(8080, 0, 65_535), 'Port.'),
  size: knob('SIZE', bytes('10MiB'), 'Size.'),
  wait: knob('WAIT', duration('30s'), 'Wait.'),
  on: knob('ON', flag(false), 'Switch.'),
  sink: knob('SINK', url(), 'Address.'),
  mode: knob('MODE', z.enum(['fast', 'slow']).default('fast'), 'Mode.'),
  key: knob('KEY', z.string().min(8).optional(), 'Key.', { secret: true }),
};

test('what is unset or empty has its default', () => {
  const defaults = {
    port: 8080,
    size: 10 * 2 ** 20,
    wait: 30_000,
    on: false,
    sink: undefined,
    mode: 'fast',
    key: undefined,
  };
  expect(readConfig(knobs, {})).toEqual(defaults);
  expect(readConfig(knobs, { PORT: '', KEY: '', SINK: '' })).toEqual(defaults);
});

test.each([
  ['PORT', '0', 'port', 0],
  ['SIZE', '0', 'size', 0],
  ['SIZE', '1048576', 'size', 1_048_576],
  ['SIZE', '3kB', 'size', 3000],
  ['SIZE', '2GiB', 'size', 2 ** 31],
  ['WAIT', '250ms', 'wait', 250],
  ['WAIT', '2h', 'wait', 7_200_000],
  ['ON', '1', 'on', true],
  ['ON', 'false', 'on', false],
  ['SINK', 'http://broker:80/ns/name', 'sink', 'http://broker:80/ns/name'],
  ['MODE', 'slow', 'mode', 'slow'],
])('%s=%s', (variable, text, name, value) => {
  expect(readConfig(knobs, { [variable]: text })).toHaveProperty(name, value);
});

test.each([
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['PORT', '0x50'],
  ['PORT', ' 80'],
  ['SIZE', '10 MiB'],
  ['SIZE', '-1'],
  ['SIZE', '10mib'],
  ['WAIT', '30'],
  ['WAIT', '1.5s'],
  ['ON', 'yes'],
  ['SINK', 'ftp://broker'],
  ['SINK', 'broker'],
  ['MODE', 'FAST'],
])('%s=%s is refused by name and value', (variable, text) => {
  expect(() => readConfig(knobs, { [variable]: text })).toThrow(`${variable} (${JSON.stringify(text)}): `);
});

test('every problem is told at once, and no secret with it', () => {
  const read = () => readConfig(knobs, { PORT: 'x', MODE: 'y', KEY: 'hunter2' });
  expect(read).toThrow(ConfigError);
  try {
    read();
  } catch (thrown) {
    const { problems, message } = thrown as ConfigError;
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(['PORT', 'MODE', 'KEY']);
    expect(message).toContain('(secret)');
    expect(message).not.toContain('hunter2');
  }
});

test('a shown configuration has its variables by name and its secrets masked', () => {
  const shown = redact(knobs, readConfig(knobs, { KEY: 'a very secret key', PORT: '1' }));
  expect(shown).toMatchObject({ PORT: 1, KEY: '***', SINK: undefined });
  expect(redact(knobs, readConfig(knobs, {})).KEY).toBeUndefined();
});
