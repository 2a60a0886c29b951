import { asset } from '../_shared/assets.ts';
import { bytes, type Config, duration, integer, knob } from '../_shared/config.ts';
import { generationKnobs } from '../_shared/generation.ts';
import { readModelJson } from '../_shared/models/folder.ts';
import { defineStage } from '../_shared/stage.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openStores } from '../_shared/stores/open.ts';
import { openOriginals } from '../_shared/stores/originals/open.ts';
import { IngestInput, IngestOutput, ingestDocument, previewDocument } from './handler.ts';
import { createParser, type Parser } from './parser/parser.ts';

export const parserKnobs = {
  embedModel: generationKnobs.embedModel,
  chunkTokens: generationKnobs.chunkTokens,
  chunkOverlap: generationKnobs.chunkOverlap,
  parsers: knob('KNARR_PARSERS', integer(1, 1, 64), 'Child processes that read documents.'),
  parseTimeout: knob('KNARR_PARSE_TIMEOUT', duration('60s'), 'Longest time to read one document.'),
  parseMemory: knob('KNARR_PARSE_MEMORY', bytes('1GiB'), 'Memory that reading one document may take.'),
  parseQueue: knob('KNARR_PARSE_QUEUE', integer(64, 1, 100_000), 'Documents that may wait to be read.'),
  maxPages: knob('KNARR_MAX_PAGES', integer(5000, 1, 1_000_000), 'Longest PDF, pages.'),
  maxExpanded: knob('KNARR_MAX_EXPANDED_BYTES', bytes('256MiB'), 'Bytes that a DOCX archive may unpack to.'),
  maxTokens: knob('KNARR_MAX_DOCUMENT_TOKENS', integer(500_000, 1, 100_000_000), 'Longest document, tokens.'),
};

/** Tokens a model reads when its folder does not say. */
const USUAL_MODEL_TOKENS = 512;
const PARSER_IDLE_MS = 60_000;

export function openParser(config: Config<typeof parserKnobs>): Parser {
  const modelDir = asset(`models/${config.embedModel}`);
  const limits = readModelJson<{ max_seq_length?: number }>(modelDir, 'sentence_bert_config.json');
  return createParser({
    modelDir,
    extract: { maxPages: config.maxPages, maxExpandedBytes: config.maxExpanded },
    chunk: {
      chunkTokens: config.chunkTokens,
      chunkOverlap: config.chunkOverlap,
      modelTokens: limits?.max_seq_length ?? USUAL_MODEL_TOKENS,
      maxTokens: config.maxTokens,
    },
    processes: config.parsers,
    timeoutMs: config.parseTimeout,
    memoryBytes: config.parseMemory,
    queue: config.parseQueue,
    idleMs: PARSER_IDLE_MS,
  });
}

export const stage = defineStage({
  name: 'ingest',
  summary: 'Reads documents and cuts them into chunks.',
  input: IngestInput,
  output: IngestOutput,
  handle: previewDocument,
  on: { 'document.accepted': { produces: ['chunks.created', 'chunks.embedded'], handle: ingestDocument } },
  knobs: { ...storeKnobs, ...parserKnobs },
  async open(config) {
    return {
      ...(await openStores(config)),
      originals: openOriginals(config),
      parser: openParser(config),
    };
  },
  async close({ documents, parser }) {
    await parser.close();
    await documents.close();
  },
  ready: ({ documents }) => documents.ping(),
  maxBodyBytes: 64 * 1024 * 1024,
});
