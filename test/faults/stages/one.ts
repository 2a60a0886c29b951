import { start } from '../../../functions/_shared/runtime/start.ts';

// A process of one stage: node --import tsx one.ts <stage>
const { stage } = await import(`../../../functions/${process.argv[2]}/index.ts`);
await start(stage, process.env);
