import { testPipeline } from '../support/pipeline.ts';
import { endToEnd } from './cases.ts';

endToEnd(() => testPipeline());
