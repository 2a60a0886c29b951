import { bytes, knob } from './config.ts';

/** Bounds that several stages keep, and must agree on. */
export const limitKnobs = {
  maxDocumentBytes: knob('KNARR_MAX_DOCUMENT_BYTES', bytes('32MiB'), 'Largest content of one document.'),
};
