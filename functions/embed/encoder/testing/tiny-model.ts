import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnxFile } from './onnx-file.ts';

/** The table's value: any function that tells tokens and dimensions apart. */
export const tableValue = (token: number, dimension: number) =>
  Math.fround(Math.sin(token * 7 + dimension * 3 + 1));

/**
 * The smallest sentence encoder: a table of vectors by token, read with one Gather; pooling is left to the reader.
 * Takes only `input_ids` and gives `last_hidden_state`. In a new temporary folder, with the tokenizer of `tokenizerFrom`.
 */
export function writeTinyModel({
  tokenizerFrom,
  vocabulary,
  dimensions,
  pooling,
  prefixes = {},
  maxTokens,
}: {
  tokenizerFrom: string;
  vocabulary: number;
  dimensions: number;
  pooling: string;
  prefixes?: Record<string, string>;
  maxTokens: number;
}): string {
  const table = new Float32Array(vocabulary * dimensions).map((_, i) =>
    tableValue(Math.floor(i / dimensions), i % dimensions),
  );
  const model = onnxFile({
    operator: 'Gather',
    operands: ['table', 'input_ids'],
    constant: {
      name: 'table',
      type: 'float',
      dims: [vocabulary, dimensions],
      values: new Uint8Array(table.buffer),
    },
    input: { name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] },
    output: { name: 'last_hidden_state', type: 'float', dims: ['batch', 'sequence', dimensions] },
  });

  const folder = mkdtempSync(join(tmpdir(), 'tiny-encoder-'));
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join(tokenizerFrom, name), join(folder, name));
  }
  writeFileSync(join(folder, 'model.onnx'), model);
  write('config.json', { hidden_size: dimensions, max_position_embeddings: maxTokens });
  write('config_sentence_transformers.json', { prompts: prefixes });
  write('modules.json', [
    { type: 'sentence_transformers.models.Transformer', path: '' },
    { type: 'sentence_transformers.models.Pooling', path: '1_Pooling' },
  ]);
  mkdirSync(join(folder, '1_Pooling'));
  write('1_Pooling/config.json', { word_embedding_dimension: dimensions, pooling_mode: pooling });
  return folder;
}
