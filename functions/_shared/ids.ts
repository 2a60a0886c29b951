import { createHash, hash } from 'node:crypto';

/** Namespace of every UUIDv5 that Knarr derives: UUIDv5(DNS namespace, "knarr.dev"), kept as a constant so that ids never move. */
export const KNARR_NAMESPACE = '9eba15a6-c25f-5aa7-b38b-4779cfb0250a';

const NAMESPACE = Buffer.from(KNARR_NAMESPACE.replaceAll('-', ''), 'hex');

/** RFC 9562 §5.5 name-based UUID (SHA-1). Parts are length-prefixed, so ("ab","c") and ("a","bc") differ. */
export function uuidv5(...parts: (string | number)[]): string {
  let name = '';
  for (const part of parts) {
    const text = String(part);
    name += `${Buffer.byteLength(text)}:${text}`;
  }
  const hex = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(name)]), 'hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The id of one chunk's point in the vector store: the same chunk of the same version always gets the same id. */
export function pointId(
  tenant: string,
  document: string,
  version: number,
  chunk: number,
  generation: string,
): string {
  return uuidv5('point', tenant, document, version, chunk, generation);
}

/** Short hash of a text that is embedded and indexed: 128 bits of its SHA-256, hex. */
export const textHash = (text: string): string => contentHash(text).slice(0, 32);

/** SHA-256 of the content, lower-case hex. */
export function contentHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
