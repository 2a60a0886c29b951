import { z } from 'zod';
import { asset } from '../_shared/assets.ts';
import { bytes, type Config, duration, integer, knob } from '../_shared/config.ts';
import { generationKnobs } from '../_shared/generation.ts';
import { limitKnobs } from '../_shared/limits.ts';
import { readTextLimits } from '../_shared/models/folder.ts';
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
  modelDir: knob(
    'KNARR_EMBED_MODEL_DIR',
    z.string().optional(),
    'Folder of the embedding model, whose tokenizer counts the tokens. Unset: the folder shipped under `models/` by the name in KNARR_EMBED_MODEL; when there is none, as with a model behind an API, the tokenizer of all-MiniLM-L6-v2 stands in for its own.',
  ),
  parsers: knob('KNARR_PARSERS', integer(1, 1, 64), 'Child processes that read documents.'),
  parseTimeout: knob('KNARR_PARSE_TIMEOUT', duration('60s'), 'Longest time to read one document.'),
  parseMemory: knob('KNARR_PARSE_MEMORY', bytes('768MiB'), 'Memory that reading one document may take.'),
  parseQueue: knob('KNARR_PARSE_QUEUE', integer(64, 1, 100_000), 'Documents that may wait to be read.'),
  ...limitKnobs,
  maxPages: knob('KNARR_MAX_PAGES', integer(5000, 1, 1_000_000), 'Longest PDF, pages.'),
  maxExpanded: knob('KNARR_MAX_EXPANDED_BYTES', bytes('256MiB'), 'Bytes that a DOCX archive may unpack to.'),
  maxTokens: knob('KNARR_MAX_DOCUMENT_TOKENS', integer(500_000, 1, 100_000_000), 'Longest document, tokens.'),
};

/** For models that have no folder here: their tokens are estimated, and they read more than the longest chunk. */
const STAND_IN = 'all-MiniLM-L6-v2';
const USUAL_MAX_TOKENS = 512;
const PARSER_IDLE_MS = 60_000;

/** Throws `unprocessable` when the model's folder lacks its tokenizer. */
export function openParser(config: Config<typeof parserKnobs>): Parser {
  const { chunkTokens, chunkOverlap } = config;
  const own = config.modelDir ?? modelFolder(config.embedModel);
  const folder = own ?? asset(`models/${STAND_IN}`);
  const { maxTokens, prefixes } = readTextLimits(folder);
  return createParser({
    model: {
      folder,
      maxTokens: own ? maxTokens : Math.max(USUAL_MAX_TOKENS, chunkTokens * 2),
      prefix: prefixes.passage,
    },
    extract: { maxPages: config.maxPages, maxExpandedBytes: config.maxExpanded },
    chunk: { chunkTokens, chunkOverlap, maxTokens: config.maxTokens },
    processes: config.parsers,
    timeoutMs: config.parseTimeout,
    memoryBytes: config.parseMemory,
    maxBytes: config.maxDocumentBytes,
    queue: config.parseQueue,
    idleMs: PARSER_IDLE_MS,
  });
}

function modelFolder(name: string): string | undefined {
  try {
    return asset(`models/${name}`);
  } catch {
    return undefined;
  }
}

export const stage = defineStage({
  name: 'ingest',
  summary: 'Reads documents and cuts them into chunks.',
  input: IngestInput,
  output: IngestOutput,
  handle: previewDocument,
  on: {
    'document.accepted': {
      produces: ['chunks.created', 'chunks.embedded'],
      several: true,
      handle: ingestDocument,
    },
  },
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
