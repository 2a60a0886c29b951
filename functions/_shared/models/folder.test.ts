import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEncoderModel } from './folder.ts';

let folder: string;
const write = (name: string, content: unknown) => {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), JSON.stringify(content));
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'knarr-model-'));
  write('config.json', { hidden_size: 8, max_position_embeddings: 64, pad_token_id: 1 });
  write('tokenizer.json', {});
  write('tokenizer_config.json', { model_max_length: 1e30 });
  write('modules.json', [
    { type: 'sentence_transformers.models.Transformer', path: '' },
    { type: 'sentence_transformers.models.Pooling', path: '1_Pooling' },
  ]);
  write('1_Pooling/config.json', { word_embedding_dimension: 8, pooling_mode_cls_token: true });
  write('onnx/model.onnx', '');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the shipped model', () => {
  expect(readEncoderModel('models/all-MiniLM-L6-v2')).toEqual({
    folder: 'models/all-MiniLM-L6-v2',
    name: 'all-MiniLM-L6-v2',
    dimensions: 384,
    maxTokens: 256,
    pooling: 'mean',
    normalise: true,
    prefixes: { query: '', passage: '' },
    padToken: 0,
    onnxFiles: {
      cpu: 'models/all-MiniLM-L6-v2/model_int8.onnx',
      cuda: 'models/all-MiniLM-L6-v2/model_int8.onnx',
    },
  });
});

test('a model with prefixes, without normalisation, in the folder that exporters use', () => {
  write('config_sentence_transformers.json', { prompts: { query: 'query: ', document: 'passage: ' } });
  write('1_Pooling/config.json', { pooling_mode: 'lasttoken' });
  expect(readEncoderModel(folder)).toMatchObject({
    dimensions: 8,
    maxTokens: 64,
    pooling: 'lasttoken',
    normalise: false,
    prefixes: { query: 'query: ', passage: 'passage: ' },
    padToken: 1,
    onnxFiles: { cpu: join(folder, 'onnx/model.onnx'), cuda: join(folder, 'onnx/model.onnx') },
  });
});

test('of several model files the quantised one is taken on a CPU, the one in halves on a GPU', () => {
  write('model_int8.onnx', '');
  expect(readEncoderModel(folder).onnxFiles).toEqual({
    cpu: join(folder, 'model_int8.onnx'),
    cuda: join(folder, 'onnx/model.onnx'),
  });
  write('onnx/model_fp16.onnx', '');
  expect(readEncoderModel(folder).onnxFiles).toEqual({
    cpu: join(folder, 'model_int8.onnx'),
    cuda: join(folder, 'onnx/model_fp16.onnx'),
  });
});

test.each([
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'modules.json',
  '1_Pooling/config.json',
  'onnx/model.onnx',
])('says that %s is missing', (name) => {
  rmSync(join(folder, name));
  expect(() => readEncoderModel(folder)).toThrow(name);
});

test.each([
  [
    { pooling_mode_cls_token: true, pooling_mode_max_tokens: true },
    'pooling_mode_cls_token + pooling_mode_max',
  ],
  [{ pooling_mode: 'swirl' }, 'swirl'],
  [{ pooling_mode_swirl_tokens: true }, 'pooling_mode_swirl_tokens'],
])('refuses the pooling %o by name', (config, named) => {
  write('1_Pooling/config.json', { word_embedding_dimension: 8, ...config });
  expect(() => readEncoderModel(folder)).toThrow(named);
});

test('refuses a module that it cannot apply, and a file that is no JSON', () => {
  write('modules.json', [{ type: 'sentence_transformers.models.Dense', path: '2_Dense' }]);
  expect(() => readEncoderModel(folder)).toThrow('Dense');
  writeFileSync(join(folder, 'modules.json'), '{');
  expect(() => readEncoderModel(folder)).toThrow('modules.json');
});
