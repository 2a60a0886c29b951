import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';

/** The alerts, by Prometheus' own tool: it reads them, and plays hours of made-up series past them. */

const folder = fileURLToPath(new URL('../../knative/components/monitoring', import.meta.url));
const promtool = process.env.KNARR_TEST_PROMTOOL ?? 'promtool';
const isThere = spawnSync(promtool, ['--version'], { stdio: 'ignore' }).status === 0;

describe.skipIf(!isThere && process.env.CI !== 'true')('alerts', () => {
  let work: string;
  let spec: { groups: { rules: { alert: string; expr: string }[] }[] };
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'knarr-alerts-'));
    spec = parse(readFileSync(join(folder, 'alerts.yaml'), 'utf8')).spec;
    write(spec);
    copyFileSync(join(folder, 'alerts.test.yaml'), join(work, 'alerts.test.yaml'));
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));
  const write = (rules: typeof spec) => writeFileSync(join(work, 'alerts.rules.yaml'), stringify(rules));
  const run = (...args: string[]) => spawnSync(promtool, args, { cwd: work, encoding: 'utf8' });

  test('are read', () => {
    expect(
      execFileSync(promtool, ['check', 'rules', 'alerts.rules.yaml'], { cwd: work, encoding: 'utf8' }),
    ).toContain(`SUCCESS: ${spec.groups.flatMap(({ rules }) => rules).length} rules found`);
  });

  test('fire when they should, and only then', () => {
    const { status, stdout, stderr } = run('test', 'rules', 'alerts.test.yaml');
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  test('each is needed for that', () => {
    const alerts = spec.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
    try {
      for (const alert of alerts) {
        const rules = spec.groups.flatMap((group) => group.rules);
        write({
          groups: [
            {
              name: 'knarr',
              rules: rules.map((rule) => (rule.alert === alert ? { ...rule, expr: 'vector(0) > 1' } : rule)),
            } as never,
          ],
        });
        expect(run('test', 'rules', 'alerts.test.yaml').status, `${alert} is not tested`).not.toBe(0);
      }
    } finally {
      write(spec);
    }
  });
});
