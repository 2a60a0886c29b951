import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asset } from '../../_shared/assets.ts';
import { readConfig } from '../../_shared/config.ts';
import { readEncoderModel } from '../../_shared/models/folder.ts';
import { openSession } from '../../_shared/models/session.ts';
import { openStage } from '../../_shared/runtime/start.ts';
import { embedKnobs, openEncoder, stage } from '../index.ts';
import { createModelRun, halfToFloat } from './model-run.ts';
import type { OnnxEncoder } from './onnx.ts';
import { onnxFile } from './testing/onnx-file.ts';

/** Asked for a GPU, on whatever machine this is: with one it is used, without one everybody is told. */

const { signal } = new AbortController();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'knarr-device-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a GPU that cannot be had: the CPU works instead, and log, metrics and /info say so', async () => {
  const { running, close } = await openStage(
    stage,
    { KNARR_EMBED_DEVICE: 'cuda', KNARR_EMBED_WORKERS: '1', LOG_LEVEL: 'silent' },
    () => '127.0.0.1',
  );
  try {
    const info = (await (await running.fetch(new Request('http://x/info'))).json()) as Record<
      string,
      unknown
    >;
    const metrics = await (await running.fetch(new Request('http://x/metrics'))).text();
    expect(info.config).toMatchObject({ KNARR_EMBED_DEVICE: 'cuda' });
    expect(metrics).toContain(`knarr_embed_device{device="${info.device}",wanted="cuda"} 1`);
    if (info.device === 'cpu') expect(info.fallback).toMatch(/\S/);
    else expect(info).toEqual(expect.not.objectContaining({ fallback: expect.anything() }));
    const { vectors } = await running.call(
      { texts: ['a knarr'], kind: 'query' },
      { tenant: 'default', principals: ['*'], signal },
    );
    expect(vectors).toHaveLength(1);
  } finally {
    await close();
  }
});

test('with the model for the CPU, whose vectors are what they always are', async () => {
  const [cpu, cuda] = (await Promise.all(
    ['cpu', 'cuda'].map((device) =>
      openEncoder(readConfig(embedKnobs, { KNARR_EMBED_DEVICE: device, KNARR_EMBED_WORKERS: '1' })),
    ),
  )) as [OnnxEncoder, OnnxEncoder];
  try {
    expect(cpu.device).toBe('cpu');
    expect(cpu.fallback).toBeUndefined();
    const [one, other] = await Promise.all(
      [cpu, cuda].map(
        async (encoder) =>
          (await encoder.encode(['a knarr'], { kind: 'query', tenant: 'acme', signal })).vectors[0],
      ),
    );
    if (cuda.device === 'cpu') expect(other).toEqual(one);
  } finally {
    await Promise.all([cpu.close(), cuda.close()]);
  }
});

test.each([
  [0x0000, 0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x0400, 2 ** -14],
  [0x83ff, -(1023 * 2 ** -24)],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x7e00, Number.NaN],
])('half %i is %d', (bits, value) => {
  expect(halfToFloat(bits)).toBe(value);
});

test('a model that gives halves', async () => {
  const halves = new Uint16Array([0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x0000]);
  const file = join(folder, 'halves.onnx');
  writeFileSync(
    file,
    onnxFile({
      operator: 'Gather',
      operands: ['table', 'input_ids'],
      constant: { name: 'table', type: 'float16', dims: [3, 2], values: new Uint8Array(halves.buffer) },
      input: { name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] },
      output: { name: 'last_hidden_state', type: 'float16', dims: ['batch', 'sequence', 2] },
    }),
  );
  const { session, device } = await openSession({ cpu: file, cuda: file }, { threads: 1, device: 'cpu' });
  expect(device).toBe('cpu');
  const model = {
    ...readEncoderModel(asset('models/all-MiniLM-L6-v2')),
    normalise: false,
    pooling: 'cls' as const,
  };
  const vectors = await createModelRun(session, model)([[2], [0], [1]]);
  expect([...vectors]).toEqual([65504, 0, 1, -2, 0.333251953125, 2 ** -24]);
  await session.release();
});
