import { STAGES } from '../../functions/_local/run/stages.ts';
import { describeEvents, type Speaker } from '../../functions/_shared/asyncapi.ts';
import { describeApi } from '../../functions/gateway/api/app.ts';
import { configurationPage } from './configuration.ts';
import { eventsPage } from './events.ts';

/** Every generated document by its path in the repository. */
export function documents(): Record<string, string> {
  const events = describeEvents(STAGES as unknown as Speaker[]);
  return {
    'docs/asyncapi.json': json(events),
    'docs/openapi.json': json(describeApi()),
    'docs/events.md': eventsPage(events, STAGES as unknown as Speaker[]),
    'docs/configuration.md': configurationPage(STAGES),
  };
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
