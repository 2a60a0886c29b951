import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Fields of the ONNX messages used here (onnx.proto3). */
const FLOAT = 1;
const INT64 = 7;

type Field = [tag: number, value: number | string | Uint8Array | Field[]];

/** Protocol Buffers wire format: varints, and length-delimited for everything else. */
function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([tag, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(tag << 3), ...varint(value)]);
      const bytes = Array.isArray(value) ? encode(value) : Buffer.from(value as Uint8Array);
      return Buffer.concat([Buffer.from([...varint((tag << 3) | 2), ...varint(bytes.length)]), bytes]);
    }),
  );
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

const tensorType = (name: string, type: number, dims: (string | number)[]): Field[] => [
  [1, name],
  [
    2,
    [
      [
        1,
        [
          [1, type],
          [2, dims.map((dim): Field => [1, [typeof dim === 'number' ? [1, dim] : [2, dim]]])],
        ],
      ],
    ],
  ],
];

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
  const graph: Field[] = [
    [
      1,
      [
        [1, 'table'],
        [1, 'input_ids'],
        [2, 'last_hidden_state'],
        [4, 'Gather'],
      ],
    ],
    [2, 'tiny'],
    [
      5,
      [
        [1, vocabulary],
        [1, dimensions],
        [2, FLOAT],
        [8, 'table'],
        [9, new Uint8Array(table.buffer)],
      ],
    ],
    [11, tensorType('input_ids', INT64, ['batch', 'sequence'])],
    [12, tensorType('last_hidden_state', FLOAT, ['batch', 'sequence', dimensions])],
  ];
  const model: Field[] = [
    [1, 8],
    [7, graph],
    [
      8,
      [
        [1, ''],
        [2, 13],
      ],
    ],
  ];

  const folder = mkdtempSync(join(tmpdir(), 'tiny-encoder-'));
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join(tokenizerFrom, name), join(folder, name));
  }
  writeFileSync(join(folder, 'model.onnx'), encode(model));
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
