import { expect, test } from 'vitest';
import { readConfig } from '../../_shared/config.ts';
import { quotaKnobs } from './knobs.ts';
import { tenantLimits } from './tenants.ts';

const REFUSED = { code: 'too_many_requests' };

function limitsWith(questions: number) {
  const quota = { documents: null, bytes: null, requestsPerSecond: null, questions };
  const max = { maxQuestions: 64, maxWrites: 64 };
  return tenantLimits({ quota: async () => quota }, readConfig(quotaKnobs, {}), max);
}

test('a turn that is ended twice frees nobody else’s', async () => {
  const limits = limitsWith(1);
  const endFirst = await limits.question({ tenant: 't' });
  endFirst();
  const endSecond = await limits.question({ tenant: 't' });
  endFirst();
  expect(limits.headers('t').ratelimit).toBe('"questions";r=0');
  await expect(limits.question({ tenant: 't' })).rejects.toMatchObject(REFUSED);
  endSecond();
  (await limits.question({ tenant: 't' }))();
});
