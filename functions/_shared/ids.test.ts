import { expect, test } from 'vitest';
import { contentHash, pointId, uuidv5 } from './ids.ts';

test('a uuid is stable, has version 5 and the RFC variant', () => {
  expect(uuidv5('a', 1)).toBe(uuidv5('a', '1'));
  expect(uuidv5('a', 1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('where one part ends and the next begins matters', () => {
  expect(uuidv5('ab', 'c')).not.toBe(uuidv5('a', 'bc'));
});

test('each part of a point id matters', () => {
  const ids = [
    pointId('t', 'd', 1, 0, 'g'),
    pointId('u', 'd', 1, 0, 'g'),
    pointId('t', 'e', 1, 0, 'g'),
    pointId('t', 'd', 2, 0, 'g'),
    pointId('t', 'd', 1, 1, 'g'),
    pointId('t', 'd', 1, 0, 'h'),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});

test('a content hash is SHA-256 in hex', () => {
  expect(contentHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
