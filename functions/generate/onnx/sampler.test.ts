import { expect, test } from 'vitest';
import { argmax, createSampler, draw, nucleus, softmax } from './sampler.ts';

const LOGITS = Float32Array.from([1, 3, 2, 3, -50]);

test('temperature 0 takes the first of the highest logits', () => {
  expect(argmax(LOGITS)).toBe(1);
  expect(createSampler({ temperature: 0, topP: 1, seed: 1 })(LOGITS)).toBe(1);
});

test('softmax sums to 1, sharpens with a low temperature and stands large logits', () => {
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
  expect(sum(softmax(LOGITS, 1))).toBeCloseTo(1, 6);
  expect(softmax(Float32Array.from([1e30, 1e30, 0]), 0.01)).toEqual(Float32Array.from([0.5, 0.5, 0]));
  expect(softmax(LOGITS, 0.5)[2]).toBeLessThan(softmax(LOGITS, 1)[2] as number);
});

test.each([
  { topP: 1, ids: [1, 0, 2] },
  { topP: 0.9, ids: [1, 0, 2] },
  { topP: 0.8, ids: [1, 0] },
  { topP: 0.5, ids: [1] },
  { topP: 0.001, ids: [1] },
])('the nucleus of top-p $topP is $ids', ({ topP, ids }) => {
  const probabilities = Float32Array.from([0.3125, 0.5, 0.1875, 0]);
  expect(nucleus(probabilities, topP).map(({ id }) => id)).toEqual(ids);
});

test('the nucleus of equal probabilities is never empty and never too small', () => {
  const uniform = new Float32Array(1000).fill(1 / 1000);
  expect(nucleus(uniform, 1e-9)).toHaveLength(1);
  expect(nucleus(uniform, 0.5).length).toBeGreaterThanOrEqual(499);
  expect(nucleus(uniform, 1)).toHaveLength(1000);
});

test('drawing follows the probabilities, also when they do not sum to 1', () => {
  const candidates = [
    { id: 7, probability: 0.3 },
    { id: 9, probability: 0.1 },
  ];
  expect(draw(candidates, 0)).toBe(7);
  expect(draw(candidates, 0.74)).toBe(7);
  expect(draw(candidates, 0.76)).toBe(9);
  expect(draw(candidates, 1 - 2 ** -53)).toBe(9);
});

test('sampled frequencies are the softmax probabilities', () => {
  const seed = 20261124;
  const sample = createSampler({ temperature: 1, topP: 1, seed });
  const counts = new Array(LOGITS.length).fill(0);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[sample(LOGITS)]++;
  softmax(LOGITS, 1).forEach((probability, id) => {
    // Four standard deviations of a binomial share.
    const tolerance = 4 * Math.sqrt((probability * (1 - probability)) / draws) + 1e-9;
    expect(Math.abs(counts[id] / draws - probability), `seed ${seed}, id ${id}`).toBeLessThan(tolerance);
  });
});
