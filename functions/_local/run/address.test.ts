import { expect, test } from 'vitest';
import { startPipeline } from './pipeline.ts';

test('one process without authentication serves this machine alone', async () => {
  await expect(startPipeline({ HOST: '0.0.0.0' })).rejects.toThrow('listens on loopback only');
  await expect(startPipeline({ HOST: '0.0.0.0', KNARR_AUTH: 'oidc' })).rejects.toThrow('KNARR_OIDC_ISSUER');
});
