import { z } from 'zod';
import { bytes, integer, knob } from '../../_shared/config.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const perSecond = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'expected a number')
  .transform(Number)
  .pipe(z.number().max(1_000_000))
  .prefault('0')
  .meta({ title: 'number' });

/** What a tenant gets for which nothing else was set. */
export const quotaKnobs = {
  quotaDocuments: knob(
    'KNARR_QUOTA_DOCUMENTS',
    integer(0, 0, MAX),
    'Documents a tenant may have; 0: any number.',
  ),
  quotaBytes: knob('KNARR_QUOTA_BYTES', bytes('0'), 'Bytes of content a tenant may have; 0: any number.'),
  quotaRequests: knob(
    'KNARR_QUOTA_REQUESTS',
    perSecond,
    'Requests a second of a tenant, in each replica of the gateway; 0: any number.',
  ),
  quotaQuestions: knob(
    'KNARR_QUOTA_QUESTIONS',
    integer(0, 0, 100_000),
    'Questions, searches and embedding requests of a tenant at work at once, in each replica, and as many asynchronous questions that are not answered yet; 0: as many as KNARR_MAX_QUESTIONS, and any number.',
  ),
};
