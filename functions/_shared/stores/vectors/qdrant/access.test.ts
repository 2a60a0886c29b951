import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  qdrantProgramMissing,
  qdrantSettings,
  startQdrant,
  type TestQdrant,
} from '../../../../../test/support/qdrant.ts';
import { openQdrantVectors } from './store.ts';

const missing = qdrantProgramMissing();
describe.skipIf(missing)(`a server with TLS and an API key${missing ? `: ${missing}` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'knarr-tls-'));
  const [key, certificate] = ['tls.key', 'tls.crt'].map((name) => join(folder, name)) as [string, string];
  let secure: TestQdrant;
  let keyed: TestQdrant;
  beforeAll(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const files = ['-nodes', '-keyout', key, '-out', certificate];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...files, ...subject], {
      stdio: 'ignore',
    });
    const api = { QDRANT__SERVICE__API_KEY: 'open sesame' };
    const tls = { QDRANT__TLS__CERT: certificate, QDRANT__TLS__KEY: key };
    keyed = await startQdrant(api);
    secure = await startQdrant({ ...api, ...tls, QDRANT__SERVICE__ENABLE_TLS: 'true' });
  });
  afterAll(async () => {
    await Promise.all([secure?.stop(), keyed?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('the key opens it, and another one is refused in words that do not say it', async () => {
    const open = (apiKey: string) =>
      openQdrantVectors(qdrantSettings(keyed.url, { QDRANT_API_KEY: apiKey }), async () => []);
    await open('open sesame').ping();
    for (const wrong of ['', 'hush']) {
      const failure = await open(wrong)
        .ping()
        .catch((error) => error);
      expect(failure).toMatchObject({ code: 'upstream_failed' });
      expect(failure.message).toContain('QDRANT_API_KEY');
      expect(failure.message).not.toContain('hush');
    }
  });

  test('its certificate is trusted when NODE_EXTRA_CA_CERTS names its authority, and not otherwise', async () => {
    // The variable counts at the start of a process only.
    const ping = async (env: Record<string, string>) => {
      const program = fileURLToPath(new URL('../../../../../test/support/vectors-ping.ts', import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], {
        env: { PATH: process.env.PATH, QDRANT_URL: secure.url, QDRANT_API_KEY: 'open sesame', ...env },
      });
      return stdout.trim();
    };
    expect(await ping({ NODE_EXTRA_CA_CERTS: certificate })).toBe('ok');
    expect(await ping({})).toBe('unavailable');
  });
});
