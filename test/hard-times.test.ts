import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildKnarr, Knarr, knarr } from './support/cli.ts';

let folder: string;
beforeAll(async () => {
  await buildKnarr();
  folder = await mkdtemp(join(tmpdir(), 'knarr-hard-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const UP = ['up', '--no-examples', '--port', '0', '--data'];

/** The program over this data, once it serves. */
async function up(data: string) {
  const server = new Knarr([...UP, data]);
  while (server.lines().length === 0 && server.child.exitCode === null) await sleep(50);
  const { url } = server.lines()[0] ?? {};
  const request = async (method: string, path: string, body?: object) => {
    const response = await fetch(url + path, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, body: (await response.json()) as any };
  };
  return {
    put: (id: string, text: string) => request('PUT', `/v1/documents/${id}`, { text }),
    get: (id: string) => request('GET', `/v1/documents/${id}`),
    async indexed(id: string) {
      while ((await request('GET', `/v1/documents/${id}`)).body.state !== 'indexed') await sleep(50);
    },
    async end() {
      server.child.kill('SIGTERM');
      return server.ended;
    },
  };
}

test('a PostgreSQL that is not there is named at the start', async () => {
  const env = { DATABASE_URL: 'postgres://knarr@127.0.0.1:1/none' };
  const { code, stderr } = await knarr([...UP, join(folder, 'no-server')], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('ECONNREFUSED 127.0.0.1:1');
});

test('damaged data is named, left alone, and opened again when it is whole', async () => {
  const data = join(folder, 'damaged');
  const before = await up(data);
  await before.put('kept', 'This was here before.');
  await before.indexed('kept');
  await before.end();
  const control = join(data, 'database/global/pg_control');
  const whole = spawnSync('cat', [control]).stdout;
  await writeFile(control, Buffer.alloc(whole.length, 7));
  const files = await readdir(join(data, 'database'));
  const broken = await knarr([...UP, data]);
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain(`The database in ${join(data, 'database')} cannot be opened`);
  expect((await readdir(join(data, 'database'))).sort()).toEqual(files.sort());
  await writeFile(control, whole);
  const after = await up(data);
  expect(await after.get('kept')).toMatchObject({ status: 200, body: { state: 'indexed' } });
  await after.end();
});

const disk = () => spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'knarr-test', join(folder, 'disk')]);

describe('a disk that is full', () => {
  let mounted = false;
  beforeAll(async () => {
    await mkdir(join(folder, 'disk'));
    mounted = disk().status === 0;
  });
  afterAll(() => {
    if (mounted) spawnSync('umount', ['-l', join(folder, 'disk')]);
  });

  test('refuses with a reason, and loses nothing that it had accepted', async (context) => {
    if (!mounted) context.skip('no small disk can be mounted here');
    const data = join(folder, 'disk/data');
    const first = await up(data);
    await first.put('early', 'This was said early.');
    await first.indexed('early');
    spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'disk/ballast')}`, 'bs=64k']);
    const accepted: string[] = [];
    let refusal: { status: number; body: any } | undefined;
    for (let n = 0; n < 200 && !refusal; n++) {
      const answer = await first.put(`late-${n}`, `${n} `.repeat(20_000));
      if (answer.status === 202) accepted.push(`late-${n}`);
      else refusal = answer;
    }
    expect(refusal?.status).toBe(503);
    expect(refusal?.body.detail).toMatch(/space|full|stopped|cannot/i);
    await rm(join(folder, 'disk/ballast'));
    await first.end();
    const second = await up(data);
    for (const id of ['early', ...accepted]) await second.indexed(id);
    expect((await second.put('afterwards', 'There is room again.')).status).toBe(202);
    await second.indexed('afterwards');
    await second.end();
  });
});
