import { afterAll, beforeAll, vi } from 'vitest';
import { ask } from './cli/ask.ts';
import { evaluate } from './cli/eval.ts';
import { follow } from './cli/follow.ts';
import { help } from './cli/help.ts';
import { ingest } from './cli/ingest.ts';
import { ServedKnarr } from './cli/served.ts';
import { status } from './cli/status.ts';
import { interrupted, up } from './cli/up.ts';

vi.setConfig({ testTimeout: 300_000 });

const served = new ServedKnarr();
beforeAll(() => served.start());
afterAll(() => served.close());

// One server for them all: a start takes long. Later ones look at what earlier ones have put in.
for (const suite of [up, ingest, follow, ask, status, help, evaluate, interrupted]) suite(served);
