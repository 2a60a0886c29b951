import { extname } from 'node:path';
import { KnarrError } from '../../_shared/errors.ts';

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

/** What can be ingested. */
export const MEDIA_TYPES = [
  'text/plain',
  'text/markdown',
  'text/html',
  'application/xhtml+xml',
  'application/pdf',
  DOCX,
] as const;

const BY_ENDING: Record<string, string> = {
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.markdown': 'text/markdown',
  '.html': 'text/html',
  '.htm': 'text/html',
  '.xhtml': 'application/xhtml+xml',
  '.pdf': 'application/pdf',
  '.docx': DOCX,
};
/** Types that say nothing, which senders give when they do not know. */
const UNSAID = ['', 'application/octet-stream', 'binary/octet-stream'];

/**
 * The media type of a document as it is kept: lower case, with its charset and no other parameter. A type that says
 * nothing is replaced by what the file name promises. Throws `unsupported_media_type`.
 */
export function documentType(contentType: string, filename = ''): string {
  const [essence = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const promised = BY_ENDING[extname(filename).toLowerCase()];
  const vague = UNSAID.includes(essence) || (essence === 'text/plain' && promised === 'text/markdown');
  const type = vague ? (promised ?? essence) : essence;
  if (!(MEDIA_TYPES as readonly string[]).includes(type)) {
    const given =
      type === '' ? 'No media type was given' : `The media type ${type.slice(0, 80)} cannot be read`;
    throw new KnarrError('unsupported_media_type', `${given}; known are ${MEDIA_TYPES.join(', ')}.`);
  }
  const charset = parameters.find((parameter) => /^charset="?[\w.:-]{1,40}"?$/.test(parameter));
  return charset ? `${type}; ${charset.replaceAll('"', '')}` : type;
}
