/**
 * A program to be killed: opens the documents store in the given folder and accepts documents one after another,
 * printing a line after each acceptance.
 */
import { openDocuments } from '../../functions/_shared/stores/documents/open.ts';

const [, , dataDir = ''] = process.argv;
const documents = await openDocuments({ dataDir });
for (let n = 0; ; n++) {
  await documents.accept({
    tenant: 'acme',
    document: `${process.pid}-${n}`,
    collection: 'default',
    generation: 'g',
    title: null,
    uri: null,
    contentType: 'text/plain',
    contentHash: String(n),
    bytes: 1,
    original: 'x',
    metadata: {},
    acl: ['*'],
  });
  process.stdout.write(`${n}\n`);
}
