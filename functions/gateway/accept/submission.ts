import { z } from 'zod';
import { CollectionName, Metadata } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';

const Principal = z.string().min(1).max(256);

/** What may be said of a document beside its content. */
export const Description = z.strictObject({
  title: z.string().min(1).max(1024).optional(),
  metadata: Metadata.optional(),
  acl: z.array(Principal).min(1).max(256).optional().meta({
    description:
      'Who may read it: `user:…` and `group:…` names; `*`, the default, is everybody in the tenant.',
  }),
  collection: CollectionName.default('default'),
});
export type Description = z.infer<typeof Description>;

/** A document as JSON: exactly one of `text`, `uri` and `data`. */
export const Submission = z
  .strictObject({
    ...Description.shape,
    text: z.string().optional().meta({ description: 'The content as text.' }),
    uri: z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
      .max(2048)
      .optional()
      .meta({ description: 'Where the content is read from, once, now.' }),
    data: z.string().optional().meta({ description: 'The content as base64; needs `content_type`.' }),
    content_type: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({
        description: 'Media type; `text/plain` for `text`, as its server says for `uri`.',
        examples: ['text/markdown'],
      }),
  })
  .refine(
    ({ text, uri, data }) => [text, uri, data].filter((content) => content !== undefined).length === 1,
    'give exactly one of text, uri and data',
  )
  .refine(({ data, content_type }) => data === undefined || content_type !== undefined, {
    path: ['content_type'],
    message: 'is needed with data',
  })
  .meta({
    id: 'Submission',
    examples: [{ title: 'Ships', text: 'A knarr is a cargo ship of the Norse.' }],
  });
export type Submission = z.infer<typeof Submission>;

/** Strict base64 (RFC 4648 §4, padded) as bytes; Node's own decoder skips what it does not know. */
export function decodeBase64(data: string): Uint8Array {
  if (data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) {
    throw new KnarrError('invalid_request', 'data: is not base64.');
  }
  return Buffer.from(data, 'base64');
}
