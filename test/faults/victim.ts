import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deliver } from '../../functions/_local/broker/delivery.ts';
import type { Parts } from '../../functions/_local/run/parts.ts';
import { startPipeline } from '../../functions/_local/run/pipeline.ts';
import { KnarrError } from '../../functions/_shared/errors.ts';
import type { RunningStage } from '../../functions/_shared/runtime/run.ts';
import type { Boundary, Faults } from './boundaries.ts';
import { seeded } from './random.ts';

// The whole pipeline in this process, with what goes wrong in it. Prints its URL; SIGUSR2 wipes the broker's memory.
const faults = JSON.parse(process.env.FAULTS ?? '{}') as Faults;
const random = seeded(faults.seed ?? 1);
const happened = (kind: string) => appendFileSync(process.env.FAULT_LOG as string, `${kind}\n`);

let reached = 0;
function boundary(name: Boundary): void {
  if (faults.killAt !== name || ++reached < (faults.killAfter ?? 1)) return;
  happened(`killed at ${name}`);
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment; nothing may happen meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function parts({ documents, vectors, originals, encoder, ...rest }: Parts): Parts {
  return {
    ...rest,
    originals: {
      ...originals,
      async put(...given) {
        await originals.put(...given);
        boundary('receive');
      },
    },
    documents: {
      ...documents,
      async accept(...given) {
        const accepted = await documents.accept(...given);
        boundary('commit');
        return accepted;
      },
      async ackOutbox(ids) {
        boundary('publish');
        await documents.ackOutbox(ids);
      },
      async recordIndexed(...given) {
        const counted = await documents.recordIndexed(...given);
        boundary('record');
        return counted;
      },
      async complete(ref) {
        boundary('clean');
        return documents.complete(ref);
      },
    },
    vectors: {
      ...vectors,
      async upsert(...given) {
        await vectors.upsert(...given);
        boundary('vector');
      },
    },
    encoder: {
      ...encoder,
      async encode(texts, options) {
        const isPoisoned = faults.poison !== undefined && !(faults.fixed && existsSync(faults.fixed));
        if (isPoisoned && texts.some((text) => text.includes(faults.poison as string))) {
          throw new KnarrError('unprocessable', 'This text cannot be embedded.');
        }
        const encoded = await encoder.encode(texts, options);
        if (options.kind === 'passage') boundary('embed');
        return encoded;
      },
    },
  };
}

let wipedUntil = 0;
const lost = () => new Response(null, { status: 202 });

function deliver(inner: Deliver): Deliver {
  return async (url, request) => {
    const isDeadLetter = request.headers.has('ce-knativeerrordest');
    const share = (isDeadLetter ? faults.dropDeadLetters : faults.dropEvents) ?? 0;
    const isTimer = request.headers.get('ce-type') === 'dev.knative.sources.ping';
    if (!isTimer && (random.chance(share) || Date.now() < wipedUntil)) {
      happened(isDeadLetter ? 'dead letter lost' : 'event lost');
      return lost();
    }
    if (faults.slow && new URL(url).hostname.startsWith(`${faults.slow.stage}.`)) await sleep(faults.slow.ms);
    if (faults.jitterMs) await sleep(random.below(faults.jitterMs));
    if (faults.repeat) happened('event repeated');
    const copies = Array.from({ length: (faults.repeat ?? 1) - 1 }, () => request.clone());
    const [first] = await Promise.all([request, ...copies].map((one) => inner(url, one)));
    return first as Response;
  };
}

function gateway(stage: RunningStage): RunningStage {
  return {
    ...stage,
    async fetch(request) {
      const response = await stage.fetch(request);
      if (request.method === 'PUT' || request.method === 'DELETE') boundary('answer');
      return response;
    },
  };
}

const pipeline = await startPipeline(process.env, {
  parts,
  deliver,
  gateway,
  ...(faults.queue !== undefined && { queues: { events: faults.queue } }),
});
process.on('SIGUSR2', () => {
  wipedUntil = Date.now() + 1000;
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void pipeline.close().then(() => process.exit(0)));
}
process.stdout.write(`${JSON.stringify({ url: pipeline.url })}\n`);
